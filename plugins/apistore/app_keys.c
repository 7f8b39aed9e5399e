/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file app_keys.c
 * @brief Keys that come with the archive of an application: the same consumer key and secret again.
 *
 * A consumer key that somebody else has is never taken over.  Keys whose application is gone (a node
 * ended in the middle of an import) are nobody's.
 */
#include <syslog.h>

#include "lib/crypto/crypto.h"
#include "lib/doc/doc.h"
#include "lib/json/json.h"
#include "plugins/apistore/apistore.h"

#define SECRET_MIN 16  /* a shorter one could be guessed from its hash */
#define SECRET_MAX 200

/* ---- One key ------------------------------------------------------------------------------------- */

static bool
is_key(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			c != '-' && c != '_' && c != '.')
			return false;
	}
	return s.n > 0;
}

/* The secret in clear, in memory of the call that is wiped when the operation ends. */
struct clear {
	size_t n;
	char text[CRYPTO_UNBASE64_MAX(512)];
};

static void
wipe(void *arg)
{
	crypto_wipe(arg, sizeof(struct clear));
}

static int
read_secret(struct rest_context *ctx, const json_t *key, size_t index, struct gh_str *ret_secret)
{
	struct clear *clear = gh_call_alloc(ctx->call, sizeof(*clear));
	bool is_good = true;
	int r = clear != NULL ? rest_defer(ctx, wipe, clear) : GH_ENOMEM;

	if (r < 0)
		return r;
	r = crypto_unbase64(js_str(key, "consumerSecret"), clear->text, sizeof(clear->text), &clear->n);
	for (size_t i = 0; i < clear->n && r == GH_OK; i++)
		is_good &= clear->text[i] > 0x20 && clear->text[i] < 0x7f;
	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return rest_fail(ctx, 400, "keys[%zu].consumerSecret: must be base64", index);
	if (r == GH_OK && (!is_good || clear->n < SECRET_MIN || clear->n > SECRET_MAX))
		return rest_fail(ctx, 400, "keys[%zu].consumerSecret: must mean %d to %d printable "
			"characters without spaces", index, SECRET_MIN, SECRET_MAX);
	*ret_secret = (struct gh_str){ clear->text, clear->n };
	return r;
}

static int
read_key(struct rest_context *ctx, const struct apistore_import *import, size_t index,
	struct gh_client *ret)
{
	const json_t *key = json_array_get(import->keys, index);
	struct gh_str manager = js_str(key, "keyManager");
	int r = apistore_join_words(ctx, "keys.supportedGrantTypes",
		js_array(key, "supportedGrantTypes"), &ret->grants);

	if (r == GH_OK && manager.n > 0 && !gh_str_eq(manager, GH_STR(APISTORE_KEY_MANAGER)) &&
		!gh_str_eq(manager, GH_STR("default")))
		return rest_fail(ctx, 400, "keys[%zu].keyManager: there is no key manager named %.*s",
			index, GH_STR_ARG(manager));
	if (r == GH_OK && !is_key(js_str(key, "consumerKey")))
		return rest_fail(ctx, 400, "keys[%zu].consumerKey: must be letters, digits and . _ -",
			index);
	if (r == GH_OK)
		r = apistore_validity(ctx, key, "validityTime", &ret->validity_s);
	if (r == GH_OK)
		r = read_secret(ctx, key, index, &ret->secret);
	if (r < 0)
		return r;
	ret->tenant = ctx->tenant;
	ret->id = js_str(key, "consumerKey");
	ret->owner = import->owner;
	ret->callback = js_str_or(key, "callbackUrl", GH_STR(""));
	ret->application_id = import->id;
	ret->application_name = import->name;
	ret->application_tier = import->tier;
	ret->key_type = js_str(key, "keyType");
	ret->name = gh_call_printf(ctx->call, "%.*s_%.*s_%.*s", GH_STR_ARG(import->owner),
		GH_STR_ARG(import->name), GH_STR_ARG(ret->key_type));
	return ret->name.p != NULL ? GH_OK : GH_ENOMEM;
}

/* ---- Whose it is today --------------------------------------------------------------------------- */

enum owner { NOBODY, THIS, OTHER };

