/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fetch.c
 * @brief Handles that are kept with their connections, lines that stop, and the TLS files.
 *
 * A handle (slot) serves one call at a time and keeps its connections; the one that was used last is
 * taken first, so that few connections are open.  libcurl can be woken from another thread only
 * through a multi handle, so each slot has one of its own.
 */
#include "config.h"

#include "lib/fetch/fetch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/crypto/crypto.h"
#include "lib/fetch/transfer.h"

#define CONNECTIONS_PER_SLOT 2

struct fetch {
	pthread_mutex_t lock;
	struct tls_files *tls; /**< lock; what new calls use. */
	struct slot *idle;     /**< lock; the one used last first. */
	unsigned idle_count;   /**< lock */
};

/** A call under way, on its caller's stack. */
struct active {
	struct active *next;
	struct slot *slot;
};

struct fetch_line {
	struct fetch *fetch;
	struct active *active; /**< lock of the fetch */
	atomic_bool is_stopped;
};

/* ---- TLS files ------------------------------------------------------------------------------- */

static int
write_text(struct gh_str text, int *ret_fd)
{
	int fd = memfd_create("gatehouse-tls", MFD_CLOEXEC);

	for (size_t done = 0; fd >= 0 && done < text.n;) {
		ssize_t n = write(fd, text.p + done, text.n - done);

		if (n <= 0) {
			close(fd);
			fd = -1;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	*ret_fd = fd;
	return fd >= 0 ? GH_OK : GH_EIO;
}

static void
files_free(struct tls_files *files)
{
	const int fds[] = { files->authorities, files->certificate, files->key };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(files);
}

static int
files_new(const struct fetch_tls *tls, struct tls_files **ret)
{
	struct tls_files *files = calloc(1, sizeof(*files));
	int r = GH_OK;

	if (files == NULL)
		return GH_ENOMEM;
	*files = (struct tls_files){ .refs = 1, .is_unverified = tls->is_unverified,
		.authorities = -1, .certificate = -1, .key = -1 };
	if (tls->authorities.n > 0)
		r = write_text(tls->authorities, &files->authorities);
	if (r == GH_OK && tls->certificate.n > 0)
		r = write_text(tls->certificate, &files->certificate);
	if (r == GH_OK && tls->certificate.n > 0)
		r = write_text(tls->key, &files->key);
	if (r == GH_OK)
		*ret = files;
	else
		files_free(files);
	return r;
}

/** Under the lock. */
static void
files_unref(struct tls_files *files)
{
	if (files != NULL && --files->refs == 0)
		files_free(files);
}

/* ---- Slots ----------------------------------------------------------------------------------- */

/** Ends its connections, which may take a moment: without the lock. */
static void
slot_close(struct slot *slot)
{
	if (slot->easy != NULL)
		curl_easy_cleanup(slot->easy);
	if (slot->multi != NULL)
		curl_multi_cleanup(slot->multi);
	free(slot);
}

static struct slot *
slot_open(void)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	if (slot == NULL)
		return NULL;
	slot->multi = curl_multi_init();
	slot->easy = curl_easy_init();
	if (slot->multi == NULL || slot->easy == NULL) {
		slot_close(slot);
		return NULL;
	}
	curl_multi_setopt(slot->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_PER_SLOT);
	return slot;
}

static struct slot *
slot_take(struct fetch *fetch)
{
	struct slot *slot, *fresh = NULL;

	pthread_mutex_lock(&fetch->lock);
	slot = fetch->idle;
	if (slot != NULL) {
		fetch->idle = slot->next;
		fetch->idle_count--;
	}
	pthread_mutex_unlock(&fetch->lock);
	if (slot == NULL)
		slot = fresh = slot_open();
	if (fresh != NULL) {
		pthread_mutex_lock(&fetch->lock);
		fresh->tls = fetch->tls;
		fresh->tls->refs++;
		pthread_mutex_unlock(&fetch->lock);
	}
	return slot;
}

static void
slot_give(struct fetch *fetch, struct slot *slot)
{
	bool is_kept;

	pthread_mutex_lock(&fetch->lock);
	is_kept = slot->tls == fetch->tls && fetch->idle_count < FETCH_KEPT_MAX;
	if (is_kept) {
		slot->next = fetch->idle;
		fetch->idle = slot;
		fetch->idle_count++;
	} else {
		files_unref(slot->tls);
	}
	pthread_mutex_unlock(&fetch->lock);
	if (!is_kept)
		slot_close(slot);
}

static void
slots_close(struct slot *slot)
{
	while (slot != NULL) {
		struct slot *next = slot->next;

		slot_close(slot);
		slot = next;
	}
}

/* ---- The client ------------------------------------------------------------------------------ */

int
fetch_new(const struct fetch_tls *tls, struct fetch **ret)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));
	int r = GH_ENOMEM;

	if (fetch == NULL)
		return r;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(fetch);
		return r;
	}
	r = files_new(tls, &fetch->tls);
	if (r < 0) {
		curl_global_cleanup();
		free(fetch);
		return r;
	}
	pthread_mutex_init(&fetch->lock, NULL);
	*ret = fetch;
	return GH_OK;
}

