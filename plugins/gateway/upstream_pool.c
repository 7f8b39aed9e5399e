/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upstream_pool.c
 * @brief The pool of one worker: endpoints, the connections kept for them, memory that is used
 * again.
 */
#include <stdio.h>
#include <stdlib.h>

#include "plugins/gateway/upstream_private.h"

/* ---- Peers ------------------------------------------------------------------------- */

static uint32_t
hash_of(const struct upstream_endpoint *e)
{
	uint32_t hash = 2166136261u ^ (e->is_tls ? 0x5bd1e995u : 0) ^ e->port; /* FNV-1a */

	for (size_t i = 0; i < e->host.n; i++)
		hash = (hash ^ (unsigned char)e->host.p[i]) * 16777619u;
	return hash;
}

static struct upstream_peer *
peer_new(struct upstream_pool *pool, const struct upstream_endpoint *e, uint32_t hash)
{
	size_t room = e->host.n + sizeof(":65535");
	struct upstream_peer *peer = calloc(1, sizeof(*peer) + room);

	if (peer == NULL)
		return NULL;
	peer->pool = pool;
	peer->hash = hash;
	peer->is_tls = e->is_tls;
	peer->port = e->port;
	peer->host_n = e->host.n;
	memcpy(peer->name, e->host.p, e->host.n);
	peer->name_n = e->host.n +
		(size_t)snprintf(peer->name + e->host.n, room - e->host.n, ":%u",
			(unsigned)e->port);
	peer->next = pool->peers[hash % UPSTREAM_BUCKETS];
	pool->peers[hash % UPSTREAM_BUCKETS] = peer;
	pool->counts.endpoints++;
	return peer;
}

struct upstream_peer *
upstream_peer_of(struct upstream_pool *pool, const struct upstream_endpoint *e)
{
	uint32_t hash = hash_of(e);
	struct upstream_peer *peer = pool->peers[hash % UPSTREAM_BUCKETS];

	while (peer != NULL && (peer->hash != hash || peer->port != e->port ||
		peer->is_tls != e->is_tls || !gh_str_eq(upstream_peer_host(peer), e->host)))
		peer = peer->next;
	if (peer == NULL)
		peer = peer_new(pool, e, hash);
	if (peer != NULL)
		peer->used_ms = uv_now(pool->loop);
	return peer;
}

static void
peer_free(struct upstream_peer *peer)
{
	peer->pool->counts.endpoints--;
	free(peer->session);
	free(peer);
}

/** Forget peers without connections that were not used for @p age_ms. */
static void
sweep(struct upstream_pool *pool, uint64_t age_ms)
{
	uint64_t now = uv_now(pool->loop);

	for (unsigned i = 0; i < UPSTREAM_BUCKETS; i++) {
		struct upstream_peer **place = &pool->peers[i];

		while (*place != NULL) {
			struct upstream_peer *peer = *place;

			if (peer->open_count > 0 || now - peer->used_ms < age_ms) {
				place = &peer->next;
				continue;
			}
			*place = peer->next;
			peer_free(peer);
		}
	}
}

static void
on_sweep(uv_timer_t *timer)
{
	struct upstream_pool *pool = timer->data;

	sweep(pool, pool->options.keep_ms);
}

/* ---- Kept connections -------------------------------------------------------------- */

void
upstream_pool_unlink_idle(struct upstream_conn *c)
{
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->peer->idle = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	c->next = c->prev = NULL;
	c->peer->idle_count--;
	c->pool->counts.idle--;
}

struct upstream_conn *
upstream_pool_take(struct upstream_exchange *x)
{
	struct upstream_conn *c = x->peer->idle;

	if (c == NULL)
		return NULL;
	upstream_pool_unlink_idle(c);
	c->state = UPSTREAM_BUSY;
	c->x = x;
	x->conn = c;
	return c;
}

void
upstream_pool_keep(struct upstream_conn *c)
{
	struct upstream_peer *peer = c->peer;

	if (c->pool->is_closing || peer->idle_count >= c->pool->options.max_idle) {
		upstream_conn_close(c);
		return;
	}
	upstream_conn_rest(c);
	c->state = UPSTREAM_IDLE;
	c->prev = NULL;
	c->next = peer->idle;
	if (peer->idle != NULL)
		peer->idle->prev = c;
	peer->idle = c;
	peer->idle_count++;
	c->pool->counts.idle++;
	upstream_conn_deadline(c, c->pool->options.keep_ms);
}

