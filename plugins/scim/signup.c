/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file signup.c
 * @brief Users who make themselves: POST /scim2/Me, and the form that the reference's portals send.
 *
 * A name that is taken has to be refused, so whoever signs up can ask for names.  The bound on
 * tries per address counts those, too.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>

#include "lib/hash/hash.h"
#include "lib/tenant/tenant.h"
#include "plugins/scim/scim.h"

#define PLACES 1024
#define HOUR_NS (UINT64_C(3600) * 1000000000)
#define CLAIMS "http://wso2.org/claims/"

/* ---- The bound ------------------------------------------------------------------------------- */

/** Tries per address in the running hour.  Two addresses that fall on one place forget each
 *  other. */
struct signup_limit {
	uint64_t seed;
	pthread_mutex_t lock;
	struct place {
		uint64_t hash, since_ns, tries;
	} places[PLACES];  /**< lock */
};

struct signup_limit *
signup_limit_new(void)
{
	struct signup_limit *limit = calloc(1, sizeof(*limit));

	if (limit == NULL)
		return NULL;
	limit->seed = hash_seed();
	pthread_mutex_init(&limit->lock, NULL);
	return limit;
}

void
signup_limit_free(struct signup_limit *limit)
{
	if (limit == NULL)
		return;
	pthread_mutex_destroy(&limit->lock);
	free(limit);
}

/** An IPv6 client has a whole /64 to choose from. */
static uint64_t
hash_peer(const struct signup_limit *limit, struct gh_str peer)
{
	unsigned char bytes[16];
	char text[INET6_ADDRSTRLEN + 1] = "";

	if (peer.n < sizeof(text))
		memcpy(text, peer.p, peer.n);
	if (inet_pton(AF_INET6, text, bytes) == 1 && memcmp(bytes, "\0\0\0\0\0\0\0\0", 8) != 0)
		peer = (struct gh_str){ (const char *)bytes, 8 };
	return hash_bytes(limit->seed, peer);
}

static bool
may_try(struct signup_limit *limit, struct gh_str peer, uint64_t per_hour)
{
	uint64_t hash = hash_peer(limit, peer), now_ns = gh_mono_ns();
	struct place *place = &limit->places[hash % PLACES];

	pthread_mutex_lock(&limit->lock);
	if (place->hash != hash || now_ns - place->since_ns > HOUR_NS)
		*place = (struct place){ .hash = hash, .since_ns = now_ns };
	bool may = place->tries < per_hour;

	place->tries += may;
	pthread_mutex_unlock(&limit->lock);
	return may;
}

/** @return 0, or what scim_fail() returned. */
static int
check_allowed(struct rest_context *ctx)
{
	const struct scim_config *config = ctx->config;

	if (!config->self_signup)
		return rest_fail(ctx, 403, "Users do not sign up here");
	if (may_try(scim_of(ctx)->limit, gh_call_peer(ctx->call), config->signup_per_hour))
		return GH_OK;
	gh_call_reply_field(ctx->call, GH_STR("Retry-After"), GH_STR("3600"));
	return rest_fail(ctx, 429, "Too many users were made from this address");
}

/* ---- Both forms ------------------------------------------------------------------------------ */

/** Make the user that a resource describes. */
static int
sign_up(struct rest_context *ctx, json_t *given, const struct gh_doc **ret_doc)
{
	struct scim_error error;
	json_t *json;
	int r = scim_fail_error(ctx, attributes_read(user_attributes, given, &json, &error),
		&error);

	if (r == 0)
		r = rest_own_json(ctx, json);
	if (r < 0)
		return r;
	if (!js_has(json, "password"))
		return scim_fail(ctx, 400, "invalidValue", "'password' is missing");
	json_object_del(json, "active");
	return users_make(ctx, json, SCIM_SUBSCRIBER, ret_doc);
}

int
signup_scim(struct rest_context *ctx)
{
	const struct gh_doc *doc;
	json_t *given;
	int r = check_allowed(ctx);

	if (r == 0)
		r = roles_seed(&ctx->services->docs, ctx->tenant);
	if (r == 0)
		r = scim_body(ctx, SCIM_URN_USER, &given);
	if (r == 0)
		r = sign_up(ctx, given, &doc);
	return r < 0 ? r : users_reply(ctx, 201, doc);
}

