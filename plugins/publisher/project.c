/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file project.c
 * @brief Reading projects: every file of an archive has its place, or the archive is refused.
 */
#include "plugins/publisher/project.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/json/json.h"
#include "plugins/publisher/openapi.h"

#define SOURCE_ARCHIVE "SourceArchive.zip"

static const struct archive_limits limits = {
	.max_entries = 600, .max_entry_bytes = 6u << 20, .max_total_bytes = 24u << 20,
	.max_ratio = 200, .max_depth = 8,
};

int
project_fail(char *error, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, PROJECT_ERROR_SIZE, fmt, args);
	va_end(args);
	return err;
}

#define fail(...) project_fail(error, GH_EINVAL, __VA_ARGS__)

/* ---- Files ----------------------------------------------------------------------------------- */

static bool
starts_with(struct gh_str s, struct gh_str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static struct gh_str
behind(struct gh_str s, struct gh_str prefix)
{
	return (struct gh_str){ s.p + prefix.n, s.n - prefix.n };
}

/** Up to and with the first slash; empty when there is none. */
static struct gh_str
first_folder(struct gh_str name)
{
	const char *slash = name.n > 0 ? memchr(name.p, '/', name.n) : NULL;

	return (struct gh_str){ name.p, slash != NULL ? (size_t)(slash - name.p) + 1 : 0 };
}

/** A file of a folder by its name there. */
static const struct archive_file *
file_at(const struct archive *archive, struct gh_str folder, const char *name)
{
	char path[ARCHIVE_NAME_MAX + 1];
	int n = snprintf(path, sizeof(path), "%.*s%s", GH_STR_ARG(folder), name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return NULL;
	return archive_find(archive, (struct gh_str){ path, (size_t)n });
}

int
project_parse(const struct archive_file *file, json_t **ret_json, char *error)
{
	char why[OPENAPI_ERROR_SIZE];
	int r = openapi_parse_text(file->content, ret_json, why);

	if (r < 0 && r != GH_ENOMEM)
		return project_fail(error, r, "%.*s: %s", GH_STR_ARG(file->name), why);
	return r;
}

/** NAME.yaml or NAME.json in a folder; both are an error, none is NULL. */
static int
yaml_or_json(const struct archive *archive, struct gh_str folder, const char *name,
	const struct archive_file **ret_file, char *error)
{
	char path[64];

	snprintf(path, sizeof(path), "%s.yaml", name);
	const struct archive_file *yaml = file_at(archive, folder, path);

	snprintf(path, sizeof(path), "%s.json", name);
	const struct archive_file *json = file_at(archive, folder, path);

	if (yaml != NULL && json != NULL)
		return fail("The archive holds both %.*s and %.*s; it must be clear which one counts",
			GH_STR_ARG(yaml->name), GH_STR_ARG(json->name));
	*ret_file = yaml != NULL ? yaml : json;
	return 0;
}

int
project_only(const json_t *object, const char *where, const char *const *names, char *error)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value) {
		size_t i = 0;

		while (names[i] != NULL && strcmp(names[i], key) != 0)
			i++;
		if (names[i] == NULL)
			return fail("%.150s: '%.60s' is no field that is known there", where, key);
	}
	return 0;
}

/** What stands behind "data" in {type, version, data}.  @param[out] ret_data  a new reference. */
static int
read_envelope(const struct archive_file *file, const char *type, json_t **ret_data, char *error)
{
	static const char *const names[] = { "type", "version", "data", NULL };
	char where[ARCHIVE_NAME_MAX + 1];
	json_t *root = NULL;
	int r = project_parse(file, &root, error);

	if (r < 0)
		return r;
	snprintf(where, sizeof(where), "%.*s", GH_STR_ARG(file->name));
	if (!json_is_object(root))
		r = fail("%.150s: it must be an object with type, version and data", where);
	if (r == 0)
		r = project_only(root, where, names, error);
	if (r == 0 && !gh_str_eq(js_str(root, "type"), gh_str_of(type)))
		r = fail("%.150s: 'type' must be %s", where, type);
	if (r == 0 && js_has(root, "version") && js_str(root, "version").p == NULL)
		r = fail("%.150s: 'version' must be a string", where);
	if (r == 0 && !js_has(root, "data"))
		r = fail("%.150s: 'data' is missing", where);
	if (r == 0)
		*ret_data = json_incref(json_object_get(root, "data"));
	json_decref(root);
	return r;
}