/* ---- Memory ------------------------------------------------------------------------ */

static void
handle_closed(struct upstream_pool *pool)
{
	if (--pool->handles > 0)
		return;
	while (pool->conns != NULL) {
		struct upstream_conn *c = pool->conns;

		pool->conns = c->all;
		free(c);
	}
	sweep(pool, 0);
	free(pool->scratch);
	free(pool->input);
	free(pool);
}

static void
on_timer_closed(uv_handle_t *handle)
{
	handle_closed(((struct upstream_conn *)handle->data)->pool);
}

static void
on_own_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

struct upstream_conn *
upstream_conn_new(struct upstream_pool *pool)
{
	struct upstream_conn *c = pool->free_conns;

	if (c != NULL) {
		pool->free_conns = c->next;
		c->next = NULL;
		return c;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	uv_timer_init(pool->loop, &c->timer);
	c->timer.data = c;
	c->pool = pool;
	c->fd = -1;
	c->all = pool->conns;
	pool->conns = c;
	pool->handles++;
	return c;
}

void
upstream_conn_recycle(struct upstream_conn *c)
{
	struct upstream_pool *pool = c->pool;

	c->next = pool->free_conns;
	pool->free_conns = c;
	if (pool->is_closing && !uv_is_closing((uv_handle_t *)&c->timer))
		uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

/* ---- The pool ---------------------------------------------------------------------- */

static void
set_default(uint64_t *value, uint64_t dflt)
{
	if (*value == 0)
		*value = dflt;
}

int
upstream_pool_new(struct uv_loop_s *loop, const struct upstream_options *options,
	struct upstream_trust *trust, struct upstream_pool **ret_pool)
{
	struct upstream_pool *pool = calloc(1, sizeof(*pool));
	int r = GH_ENOMEM;

	if (pool == NULL)
		return GH_ENOMEM;
	pool->loop = loop;
	pool->trust = trust;
	pool->options = *options;
	set_default(&pool->options.connect_ms, 5000);
	set_default(&pool->options.head_ms, 60000);
	set_default(&pool->options.idle_ms, 60000);
	set_default(&pool->options.keep_ms, 60000);
	set_default(&pool->options.max_idle, 512);
	set_default(&pool->options.max_connections, UINT64_MAX);
	pool->scratch = malloc(UPSTREAM_SCRATCH_SIZE);
	pool->input = malloc(UPSTREAM_READ_SIZE);
	if (pool->scratch == NULL || pool->input == NULL)
		goto out;
	r = resolver_new(loop, options->name_servers, &pool->resolver);
	if (r < 0)
		goto out;
	uv_timer_init(loop, &pool->sweep);
	pool->sweep.data = pool;
	uv_idle_init(loop, &pool->idle);
	pool->idle.data = pool;
	pool->handles = 2;
	uv_timer_start(&pool->sweep, on_sweep, pool->options.keep_ms, pool->options.keep_ms);
	uv_unref((uv_handle_t *)&pool->sweep);
	*ret_pool = pool;
	pool = NULL;
out:
	if (pool != NULL) {
		free(pool->scratch);
		free(pool->input);
		free(pool);
	}
	return r;
}

void
upstream_pool_free(struct upstream_pool *pool)
{
	if (pool == NULL)
		return;
	pool->is_closing = true;
	for (struct upstream_conn *c = pool->conns; c != NULL; c = c->all) {
		if (c->x != NULL)
			upstream_detach(c->x);
		if (c->state == UPSTREAM_CLOSED) {
			if (!c->is_polled && !uv_is_closing((uv_handle_t *)&c->timer))
				uv_close((uv_handle_t *)&c->timer, on_timer_closed);
		} else {
			upstream_conn_close(c);
		}
	}
	resolver_free(pool->resolver);
	uv_close((uv_handle_t *)&pool->sweep, on_own_closed);
	uv_close((uv_handle_t *)&pool->idle, on_own_closed);
}

void
upstream_pool_counts(const struct upstream_pool *pool, struct upstream_counts *ret_counts)
{
	*ret_counts = pool->counts;
}
