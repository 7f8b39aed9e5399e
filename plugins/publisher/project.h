/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file project.h
 * @brief API projects: the archives by which APIs travel between nodes, read and checked.
 *
 * An archive holds one folder, NAME-VERSION/, with api.yaml (or api.json), and beside it Definitions/,
 * Docs/, Image/, deployment_environments.yaml and more.  When a client was given parameters for an
 * environment, the archive holds the project as SourceArchive.zip, intermediate_params.yaml and
 * Deployment/ instead, and the parameters are merged here.  Knows neither requests nor documents
 * of the store.  ANY.
 */
#ifndef PUBLISHER_PROJECT_H
#define PUBLISHER_PROJECT_H
#include <jansson.h>

#include "lib/zip/archive.h"

#define PROJECT_ERROR_SIZE 400
#define PROJECT_DOCUMENTS_MAX 100
#define PROJECT_FILES_MAX 300
#define PROJECT_VERSION "v4.7.0" /* of the format, as this program writes it */

/** One folder of Docs/. */
struct project_document {
	json_t *data;                       /**< What document.yaml says. */
	const struct archive_file *content; /**< NULL: none, or it stands in @c data. */
};

/** A file that is kept with the API and goes out again with it. */
struct project_file {
	struct gh_str name;    /**< Relative to the project: "Policies/add_v1.yaml". */
	struct gh_str content;
	char *made;            /**< Memory of a content that was made here, or NULL. */
};

struct project {
	struct archive *archive; /**< Of the project itself. */
	struct archive *outer;   /**< With parameters: what was sent.  Or NULL. */
	struct gh_str root;      /**< The project's folder, "Books-1.0.0/", or empty. */
	json_t *dto;             /**< data of api.yaml: an object. */
	json_t *definition;      /**< Checked OpenAPI; NULL: none. */
	json_t *targets;         /**< [{name, vhost, displayOnDevportal}]: where to deploy. */
	const struct archive_file *thumbnail; /**< Or NULL. */
	struct project_document documents[PROJECT_DOCUMENTS_MAX];
	size_t document_count;
	struct project_file files[PROJECT_FILES_MAX];
	size_t file_count;
	bool has_dependent_apis; /**< Parameters named some, which an API cannot have. */
};

/** @param[out] ret_project  GIVE: project_free().
 *  @param[out] error  on failure: a sentence that names file and reason; PROJECT_ERROR_SIZE bytes.
 *  @return 0; GH_EINVAL, GH_ETOOBIG: see @p error; GH_ENOMEM. */
int project_read(struct gh_str bytes, struct project **ret_project, char *error);
void project_free(struct project *project);

/** Keys that an envelope {type, version, data} may have.  A new {type, version: PROJECT_VERSION,
 *  data}; NULL: out of memory.  @param data  GIVE. */
json_t *project_envelope(const char *type, json_t *data);
/** May a document of an API have this name?  It is a folder's name in archives. */
bool project_is_document_name(struct gh_str name);

/* ---- For project_params.c -------------------------------------------------------------------- */

/** Write a sentence and return @p err. */
int project_fail(char *error, int err, const char *fmt, ...) GH_PRINTF(3, 4);
/** Parse a file as YAML or JSON.  @param[out] ret_json  a new reference. */
int project_parse(const struct archive_file *file, json_t **ret_json, char *error);
/** Every member of @p object is one of @p names (ended by NULL). */
int project_only(const json_t *object, const char *where, const char *const *names, char *error);
/** [{name, vhost, displayOnDevportal}] of an array as deployment_environments.yaml has it.
 *  @param where  for messages.  @param[out] ret_targets  a new reference. */
int project_targets(const json_t *rows, const char *where, json_t **ret_targets, char *error);
/** Add a file, or replace the one of that name.  @param made  GIVE, or NULL. */
int project_add_file(struct project *p, struct gh_str name, struct gh_str content, char *made,
	char *error);
/** Merge the parameters of an environment.  @param prefix  the folder in p->outer. */
int project_merge_params(struct project *p, struct gh_str prefix, char *error);

#endif
