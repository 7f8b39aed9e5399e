/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file keys.c
 * @brief The internal key: call an API for a test, also before it is published.
 */
#include "plugins/publisher/publisher.h"

int
publisher_key_generate(struct rest_context *ctx)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	struct gh_token_issued *issued = NULL;
	const struct gh_doc *api;
	int r = publisher_api_of_path(ctx, &api);

	if (r < 0)
		return r;
	struct gh_token_request request = {
		.kind = GH_TOKEN_INTERNAL, .tenant = ctx->tenant, .user = ctx->principal->user,
		.api_id = api->id,
	};

	r = tokens->vt->issue(tokens->self, &request, &issued);
	if (r < 0)
		return r;
	r = rest_reply(ctx, 200, json_pack("{s:s%,s:I}", "apikey", issued->token.p, issued->token.n,
		"validityTime", (json_int_t)issued->validity_s));
	tokens->vt->issued_free(issued);
	return r;
}