json_t *
project_envelope(const char *type, json_t *data)
{
	return json_pack("{s:s,s:s,s:o}", "type", type, "version", PROJECT_VERSION, "data", data);
}

int
project_add_file(struct project *p, struct gh_str name, struct gh_str content, char *made,
	char *error)
{
	size_t i = 0;

	while (i < p->file_count && !gh_str_eq(p->files[i].name, name))
		i++;
	if (i == PROJECT_FILES_MAX) {
		free(made);
		return project_fail(error, GH_ETOOBIG, "The project holds more than %d files",
			PROJECT_FILES_MAX);
	}
	if (i < p->file_count)
		free(p->files[i].made);
	else
		p->file_count++;
	p->files[i] = (struct project_file){ name, content, made };
	return 0;
}

/* ---- The parts of a project ------------------------------------------------------------------ */

static int
read_api(struct project *p, char *error)
{
	const struct archive_file *file = NULL;
	int r = yaml_or_json(p->archive, p->root, "api", &file, error);

	if (r == 0 && file == NULL)
		r = fail("The archive holds no api.yaml and no api.json in its one folder");
	if (r == 0)
		r = read_envelope(file, "api", &p->dto, error);
	if (r == 0 && !json_is_object(p->dto))
		r = fail("%.*s: 'data' must be an object", GH_STR_ARG(file->name));
	return r;
}

static int
read_definition(struct project *p, char *error)
{
	static const char *const others[] = {
		"Definitions/schema.graphql", "Definitions/asyncapi.yaml", "Definitions/asyncapi.json",
	};
	const struct archive_file *file = NULL;
	char why[OPENAPI_ERROR_SIZE];
	int r = yaml_or_json(p->archive, p->root, "Definitions/swagger", &file, error);

	for (size_t i = 0; r == 0 && i < sizeof(others) / sizeof(others[0]); i++)
		if (file_at(p->archive, p->root, others[i]) != NULL)
			r = fail("%s defines another type of API than HTTP, which is the only one "
				"here", others[i]);
	if (r < 0 || file == NULL)
		return r;
	r = openapi_parse(file->content, &p->definition, why);
	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return fail("%.*s: %s", GH_STR_ARG(file->name), why);
	return r;
}

int
project_targets(const json_t *rows, const char *where, json_t **ret_targets, char *error)
{
	static const char *const names[] = {
		"displayOnDevportal", "deploymentEnvironment", "deploymentVhost", NULL,
	};
	json_t *targets = json_array(), *row, *target;
	size_t i;
	int r = targets != NULL ? 0 : GH_ENOMEM;

	if (r == 0 && rows != NULL && !json_is_array(rows) && !json_is_null(rows))
		r = fail("%s: it must be a list", where);
	json_array_foreach(rows, i, row) {
		struct gh_str name = js_str(row, "deploymentEnvironment");
		struct gh_str vhost = js_str(row, "deploymentVhost");
		const json_t *shown = json_object_get(row, "displayOnDevportal");

		if (r == 0 && (name.n == 0 || name.n > 255))
			r = fail("%s: item %zu has no usable 'deploymentEnvironment'", where, i);
		if (r == 0)
			r = project_only(row, where, names, error);
		if (r == 0 && ((js_has(row, "deploymentVhost") && vhost.p == NULL) ||
		    (shown != NULL && !json_is_boolean(shown) && !json_is_null(shown))))
			r = fail("%s: item %zu has a field of the wrong type", where, i);
		if (r < 0)
			break;
		target = json_pack("{s:s,s:b}", "name", name.p, "displayOnDevportal",
			js_bool(row, "displayOnDevportal", true));
		if (vhost.n > 0 && target != NULL)
			r = js_set_str(target, "vhost", vhost);
		if (json_array_append_new(targets, target) < 0)
			r = GH_ENOMEM;
	}
	if (r == 0)
		*ret_targets = targets;
	else
		json_decref(targets);
	return r;
}

