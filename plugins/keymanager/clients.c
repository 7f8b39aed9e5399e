/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file clients.c
 * @brief OAuth clients: their documents, their secrets, and the consumers that gateways know.
 *
 * A client that belongs to an application has a second document, `consumer`, with the same id; both
 * are written in one batch.  A request of OAuth names no tenant, so ids are unique in all tenants: a
 * client outside the default tenant leaves a document with its id there too.  A secret is random and long, so its SHA-256 is enough to check it; a
 * sealed copy is kept beside it, because clients of the reference product ask for secrets again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/keymanager/keymanager.h"

#define ID_BYTES 16
#define SECRET_BYTES 32
#define SECRET_MAX 255
#define CONTEXT_MAX (KM_NAME_MAX + 16)
#define GRANTS_MAX 1024  /* as a list in one text */
#define CALLBACK_MAX 2048

static const size_t client_strings[] = {
	offsetof(struct gh_client, tenant), offsetof(struct gh_client, id),
	offsetof(struct gh_client, secret), offsetof(struct gh_client, name),
	offsetof(struct gh_client, owner), offsetof(struct gh_client, grants),
	offsetof(struct gh_client, callback), offsetof(struct gh_client, application_id),
	offsetof(struct gh_client, application_name), offsetof(struct gh_client, application_tier),
	offsetof(struct gh_client, key_type), offsetof(struct gh_client, key_mapping_id),
};
#define CLIENT_STRINGS (sizeof(client_strings) / sizeof(client_strings[0]))

static struct gh_str
seal_context(char buffer[CONTEXT_MAX], struct gh_str id)
{
	int n = snprintf(buffer, CONTEXT_MAX, "client/%.*s", GH_STR_ARG(id));

	return (struct gh_str){ buffer, n > 0 && n < CONTEXT_MAX ? (size_t)n : 0 };
}

/* ---- Reading --------------------------------------------------------------------------------- */

int
km_client_load(struct km *km, struct gh_str tenant, struct gh_str id, struct km_client *ret_client)
{
	struct gh_docs_found *found;
	int r;

	if (id.n == 0 || id.n > KM_NAME_MAX)
		return GH_ENOENT;
	r = km_get(km, tenant, "client", id, &found);
	if (r < 0)
		return r;
	const struct gh_doc *doc = &found->docs[0];

	if (doc_has(doc->body, "home")) {
		km_found_free(km, found); /* it says only where the client is */
		return GH_ENOENT;
	}
	*ret_client = (struct km_client){ found, doc->tenant, doc->id, doc->body, doc->rev };
	return GH_OK;
}

int
km_client_find(struct km *km, struct gh_str id, struct km_client *ret_client)
{
	struct gh_docs_found *found;
	int r = km_client_load(km, KM_TENANT, id, ret_client);

	if (r != GH_ENOENT || id.n == 0 || id.n > KM_NAME_MAX)
		return r;
	r = km_get(km, KM_TENANT, "client", id, &found);
	if (r < 0)
		return r;
	r = km_client_load(km, doc_str(found->docs[0].body, "home"), id, ret_client);
	km_found_free(km, found);
	return r;
}

bool
km_client_serves(const struct km_client *client, struct gh_str tenant)
{
	return gh_str_eq(client->tenant, tenant) || (tenant_is_default(client->tenant) &&
		!doc_has(client->body, "application_id"));
}

struct gh_str
km_client_owner(const struct km_client *client)
{
	struct gh_str owner = doc_str(client->body, "owner"), name, tenant;

	tenant_split_user(owner, client->tenant, &name, &tenant);
	return gh_str_eq(tenant, client->tenant) ? name : owner;
}

void
km_client_done(struct km *km, struct km_client *client)
{
	if (client->found != NULL)
		km_found_free(km, client->found);
	*client = (struct km_client){ .found = NULL };
}

int
km_client_authenticate(struct km *km, struct gh_str id, struct gh_str secret,
	struct km_client *ret_client)
{
	char hex[CRYPTO_SHA256_HEX_LEN + 1];
	struct km_client client;
	int r = crypto_sha256_hex(secret, hex);

