/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file resolve.c
 * @brief c-ares on a worker's loop, and the cache in front of it.
 *
 * c-ares says which sockets it wants watched; each gets a uv_poll_t.  One timer drives its retries.
 * All who ask for a host while it is being looked up wait on the same cache entry.
 */
#include "plugins/gateway/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <uv.h>

#include "lib/uri/uri.h"

#define BUCKETS 64u
#define ENTRIES_MAX 4096u
#define TTL_MIN_S 1u
#define TTL_MAX_S 60u
#define NEGATIVE_S 2u
#define TICK_MS 250u     /* how often c-ares may look at its own timeouts */

/** A host that was asked for. */
struct entry {
	struct entry *next;           /**< In its bucket. */
	struct resolver *resolver;
	struct resolve_query *waiting;
	bool is_pending;              /**< c-ares is looking it up; it must stay. */
	uint64_t expires_ms;
	struct resolve_answer answer;
	char host[URI_HOST_MAX + 1];
};

/** A socket of c-ares. */
struct watch {
	uv_poll_t poll;
	struct watch *next;
	struct resolver *resolver;
	ares_socket_t fd;
};

struct resolver {
	uv_loop_t *loop;
	uv_timer_t timer;
	ares_channel channel;
	struct watch *watches;
	unsigned handles;             /**< Not closed yet; the last one frees the resolver. */
	unsigned entry_count;
	struct entry *buckets[BUCKETS];
};

int
resolve_library_init(void)
{
	return ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS ? 0 : GH_EIO;
}

void
resolve_library_done(void)
{
	ares_library_cleanup();
}

/* ---- Queries ----------------------------------------------------------------------- */

static void
query_unlink(struct resolve_query *query)
{
	*query->link = query->next;
	if (query->next != NULL)
		query->next->link = query->link;
	query->link = NULL;
}

void
resolve_cancel(struct resolve_query *query)
{
	if (query->link != NULL)
		query_unlink(query);
}

static void
wait_for(struct entry *entry, struct resolve_query *query)
{
	query->next = entry->waiting;
	query->link = &entry->waiting;
	if (query->next != NULL)
		query->next->link = &query->next;
	entry->waiting = query;
}

/** Tell everybody who waits.  They may ask again at once, and cancel each other. */
static void
answer_all(struct entry *entry)
{
	struct resolve_answer answer = entry->answer;
	struct resolve_query *waiting = entry->waiting;

	entry->waiting = NULL;
	if (waiting != NULL)
		waiting->link = &waiting;
	while (waiting != NULL) {
		struct resolve_query *query = waiting;

		query_unlink(query);
		query->fn(query->arg, &answer);
	}
}

/* ---- Cache ------------------------------------------------------------------------- */

static struct entry **
bucket_of(struct resolver *r, struct gh_str host)
{
	uint32_t hash = 2166136261u; /* FNV-1a: endpoints are configured, not chosen by callers */

	for (size_t i = 0; i < host.n; i++)
		hash = (hash ^ (unsigned char)host.p[i]) * 16777619u;
	return &r->buckets[hash % BUCKETS];
}

/** Drop what has expired in one bucket, or with @p is_full whatever is not being looked up. */
static void
clean_bucket(struct resolver *r, struct entry **bucket, bool is_full)
{
	uint64_t now = uv_now(r->loop);

	while (*bucket != NULL) {
		struct entry *e = *bucket;

		if (e->is_pending || (!is_full && e->expires_ms > now)) {
			bucket = &e->next;
			continue;
		}
		*bucket = e->next;
		r->entry_count--;
		free(e);
	}
}

/** @return the entry of @p host, perhaps a new one that nobody looks up yet; NULL: no memory. */
static struct entry *
entry_of(struct resolver *r, struct gh_str host)
{
	struct entry **bucket = bucket_of(r, host);

	clean_bucket(r, bucket, r->entry_count >= ENTRIES_MAX);
	for (struct entry *e = *bucket; e != NULL; e = e->next)
		if (gh_str_eq(gh_str_of(e->host), host))
			return e;
	struct entry *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->resolver = r;
	memcpy(e->host, host.p, host.n);
	e->next = *bucket;
	*bucket = e;
	r->entry_count++;
	return e;
}

