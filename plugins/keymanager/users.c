/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file users.c
 * @brief Users in the store, the first administrator, and the service identity/1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/clock/clock.h"
#include "plugins/keymanager/keymanager.h"

#define ADMIN GH_STR("admin")
#define RANDOM_PASSWORD_BYTES 18 /* 24 characters */
#define FILE_PATH_MAX 4096

/** The first administrator being made.  Hashing its password takes longer than all the rest of a
 *  start, so a thread does it; who wants to know a user meanwhile waits. */
struct km_first_admin {
	struct km *km;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool is_done;                /**< lock */
	bool is_random;              /**< The password was made here and stands in the file. */
	struct gh_docs_found *found; /**< The user as it was at the start; NULL: there was none. */
	char path[FILE_PATH_MAX];   /**< Of the file with a random password. */
	char password[PASSWORD_MAX];
	size_t password_n;
};

/** Wait until the administrator's password is the one it should be.  @return 0 or GH_EAGAIN. */
static int
wait_for_first_admin(struct km *km)
{
	struct km_first_admin *first = km->first_admin;
	int r = 0;

	if (first == NULL)
		return GH_OK;
	struct timespec until = clock_after(km->passwords.wait_ms);

	pthread_mutex_lock(&first->lock);
	while (!first->is_done && r == 0)
		r = pthread_cond_timedwait(&first->change, &first->lock, &until);
	bool is_done = first->is_done;

	pthread_mutex_unlock(&first->lock);
	return is_done ? GH_OK : GH_EAGAIN;
}

/* ---- Users ----------------------------------------------------------------------------------- */

struct gh_str
km_name_fold(struct gh_str name, char buf[KM_NAME_MAX])
{
	if (name.n > KM_NAME_MAX)
		return GH_STR_NONE;
	for (size_t i = 0; i < name.n; i++)
		buf[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 'a' - 'A')
			: name.p[i];
	return (struct gh_str){ buf, name.n };
}

struct gh_str
km_user_counted(struct gh_str tenant, struct gh_str name, char buf[KM_COUNTED_MAX])
{
	struct gh_str folded = km_name_fold(name, buf);

	if (folded.p == NULL || tenant.n > TENANT_DOMAIN_MAX)
		return GH_STR_NONE; /* nobody's name */
	if (tenant_is_default(tenant))
		return folded;
	buf[name.n] = '@';
	memcpy(buf + name.n + 1, tenant.p, tenant.n);
	return (struct gh_str){ buf, name.n + 1 + tenant.n };
}

/** A user from its document, in one block. */
static struct gh_user *
user_new(const struct gh_doc *doc)
{
	struct gh_str roles = doc_array(doc->body, "roles");
	struct gh_str session = doc_str(doc->body, "session");
	struct doc_iter it = doc_iter(roles);
	size_t bytes = doc->id.n + doc->tenant.n + session.n, count = 0;
	struct doc_value v;

	for (; doc_next(&it, NULL, &v); count++)
		bytes += v.type == DOC_STR ? v.s.n : 0;
	struct km_user *block = block_new(sizeof(*block) +
		count * sizeof(*block->user.roles) + bytes);

	if (block == NULL)
		return NULL;
	struct gh_user *user = &block->user;

	user->roles = (struct gh_str *)(block + 1);
	char *at = (char *)(user->roles + count);

	memcpy(at, doc->id.p, doc->id.n);
	user->name = (struct gh_str){ at, doc->id.n };
	at += doc->id.n;
	memcpy(at, doc->tenant.p, doc->tenant.n);
	user->tenant = (struct gh_str){ at, doc->tenant.n };
	at += doc->tenant.n;
	if (session.n != 0)
		memcpy(at, session.p, session.n);
	block->session = (struct gh_str){ at, session.n };
	at += session.n;
	for (it = doc_iter(roles); doc_next(&it, NULL, &v); at += v.s.n) {
		if (v.type != DOC_STR) {
			v.s.n = 0;
			continue;
		}
		memcpy(at, v.s.p, v.s.n);
		user->roles[user->role_count++] = (struct gh_str){ at, v.s.n };
	}
	return user;
}