	if (r == 0)
		r = km_client_find(km, id, &client);
	if (r < 0)
		return r == GH_ENOENT ? GH_EDENIED : r;
	r = tenant_check(&km->docs, client.tenant);
	if (r == GH_ENOENT || secret.n == 0 ||
			!crypto_equal(doc_str(client.body, "secret_sha256"), gh_str_of(hex)))
		r = GH_EDENIED;
	if (r < 0)
		km_client_done(km, &client);
	else
		*ret_client = client;
	return r;
}

bool
km_client_has_grant(const struct km_client *client, struct gh_str grant)
{
	struct doc_iter it = doc_iter(doc_array(client->body, "grants"));
	struct doc_value v;

	while (doc_next(&it, NULL, &v))
		if (v.type == DOC_STR && gh_str_eq(v.s, grant))
			return true;
	return false;
}

int
km_client_find_named(struct km *km, struct gh_str tenant, struct gh_str owner, struct gh_str name,
	char *ret_id)
{
	const struct gh_str equal[] = { owner, name };
	const struct gh_find find = { .tenant = tenant, .kind = GH_STR("client"),
		.index = "owner_name", .equal = equal, .equal_count = 2, .limit = GH_FIND_MAX };
	const struct gh_doc *first = NULL;
	struct gh_docs_found *found;
	int r = km->docs.vt->find(km->docs.self, &find, &found);

	if (r < 0)
		return r;
	for (size_t i = 0; i < found->n; i++) {
		const struct gh_doc *doc = &found->docs[i];
		int64_t at_us = doc_int(doc->body, "created_at_us", 0);

		/* Clients of applications are named after them and are not for registration. */
		if (doc_has(doc->body, "application_id"))
			continue;
		int64_t first_us = first != NULL ? doc_int(first->body, "created_at_us", 0) : 0;

		if (first == NULL || at_us < first_us || (at_us == first_us &&
				memcmp(doc->id.p, first->id.p, doc->id.n < first->id.n ? doc->id.n
				: first->id.n) < 0))
			first = doc;
	}
	if (first != NULL && first->id.n <= KM_NAME_MAX) {
		memcpy(ret_id, first->id.p, first->id.n);
		ret_id[first->id.n] = '\0';
	} else {
		r = GH_ENOENT;
	}
	km_found_free(km, found);
	return r;
}

/** Space separated text of an array of strings.  @return false: it does not fit. */
static bool
join(struct gh_str array, char *ret, size_t cap, struct gh_str *ret_text)
{
	struct doc_iter it = doc_iter(array);
	struct doc_value v;
	size_t n = 0;

	while (doc_next(&it, NULL, &v)) {
		if (v.type != DOC_STR)
			continue;
		if (n + v.s.n + 1 > cap)
			return false;
		if (n > 0)
			ret[n++] = ' ';
		memcpy(ret + n, v.s.p, v.s.n);
		n += v.s.n;
	}
	*ret_text = (struct gh_str){ ret, n };
	return true;
}

/** The client as the service hands it out.
 *  @param secret  known from elsewhere (it was just made); n = 0: unseal it. */
static int
hand_out(struct km *km, const struct km_client *client, struct gh_str secret,
	struct gh_client **ret)
{
	struct gh_str sealed = doc_bin(client->body, "secret_sealed");
	uint8_t plain[SECRET_MAX];
	char grants[GRANTS_MAX], context[CONTEXT_MAX];
	struct gh_client out = { .tenant = client->tenant, .id = client->id, .secret = secret,
		.name = doc_str(client->body, "name"), .owner = doc_str(client->body, "owner"),
		.callback = doc_str(client->body, "callback"),
		.validity_s = doc_int(client->body, "validity_s", 0),
		.application_id = doc_str(client->body, "application_id"),
		.key_type = doc_str(client->body, "key_type") };
	struct gh_docs_found *consumer = NULL;
	size_t plain_n = 0;
	int r = GH_OK;

