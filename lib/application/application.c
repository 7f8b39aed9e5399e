/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file application.c
 * @brief Applications together with what belongs to them.
 */
#include "lib/application/application.h"

#include <stdlib.h>

#include "lib/tenant/tenant.h"

int
application_check_name(struct rest_context *ctx, struct gh_str owner, struct gh_str name,
	struct gh_str own_id)
{
	struct gh_str equal[] = { owner, name };
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "application", "owner_name", equal, 2, &found);

	if (r == 0 && found->n > 0 && !gh_str_eq(found->docs[0].id, own_id))
		return rest_fail(ctx, 409, "there is an application named %.*s already",
			GH_STR_ARG(name));
	return r;
}

/** Put one document with some fields changed.  @param changes  finished. */
static int
put_changed(struct rest_context *ctx, const char *kind, const struct gh_doc *doc,
	struct doc_writer *changes)
{
	struct gh_str fields, body;
	int r = doc_finish(changes, &fields);

	if (r < 0)
		return r;
	r = doc_merge(doc->body, fields, &body);
	free((void *)fields.p);
	return r == 0 ? rest_put(ctx, kind, doc->id, body, doc->rev) : r;
}

int
application_put_consumers(struct rest_context *ctx, struct gh_str application_id,
	struct gh_str name, struct gh_str owner, struct gh_str tier)
{
	const struct gh_docs_found *found;
	int r = rest_find_equal(ctx, "consumer", "application", &application_id, 1, &found);

	for (size_t i = 0; r == 0 && i < found->n; i++) {
		struct doc_writer w;

		doc_writer_init(&w);
		doc_put_str(&w, "application_name", name);
		doc_put_str(&w, "owner", owner);
		doc_put_str(&w, "tier", tier);
		r = put_changed(ctx, "consumer", &found->docs[i], &w);
	}
	return r;
}

int
application_put_owner(struct rest_context *ctx, const struct gh_doc *application,
	struct gh_str owner)
{
	const struct gh_docs_found *found;
	struct gh_str body;
	int r = doc_set(application->body, "owner", DOC_OF_STR(owner), &body);

	if (r == 0)
		r = rest_put(ctx, "application", application->id, body, application->rev);
	if (r == 0)
		r = application_put_consumers(ctx, application->id,
			doc_str(application->body, "name"), owner,
			doc_str(application->body, "tier"));
	if (r == 0)
		r = rest_find_equal(ctx, "client", "application", &application->id, 1, &found);
	for (size_t i = 0; r == 0 && i < found->n; i++) {
		r = doc_set(found->docs[i].body, "owner", DOC_OF_STR(owner), &body);
		if (r == 0)
			r = rest_put(ctx, "client", found->docs[i].id, body, found->docs[i].rev);
	}
	return r;
}

/** Where a rest_each_fn deletes. */
struct deletion {
	const char *kind;
};

/** A rest_each_fn. */
static int
delete_one(struct rest_context *ctx, const struct gh_doc *doc, void *arg)
{
	const struct deletion *d = arg;
	int r = rest_delete(ctx, d->kind, doc->id, GH_REV_ANY);

	if (r < 0 || strcmp(d->kind, "client") != 0 || tenant_is_default(ctx->tenant))
		return r;
	/* The key manager keeps the ids of clients in the default tenant, too. */
	struct gh_str before = rest_use_tenant(ctx, TENANT_DEFAULT);

	r = rest_delete(ctx, "client", doc->id, GH_REV_ANY);
	rest_use_tenant(ctx, before);
	return r;
}

int
application_delete(struct rest_context *ctx, const struct gh_doc *application)
{
	static const struct { const char *kind, *index; } parts[] = {
		{ "subscription", "application_api" }, { "consumer", "application" },
		{ "client", "application" },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct gh_find find = { .kind = gh_str_of(parts[i].kind), .index = parts[i].index,
			.equal = &application->id, .equal_count = 1 };

		r = rest_find_each(ctx, &find, delete_one,
			&(struct deletion){ parts[i].kind });
	}
	return r == 0 ? rest_delete(ctx, "application", application->id, application->rev) : r;
}
