/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file transfer.h
 * @brief One call on one handle of libcurl; not for users of lib/fetch.
 */
#ifndef LIB_FETCH_TRANSFER_H
#define LIB_FETCH_TRANSFER_H
#include <curl/curl.h>
#include <stdatomic.h>

#include "lib/fetch/fetch.h"

/** PEM in anonymous files, because the library wants names.  Shared by the slots that use them. */
struct tls_files {
	unsigned refs;                    /**< lock of struct fetch */
	bool is_unverified;
	int authorities, certificate, key; /**< Descriptors; -1: none. */
};

/** A handle with the connections that it keeps. */
struct slot {
	struct slot *next;
	CURLM *multi;
	CURL *easy;
	struct tls_files *tls;
};

/** A response as it comes. */
struct transfer {
	struct slot *slot;
	const struct fetch_request *request;
	fetch_data_fn *fn;
	void *arg;
	const atomic_bool *is_stopped;
	char *body;
	size_t body_n, body_size;
	uint64_t received;      /**< Body bytes, wherever they went. */
	uint64_t heard_ms;      /**< When a byte came last. */
	uint64_t field_bytes;   /**< Of all header sections. */
	int result;             /**< Why the body was refused. */
	char refused[160];      /**< Why the address was; empty: it was not. */
	char why[CURL_ERROR_SIZE];
};

/** In front of every reply. */
struct reply_head {
	_Alignas(max_align_t) size_t n; /**< Of the whole block. */
};

/** @return as fetch_call(); the reply is the caller's. */
int fetch_transfer(struct transfer *t, struct fetch_reply **ret, char *error, size_t error_size);

#endif