	if (out.application_id.n != 0)
		r = km_get(km, client->tenant, "consumer", client->id, &consumer);
	if (r < 0 && r != GH_ENOENT)
		return r;
	if (consumer != NULL) {
		out.application_name = doc_str(consumer->docs[0].body, "application_name");
		out.application_tier = doc_str(consumer->docs[0].body, "tier");
		out.key_mapping_id = doc_str(consumer->docs[0].body, "key_mapping_id");
	}
	if (secret.n == 0 && sealed.n != 0 && sealed.n <= sizeof(plain) &&
			clusterkey_unseal(km->cluster_key, seal_context(context, client->id), sealed,
				plain, &plain_n) == 0)
		out.secret = (struct gh_str){ (const char *)plain, plain_n };
	*ret = NULL;
	if (join(doc_array(client->body, "grants"), grants, sizeof(grants), &out.grants))
		*ret = block_copy(&out, sizeof(out), client_strings, CLIENT_STRINGS);
	crypto_wipe(plain, plain_n);
	km_found_free(km, consumer);
	return *ret != NULL ? GH_OK : GH_ENOMEM;
}

int
km_client_get(void *self, struct gh_str tenant, struct gh_str id, struct gh_client **ret)
{
	struct km_client client;
	int r = km_client_load(self, tenant, id, &client);

	if (r < 0)
		return r;
	r = hand_out(self, &client, GH_STR_NONE, ret);
	km_client_done(self, &client);
	return r;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/** One client being written. */
struct edit {
	struct km *km;
	const struct gh_client *in;
	struct gh_str tenant, id, secret; /**< secret: n = 0 keeps the one that is there. */
	struct gh_str key_mapping_id;
	struct km_client old;             /**< found is NULL for a new client. */
	char id_text[2 * ID_BYTES + 1], secret_text[2 * SECRET_BYTES + 1];
	char mapping_text[CRYPTO_UUID_LEN + 1];
};

static bool
is_text(struct gh_str s, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.n <= max;
}

static int
check_client(const struct gh_client *in)
{
	bool has_application = in->application_id.n != 0;
	bool has_type = gh_str_eq(in->key_type, GH_STR("PRODUCTION")) ||
		gh_str_eq(in->key_type, GH_STR("SANDBOX"));
	struct gh_str rest = in->grants, grant;
	size_t grants = 0;

	while (scopes_next(&rest, &grant))
		grants++;
	return is_text(in->id, KM_NAME_MAX) &&
		is_text(in->secret, SECRET_MAX - CRYPTO_SEAL_OVERHEAD) &&
		is_text(in->name, KM_NAME_MAX) && is_text(in->owner, KM_NAME_MAX) &&
		is_text(in->grants, GRANTS_MAX - 1) && is_text(in->callback, CALLBACK_MAX) &&
		is_text(in->application_name, KM_NAME_MAX) && in->owner.n > 0 &&
		grants <= KM_GRANTS_MAX && in->validity_s >= -1 && has_application == has_type
		? GH_OK : GH_EINVAL;
}

/** Fields of a secret: its hash, and the sealed copy or none. */
static int
put_secret(struct edit *edit, struct doc_writer *w)
{
	char hex[CRYPTO_SHA256_HEX_LEN + 1], context[CONTEXT_MAX];
	uint8_t sealed[SECRET_MAX];
	int r = crypto_sha256_hex(edit->secret, hex);

	if (r < 0)
		return r;
	doc_put_str(w, "secret_sha256", gh_str_of(hex));
	if (edit->km->client_secrets == KM_SECRETS_HASH_ONLY) {
		doc_put_nil(w, "secret_sealed");
		return GH_OK;
	}
	r = clusterkey_seal(edit->km->cluster_key, seal_context(context, edit->id), edit->secret,
		sealed);
	if (r == 0)
		doc_put_bin(w, "secret_sealed", (struct gh_str){ (const char *)sealed,
			edit->secret.n + CRYPTO_SEAL_OVERHEAD });
	return r;
}

/** A field whose empty value means that it is not there. */
static void
put_or_remove(struct doc_writer *w, const char *name, struct gh_str value)
{
	if (value.n != 0)
		doc_put_str(w, name, value);
	else
		doc_put_nil(w, name);
}

/** The changed document; fields that we do not know stay.  @param[out] ret_body  malloc()ed. */
static int
client_body(struct edit *edit, struct gh_str *ret_body)
{
	static const char empty_map[] = "\x80"; /* msgpack */
	const struct gh_client *in = edit->in;
	struct gh_str old = edit->old.found != NULL ? edit->old.body : gh_str_of(empty_map);
	struct gh_str changes = GH_STR_NONE, rest, grant;
	struct doc_writer w;
	int r = GH_OK;

	doc_writer_init(&w);
	if (edit->secret.n != 0)
		r = put_secret(edit, &w);
	if (in != NULL) {
		uint64_t now_us = gh_now_us();

		doc_put_str(&w, "name", in->name);
		doc_put_str(&w, "owner", in->owner);
		doc_begin_array(&w, "grants");
		for (rest = in->grants; scopes_next(&rest, &grant);)
			doc_put_str(&w, NULL, grant);
		doc_end(&w);
		doc_put_str(&w, "callback", in->callback);
		doc_put_int(&w, "validity_s", in->validity_s);
		put_or_remove(&w, "application_id", in->application_id);
		put_or_remove(&w, "key_type", in->key_type);
		if (edit->old.found == NULL) {
			doc_put_int(&w, "created_at_s", (int64_t)(now_us / 1000000));
			doc_put_int(&w, "created_at_us", (int64_t)now_us);
		}
	}
	if (r < 0) {
		doc_writer_done(&w);
		return r;
	}
	r = doc_finish(&w, &changes);
	if (r == 0)
		r = doc_merge(old, changes, ret_body);
	free((void *)changes.p);
	return r;
}

static int
consumer_body(const struct edit *edit, struct gh_str *ret_body)
{
	const struct gh_client *in = edit->in;
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "application_id", in->application_id);
	doc_put_str(&w, "application_name", in->application_name);
	doc_put_str(&w, "owner", in->owner);
	doc_put_str(&w, "tier", in->application_tier);
	doc_put_str(&w, "key_type", in->key_type);
	doc_put_str(&w, "key_mapping_id", edit->key_mapping_id);
	return doc_finish(&w, ret_body);
}

