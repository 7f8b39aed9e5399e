/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sessions.c
 * @brief The service users/1: passwords that change, and what ends with the old one.
 *
 * A session is a random word in the user's document that stands in each token the user gets.  A new
 * password brings a new word, in the same commit; tokens with another one are refused from then
 * on.
 * So nothing depends on clocks, on finding every token, or on a name that is given to a second user.
 */
#include <stdlib.h>
#include <syslog.h>

#include "plugins/keymanager/keymanager.h"

_Static_assert(GH_PASSWORD_MAX == PASSWORD_MAX, "longest password");

int
km_user_with_password(struct km *km, struct gh_str old, struct gh_str password,
	struct gh_str *ret_body)
{
	char phc[PASSWORD_PHC_MAX], session[KM_SESSION_LEN + 1];
	struct gh_str changes = GH_STR_NONE, none = GH_STR_NONE;
	struct doc_writer w;
	int r = passwords_hash(&km->passwords, password, phc);

	if (r == 0)
		r = crypto_random_hex(session, KM_SESSION_LEN / 2);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_str(&w, "password", gh_str_of(phc));
	doc_put_str(&w, "session", gh_str_of(session));
	doc_put_int(&w, "updated_at_s", (int64_t)(gh_now_us() / 1000000));
	r = doc_finish(&w, old.n != 0 ? &changes : &none);
	if (r == 0 && old.n == 0)
		*ret_body = none;
	else if (r == 0)
		r = doc_merge(old, changes, ret_body);
	free((void *)changes.p);
	return r;
}

static size_t
users_password_min(void *self)
{
	const struct km *km = self;

	return km->password_min;
}

static int
users_set_password(void *self, struct gh_str body, struct gh_str password, struct gh_str *ret_body)
{
	struct km *km = self;

	return password.n < km->password_min ? GH_EINVAL
		: km_user_with_password(km, body, password, ret_body);
}

static int
users_end_sessions(void *self, struct gh_str tenant, struct gh_str name, uint64_t *ret_seq)
{
	return km_refresh_end_user(self, tenant, name, ret_seq);
}

/** Write the new password if the user is the one that was read. */
static int
write_password(struct km *km, const struct gh_doc *user, struct gh_str password)
{
	struct gh_str body = GH_STR_NONE;
	int r = users_set_password(km, user->body, password, &body);

	if (r == 0) {
		const struct gh_doc_op op = { GH_DOC_PUT, user->tenant, GH_STR("user"), user->id,
			body, user->rev };

		r = km_commit(km, &op, 1, NULL);
	}
	free((void *)body.p);
	return r;
}

static int
users_change_password(void *self, struct gh_str tenant, struct gh_str name, struct gh_str current,
	struct gh_str password, struct gh_str peer, uint64_t *ret_seq)
{
	struct km *km = self;
	struct gh_docs_found *found;
	char buf[KM_COUNTED_MAX];
	struct gh_str counted = km_user_counted(tenant, name, buf);
	uint64_t seq = 0;
	int r = km_backoff_ask(km, counted, peer);

	if (r == 0)
		r = km_get(km, tenant, "user", name, &found);
	if (r < 0)
		return r == GH_ENOENT ? GH_EDENIED : r;
	const struct gh_doc *user = &found->docs[0];

	r = passwords_verify(&km->passwords, current, doc_str(user->body, "password"));
	km_backoff_tell(km, counted, peer, r);
	if (r == GH_EINVAL)
		r = GH_EDENIED; /* a damaged hash fits no password */
	else if (r == 0)
		r = gh_str_eq(current, password) ? GH_EINVAL : write_password(km, user, password);
	if (r == 0 && users_end_sessions(km, tenant, name, &seq) < 0)
		gh_inst_log(km->inst, LOG_ERR, "cannot delete refresh tokens of a user whose "
			"password has changed; they are refused, and expire");
	km_found_free(km, found);
	if (r == 0 && ret_seq != NULL)
		*ret_seq = seq;
	return r;
}

const struct gh_users_v1 km_users = {
	.size = sizeof(km_users),
	.password_min = users_password_min,
	.set_password = users_set_password,
	.change_password = users_change_password,
	.end_sessions = users_end_sessions,
};