/* ---- c-ares ------------------------------------------------------------------------ */

static void
on_handle_closed(struct resolver *r)
{
	if (--r->handles == 0)
		free(r);
}

static void
on_timer_closed(uv_handle_t *handle)
{
	on_handle_closed(handle->data);
}

static void
on_watch_closed(uv_handle_t *handle)
{
	struct watch *w = (struct watch *)handle;
	struct resolver *r = w->resolver;

	free(w);
	on_handle_closed(r);
}

static void
on_tick(uv_timer_t *timer)
{
	struct resolver *r = timer->data;

	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (r->watches == NULL)
		uv_timer_stop(timer);
}

static void
on_socket(uv_poll_t *poll, int status, int events)
{
	struct watch *w = (struct watch *)poll;
	ares_socket_t fd = w->fd;
	bool is_bad = status < 0;

	ares_process_fd(w->resolver->channel,
		is_bad || (events & UV_READABLE) != 0 ? fd : ARES_SOCKET_BAD,
		is_bad || (events & UV_WRITABLE) != 0 ? fd : ARES_SOCKET_BAD);
}

static void
drop_watch(struct watch **place)
{
	struct watch *w = *place;

	*place = w->next;
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

/** c-ares wants @p fd watched, otherwise or no longer. */
static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct watch **place = &r->watches;
	int mask = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);

	while (*place != NULL && (*place)->fd != fd)
		place = &(*place)->next;
	if (mask == 0) {
		if (*place != NULL)
			drop_watch(place);
		return;
	}
	struct watch *w = *place;

	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		if (w == NULL || uv_poll_init_socket(r->loop, &w->poll, fd) < 0) {
			free(w); /* the query will time out */
			return;
		}
		w->fd = fd;
		w->resolver = r;
		w->next = r->watches;
		r->watches = w;
		r->handles++;
	}
	uv_poll_start(&w->poll, mask, on_socket);
	if (!uv_is_active((uv_handle_t *)&r->timer))
		uv_timer_start(&r->timer, on_tick, TICK_MS, TICK_MS);
}

static const char *
failure_text(int status)
{
	switch (status) {
	case ARES_ENOTFOUND: case ARES_ENODATA: return "the name of the backend has no address";
	case ARES_ETIMEOUT: return "the name service did not answer in time";
	case ARES_ECONNREFUSED: return "the name service cannot be reached";
	case ARES_ENOMEM: return "out of memory";
	default: return "the name of the backend could not be looked up";
	}
}

/** Keep addresses and the shortest TTL. */
static unsigned
keep_addresses(const struct ares_addrinfo *info, struct resolve_answer *answer)
{
	unsigned ttl = TTL_MAX_S;

	for (const struct ares_addrinfo_node *n = info->nodes; n != NULL; n = n->ai_next) {
		if (answer->n == RESOLVE_MAX)
			break;
		if (n->ai_ttl >= 0 && (unsigned)n->ai_ttl < ttl)
			ttl = (unsigned)n->ai_ttl;
		union resolve_address *a = &answer->v[answer->n];

		if (n->ai_family == AF_INET && n->ai_addrlen == sizeof(a->v4))
			memcpy(&a->v4, n->ai_addr, sizeof(a->v4));
		else if (n->ai_family == AF_INET6 && n->ai_addrlen == sizeof(a->v6))
			memcpy(&a->v6, n->ai_addr, sizeof(a->v6));
		else
			continue;
		answer->n++;
	}
	return ttl < TTL_MIN_S ? TTL_MIN_S : ttl;
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct entry *e = arg;
	unsigned ttl = NEGATIVE_S;

	(void)timeouts;
	e->is_pending = false;
	memset(&e->answer, 0, sizeof(e->answer));
	if (status == ARES_SUCCESS && info != NULL)
		ttl = keep_addresses(info, &e->answer);
	if (info != NULL)
		ares_freeaddrinfo(info);
	if (e->answer.n == 0) {
		ttl = NEGATIVE_S;
		e->answer.why = failure_text(status == ARES_SUCCESS ? ARES_ENODATA : status);
	}
	if (status == ARES_EDESTRUCTION)
		return;
	e->expires_ms = uv_now(e->resolver->loop) + ttl * 1000u;
	answer_all(e);
}