/** Keep the key mapping id that the consumer has, or make one. */
static int
choose_mapping_id(struct edit *edit)
{
	struct gh_docs_found *found;
	struct km *km = edit->km;
	int r;

	if (edit->in->key_mapping_id.n != 0) {
		edit->key_mapping_id = edit->in->key_mapping_id;
		return GH_OK;
	}
	r = crypto_uuid(edit->mapping_text);
	if (r == 0 && edit->old.found != NULL) {
		r = km_get(km, edit->tenant, "consumer", edit->id, &found);
		if (r == 0) {
			struct gh_str id = doc_str(found->docs[0].body, "key_mapping_id");

			if (id.n == CRYPTO_UUID_LEN)
				memcpy(edit->mapping_text, id.p, id.n);
			km_found_free(km, found);
		}
		r = r == GH_ENOENT ? GH_OK : r;
	}
	edit->key_mapping_id = gh_str_of(edit->mapping_text);
	return r;
}

/** What stands in the default tenant for a client of another one: its id is taken, and where it is.
 *  @param[out] ret_body  malloc()ed. */
static int
home_body(struct gh_str tenant, struct gh_str *ret_body)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "home", tenant);
	return doc_finish(&w, ret_body);
}

/** Write its documents in one batch. */
static int
commit_client(struct edit *edit, uint64_t *ret_seq)
{
	struct gh_str body = GH_STR_NONE, consumer = GH_STR_NONE, kind = GH_STR("consumer");
	struct gh_str home = GH_STR_NONE;
	bool needs_home = edit->old.found == NULL && !tenant_is_default(edit->tenant);
	bool has_application = edit->in != NULL && edit->in->application_id.n != 0;
	bool had_application = edit->in != NULL && edit->old.found != NULL &&
		doc_has(edit->old.body, "application_id");
	struct gh_doc_op ops[3];
	size_t n = 0;
	int r = has_application ? choose_mapping_id(edit) : GH_OK;

	if (r == 0)
		r = client_body(edit, &body);
	if (r == 0 && has_application)
		r = consumer_body(edit, &consumer);
	if (r == 0 && needs_home)
		r = home_body(edit->tenant, &home);
	if (r < 0)
		goto out;
	ops[n++] = (struct gh_doc_op){ GH_DOC_PUT, edit->tenant, GH_STR("client"), edit->id, body,
		edit->old.found != NULL ? edit->old.rev : GH_REV_NONE };
	if (has_application)
		ops[n++] = (struct gh_doc_op){ GH_DOC_PUT, edit->tenant, kind, edit->id, consumer,
			GH_REV_ANY };
	else if (had_application)
		ops[n++] = (struct gh_doc_op){ GH_DOC_DELETE, edit->tenant, kind, edit->id,
			GH_STR_NONE, GH_REV_ANY };
	if (needs_home)
		ops[n++] = (struct gh_doc_op){ GH_DOC_PUT, KM_TENANT, GH_STR("client"), edit->id,
			home, GH_REV_NONE };
	r = km_commit(edit->km, ops, n, ret_seq);
out:
	free((void *)home.p);
	free((void *)body.p);
	free((void *)consumer.p);
	return r;
}