static int
read_targets(struct project *p, char *error)
{
	const struct archive_file *file = NULL;
	json_t *rows = NULL;
	int r = yaml_or_json(p->archive, p->root, "deployment_environments", &file, error);

	if (r == 0 && file != NULL)
		r = read_envelope(file, "deployment_environments", &rows, error);
	if (r == 0)
		r = project_targets(rows, "deployment_environments", &p->targets, error);
	json_decref(rows);
	return r;
}

static int
read_thumbnail(struct project *p, char *error)
{
	static const char *const names[] = {
		"Image/icon.png", "Image/icon.jpg", "Image/icon.jpeg", "Image/icon.gif",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct archive_file *file = file_at(p->archive, p->root, names[i]);

		if (file != NULL && p->thumbnail != NULL)
			return fail("The archive holds more than one icon in Image/");
		if (file != NULL)
			p->thumbnail = file;
	}
	return 0;
}

bool
project_is_document_name(struct gh_str name)
{
	static const char *const reserved[] = { ".", "..", "document.yaml", "document.json" };

	if (name.n == 0 || name.n > 60 || name.p[0] == ' ' || name.p[name.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (gh_str_eq_nocase(name, gh_str_of(reserved[i])))
			return false;
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7F ||
			strchr("/\\:*?\"<>|;%", name.p[i]) != NULL)
			return false;
	return true;
}

/** The one file of a document's folder that is not document.yaml. */
static int
find_content(struct project *p, size_t first, struct gh_str folder, const struct archive_file *head,
	struct project_document *document, char *error)
{
	for (size_t i = first; i < p->archive->n; i++) {
		const struct archive_file *file = &p->archive->files[i];

		if (!starts_with(file->name, folder))
			break;
		if (file == head)
			continue;
		if (document->content != NULL)
			return fail("%.*s: the document has more than one file", GH_STR_ARG(folder));
		document->content = file;
	}
	return 0;
}

/** One folder of Docs/.  @param folder  with the project's and with a slash at its end. */
static int
read_document(struct project *p, size_t first, struct gh_str folder, char *error)
{
	struct project_document *document = &p->documents[p->document_count];
	const struct archive_file *head = NULL;
	int r = yaml_or_json(p->archive, folder, "document", &head, error);

	if (r == 0 && p->document_count == PROJECT_DOCUMENTS_MAX)
		return project_fail(error, GH_ETOOBIG, "The project has more than %d documents",
			PROJECT_DOCUMENTS_MAX);
	if (r == 0 && head == NULL)
		r = fail("%.*s holds no document.yaml", GH_STR_ARG(folder));
	if (r < 0)
		return r;
	*document = (struct project_document){ .data = NULL };
	r = read_envelope(head, "document", &document->data, error);
	if (r < 0)
		return r;
	p->document_count++;
	if (!json_is_object(document->data))
		return fail("%.*s: 'data' must be an object", GH_STR_ARG(head->name));
	return find_content(p, first, folder, head, document, error);
}

static int
read_documents(struct project *p, char *error)
{
	char buf[ARCHIVE_NAME_MAX + 8];
	int n = snprintf(buf, sizeof(buf), "%.*sDocs/", GH_STR_ARG(p->root));
	struct gh_str docs = { buf, (size_t)n };
	size_t i = archive_first(p->archive, docs);

	while (i < p->archive->n && starts_with(p->archive->files[i].name, docs)) {
		struct gh_str name = p->archive->files[i].name;
		struct gh_str folder = first_folder(behind(name, docs));

		if (folder.n == 0)
			return fail("%.*s lies in no folder of its own", GH_STR_ARG(name));
		folder = (struct gh_str){ name.p, docs.n + folder.n };
		int r = read_document(p, i, folder, error);

		if (r < 0)
			return r;
		while (i < p->archive->n && starts_with(p->archive->files[i].name, folder))
			i++;
	}
	return 0;
}

/** Does another part of the project account for this file? */
static bool
is_read_elsewhere(const struct project *p, const struct archive_file *file, struct gh_str name)
{
	static const char *const names[] = {
		"api.yaml", "api.json", "api_meta.yaml", "deployment_environments.yaml",
		"deployment_environments.json", "Definitions/swagger.yaml", "Definitions/swagger.json",
	};

	if (file == p->thumbnail || starts_with(name, GH_STR("Docs/")))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (gh_str_eq(name, gh_str_of(names[i])))
			return true;
	return false;
}

/** What is not understood here is kept. */
static int
collect_files(struct project *p, char *error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->archive->n; i++) {
		const struct archive_file *file = &p->archive->files[i];
		struct gh_str name = behind(file->name, p->root);

		if (name.n > 200)
			r = fail("The name '%.*s' is too long", GH_STR_ARG(name));
		else if (!is_read_elsewhere(p, file, name))
			r = project_add_file(p, name, file->content, NULL, error);
	}
	return r;
}