/** The document of an enabled user of an active tenant.  @return GH_ENOENT also for others. */
static int
find_user(struct km *km, struct gh_str tenant, struct gh_str name, struct gh_docs_found **ret_found)
{
	struct gh_docs_found *found;
	char folded[KM_NAME_MAX];
	int r;

	name = km_name_fold(name, folded);
	if (name.n == 0 || memchr(name.p, '@', name.n) != NULL)
		return GH_ENOENT;
	r = wait_for_first_admin(km);
	if (r == 0)
		r = tenant_check(&km->docs, tenant);
	if (r < 0)
		return r;
	r = km_get(km, tenant, "user", name, &found);
	if (r < 0)
		return r;
	if (!doc_bool(found->docs[0].body, "enabled", true)) {
		km_found_free(km, found);
		return GH_ENOENT;
	}
	*ret_found = found;
	return GH_OK;
}

/** @return 0, GH_EDENIED, GH_EAGAIN, GH_EIO, GH_ENOMEM. */
static int
check_password(struct km *km, struct gh_str user, struct gh_str password, struct gh_user **ret_user)
{
	struct gh_docs_found *found = NULL;
	struct gh_str name, tenant, phc = GH_STR_NONE;
	int r;

	tenant_split_user(user, KM_TENANT, &name, &tenant);
	r = find_user(km, tenant, name, &found);
	if (r < 0 && r != GH_ENOENT)
		return r;
	if (r == 0)
		phc = doc_str(found->docs[0].body, "password");
	r = passwords_verify(&km->passwords, password, phc);
	if (r == 0) {
		*ret_user = user_new(&found->docs[0]);
		if (*ret_user == NULL)
			r = GH_ENOMEM;
	} else if (r == GH_EINVAL) {
		gh_inst_log(km->inst, LOG_WARNING, "user %.*s: the stored password hash is damaged",
			GH_STR_ARG(name));
		r = GH_EDENIED;
	}
	km_found_free(km, found);
	return r;
}

int
km_user_lookup(struct km *km, struct gh_str tenant, struct gh_str name, struct gh_user **ret_user)
{
	struct gh_docs_found *found;
	int r = find_user(km, tenant, name, &found);

	if (r < 0)
		return r;
	*ret_user = user_new(&found->docs[0]);
	km_found_free(km, found);
	return *ret_user != NULL ? GH_OK : GH_ENOMEM;
}

int
km_user_check(struct km *km, struct gh_str tenant, struct gh_str name, struct gh_str session)
{
	struct gh_docs_found *found;
	int r = km_get(km, tenant, "user", name, &found);

	if (r == GH_ENOENT) { /* it may be the first administrator, who is being made */
		r = wait_for_first_admin(km);
		if (r == 0)
			r = km_get(km, tenant, "user", name, &found);
	}
	if (r < 0)
		return r == GH_ENOENT || r == GH_EINVAL ? GH_EDENIED : r;
	const struct gh_str body = found->docs[0].body;

	if (!doc_bool(body, "enabled", true) || (session.p != NULL &&
			!crypto_equal(session, doc_str(body, "session"))))
		r = GH_EDENIED;
	km_found_free(km, found);
	return r;
}

/* ---- The first administrator ----------------------------------------------------------------- */

/** Write the user `admin`.  @param old  its document, or NULL: it must not exist yet.
 *  @return 0, GH_ECONFLICT: another node was first, or an error. */
