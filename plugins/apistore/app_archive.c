/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file app_archive.c
 * @brief Archives of applications, written and read.
 */
#include "plugins/apistore/app_archive.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/crypto/crypto.h"
#include "lib/json/json.h"
#include "lib/yaml/yaml_json.h"
#include "lib/yaml/yaml_write.h"
#include "lib/zip/archive.h"

#define FOLDER_MAX 199

static const struct archive_limits limits = {
	.max_entries = 100, .max_entry_bytes = 1u << 20, .max_total_bytes = 4u << 20, .max_ratio = 200,
	.max_depth = 4,
};
static const struct yaml_limits yaml_limits = {
	.max_bytes = 1u << 20, .max_nodes = 200000, .max_depth = 32,
};

/* ---- Writing ------------------------------------------------------------------------------------- */

struct gh_str
app_archive_folder(struct gh_str owner, struct gh_str name, char *buf)
{
	const struct gh_str parts[] = { owner, GH_STR("-"), name };
	size_t n = 0;

	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < parts[i].n && n < FOLDER_MAX; k++) {
			char c = parts[i].p[k];
			bool is_safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || c == '-' || c == '_' || c == '@' ||
				(c == '.' && n > 0);

			buf[n++] = is_safe ? c : '_';
		}
	}
	while (n > 0 && buf[n - 1] == '.')
		n--;
	return (struct gh_str){ buf, n };
}

static void
wipe_and_free(struct gh_str text)
{
	if (text.p == NULL)
		return;
	crypto_wipe((void *)(uintptr_t)text.p, text.n);
	free((void *)(uintptr_t)text.p);
}

int
app_archive_write(struct gh_str folder, const json_t *data, bool is_json, struct gh_str *ret_zip)
{
	json_t *root = json_pack("{s:s, s:s, s:O}", "type", "application", "version", APP_ARCHIVE_VERSION,
		"data", data);
	struct archive_writer *w = archive_writer_new();
	struct gh_str text = GH_STR_NONE;
	char name[FOLDER_MAX + 32];
	int r = root != NULL && w != NULL ? GH_OK : GH_ENOMEM;

	if (r == GH_OK)
		r = is_json ? js_dump(root, &text) : yaml_write(root, &text);
	if (r == GH_OK) {
		int n = snprintf(name, sizeof(name), "%.*s/application.%s", GH_STR_ARG(folder),
			is_json ? "json" : "yaml");

		archive_writer_add(w, (struct gh_str){ name, (size_t)n }, text);
		r = archive_writer_finish(w, ret_zip);
		w = NULL;
	}
	archive_writer_free(w);
	wipe_and_free(text);
	json_decref(root);
	return r;
}

/* ---- Reading ------------------------------------------------------------------------------------- */

static int fail(char *error, const char *fmt, ...) GH_PRINTF(2, 3);

static int
fail(char *error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, APP_ARCHIVE_ERROR_SIZE, fmt, args);
	va_end(args);
	return GH_EINVAL;
}

/* Is it the file of the application: at the top, or in a folder that stands at the top? */
static bool
is_application(struct gh_str name)
{
	static const char *const names[] = { "application.yaml", "application.yml", "application.json" };
	const char *slash = memchr(name.p, '/', name.n);
	size_t skip = slash != NULL ? (size_t)(slash - name.p) + 1 : 0;
	struct gh_str rest = { name.p + skip, name.n - skip };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (gh_str_eq(rest, gh_str_of(names[i])))
			return true;
	return false;
}

static int
find_file(const struct archive *archive, const struct archive_file **ret_file, char *error)
{
	const struct archive_file *file = NULL;

	for (size_t i = 0; i < archive->n; i++) {
		if (!is_application(archive->files[i].name))
			continue;
		if (file != NULL)
			return fail(error, "The archive holds more than one application: %.*s and %.*s",
				GH_STR_ARG(file->name), GH_STR_ARG(archive->files[i].name));
		file = &archive->files[i];
	}
	if (file == NULL)
		return fail(error, "The archive holds no application.yaml or application.json, at its "
			"top or in one folder");
	*ret_file = file;
	return GH_OK;
}

static int
parse(const struct archive_file *file, json_t **ret_json, char *error)
{
	struct yaml_doc *doc = NULL;
	char why[256] = "";
	int r;

	if (file->name.n > 5 && memcmp(file->name.p + file->name.n - 5, ".json", 5) == 0) {
		r = js_parse(file->content, NULL, ret_json, why, sizeof(why));
	} else {
		r = yaml_parse(file->content, &yaml_limits, NULL, NULL, &doc, why, sizeof(why));
		if (r == GH_OK)
			r = yaml_to_json(yaml_root(doc), ret_json, why, sizeof(why));
		yaml_doc_free(doc);
	}
	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return fail(error, "%.*s cannot be read. %s", GH_STR_ARG(file->name), why);
	return r;
}

static int
take_data(const struct archive_file *file, const json_t *root, json_t **ret_data, char *error)
{
	json_t *data = js_object(root, "data");

	if (!gh_str_eq(js_str(root, "type"), GH_STR("application")))
		return fail(error, "%.*s: 'type' must be application", GH_STR_ARG(file->name));
	if (js_object(data, "applicationInfo") == NULL)
		return fail(error, "%.*s: 'data.applicationInfo' must be there",
			GH_STR_ARG(file->name));
	*ret_data = json_incref(data);
	return GH_OK;
}

int
app_archive_read(struct gh_str zip, json_t **ret_data, char *error)
{
	const struct archive_file *file = NULL;
	char why[ARCHIVE_ERROR_SIZE];
	struct archive *archive = NULL;
	json_t *root = NULL;
	int r = archive_read(zip, &limits, &archive, why);

	if (r == GH_EINVAL || r == GH_ETOOBIG)
		return fail(error, "The archive is not accepted. %s", why);
	if (r == GH_OK)
		r = find_file(archive, &file, error);
	if (r == GH_OK)
		r = parse(file, &root, error);
	if (r == GH_OK)
		r = take_data(file, root, ret_data, error);
	json_decref(root);
	archive_free(archive);
	return r;
}
