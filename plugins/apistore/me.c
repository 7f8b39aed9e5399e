/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file me.c
 * @brief What users do with their own account: change the password.
 */
#include "lib/json/json.h"
#include "plugins/apistore/apistore.h"

static const struct rest_field password_fields[] = {
	{ "currentPassword", REST_STRING, .is_required = true },
	{ "newPassword", REST_STRING, .is_required = true },
	{ .type = REST_END },
};

int
me_change_password(struct rest_context *ctx)
{
	const struct gh_users *users = &((const struct apistore *)ctx->process)->users;
	json_t *body;
	uint64_t seq = 0;
	int r = rest_body(ctx, password_fields, &body);

	if (r < 0)
		return r;
	if (users->vt == NULL)
		return rest_fail(ctx, 501, "passwords are not changed on this node");
	r = users->vt->change_password(users->self, ctx->tenant, ctx->principal->user,
		js_str(body, "currentPassword"), js_str(body, "newPassword"),
		gh_call_peer(ctx->call), &seq);
	if (r == GH_EDENIED)
		return rest_fail(ctx, 400, "the current password is wrong");
	if (r == GH_EINVAL)
		return rest_fail(ctx, 400, "the new password must have %zu to %d bytes and be "
			"another one", users->vt->password_min(users->self), GH_PASSWORD_MAX);
	if (r < 0)
		return r;
	rest_rollout_wait(ctx, seq);
	return rest_reply_empty(ctx, 200);
}
