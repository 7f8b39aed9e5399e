/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dcr.c
 * @brief POST /client-registration/v0.17/register: a client for a user's tools.
 *
 * Whoever registers a name again gets the client that is there, with a secret that works: tools do
 * so at each login.
 */
#include <stdlib.h>

#include "plugins/keymanager/keymanager.h"

/** One registration. */
struct registration {
	struct km *km;
	struct gh_call *call;
	struct gh_user *user;
	json_t *body;
	struct gh_str owner, name;
	struct gh_client *client; /**< What is answered. */
};

static bool
refuse(struct registration *reg, unsigned status, const char *error, const char *description)
{
	km_reply_error(reg->call, &(const struct km_error){ status, error, description });
	return false;
}

/** Who registers?  Basic with a user's name and password. */
static bool
authenticate(struct registration *reg)
{
	struct form_basic basic;
	int r = form_basic_parse(gh_call_field(reg->call, GH_STR("Authorization")), &basic);

	if (r == 0) {
		r = km_user_authenticate(reg->km, basic.user, basic.password,
			gh_call_peer(reg->call), &reg->user);
		crypto_wipe(&basic, sizeof(basic));
	} else {
		r = GH_EDENIED;
	}
	if (r == GH_EDENIED)
		return refuse(reg, 401, "invalid_client", "The user name or the password is wrong");
	if (r < 0)
		return km_reply_failure(reg->call, r, "authentication");
	struct scopes_owner owner = km_user_owner(reg->user);

	bool is_manager = false;

	r = km_scopes_is_manager(reg->km, reg->user->tenant, &owner, &is_manager);
	if (r < 0)
		return km_reply_failure(reg->call, r, "registration");
	return is_manager ? true : refuse(reg, 403, "access_denied", "The user may not register clients");
}

/** Owner of the client: the user, or somebody else whom an administrator names. */
static bool
read_owner(struct registration *reg)
{
	struct scopes_owner roles = km_user_owner(reg->user);
	struct gh_str named = js_str(reg->body, "owner"), name, tenant;
	bool is_self;

	reg->owner = reg->user->name;
	if (!tenant_is_default(reg->user->tenant))
		reg->owner = gh_call_printf(reg->call, "%.*s@%.*s", GH_STR_ARG(reg->user->name),
			GH_STR_ARG(reg->user->tenant));
	if (named.n == 0)
		return true;
	tenant_split_user(named, reg->user->tenant, &name, &tenant);
	is_self = gh_str_eq(name, reg->user->name) && gh_str_eq(tenant, reg->user->tenant);
	if (is_self)
		return true;
	if (!scopes_has_role(&roles, GH_STR("admin")) || !gh_str_eq(tenant, reg->user->tenant))
		return refuse(reg, 403, "access_denied", "Only administrators register for others");
	reg->owner = tenant_is_default(tenant) ? name : gh_call_printf(reg->call, "%.*s@%.*s",
		GH_STR_ARG(name), GH_STR_ARG(tenant));
	return true;
}

static bool
read_body(struct registration *reg)
{
	int r = js_parse(gh_call_body(reg->call), NULL, &reg->body, NULL, 0);

	if (r == GH_ENOMEM)
		return km_reply_failure(reg->call, r, "registration");
	if (r < 0 || !json_is_object(reg->body))
		return refuse(reg, 400, "invalid_client_metadata", "A JSON object is needed");
	reg->name = js_str(reg->body, "clientName");
	if (reg->name.n == 0 || reg->name.n > KM_NAME_MAX)
		return refuse(reg, 400, "invalid_client_metadata",
			"clientName is needed, with at most 255 bytes");
	return read_owner(reg);
}

/** The client that is registered under this name already, with a secret that works. */
static int
find_existing(struct registration *reg)
{
	char id[KM_NAME_MAX + 1];
	int r = km_client_find_named(reg->km, reg->user->tenant, reg->owner, reg->name, id);

	if (r == 0)
		r = km_client_get(reg->km, reg->user->tenant, gh_str_of(id), &reg->client);
	if (r < 0 || reg->client->secret.n != 0)
		return r;
	/* Only the hash is kept: the old secret is lost, so there must be a new one. */
	block_free(reg->client);
	reg->client = NULL;
	return km_client_renew_secret(reg->km, reg->user->tenant, gh_str_of(id), &reg->client);
}

/** Make the client.  Two nodes or threads may do so for one name at the same moment: the one that
 *  stands first counts, and the other is taken back. */
static int
create(struct registration *reg)
{
	struct gh_str grants = js_str_or(reg->body, "grantType", GH_STR("password refresh_token"));
	const struct gh_client wanted = { .tenant = reg->user->tenant, .name = reg->name,
		.owner = reg->owner, .grants = grants,
		.callback = js_str(reg->body, "callbackUrl") };
	char first[KM_NAME_MAX + 1];
	int r = km_client_put(reg->km, &wanted, &reg->client, NULL);

	if (r == 0)
		r = km_client_find_named(reg->km, reg->user->tenant, reg->owner, reg->name, first);
	if (r < 0 || gh_str_eq(reg->client->id, gh_str_of(first)))
		return r;
	r = km_client_delete(reg->km, reg->user->tenant, reg->client->id, NULL);
	block_free(reg->client);
	reg->client = NULL;
	return r < 0 && r != GH_ENOENT ? r : find_existing(reg);
}

/** The client in the terms of the contract; NULL: out of memory. */
static json_t *
answer(const struct registration *reg)
{
	const struct gh_client *c = reg->client;
	json_t *json = json_object(), *details = json_object();
	struct gh_str text = GH_STR_NONE;
	int r = details == NULL ? GH_ENOMEM : GH_OK;

	if (r < 0 || js_set_str(details, "grant_types", c->grants) < 0 ||
			js_set_str(details, "redirect_uris", c->callback) < 0 ||
			js_set_str(details, "client_name", c->name) < 0 ||
			js_dump(details, &text) < 0 ||
			js_set_str(json, "clientId", c->id) < 0 ||
			js_set_str(json, "clientName", c->name) < 0 ||
			js_set_str(json, "callBackURL", c->callback) < 0 ||
			js_set_str(json, "clientSecret", c->secret) < 0 ||
			js_set(json, "isSaasApplication",
				json_boolean(js_bool(reg->body, "saasApp", true))) < 0 ||
			js_set_str(json, "appOwner", c->owner) < 0 ||
			js_set_str(json, "jsonString", text) < 0 ||
			js_set_str(json, "jsonAppAttribute", GH_STR("{}")) < 0 ||
			js_set(json, "applicationUUID", json_null()) < 0 ||
			js_set_str(json, "tokenType", GH_STR("JWT")) < 0) {
		json_decref(json);
		json = NULL;
	}
	free((void *)text.p);
	json_decref(details);
	return json;
}

static void
serve(struct registration *reg)
{
	int r = find_existing(reg);

	if (r == GH_ENOENT)
		r = create(reg);
	if (r == GH_EINVAL)
		refuse(reg, 400, "invalid_client_metadata",
			"A field is too long, or has control characters");
	else if (r < 0)
		km_reply_failure(reg->call, r, "registration");
	else
		km_reply_json(reg->call, 200, answer(reg));
}

void
km_on_register(void *process, const void *config, struct gh_call *call)
{
	struct registration reg = { .km = process, .call = call };

	(void)config;
	if (km_require_method(call, "POST") && authenticate(&reg) && read_body(&reg))
		serve(&reg);
	block_free(reg.client);
	block_free(reg.user);
	json_decref(reg.body);
}