/* ---- The archive ----------------------------------------------------------------------------- */

/** The folder that holds everything; empty when the project is not in a folder. */
static int
find_root(const struct archive *archive, struct gh_str *ret_root, char *error)
{
	static const char *const marks[] = { "api.yaml", "api.json", SOURCE_ARCHIVE };
	struct gh_str root = archive->n > 0 ? first_folder(archive->files[0].name) : GH_STR_NONE;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (archive_find(archive, gh_str_of(marks[i])) != NULL)
			root = GH_STR_NONE;
	for (size_t i = 0; i < archive->n; i++)
		if (root.n > 0 && !starts_with(archive->files[i].name, root))
			return fail("'%.*s' lies beside the folder %.*s; an archive holds one folder "
				"with the project", GH_STR_ARG(archive->files[i].name),
				GH_STR_ARG(root));
	*ret_root = root;
	return 0;
}

static int
open_archive(struct gh_str bytes, struct archive **ret_archive, struct gh_str *ret_root,
	const char *prefix, char *error)
{
	char why[ARCHIVE_ERROR_SIZE];
	int r = archive_read(bytes, &limits, ret_archive, why);

	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return project_fail(error, r, "%s%s", prefix, why);
	return r == 0 ? find_root(*ret_archive, ret_root, error) : r;
}

/** The archive with the project; with parameters it lies inside. */
static int
open_project(struct project *p, struct gh_str bytes, struct gh_str *ret_outer_root, char *error)
{
	int r = open_archive(bytes, &p->archive, &p->root, "", error);

	if (r < 0)
		return r;
	const struct archive_file *source = file_at(p->archive, p->root, SOURCE_ARCHIVE);

	if (source == NULL)
		return 0;
	if (file_at(p->archive, p->root, "api.yaml") != NULL ||
	    file_at(p->archive, p->root, "api.json") != NULL)
		return fail("The archive holds both an API and " SOURCE_ARCHIVE);
	p->outer = p->archive;
	p->archive = NULL;
	*ret_outer_root = p->root;
	r = open_archive(source->content, &p->archive, &p->root, SOURCE_ARCHIVE ": ", error);
	if (r == 0 && file_at(p->archive, p->root, SOURCE_ARCHIVE) != NULL)
		return fail(SOURCE_ARCHIVE " holds another " SOURCE_ARCHIVE);
	return r;
}

int
project_read(struct gh_str bytes, struct project **ret_project, char *error)
{
	struct project *p = calloc(1, sizeof(*p));
	struct gh_str outer_root = GH_STR_NONE;
	int r = p != NULL ? open_project(p, bytes, &outer_root, error) : GH_ENOMEM;

	if (r == 0)
		r = read_api(p, error);
	if (r == 0)
		r = read_definition(p, error);
	if (r == 0)
		r = read_targets(p, error);
	if (r == 0)
		r = read_thumbnail(p, error);
	if (r == 0)
		r = read_documents(p, error);
	if (r == 0)
		r = collect_files(p, error);
	if (r == 0 && p->outer != NULL)
		r = project_merge_params(p, outer_root, error);
	if (r == 0)
		*ret_project = p;
	else
		project_free(p);
	return r;
}

void
project_free(struct project *project)
{
	if (project == NULL)
		return;
	json_decref(project->dto);
	json_decref(project->definition);
	json_decref(project->targets);
	for (size_t i = 0; i < project->document_count; i++)
		json_decref(project->documents[i].data);
	for (size_t i = 0; i < project->file_count; i++)
		free(project->files[i].made);
	archive_free(project->archive);
	archive_free(project->outer);
	free(project);
}