void
fetch_free(struct fetch *fetch)
{
	if (fetch == NULL)
		return;
	for (struct slot *slot = fetch->idle; slot != NULL; slot = slot->next)
		files_unref(slot->tls);
	slots_close(fetch->idle);
	files_unref(fetch->tls);
	pthread_mutex_destroy(&fetch->lock);
	curl_global_cleanup();
	free(fetch);
}

int
fetch_set_tls(struct fetch *fetch, const struct fetch_tls *tls)
{
	struct tls_files *files;
	struct slot *old;
	int r = files_new(tls, &files);

	if (r < 0)
		return r;
	pthread_mutex_lock(&fetch->lock);
	old = fetch->idle;
	fetch->idle = NULL;
	fetch->idle_count = 0;
	for (struct slot *slot = old; slot != NULL; slot = slot->next)
		files_unref(slot->tls);
	files_unref(fetch->tls);
	fetch->tls = files;
	pthread_mutex_unlock(&fetch->lock);
	slots_close(old);
	return GH_OK;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

struct fetch_line *
fetch_line_new(struct fetch *fetch)
{
	struct fetch_line *line = calloc(1, sizeof(*line));

	if (line != NULL)
		line->fetch = fetch;
	return line;
}

void
fetch_line_stop(struct fetch_line *line)
{
	pthread_mutex_lock(&line->fetch->lock);
	atomic_store(&line->is_stopped, true);
	for (struct active *a = line->active; a != NULL; a = a->next)
		curl_multi_wakeup(a->slot->multi);
	pthread_mutex_unlock(&line->fetch->lock);
}

void
fetch_line_free(struct fetch_line *line)
{
	free(line);
}

static void
enter(struct fetch_line *line, struct active *active)
{
	pthread_mutex_lock(&line->fetch->lock);
	active->next = line->active;
	line->active = active;
	pthread_mutex_unlock(&line->fetch->lock);
}

static void
leave(struct fetch_line *line, struct active *active)
{
	struct active **at = &line->active;

	pthread_mutex_lock(&line->fetch->lock);
	while (*at != active)
		at = &(*at)->next;
	*at = active->next;
	pthread_mutex_unlock(&line->fetch->lock);
}

int
fetch_call(struct fetch_line *line, const struct fetch_request *request, fetch_data_fn *fn, void *arg,
	struct fetch_reply **ret, char *error, size_t error_size)
{
	struct active active = { .slot = slot_take(line->fetch) };
	struct transfer transfer = { .slot = active.slot, .request = request, .fn = fn, .arg = arg,
		.is_stopped = &line->is_stopped };
	int r;

	if (active.slot == NULL) {
		snprintf(error, error_size, "out of memory");
		return GH_ENOMEM;
	}
	enter(line, &active);
	r = fetch_transfer(&transfer, ret, error, error_size);
	leave(line, &active);
	slot_give(line->fetch, active.slot);
	return r;
}

void
fetch_reply_free(struct fetch_reply *reply)
{
	struct reply_head *head = (struct reply_head *)(void *)reply;

	if (reply == NULL)
		return;
	head--;
	crypto_wipe_free(head, head->n);
}