/** Give the edit a random secret. */
static int
make_secret(struct edit *edit)
{
	int r = crypto_random_hex(edit->secret_text, SECRET_BYTES);

	edit->secret = gh_str_of(edit->secret_text);
	return r;
}

/** Commit, read what is there now, hand it out, and clean up. */
static int
finish_edit(struct edit *edit, struct gh_client **ret, uint64_t *ret_seq)
{
	struct km_client written;
	int r = commit_client(edit, ret_seq);

	if (r == 0)
		r = km_client_load(edit->km, edit->tenant, edit->id, &written);
	if (r == 0) {
		r = hand_out(edit->km, &written, edit->secret, ret);
		km_client_done(edit->km, &written);
	}
	return r;
}

int
km_client_put(void *self, const struct gh_client *client, struct gh_client **ret, uint64_t *ret_seq)
{
	struct edit edit = { .km = self, .in = client, .id = client->id, .secret = client->secret,
		.tenant = client->tenant.n != 0 ? client->tenant : KM_TENANT };
	int r = check_client(client);

	if (r < 0)
		return r;
	if (client->id.n != 0) {
		r = km_client_load(self, edit.tenant, client->id, &edit.old);
		r = r == GH_ENOENT ? GH_OK : r;
	} else {
		r = crypto_random_hex(edit.id_text, ID_BYTES);
		edit.id = gh_str_of(edit.id_text);
	}
	if (r == 0 && edit.secret.n == 0 && edit.old.found == NULL)
		r = make_secret(&edit);
	if (r == 0)
		r = finish_edit(&edit, ret, ret_seq);
	km_client_done(self, &edit.old);
	crypto_wipe(edit.secret_text, sizeof(edit.secret_text));
	return r;
}

int
km_client_renew_secret(void *self, struct gh_str tenant, struct gh_str id, struct gh_client **ret)
{
	struct edit edit = { .km = self, .tenant = tenant, .id = id };
	int r = km_client_load(self, tenant, id, &edit.old);

	if (r < 0)
		return r;
	r = make_secret(&edit);
	if (r == 0)
		r = finish_edit(&edit, ret, NULL);
	km_client_done(self, &edit.old);
	crypto_wipe(edit.secret_text, sizeof(edit.secret_text));
	return r;
}

int
km_client_delete(void *self, struct gh_str tenant, struct gh_str id, uint64_t *ret_seq)
{
	struct km *km = self;
	struct km_client client;
	int r = km_client_load(km, tenant, id, &client);

	if (r < 0)
		return r;
	struct gh_doc_op ops[3] = {
		{ GH_DOC_DELETE, tenant, GH_STR("client"), id, GH_STR_NONE, client.rev },
	};
	size_t n = 1;

	if (doc_has(client.body, "application_id"))
		ops[n++] = (struct gh_doc_op){ GH_DOC_DELETE, tenant, GH_STR("consumer"), id,
			GH_STR_NONE, GH_REV_ANY };
	if (!tenant_is_default(tenant))
		ops[n++] = (struct gh_doc_op){ GH_DOC_DELETE, KM_TENANT, GH_STR("client"), id,
			GH_STR_NONE, GH_REV_ANY };
	r = km_commit(km, ops, n, ret_seq);
	km_client_done(km, &client);
	return r;
}