/* ---- The resolver ------------------------------------------------------------------ */

static bool
is_numeric(struct gh_str host, struct resolve_answer *ret_answer)
{
	char text[INET6_ADDRSTRLEN];
	union resolve_address *a = &ret_answer->v[0];
	bool is_v6 = host.n > 2 && host.p[0] == '[';
	struct gh_str bare = is_v6 ? (struct gh_str){ host.p + 1, host.n - 2 } : host;

	if (bare.n >= sizeof(text))
		return false;
	memcpy(text, bare.p, bare.n);
	text[bare.n] = '\0';
	memset(ret_answer, 0, sizeof(*ret_answer));
	if (is_v6 && inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1)
		a->v6.sin6_family = AF_INET6;
	else if (!is_v6 && inet_pton(AF_INET, text, &a->v4.sin_addr) == 1)
		a->v4.sin_family = AF_INET;
	else
		return false;
	ret_answer->n = 1;
	return true;
}

void
resolve_start(struct resolver *r, struct gh_str host, struct resolve_query *query)
{
	static const struct resolve_answer no_memory = { .why = "out of memory" };
	static const struct resolve_answer no_name = { .why = "the backend's name is too long" };
	struct resolve_answer numeric;

	query->link = NULL;
	if (is_numeric(host, &numeric)) {
		query->fn(query->arg, &numeric);
		return;
	}
	struct entry *e = host.n <= URI_HOST_MAX ? entry_of(r, host) : NULL;

	if (e == NULL) {
		query->fn(query->arg, host.n <= URI_HOST_MAX ? &no_memory : &no_name);
		return;
	}
	if (!e->is_pending && e->expires_ms > uv_now(r->loop)) {
		query->fn(query->arg, &e->answer);
		return;
	}
	wait_for(e, query);
	if (e->is_pending)
		return;
	struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

	e->is_pending = true;
	ares_getaddrinfo(r->channel, e->host, NULL, &hints, on_answer, e);
}

static int
set_servers(struct resolver *r, struct gh_str servers)
{
	char *text = strndup(servers.n > 0 ? servers.p : "", servers.n);
	int status = ARES_SUCCESS;

	if (text == NULL)
		return GH_ENOMEM;
	if (servers.n > 0)
		status = ares_set_servers_ports_csv(r->channel, text);
	free(text);
	return status == ARES_SUCCESS ? 0 : GH_EINVAL;
}

int
resolver_new(struct uv_loop_s *loop, struct gh_str servers, struct resolver **ret_resolver)
{
	struct resolver *r = calloc(1, sizeof(*r));
	struct ares_options options = { .timeout = 1000, .tries = 2,
		.sock_state_cb = on_socket_state, .sock_state_cb_data = r };

	if (r == NULL)
		return GH_ENOMEM;
	r->loop = loop;
	if (ares_init_options(&r->channel, &options,
		ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
		free(r);
		return GH_EIO;
	}
	int r2 = set_servers(r, servers);

	if (r2 < 0) {
		ares_destroy(r->channel);
		free(r);
		return r2;
	}
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	r->handles = 1;
	*ret_resolver = r;
	return 0;
}

void
resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	ares_destroy(r->channel); /* ends every look-up, closes every socket */
	for (unsigned i = 0; i < BUCKETS; i++)
		clean_bucket(r, &r->buckets[i], true);
	while (r->watches != NULL)
		drop_watch(&r->watches);
	uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}
