/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file certificates.c
 * @brief Certificates for nodes, and the documents that remember them.
 *
 * Roles come from the node's document, and into that from a token or from the manifest of a node that
 * has the documents anyway; a request only proves who has the key.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "plugins/members/members.h"

#define NODE GH_STR("node")
#define NAME_BYTES 64 /* Of a role with its domain. */

static int64_t
now_s(void)
{
	return (int64_t)(gh_now_us() / 1000000);
}

void
members_certificate_done(struct certificate *c)
{
	free((void *)c->chain.p);
	free((void *)c->authorities.p);
	*c = (struct certificate){ .chain = GH_STR_NONE };
}

/* ---- The node's document --------------------------------------------------------------------- */

/** Serials: those the document has, without the oldest, and a new one. */
static void
put_serials(struct doc_writer *w, struct gh_str old, const char *serial)
{
	struct doc_iter it = doc_iter(old);
	uint32_t n = doc_count(old);
	struct doc_value v;

	doc_begin_array(w, "serials");
	for (uint32_t i = 0; doc_next(&it, NULL, &v); i++)
		if (v.type == DOC_STR && i + MEMBERS_SERIALS_MAX > n)
			doc_put_str(w, NULL, v.s);
	doc_put_str(w, NULL, gh_str_of(serial));
	doc_end(w);
}

/** @param old  the body so far; n = 0: a new node.  @param[out] ret_body  malloc()ed. */
static int
node_body(const struct applicant *a, struct gh_str old, const struct pki_certificate *c,
	struct gh_str *ret_body)
{
	struct doc_writer w;

	doc_writer_init(&w);
	doc_put_str(&w, "name", a->name);
	doc_begin_array(&w, "roles");
	for (size_t i = 0; i < a->role_count; i++)
		doc_put_str(&w, NULL, a->roles[i]);
	doc_end(&w);
	doc_put_int(&w, "joined_at_s", doc_int(old, "joined_at_s", now_s()));
	doc_put_int(&w, "renewed_at_s", now_s());
	doc_put_bool(&w, "is_removed", false);
	doc_put_int(&w, "expires_at_s", c->not_after_s);
	put_serials(&w, doc_array(old, "serials"), c->serial);
	doc_put_str(&w, "authority", gh_str_of(c->authority_key_id));
	return doc_finish(&w, ret_body);
}

/** A known node gets what its document says, whatever it asks for. */
static int
take_known(struct applicant *a, struct gh_str body, char *error, size_t error_size)
{
	struct doc_iter it = doc_iter(doc_array(body, "roles"));
	struct doc_value v;

	if (body.n == 0) {
		snprintf(error, error_size, "this node is not known here: it has to join again");
		return GH_EDENIED;
	}
	a->name = doc_str(body, "name");
	a->role_count = 0;
	while (doc_next(&it, NULL, &v) && a->role_count < MEMBERS_ROLES_MAX)
		if (v.type == DOC_STR)
			a->roles[a->role_count++] = v.s;
	return GH_OK;
}

/* ---- Issuing --------------------------------------------------------------------------------- */

/** @param[out] ret_chain  malloc()ed: the certificate, and what leads from it to an older authority. */
static int
sign(struct members *m, const struct authority *authority, const struct applicant *a,
	struct pki_certificate *ret_certificate, struct gh_str *ret_chain)
{
	char names[MEMBERS_ROLES_MAX][NAME_BYTES];
	struct gh_str dns_names[MEMBERS_ROLES_MAX], leaf = GH_STR_NONE;
	char *chain = NULL;
	int r;

	for (size_t i = 0; i < a->role_count; i++) {
		snprintf(names[i], NAME_BYTES, "%.*s" GH_ROLE_DOMAIN, GH_STR_ARG(a->roles[i]));
		dns_names[i] = gh_str_of(names[i]);
	}
	const struct pki_subject subject = { .common_name = a->id, .dns_names = dns_names,
		.dns_name_count = a->role_count, .not_before_s = now_s() - GH_ENROLL_BACKDATE_S,
		.not_after_s = now_s() + m->certificate_s };

	r = pki_issue(authority->key, authority->certificate, a->request, &subject, &leaf);
	if (r == GH_OK)
		r = pki_read(leaf, ret_certificate);
	if (r == GH_OK && asprintf(&chain, "%.*s%.*s", GH_STR_ARG(leaf),
			GH_STR_ARG(authority->cross)) < 0)
		r = GH_ENOMEM;
	if (r == GH_OK)
		*ret_chain = gh_str_of(chain);
	free((void *)leaf.p);
	return r;
}

/** @param doc  the node's, or NULL. */
static int
issue_and_write(struct members *m, const struct authority *authority, struct applicant *a,
	const struct gh_doc *doc, struct certificate *ret)
{
	struct gh_str body = GH_STR_NONE, chain = GH_STR_NONE;
	struct pki_certificate c;
	int r = sign(m, authority, a, &c, &chain);

	if (r == GH_OK)
		r = node_body(a, doc != NULL ? doc->body : GH_STR_NONE, &c, &body);
	if (r < 0)
		goto out;
	struct gh_doc_op ops[2] = { { GH_DOC_PUT, MEMBERS_TENANT, NODE, a->id, body,
		doc != NULL ? doc->rev : GH_REV_NONE } };

	if (a->also != NULL)
		ops[1] = *a->also;
	ret->authorities = gh_str_of(strndup(authority->bundle.p, authority->bundle.n));
	r = ret->authorities.p == NULL ? GH_ENOMEM
		: m->docs.vt->commit(m->docs.self, ops, a->also != NULL ? 2 : 1, NULL, NULL);
out:
	free((void *)body.p);
	if (r == GH_OK) {
		ret->chain = chain;
		gh_metric_add(m->issued, 1);
		gh_inst_log(m->inst, LOG_NOTICE, "issued certificate %s to node %s (%.*s; %s)", c.serial,
			c.common_name, GH_STR_ARG(a->name), c.dns_names);
	} else {
		free((void *)chain.p);
		members_certificate_done(ret);
	}
	return r;
}