/* Gateways know consumer keys without tenants, so those of all tenants are looked at. */
static int
find_owner(struct rest_context *ctx, struct gh_str application_id, struct gh_str consumer_key,
	enum owner *ret_owner)
{
	struct gh_find find = { .kind = GH_STR("client"), .from = consumer_key, .to = consumer_key,
		.limit = 1 };
	const struct gh_docs *docs = &ctx->services->docs;
	struct gh_docs_found *found;
	const struct gh_doc *app;
	int r = docs->vt->find(docs->self, &find, &found);

	if (r < 0)
		return r;
	*ret_owner = NOBODY;
	if (found->n > 0) {
		struct gh_str id = doc_str(found->docs[0].body, "application_id");

		*ret_owner = OTHER;
		if (gh_str_eq(found->docs[0].tenant, ctx->tenant) && id.n > 0) {
			if (gh_str_eq(id, application_id))
				*ret_owner = THIS;
			else if ((r = rest_lookup(ctx, "application", id, &app)) == GH_ENOENT)
				*ret_owner = NOBODY;
		}
	}
	docs->vt->found_free(found);
	return r == GH_ENOENT ? GH_OK : r;
}

/* An application has one key of a type. */
static int
check_type(struct rest_context *ctx, const struct apistore_import *import, size_t index,
	const struct gh_client *key)
{
	struct gh_str equal[] = { import->id, key->key_type };
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "consumer", "application", equal, 2, &found);

	if (r == GH_OK && found->n > 0 && !gh_str_eq(found->docs[0].id, key->id))
		return rest_fail(ctx, 409, "keys[%zu]: the application has another %.*s key already; "
			"skipApplicationKeys=true leaves it as it is", index, GH_STR_ARG(key->key_type));
	for (size_t i = 0; i < index && r == GH_OK; i++) {
		const json_t *other = json_array_get(import->keys, i);

		if (gh_str_eq(js_str(other, "keyType"), key->key_type) ||
			gh_str_eq(js_str(other, "consumerKey"), key->id))
			return rest_fail(ctx, 400, "keys[%zu]: its key type or consumer key stands there "
				"twice", index);
	}
	return r;
}

int
apistore_check_keys(struct rest_context *ctx, const struct apistore_import *import)
{
	int r = GH_OK;

	for (size_t i = 0; i < json_array_size(import->keys) && r == GH_OK; i++) {
		struct gh_client key = { .validity_s = 0 };
		enum owner owner = NOBODY;

		r = read_key(ctx, import, i, &key);
		if (r == GH_OK)
			r = check_type(ctx, import, i, &key);
		if (r == GH_OK)
			r = find_owner(ctx, import->id, key.id, &owner);
		if (r == GH_OK && owner == OTHER)
			return rest_fail(ctx, 409, "keys[%zu].consumerKey: is in use", i);
	}
	return r;
}

/* ---- Writing ------------------------------------------------------------------------------------- */

static int
put_key(struct rest_context *ctx, const struct apistore_import *import, size_t index,
	uint64_t *ret_seq)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;
	struct gh_client key = { .validity_s = 0 }, *made;
	int r = read_key(ctx, import, index, &key);

	if (r == GH_OK)
		r = tokens->vt->client_put(tokens->self, &key, &made, ret_seq);
	if (r == GH_EINVAL && !ctx->has_failed)
		return rest_fail(ctx, 400, "keys[%zu]: the key manager does not accept it", index);
	return r == GH_OK ? apistore_own_client(ctx, made) : r;
}

/* Those of a new application; an old one keeps what it has. */
static void
undo(struct rest_context *ctx, const struct apistore_import *import, size_t n)
{
	const struct gh_tokens *tokens = &ctx->services->tokens;

	for (size_t i = 0; i < n && import->old == NULL; i++) {
		struct gh_str id = js_str(json_array_get(import->keys, i), "consumerKey");
		int r = tokens->vt->client_delete(tokens->self, ctx->tenant, id, NULL);

		if (r < 0 && r != GH_ENOENT)
			gh_call_log(ctx->call, LOG_WARNING, "an imported key could not be taken back: %s",
				gh_strerror(r));
	}
}

int
apistore_put_keys(struct rest_context *ctx, const struct apistore_import *import, uint64_t *ret_seq)
{
	for (size_t i = 0; i < json_array_size(import->keys); i++) {
		int r = put_key(ctx, import, i, ret_seq);

		if (r < 0) {
			undo(ctx, import, i);
			return r;
		}
	}
	return GH_OK;
}

void
apistore_undo_keys(struct rest_context *ctx, const struct apistore_import *import)
{
	undo(ctx, import, json_array_size(import->keys));
}