static int
store_admin(struct km *km, struct gh_str password, const struct gh_doc *old)
{
	struct gh_str fresh = GH_STR_NONE, body = GH_STR_NONE;
	char uuid[CRYPTO_UUID_LEN + 1];
	struct doc_writer w;
	int r = crypto_uuid(uuid);

	if (r == 0 && old == NULL) {
		doc_writer_init(&w);
		doc_put_str(&w, "uuid", gh_str_of(uuid));
		doc_begin_array(&w, "roles");
		doc_put_str(&w, NULL, GH_STR("admin"));
		doc_put_str(&w, NULL, GH_STR("Internal/everyone"));
		doc_end(&w);
		doc_put_bool(&w, "enabled", true);
		doc_put_int(&w, "created_at_s", (int64_t)(gh_now_us() / 1000000));
		r = doc_finish(&w, &fresh);
	}
	if (r == 0)
		r = km_user_with_password(km, old != NULL ? old->body : fresh, password, &body);
	free((void *)fresh.p);
	if (r == 0) {
		const struct gh_doc_op op = { GH_DOC_PUT, KM_TENANT, GH_STR("user"), ADMIN, body,
			old != NULL ? old->rev : GH_REV_NONE };

		r = km_commit(km, &op, 1, NULL);
	}
	free((void *)body.p);
	return r;
}

/** Make the user, or give it the option's password if that is another one. */
static int
set_password(struct km_first_admin *first)
{
	struct km *km = first->km;
	const struct gh_doc *old = first->found != NULL ? &first->found->docs[0] : NULL;
	struct gh_str password = { first->password, first->password_n };
	int r;

	if (old != NULL && passwords_verify(&km->passwords, password,
			doc_str(old->body, "password")) == 0)
		return GH_OK;
	r = store_admin(km, password, old);
	if (r == 0 && !first->is_random) {
		unlink(first->path); /* a random password that was made before ends here */
		gh_inst_log(km->inst, LOG_NOTICE, "set the password of the administrator 'admin'");
	}
	if (r != GH_ECONFLICT)
		return r;
	/* Another node of the cluster made the user in this moment. */
	if (first->is_random)
		unlink(first->path);
	return GH_OK;
}

static void *
run_first_admin(void *arg)
{
	struct km_first_admin *first = arg;
	int r = set_password(first);

	crypto_wipe(first->password, sizeof(first->password));
	if (r < 0) {
		gh_inst_log(first->km->inst, LOG_ERR, "cannot make the first administrator: %s",
			gh_strerror(r));
		gh_inst_ready(first->km->inst, false, "the first administrator could not be made");
	}
	pthread_mutex_lock(&first->lock);
	first->is_done = true;
	pthread_cond_broadcast(&first->change);
	pthread_mutex_unlock(&first->lock);
	return NULL;
}

/** Make a password and write it where only the operator can read it. */
static int
make_random_password(struct km_first_admin *first)
{
	uint8_t bytes[RANDOM_PASSWORD_BYTES];
	int r = crypto_random(bytes, sizeof(bytes)), fd = -1;

	if (r < 0)
		return r;
	first->is_random = true;
	first->password_n = crypto_base64url(bytes, sizeof(bytes), first->password);
	crypto_wipe(bytes, sizeof(bytes));
	/* What a start that was cut short left behind belongs to no user. */
	if (unlink(first->path) == 0 || errno == ENOENT)
		fd = open(first->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, first->password, first->password_n) != (ssize_t)first->password_n ||
			write(fd, "\n", 1) != 1 || fsync(fd) != 0) {
		gh_inst_log(first->km->inst, LOG_ERR, "cannot write %s: %s", first->path,
			strerror(errno));
		r = GH_EIO;
	} else {
		gh_inst_log(first->km->inst, LOG_NOTICE,
			"makes the administrator 'admin'; the password is in %s", first->path);
	}
	if (fd >= 0)
		close(fd);
	return r;
}

