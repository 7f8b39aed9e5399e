/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file refresh.c
 * @brief Refresh tokens that are used once (RFC 9700, 4.14.2).
 *
 * A refresh token is 48 random bytes: 16 name its family and stay the same, the rest changes with
 * each use.  The family is one document that keeps the SHA-256 of the token that may be used next.
 * Whoever comes with the right family and another token has one that was used before, so one of two
 * parties has stolen it: the family ends, and with it the access token that it gave last.
 */
#include <stdlib.h>
#include <syslog.h>

#include "plugins/keymanager/keymanager.h"

#define FAMILY_BYTES 16
#define TOKEN_BYTES 48
#define END_PAGE 100 /* families that end in one commit */

_Static_assert(CRYPTO_BASE64URL_LEN(TOKEN_BYTES) == KM_REFRESH_LEN, "length of a refresh token");

bool
km_refresh_is_shaped(struct gh_str token)
{
	return token.n == KM_REFRESH_LEN && memchr(token.p, '.', token.n) == NULL;
}

/** The family's document for its next token. */
static int
family_body(struct km *km, const struct km_access *access, const char *token,
	struct gh_str *ret_body)
{
	uint64_t now_s = gh_now_us() / 1000000;
	char hex[CRYPTO_SHA256_HEX_LEN + 1];
	struct doc_writer w;
	int r = crypto_sha256_hex((struct gh_str){ token, KM_REFRESH_LEN }, hex);

	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_str(&w, "client_id", access->client_id);
	doc_put_str(&w, "user", access->user);
	doc_put_str(&w, "user_tenant", access->tenant);
	doc_put_str(&w, "session", access->session);
	doc_put_str(&w, "scopes", access->scopes);
	doc_put_str(&w, "token_sha256", gh_str_of(hex));
	doc_put_str(&w, "access_jti", gh_str_of(access->jti));
	doc_put_int(&w, "access_expires_at_s", (int64_t)access->expires_at_s);
	doc_put_int(&w, "expires_at_s", (int64_t)(now_s + km->refresh_s));
	return doc_finish(&w, ret_body);
}

/** Make the next token of a family and store it. */
static int
write_family(struct km *km, const uint8_t *family, uint64_t expect_rev,
	const struct km_access *access, char ret_token[KM_REFRESH_LEN + 1])
{
	char id[2 * FAMILY_BYTES + 1];
	uint8_t bytes[TOKEN_BYTES];
	struct gh_str body = GH_STR_NONE;
	int r = crypto_random(bytes + FAMILY_BYTES, TOKEN_BYTES - FAMILY_BYTES);

	if (r < 0)
		return r;
	memcpy(bytes, family, FAMILY_BYTES);
	crypto_hex(family, FAMILY_BYTES, id);
	crypto_base64url(bytes, sizeof(bytes), ret_token);
	r = family_body(km, access, ret_token, &body);
	if (r == 0) {
		const struct gh_doc_op op = { GH_DOC_PUT, KM_TENANT, GH_STR("refresh_token"),
			gh_str_of(id), body, expect_rev };

		r = km_commit(km, &op, 1, NULL);
	}
	free((void *)body.p);
	crypto_wipe(bytes, sizeof(bytes));
	return r;
}

int
km_refresh_new(struct km *km, const struct km_access *access, char ret_token[KM_REFRESH_LEN + 1])
{
	uint8_t family[FAMILY_BYTES];
	int r = crypto_random(family, sizeof(family));

	return r < 0 ? r : write_family(km, family, GH_REV_NONE, access, ret_token);
}

int
km_refresh_rotate(struct km *km, const struct km_refresh *refresh, const struct km_access *access,
	char ret_token[KM_REFRESH_LEN + 1])
{
	uint8_t family[FAMILY_BYTES];
	int r = crypto_unhex(refresh->id, family, sizeof(family));

	if (r == 0)
		r = write_family(km, family, refresh->rev, access, ret_token);
	return r == GH_ECONFLICT || r == GH_ENOENT ? GH_EDENIED : r;
}

/** Look up a family.  @return 0; GH_EDENIED: no such family; GH_ECONFLICT: the token is not the one
 *  that may be used next (ret_refresh is set all the same); GH_EEXPIRED; GH_EIO; GH_ENOMEM. */