static const struct rest_field claim_fields[] = {
	{ "uri", REST_STRING, .is_required = true, .min = 1, .max = 256 },
	{ "value", REST_STRING, .max = 512 },
	{ .type = REST_END },
};
static const struct rest_field user_fields[] = {
	{ "username", REST_STRING, .is_required = true, .min = 1, .max = 128 },
	{ "realm", REST_STRING, .max = 64 },
	{ "password", REST_STRING, .is_required = true, .min = 1, .max = GH_PASSWORD_MAX },
	{ "claims", REST_ARRAY, .max = 64, .item = REST_OBJECT, .fields = claim_fields },
	{ .type = REST_END },
};
static const struct rest_field identity_fields[] = {
	{ "user", REST_OBJECT, .is_required = true, .fields = user_fields },
	{ "properties", REST_ARRAY, .max = 64 },
	{ .type = REST_END },
};

/** "PRIMARY/ann@a.example" is "ann" of that tenant, unless the request names another one. */
static int
plain_name(struct rest_context *ctx, struct gh_str name, struct gh_str *ret_name)
{
	struct gh_str store = GH_STR("PRIMARY/");
	struct gh_str tenant;
	int r;

	if (name.n > store.n && gh_str_eq_nocase((struct gh_str){ name.p, store.n }, store))
		name = (struct gh_str){ name.p + store.n, name.n - store.n };
	tenant_split_user(name, ctx->tenant, ret_name, &tenant);
	if (gh_str_eq(tenant, ctx->tenant))
		return GH_OK;
	r = tenant_is_default(ctx->tenant) ? tenant_check(&ctx->services->docs, tenant) : GH_ENOENT;
	if (r == GH_ENOENT)
		return rest_fail(ctx, 400, "'user.username' names a tenant for which nobody can "
			"sign up here");
	if (r == 0)
		rest_use_tenant(ctx, tenant);
	return r;
}

/** Put a claim where SCIM has it; others are left out. */
static int
put_claim(json_t *resource, struct gh_str uri, struct gh_str value)
{
	static const struct { const char *uri, *attribute, *sub; bool is_list; } rows[] = {
		{ CLAIMS "givenname", "name", "givenName", false },
		{ CLAIMS "lastname", "name", "familyName", false },
		{ CLAIMS "fullname", "name", "formatted", false },
		{ CLAIMS "displayName", "displayName", NULL, false },
		{ CLAIMS "title", "title", NULL, false },
		{ CLAIMS "emailaddress", "emails", "value", true },
		{ CLAIMS "mobile", "phoneNumbers", "value", true },
	};
	json_t *inner;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!gh_str_eq(uri, gh_str_of(rows[i].uri)) || value.n == 0)
			continue;
		if (rows[i].sub == NULL)
			return js_set_str(resource, rows[i].attribute, value);
		if (rows[i].is_list)
			return js_set(resource, rows[i].attribute, json_pack("[{s:s%}]",
				rows[i].sub, value.p, value.n));
		inner = js_object(resource, rows[i].attribute);
		if (inner == NULL) {
			inner = json_object();
			if (js_set(resource, rows[i].attribute, inner) < 0)
				return GH_ENOMEM;
		}
		return js_set_str(inner, rows[i].sub, value);
	}
	return GH_OK;
}

int
signup_identity(struct rest_context *ctx)
{
	json_t *body, *user, *claim, *given = json_object();
	const struct gh_doc *doc;
	struct gh_str name;
	size_t i;
	int r = rest_own_json(ctx, given);

	if (r == 0)
		r = check_allowed(ctx);
	if (r == 0)
		r = rest_body(ctx, identity_fields, &body);
	if (r < 0)
		return r;
	user = js_object(body, "user");
	r = plain_name(ctx, js_str(user, "username"), &name);
	if (r == 0)
		r = roles_seed(&ctx->services->docs, ctx->tenant);
	if (r == 0)
		r = js_set_str(given, "userName", name);
	if (r == 0)
		r = js_set_str(given, "password", js_str(user, "password"));
	json_array_foreach(js_array(user, "claims"), i, claim)
		if (r == 0)
			r = put_claim(given, js_str(claim, "uri"), js_str(claim, "value"));
	if (r == 0)
		r = sign_up(ctx, given, &doc);
	return r < 0 ? r : rest_reply(ctx, 201, json_object());
}
