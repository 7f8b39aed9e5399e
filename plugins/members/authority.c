/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file authority.c
 * @brief The cluster's own certificate authority, as the store keeps it.
 *
 * Its private key lies in the document cluster_secret "authority", sealed under the cluster key; that
 * document's id is fixed, so that two nodes that start on an empty store cannot make two.  The
 * certificates are documents of their own which every node gets.  Nothing is kept in memory: the
 * key is read for each certificate that is issued, which is rare.
 */
#include "plugins/members/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "lib/crypto/crypto.h"

#define SECRET GH_STR("cluster_secret")
#define SECRET_ID GH_STR("authority")
#define AUTHORITY GH_STR("authority")
#define RETIRE_GRACE_S 5 /* From the writing of a certificate to its use by the node. */
#define SEALED_MAX 4096
#define CONTEXT_MAX 128

static int64_t
now_s(void)
{
	return (int64_t)(gh_now_us() / 1000000);
}

static struct gh_str
seal_context(char buffer[CONTEXT_MAX], const char *fingerprint)
{
	snprintf(buffer, CONTEXT_MAX, "cluster_secret/authority/%s", fingerprint);
	return gh_str_of(buffer);
}

void
members_authority_done(struct authority *a)
{
	free((void *)a->certificate.p);
	free((void *)a->cross.p);
	free((void *)a->bundle.p);
	crypto_wipe_free((void *)a->key.p, a->key.n);
	*a = (struct authority){ .rev = 0 };
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int
unseal_key(struct members *m, struct authority *a, struct gh_str sealed, char *error, size_t error_size)
{
	char context[CONTEXT_MAX];
	uint8_t *plain;
	size_t n = 0;
	int r;

	if (sealed.n > SEALED_MAX || sealed.n < GH_SEAL_OVERHEAD) {
		snprintf(error, error_size, "the cluster's authority in the store is damaged");
		return GH_EDENIED;
	}
	plain = calloc(1, sealed.n);
	if (plain == NULL)
		return GH_ENOMEM;
	r = m->trust.vt->unseal(m->trust.self, seal_context(context, a->fingerprint), sealed, plain, &n);
	if (r == GH_OK) {
		a->key = (struct gh_str){ (char *)plain, n };
		return GH_OK;
	}
	crypto_wipe_free(plain, sealed.n);
	if (r == GH_ENOENT)
		snprintf(error, error_size, "the cluster's authority was sealed with another cluster key");
	else
		snprintf(error, error_size, "the cluster's authority in the store is damaged");
	return r == GH_ENOMEM ? r : GH_EDENIED;
}

static struct gh_str
dup_text(struct gh_str s)
{
	char *p = strndup(s.n > 0 ? s.p : "", s.n);

	return (struct gh_str){ p, p != NULL ? s.n : 0 };
}

/** Certificates of all authorities; the current one's are kept apart. */
static int
read_certificates(struct members *m, struct authority *a)
{
	const struct gh_find find = { .tenant = MEMBERS_TENANT, .kind = AUTHORITY,
		.limit = PKI_CHAIN_MAX };
	struct gh_docs_found *found = NULL;
	size_t used = 0;
	char *bundle = NULL;
	int r = m->docs.vt->find(m->docs.self, &find, &found);

	if (r < 0)
		return r;
	bundle = calloc(1, PKI_PEM_MAX);
	r = bundle != NULL ? GH_OK : GH_ENOMEM;
	for (size_t i = 0; i < found->n && r == GH_OK; i++) {
		const struct gh_doc *doc = &found->docs[i];
		struct gh_str pem = doc_str(doc->body, "certificate");

		if (pem.n >= PKI_PEM_MAX - used) {
			r = GH_ETOOBIG;
			break;
		}
		memcpy(bundle + used, pem.p, pem.n);
		used += pem.n;
		if (gh_str_eq(doc->id, gh_str_of(a->fingerprint))) {
			a->certificate = dup_text(pem);
			a->cross = dup_text(doc_str(doc->body, "cross"));
		}
	}
	if (r == GH_OK && (a->certificate.p == NULL || a->cross.p == NULL))
		r = GH_EIO; /* a secret without its certificate */
	if (r == GH_OK) {
		a->bundle = (struct gh_str){ bundle, used };
		bundle = NULL;
	}
	free(bundle);
	m->docs.vt->found_free(found);
	return r;
}

int
members_authority_read(struct members *m, struct authority *ret, char *error, size_t error_size)
{
	struct gh_docs_found *found = NULL;
	struct authority a = { .rev = 0 };
	struct gh_str fingerprint;
	int r = m->docs.vt->get(m->docs.self, MEMBERS_TENANT, SECRET, SECRET_ID, &found);

	snprintf(error, error_size, "the cluster's authority cannot be read: %s", gh_strerror(r));
	if (r < 0)
		return r;
	a.rev = found->docs[0].rev;
	fingerprint = doc_str(found->docs[0].body, "fingerprint");
	if (fingerprint.n != MEMBERS_HEX_FINGERPRINT) {
		r = GH_EIO;
		goto out;
	}
	memcpy(a.fingerprint, fingerprint.p, fingerprint.n);
	r = unseal_key(m, &a, doc_bin(found->docs[0].body, "sealed"), error, error_size);
	if (r == GH_OK) {
		r = read_certificates(m, &a);
		if (r < 0)
			snprintf(error, error_size, "the certificates of the cluster's authority cannot be "
				"read: %s", gh_strerror(r));
	}
	if (r == GH_OK)
		*ret = a;
	else
		members_authority_done(&a);
out:
	m->docs.vt->found_free(found);
	return r;
}

/* ---- Making one ------------------------------------------------------------------------------ */

/** A new authority, not written yet. */
struct fresh {
	struct gh_str key, certificate, cross;
	char fingerprint[MEMBERS_HEX_FINGERPRINT + 1];
	struct gh_str secret_body, public_body; /**< malloc()ed. */
};

static void
fresh_done(struct fresh *f)
{
	crypto_wipe_free((void *)f->key.p, f->key.n);
	free((void *)f->certificate.p);
	free((void *)f->cross.p);
	free((void *)f->secret_body.p);
	free((void *)f->public_body.p);
}

static int
write_bodies(struct members *m, struct fresh *f, const struct pki_certificate *c)
{
	uint8_t sealed[SEALED_MAX];
	char context[CONTEXT_MAX];
	struct doc_writer w;
	int r = f->key.n + GH_SEAL_OVERHEAD <= sizeof(sealed) ? GH_OK : GH_ETOOBIG;

	if (r == GH_OK)
		r = m->trust.vt->seal(m->trust.self, seal_context(context, f->fingerprint), f->key, sealed);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_str(&w, "fingerprint", gh_str_of(f->fingerprint));
	doc_put_bin(&w, "sealed", (struct gh_str){ (char *)sealed, f->key.n + GH_SEAL_OVERHEAD });
	doc_put_int(&w, "created_at_s", now_s());
	r = doc_finish(&w, &f->secret_body);
	if (r < 0)
		return r;
	doc_writer_init(&w);
	doc_put_str(&w, "certificate", f->certificate);
	doc_put_str(&w, "cross", f->cross);
	doc_put_str(&w, "key_id", gh_str_of(c->key_id));
	doc_put_bool(&w, "is_current", true);
	doc_put_int(&w, "created_at_s", now_s());
	doc_put_int(&w, "retires_at_s", 0);
	return doc_finish(&w, &f->public_body);
}

/** @param older  signs the new one too; NULL: it is the first. */
static int
fresh_make(struct members *m, const struct authority *older, struct fresh *f)
{
	struct pki_certificate c;
	char name[PKI_NAME_MAX + 1];
	uint8_t random[4];
	int r = crypto_random(random, sizeof(random));

	if (r < 0)
		return r;
	/* Names differ, so that a chain can be built by name. */
	snprintf(name, sizeof(name), "gatehouse-cluster-%02x%02x%02x%02x", random[0], random[1],
		random[2], random[3]);
	r = pki_authority_new(gh_str_of(name), now_s() - GH_ENROLL_BACKDATE_S, now_s() + m->authority_s,
		&f->key, &f->certificate);
	if (r == GH_OK && older != NULL)
		r = pki_cross_sign(f->certificate, older->key, older->certificate, &f->cross);
	if (r == GH_OK)
		r = pki_read(f->certificate, &c);
	if (r < 0)
		return r;
	crypto_hex(c.fingerprint, sizeof(c.fingerprint), f->fingerprint);
	return write_bodies(m, f, &c);
}

static int
create(struct members *m)
{
	struct fresh f = { .key = GH_STR_NONE };
	int r = fresh_make(m, NULL, &f);

	if (r == GH_OK) {
		const struct gh_doc_op ops[] = {
			{ GH_DOC_PUT, MEMBERS_TENANT, SECRET, SECRET_ID, f.secret_body, GH_REV_NONE },
			{ GH_DOC_PUT, MEMBERS_TENANT, AUTHORITY, gh_str_of(f.fingerprint),
				f.public_body, GH_REV_NONE },
		};

		r = m->docs.vt->commit(m->docs.self, ops, 2, NULL, NULL);
	}
	if (r == GH_OK)
		gh_inst_log(m->inst, LOG_NOTICE, "made the cluster's authority, SHA-256 %s", f.fingerprint);
	fresh_done(&f);
	return r;
}

int
members_authority_open(struct members *m, struct authority *ret, char *error, size_t error_size)
{
	int r = members_authority_read(m, ret, error, error_size);

	if (r != GH_ENOENT)
		return r;
	r = create(m);
	/* Another node was faster: its authority is the cluster's. */
	if (r == GH_OK || r == GH_ECONFLICT)
		return members_authority_read(m, ret, error, error_size);
	snprintf(error, error_size, "the cluster's authority cannot be written: %s", gh_strerror(r));
	return r;
}

/* ---- Replacing it ---------------------------------------------------------------------------- */

/** What becomes of the document of the one that was current.  @param[out] ret_body  malloc()ed. */
static int
older_body(struct members *m, const struct gh_doc *doc, struct gh_str *ret_body)
{
	struct gh_str changes = GH_STR_NONE;
	struct doc_writer w;
	int r;

	doc_writer_init(&w);
	doc_put_bool(&w, "is_current", false);
	/* Until then the last certificate that it signed has ended. */
	doc_put_int(&w, "retires_at_s", now_s() + m->certificate_s + GH_ENROLL_BACKDATE_S);
	r = doc_finish(&w, &changes);
	if (r == GH_OK)
		r = doc_merge(doc->body, changes, ret_body);
	free((void *)changes.p);
	return r;
}

static int
replace(struct members *m, const struct authority *old, const struct gh_doc *old_doc, uint64_t *ret_seq)
{
	struct fresh f = { .key = GH_STR_NONE };
	struct gh_str body = GH_STR_NONE;
	int r = fresh_make(m, old, &f);

	if (r == GH_OK)
		r = older_body(m, old_doc, &body);
	if (r == GH_OK) {
		const struct gh_doc_op ops[] = {
			{ GH_DOC_PUT, MEMBERS_TENANT, SECRET, SECRET_ID, f.secret_body, old->rev },
			{ GH_DOC_PUT, MEMBERS_TENANT, AUTHORITY, gh_str_of(f.fingerprint), f.public_body,
				GH_REV_NONE },
			{ GH_DOC_PUT, MEMBERS_TENANT, AUTHORITY, old_doc->id, body, old_doc->rev },
		};

		r = m->docs.vt->commit(m->docs.self, ops, 3, ret_seq, NULL);
	}
	if (r == GH_OK)
		gh_inst_log(m->inst, LOG_NOTICE, "the cluster's authority is now the one with SHA-256 %s; "
			"%s is trusted until all nodes have another certificate", f.fingerprint,
			old->fingerprint);
	free((void *)body.p);
	fresh_done(&f);
	return r;
}

int
members_authority_rotate(struct members *m, uint64_t *ret_seq, char *error, size_t error_size)
{
	const struct gh_find find = { .tenant = MEMBERS_TENANT, .kind = AUTHORITY, .limit = PKI_CHAIN_MAX };
	struct gh_docs_found *found = NULL;
	struct authority old;
	int r = members_authority_read(m, &old, error, error_size);

	if (r < 0)
		return r == GH_ECONFLICT ? GH_EIO : r;
	r = m->docs.vt->find(m->docs.self, &find, &found);
	if (r == GH_OK && (found->n != 1 || !gh_str_eq(found->docs[0].id, gh_str_of(old.fingerprint))))
		r = GH_ECONFLICT;
	if (r == GH_OK)
		r = replace(m, &old, &found->docs[0], ret_seq);
	if (r == GH_ECONFLICT)
		snprintf(error, error_size, "The authority is being replaced already: the older one is "
			"still trusted");
	else if (r < 0)
		snprintf(error, error_size, "The authority cannot be replaced: %s", gh_strerror(r));
	if (found != NULL)
		m->docs.vt->found_free(found);
	members_authority_done(&old);
	return r;
}

/* ---- Retiring the older one ------------------------------------------------------------------ */

/** Has every node that may still call a certificate of the current authority, and had time to use it? */
static int
have_all_renewed(struct members *m, struct gh_str key_id, bool *ret)
{
	struct gh_find find = { .tenant = MEMBERS_TENANT, .kind = GH_STR("node"), .limit = GH_FIND_MAX };
	struct gh_docs_found *found = NULL;
	bool have_all = true;
	int r;

	do {
		struct gh_docs_found *page = NULL;

		r = m->docs.vt->find(m->docs.self, &find, &page);
		if (found != NULL)
			m->docs.vt->found_free(found); /* the cursor pointed into it */
		found = page;
		for (size_t i = 0; r == GH_OK && i < page->n && have_all; i++) {
			struct gh_str node = page->docs[i].body;

			if (doc_bool(node, "is_removed", false) ||
				doc_int(node, "expires_at_s", 0) < now_s())
				continue;
			have_all = gh_str_eq(doc_str(node, "authority"), key_id) &&
				doc_int(node, "renewed_at_s", 0) + RETIRE_GRACE_S <= now_s();
		}
		if (r == GH_OK)
			find.cursor = page->next;
	} while (r == GH_OK && have_all && find.cursor.n > 0);
	if (found != NULL)
		m->docs.vt->found_free(found);
	if (r == GH_OK)
		*ret = have_all;
	return r;
}

static int
retire(struct members *m, const struct gh_docs_found *found)
{
	const struct gh_doc *current = NULL;
	bool have_all = false;
	int r = GH_OK;

	for (size_t i = 0; i < found->n; i++)
		if (doc_bool(found->docs[i].body, "is_current", false))
			current = &found->docs[i];
	if (current != NULL)
		r = have_all_renewed(m, doc_str(current->body, "key_id"), &have_all);
	for (size_t i = 0; i < found->n && current != NULL && r == GH_OK; i++) {
		const struct gh_doc *doc = &found->docs[i];
		const struct gh_doc_op op = { GH_DOC_DELETE, MEMBERS_TENANT, AUTHORITY, doc->id,
			.expect_rev = doc->rev };

		if (doc == current || (!have_all && now_s() < doc_int(doc->body, "retires_at_s", 0)))
			continue;
		r = m->docs.vt->commit(m->docs.self, &op, 1, NULL, NULL);
		if (r == GH_OK)
			gh_inst_log(m->inst, LOG_NOTICE, "the authority with SHA-256 %.*s is trusted no more",
				GH_STR_ARG(doc->id));
		else if (r == GH_ECONFLICT || r == GH_ENOENT)
			r = GH_OK; /* another control plane was faster */
	}
	return r;
}

int
members_authority_retire(struct members *m, bool *ret_is_replacing)
{
	const struct gh_find find = { .tenant = MEMBERS_TENANT, .kind = AUTHORITY, .limit = PKI_CHAIN_MAX };
	struct gh_docs_found *found = NULL;
	int r = m->docs.vt->find(m->docs.self, &find, &found);

	if (r < 0)
		return r;
	*ret_is_replacing = found->n > 1;
	if (found->n > 1)
		r = retire(m, found);
	m->docs.vt->found_free(found);
	return r;
}
