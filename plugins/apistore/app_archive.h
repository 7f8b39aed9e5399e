/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file app_archive.h
 * @brief The archive of an application: "<owner>-<name>/application.yaml" (or .json) in a zip file.
 *
 * The file is {type: application, version, data: {applicationInfo, subscribedAPIs}}.  Its content may
 * hold secrets of clients, so memory is wiped.  ANY.
 */
#ifndef PLUGINS_APISTORE_APP_ARCHIVE_H
#define PLUGINS_APISTORE_APP_ARCHIVE_H
#include <gatehouse/base.h>
#include <jansson.h>

#define APP_ARCHIVE_VERSION "v4.7.0" /**< Of the format, as this program writes it. */
#define APP_ARCHIVE_ERROR_SIZE 512

/** Name of the folder, and of the file that a browser offers.  What file systems may not like
 *  becomes '_'.  @param buf  room for 200 bytes.  @return it, in @p buf. */
struct gh_str app_archive_folder(struct gh_str owner, struct gh_str name, char *buf);
/** @param data  with applicationInfo and subscribedAPIs; BORROW.
 *  @param[out] ret_zip  malloc()ed.  @return 0, GH_ENOMEM, GH_ETOOBIG. */
int app_archive_write(struct gh_str folder, const json_t *data, bool is_json,
	struct gh_str *ret_zip);
/** Read one from a stranger: application.yaml, .yml or .json, at the top or in one folder.  Other
 *  files are not looked at.
 *  @param[out] ret_data   a new reference to "data", an object with the object applicationInfo.
 *  @param[out] error      on failure: a sentence; APP_ARCHIVE_ERROR_SIZE bytes.
 *  @return 0, GH_EINVAL, GH_ETOOBIG, GH_ENOMEM. */
int app_archive_read(struct gh_str zip, json_t **ret_data, char *error);

#endif