static int
find_family(struct km *km, struct gh_str token, struct km_refresh *ret_refresh)
{
	char id[2 * FAMILY_BYTES + 1], hex[CRYPTO_SHA256_HEX_LEN + 1];
	uint8_t bytes[TOKEN_BYTES];
	struct gh_docs_found *found;
	size_t n = 0;
	int r;

	if (!km_refresh_is_shaped(token) ||
			crypto_unbase64url(token, bytes, sizeof(bytes), &n) < 0)
		return GH_EDENIED;
	crypto_hex(bytes, FAMILY_BYTES, id);
	crypto_wipe(bytes, sizeof(bytes));
	r = crypto_sha256_hex(token, hex);
	if (r == 0)
		r = km_get(km, KM_TENANT, "refresh_token", gh_str_of(id), &found);
	if (r < 0)
		return r == GH_ENOENT ? GH_EDENIED : r;
	struct km_refresh refresh = { found, found->docs[0].id, found->docs[0].body,
		found->docs[0].rev };

	if (!crypto_equal(doc_str(refresh.body, "token_sha256"), gh_str_of(hex)))
		r = GH_ECONFLICT;
	else if ((uint64_t)doc_int(refresh.body, "expires_at_s", 0) <= gh_now_us() / 1000000)
		r = GH_EEXPIRED;
	if (r == GH_EEXPIRED)
		km_refresh_done(km, &refresh);
	else
		*ret_refresh = refresh;
	return r;
}

int
km_refresh_load(struct km *km, struct gh_str token, struct km_refresh *ret_refresh)
{
	int r = find_family(km, token, ret_refresh);
	uint64_t seq;

	if (r != GH_ECONFLICT)
		return r;
	r = km_refresh_end(km, ret_refresh, &seq);
	km_refresh_done(km, ret_refresh);
	if (r < 0)
		return r;
	gh_inst_log(km->inst, LOG_WARNING, "a refresh token was used twice; its family has ended");
	return GH_EDENIED;
}

int
km_refresh_peek(struct km *km, struct gh_str token, struct km_refresh *ret_refresh)
{
	int r = find_family(km, token, ret_refresh);

	if (r != GH_ECONFLICT)
		return r;
	km_refresh_done(km, ret_refresh);
	return GH_EDENIED;
}

void
km_refresh_done(struct km *km, struct km_refresh *refresh)
{
	if (refresh->found != NULL)
		km_found_free(km, refresh->found);
	*refresh = (struct km_refresh){ .found = NULL };
}

/** The ops that end a family: its document goes, its last access token is revoked.
 *  @param ops  room for two.  @param[out] ret_body  of the revocation; malloc()ed. */
static int
end_ops(struct km *km, struct gh_str id, struct gh_str family, struct gh_doc_op *ops, size_t *ret_n,
	struct gh_str *ret_body)
{
	struct gh_str jti = doc_str(family, "access_jti");
	int64_t expires_at_s = doc_int(family, "access_expires_at_s", 0);
	struct doc_writer w;
	int r;

	doc_writer_init(&w);
	doc_put_int(&w, "expires_at_s", expires_at_s + (int64_t)km->skew_s);
	r = doc_finish(&w, ret_body);
	if (r < 0)
		return r;
	ops[0] = (struct gh_doc_op){ GH_DOC_DELETE, KM_TENANT, GH_STR("refresh_token"), id,
		GH_STR_NONE, GH_REV_ANY };
	ops[1] = (struct gh_doc_op){ GH_DOC_PUT, KM_TENANT, GH_STR("revocation"), jti, *ret_body,
		GH_REV_ANY };
	*ret_n = jti.n != 0 ? 2 : 1;
	return GH_OK;
}

int
km_refresh_end(struct km *km, const struct km_refresh *refresh, uint64_t *ret_seq)
{
	struct gh_doc_op ops[2];
	struct gh_str body = GH_STR_NONE;
	size_t n;
	int r = end_ops(km, refresh->id, refresh->body, ops, &n, &body);

	if (r == 0)
		r = km_commit(km, ops, n, ret_seq);
	free((void *)body.p);
	return r;
}

/** End the families that one page found. */
static int
end_page(struct km *km, const struct gh_docs_found *found, uint64_t *ret_seq)
{
	struct gh_doc_op ops[2 * END_PAGE];
	struct gh_str bodies[END_PAGE] = { GH_STR_NONE };
	size_t n = 0, added;
	int r = GH_OK;

	for (size_t i = 0; i < found->n && r == 0; i++) {
		r = end_ops(km, found->docs[i].id, found->docs[i].body, ops + n, &added,
			&bodies[i]);
		if (r == 0)
			n += added;
	}
	if (r == 0)
		r = km_commit(km, ops, n, ret_seq);
	for (size_t i = 0; i < found->n; i++)
		free((void *)bodies[i].p);
	return r;
}

int
km_refresh_end_user(struct km *km, struct gh_str tenant, struct gh_str user, uint64_t *ret_seq)
{
	const struct gh_str equal[] = { tenant, user };
	const struct gh_find find = { .tenant = KM_TENANT, .kind = GH_STR("refresh_token"),
		.index = "user", .equal = equal, .equal_count = 2, .limit = END_PAGE };
	uint64_t seq = 0;
	size_t n;
	int r;

	do { /* what was ended is no longer found */
		struct gh_docs_found *found;

		r = km->docs.vt->find(km->docs.self, &find, &found);
		if (r < 0)
			return r;
		n = found->n;
		if (n > 0)
			r = end_page(km, found, &seq);
		km_found_free(km, found);
	} while (r == 0 && n == END_PAGE);
	if (r == 0)
		*ret_seq = seq;
	return r;
}
