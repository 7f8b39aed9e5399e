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

#include "plugins/keymanager/keymanager.h"

#define ADMIN GH_STR("admin")
#define RANDOM_PASSWORD_BYTES 18 /* 24 characters */

/* ---- Users ------------------------------------------------------------------------------------- */

void
km_user_split(struct gh_str user, struct gh_str *ret_name, struct gh_str *ret_tenant)
{
	size_t at = user.n;

	while (at > 0 && user.p[at - 1] != '@')
		at--;
	*ret_name = user;
	*ret_tenant = KM_TENANT;
	if (at == 0)
		return; /* no '@' */
	*ret_name = (struct gh_str){ user.p, at - 1 };
	*ret_tenant = (struct gh_str){ user.p + at, user.n - at };
}

/** A user from its document, in one block. */
static struct gh_user *
user_new(const struct gh_doc *doc)
{
	struct gh_str roles = doc_array(doc->body, "roles");
	struct doc_iter it = doc_iter(roles);
	size_t bytes = doc->id.n + doc->tenant.n, count = 0;
	struct doc_value v;

	for (; doc_next(&it, NULL, &v); count++)
		bytes += v.type == DOC_STR ? v.s.n : 0;
	struct gh_user *user = km_block_new(sizeof(*user) + count * sizeof(*user->roles) + bytes);

	if (user == NULL)
		return NULL;
	user->roles = (struct gh_str *)(user + 1);
	char *at = (char *)(user->roles + count);

	memcpy(at, doc->id.p, doc->id.n);
	user->name = (struct gh_str){ at, doc->id.n };
	at += doc->id.n;
	memcpy(at, doc->tenant.p, doc->tenant.n);
	user->tenant = (struct gh_str){ at, doc->tenant.n };
	at += doc->tenant.n;
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

/** The document of an enabled user.  @return GH_ENOENT also for one that is disabled. */
static int
find_user(struct km *km, struct gh_str tenant, struct gh_str name, struct gh_docs_found **ret_found)
{
	struct gh_docs_found *found;
	int r;

	if (name.n == 0 || name.n > KM_NAME_MAX || tenant.n == 0 || tenant.n > KM_NAME_MAX)
		return GH_ENOENT;
	r = km->docs.vt->get(km->docs.self, tenant, GH_STR("user"), name, &found);
	if (r < 0)
		return r;
	if (!doc_bool(found->docs[0].body, "enabled", true)) {
		km->docs.vt->found_free(found);
		return GH_ENOENT;
	}
	*ret_found = found;
	return GH_OK;
}

int
km_user_authenticate(struct km *km, struct gh_str user, struct gh_str password,
	struct gh_user **ret_user)
{
	struct gh_docs_found *found = NULL;
	struct gh_str name, tenant, phc = GH_STR_NONE;
	int r;

	km_user_split(user, &name, &tenant);
	r = find_user(km, tenant, name, &found);
	if (r == GH_EIO || r == GH_ENOMEM)
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
	if (r == GH_EDENIED)
		gh_metric_add(km->logins_refused, 1);
	if (found != NULL)
		km->docs.vt->found_free(found);
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
	km->docs.vt->found_free(found);
	return *ret_user != NULL ? GH_OK : GH_ENOMEM;
}

static int
identity_authenticate(void *self, struct gh_str user, struct gh_str password,
	struct gh_user **ret_user)
{
	return km_user_authenticate(self, user, password, ret_user);
}

static int
identity_lookup(void *self, struct gh_str user, struct gh_user **ret_user)
{
	struct gh_str name, tenant;

	km_user_split(user, &name, &tenant);
	return km_user_lookup(self, tenant, name, ret_user);
}

static void
identity_user_free(struct gh_user *user)
{
	km_block_free(user);
}

const struct gh_identity_v1 km_identity = {
	sizeof(km_identity), identity_authenticate, identity_lookup, identity_user_free,
};

/* ---- The first administrator ------------------------------------------------------------------- */

/** Write the user `admin`.  @param old  its document, or NULL: it must not exist yet.
 *  @return 0, GH_ECONFLICT: another node was first, or an error. */
static int
store_admin(struct km *km, struct gh_str password, const struct gh_doc *old)
{
	char phc[PASSWORD_PHC_MAX];
	struct gh_str body = GH_STR_NONE;
	struct doc_writer w;
	int r = passwords_hash(&km->passwords, password, phc);

	if (r < 0)
		return r;
	if (old != NULL) {
		r = doc_set(old->body, "password", DOC_OF_STR(gh_str_of(phc)), &body);
	} else {
		doc_writer_init(&w);
		doc_put_str(&w, "password", gh_str_of(phc));
		doc_begin_array(&w, "roles");
		doc_put_str(&w, NULL, GH_STR("admin"));
		doc_put_str(&w, NULL, GH_STR("Internal/everyone"));
		doc_end(&w);
		doc_put_bool(&w, "enabled", true);
		doc_put_int(&w, "created_at_s", (int64_t)(gh_now_us() / 1000000));
		r = doc_finish(&w, &body);
	}
	if (r == 0) {
		const struct gh_doc_op op = { GH_DOC_PUT, KM_TENANT, GH_STR("user"), ADMIN, body,
			old != NULL ? old->rev : GH_REV_NONE };

		r = km->docs.vt->commit(km->docs.self, &op, 1, NULL, NULL);
	}
	free((void *)body.p);
	return r;
}

/** Write the random password where only the operator can read it. */
static int
write_password_file(struct km *km, const char *path, const char *password)
{
	size_t n = strlen(password);
	int r = GH_EIO, fd;

	/* What a start that was cut short left behind belongs to no user. */
	if (unlink(path) != 0 && errno != ENOENT)
		goto out;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		goto out;
	if (write(fd, password, n) == (ssize_t)n && write(fd, "\n", 1) == 1 && fsync(fd) == 0)
		r = GH_OK;
	close(fd);
out:
	if (r < 0)
		gh_inst_log(km->inst, LOG_ERR, "cannot write %s: %s", path, strerror(errno));
	return r;
}

static int
create_admin_with_random(struct km *km, const char *path)
{
	uint8_t bytes[RANDOM_PASSWORD_BYTES];
	char password[CRYPTO_BASE64URL_LEN(RANDOM_PASSWORD_BYTES) + 1];
	int r = crypto_random(bytes, sizeof(bytes));

	if (r < 0)
		return r;
	crypto_base64url(bytes, sizeof(bytes), password);
	r = write_password_file(km, path, password);
	if (r == 0)
		r = store_admin(km, gh_str_of(password), NULL);
	if (r == 0)
		gh_inst_log(km->inst, LOG_NOTICE,
			"made the administrator 'admin'; the password is in %s", path);
	else
		unlink(path);
	crypto_wipe(bytes, sizeof(bytes));
	crypto_wipe(password, sizeof(password));
	return r;
}

/** Make the option's password the administrator's, if it is another one. */
static int
set_admin_password(struct km *km, struct gh_str password, const struct gh_doc *old, const char *path)
{
	int r = GH_EDENIED;

	if (old != NULL)
		r = passwords_verify(&km->passwords, password, doc_str(old->body, "password"));
	if (r == 0)
		return GH_OK;
	r = store_admin(km, password, old);
	if (r == 0) {
		unlink(path); /* a random password that was made before ends here */
		gh_inst_log(km->inst, LOG_NOTICE, "set the password of the administrator 'admin'");
	}
	return r;
}

int
km_users_open(struct km *km, const struct km_config *config)
{
	struct gh_str password = config->admin_password.v;
	struct gh_docs_found *found = NULL;
	char path[4096];
	int r, n = snprintf(path, sizeof(path), "%s/admin-password", gh_inst_state_dir(km->inst));

	if (n < 0 || (size_t)n >= sizeof(path))
		return GH_ETOOBIG;
	r = km->docs.vt->get(km->docs.self, KM_TENANT, GH_STR("user"), ADMIN, &found);
	if (r < 0 && r != GH_ENOENT)
		goto out;
	if (password.n > 0)
		r = set_admin_password(km, password, found != NULL ? &found->docs[0] : NULL, path);
	else
		r = found != NULL ? GH_OK : create_admin_with_random(km, path);
	if (r == GH_ECONFLICT)
		r = GH_OK; /* another node of the cluster made it in this moment */
out:
	if (r < 0)
		gh_inst_log(km->inst, LOG_ERR, "cannot make the first administrator: %s",
			gh_strerror(r));
	if (found != NULL)
		km->docs.vt->found_free(found);
	return r;
}