/** Is there any user?  Then somebody has deleted the first administrator. */
static int
has_users(struct km *km, bool *ret_has_users)
{
	const struct gh_find find = { .tenant = KM_TENANT, .kind = GH_STR("user"), .limit = 1 };
	struct gh_docs_found *found;
	int r = km->docs.vt->find(km->docs.self, &find, &found);

	if (r < 0)
		return r;
	*ret_has_users = found->n > 0;
	km_found_free(km, found);
	return GH_OK;
}

/** Decide what must be done; GH_ENOENT: nothing. */
static int
prepare_first_admin(struct km_first_admin *first, struct gh_str password)
{
	struct km *km = first->km;
	int n = snprintf(first->path, sizeof(first->path), "%s/admin-password",
		gh_inst_state_dir(km->inst));
	int r = n < 0 || (size_t)n >= sizeof(first->path) || password.n > PASSWORD_MAX ? GH_ETOOBIG
		: km_get(km, KM_TENANT, "user", ADMIN, &first->found);

	bool is_new = r == GH_ENOENT, has_others = false;

	if (is_new)
		r = has_users(km, &has_others);
	if (r < 0)
		return r;
	if (password.n == 0)
		return is_new && !has_others ? make_random_password(first) : GH_ENOENT;
	memcpy(first->password, password.p, password.n);
	first->password_n = password.n;
	return GH_OK;
}

static void
free_first_admin(struct km *km, struct km_first_admin *first)
{
	if (first->found != NULL)
		km_found_free(km, first->found);
	pthread_cond_destroy(&first->change);
	pthread_mutex_destroy(&first->lock);
	crypto_wipe_free(first, sizeof(*first));
}

int
km_users_open(struct km *km, const struct km_config *config)
{
	struct km_first_admin *first = calloc(1, sizeof(*first));
	int r;

	if (first == NULL || clock_init(&first->lock, &first->change) < 0) {
		free(first);
		return GH_ENOMEM;
	}
	first->km = km;
	r = prepare_first_admin(first, config->admin_password.v);
	if (r == 0 && pthread_create(&first->thread, NULL, run_first_admin, first) != 0)
		r = GH_EAGAIN;
	if (r == 0) {
		km->first_admin = first;
		return GH_OK;
	}
	free_first_admin(km, first);
	if (r == GH_ENOENT)
		return GH_OK;
	gh_inst_log(km->inst, LOG_ERR, "cannot make the first administrator: %s", gh_strerror(r));
	return r;
}

void
km_users_close(struct km *km)
{
	if (km->first_admin == NULL)
		return;
	pthread_join(km->first_admin->thread, NULL);
	free_first_admin(km, km->first_admin);
	km->first_admin = NULL;
}

/* ---- identity/1 ------------------------------------------------------------------------------ */

int
km_user_authenticate(struct km *km, struct gh_str user, struct gh_str password, struct gh_str peer,
	struct gh_user **ret_user)
{
	char buf[KM_COUNTED_MAX];
	struct gh_str name, tenant, counted;
	int r;

	tenant_split_user(user, KM_TENANT, &name, &tenant);
	counted = km_user_counted(tenant, name, buf);
	r = km_backoff_ask(km, counted, peer);
	if (r == 0) {
		r = check_password(km, user, password, ret_user);
		km_backoff_tell(km, counted, peer, r);
	}
	if (r == GH_EDENIED)
		gh_metric_add(km->logins_refused, 1);
	return r;
}

static int
identity_authenticate(void *self, struct gh_str user, struct gh_str password,
	struct gh_user **ret_user)
{
	return km_user_authenticate(self, user, password, GH_STR_NONE, ret_user);
}

static int
identity_lookup(void *self, struct gh_str user, struct gh_user **ret_user)
{
	struct gh_str name, tenant;

	tenant_split_user(user, KM_TENANT, &name, &tenant);
	return km_user_lookup(self, tenant, name, ret_user);
}

static void
identity_user_free(struct gh_user *user)
{
	block_free(user);
}

const struct gh_identity_v1 km_identity = {
	sizeof(km_identity), identity_authenticate, identity_lookup, identity_user_free,
};