static int
issue_once(struct members *m, const struct applicant *applicant, struct certificate *ret, char *error,
	size_t error_size)
{
	struct applicant a = *applicant;
	struct authority authority;
	struct gh_docs_found *found = NULL;
	const struct gh_doc *doc = NULL;
	int r = members_authority_read(m, &authority, error, error_size);

	if (r < 0)
		return r == GH_ENOENT ? GH_EIO : r;
	r = m->docs.vt->get(m->docs.self, MEMBERS_TENANT, NODE, a.id, &found);
	if (r == GH_OK)
		doc = &found->docs[0];
	else if (r != GH_ENOENT)
		goto out;
	snprintf(error, error_size, "this node was removed from the cluster; to take it in again, empty "
		"its state directory");
	r = doc != NULL && doc_bool(doc->body, "is_removed", false) ? GH_EDENIED : GH_OK;
	if (r == GH_OK && a.also != NULL && doc != NULL &&
		doc_int(doc->body, "expires_at_s", 0) > now_s()) {
		/* A token must not be worth the place of another node. */
		snprintf(error, error_size, "a node of this id belongs to the cluster already; to make "
			"this one another, empty its state directory");
		r = GH_EDENIED;
	}
	if (r == GH_OK && a.is_known)
		r = take_known(&a, doc != NULL ? doc->body : GH_STR_NONE, error, error_size);
	if (r < 0)
		goto out;
	r = issue_and_write(m, &authority, &a, doc, ret);
	if (r == GH_EINVAL)
		snprintf(error, error_size, "the request for a certificate is not acceptable");
	else if (r < 0)
		snprintf(error, error_size, "the certificate cannot be written down: %s", gh_strerror(r));
out:
	if (found != NULL)
		m->docs.vt->found_free(found);
	members_authority_done(&authority);
	return r;
}

int
members_issue(struct members *m, const struct applicant *applicant, struct certificate *ret, char *error,
	size_t error_size)
{
	int r = GH_ECONFLICT;

	/* With a token, a conflict may be its end: the caller looks again. */
	for (int i = 0; i < (applicant->also == NULL ? MEMBERS_TRIES : 1) && r == GH_ECONFLICT; i++)
		r = issue_once(m, applicant, ret, error, error_size);
	return r;
}

/* ---- This node's own ------------------------------------------------------------------------- */

/** Has this node a certificate of this authority, with the roles wanted, that is still young? */
static bool
is_good(struct members *m, const struct authority *authority)
{
	struct gh_enrolled own;
	struct pki_certificate c;

	m->enroll.vt->state(m->enroll.self, &own);
	return own.has_certificate && pki_read(authority->certificate, &c) == GH_OK &&
		strcmp(own.authority, c.key_id) == 0 && now_s() < own.renew_at_s &&
		gh_str_eq(gh_str_of(own.roles), m->enroll.vt->wanted_roles(m->enroll.self));
}

static size_t
split_roles(struct gh_str text, struct gh_str roles[MEMBERS_ROLES_MAX])
{
	size_t n = 0;

	while (text.n > 0 && n < MEMBERS_ROLES_MAX) {
		const char *blank = memchr(text.p, ' ', text.n);
		size_t length = blank != NULL ? (size_t)(blank - text.p) : text.n;

		roles[n++] = (struct gh_str){ text.p, length };
		length += blank != NULL ? 1 : 0;
		text.p += length;
		text.n -= length;
	}
	return n;
}

int
members_issue_own(struct members *m, char *error, size_t error_size)
{
	struct applicant a = { .id = m->trust.vt->node_id(m->trust.self),
		.name = gh_inst_node_name(m->inst) };
	struct certificate c = { .chain = GH_STR_NONE };
	struct authority authority;
	int r = members_authority_open(m, &authority, error, error_size);

	if (r < 0)
		return r;
	if (is_good(m, &authority)) {
		r = m->enroll.vt->trust(m->enroll.self, authority.bundle);
		snprintf(error, error_size, "%s", gh_strerror(r));
		goto out;
	}
	a.role_count = split_roles(m->enroll.vt->wanted_roles(m->enroll.self), a.roles);
	r = m->enroll.vt->request(m->enroll.self, &a.request);
	if (r < 0) {
		snprintf(error, error_size, "no key can be made: %s", gh_strerror(r));
		goto out;
	}
	r = members_issue(m, &a, &c, error, error_size);
	if (r == GH_OK)
		r = m->enroll.vt->install(m->enroll.self, c.chain, c.authorities, error, error_size);
out:
	free((void *)a.request.p);
	members_certificate_done(&c);
	members_authority_done(&authority);
	return r;
}
