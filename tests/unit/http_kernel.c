/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file http_kernel.c
 * @brief See http_kernel.h.
 */
#include "config.h"

#include "tests/unit/http_kernel.h"

#include <arpa/inet.h>
#include <gatehouse/metric.h>
#include <gatehouse/offload.h>
#include <gatehouse/worker.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "plugins/http/http.h"

extern const struct gh_plugin gh_plugin;

struct gh_worker {
	uv_loop_t loop;
	uv_async_t wake;
	void *block;
};

struct gh_txn {
	const struct gh_engine_ops *ops;
	void *conn;
	uv_timer_t timer;
	const struct scene *scene;
	char path[64];
	char body[1 << 20];
	size_t body_n;            /* Of the request. */
	bool is_over, is_head_sent;
	char fields_text[4096];
	struct gh_field fields[4];
	size_t sent, total;       /* Of the response. */
	const char *bytes;        /* NULL: a pattern. */
};

static struct gh_worker worker;
struct gh_inst inst;
void *process;
const struct gh_engine_v1 *engine;
_Atomic unsigned done_count, gone_count, refused_count, refused_status, open_connections;
_Atomic uint64_t done_bytes;

struct uv_loop_s *
gh_worker_loop(struct gh_worker *w)
{
	return &w->loop;
}

unsigned
gh_worker_count(const struct gh_inst *i)
{
	(void)i;
	return 1;
}

unsigned
gh_worker_index(const struct gh_worker *w)
{
	(void)w;
	return 0;
}

void *
gh_worker_data(const struct gh_inst *i, struct gh_worker *w)
{
	(void)i;
	return &w->block;
}

const char *
gh_inst_state_dir(const struct gh_inst *i)
{
	return i->state_dir;
}

void
gh_inst_log(struct gh_inst *i, int level, const char *fmt, ...)
{
	va_list ap;

	(void)i;
	if (getenv("TEST_LOG") == NULL)
		return;
	va_start(ap, fmt);
	fprintf(stderr, "<%d> ", level);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

const char *
gh_strerror(int err)
{
	return err == 0 ? "no error" : "error";
}

uint64_t
gh_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int
gh_service_get(struct gh_inst *i, const char *need, unsigned index, struct gh_service *ret_service)
{
	(void)i, (void)need, (void)index, (void)ret_service;
	return GH_ENOENT;
}

int
gh_job_post(struct gh_inst *i, enum gh_lane lane, struct gh_job *job)
{
	(void)i, (void)lane;
	job->free(job);
	return GH_EAGAIN;
}

struct gh_metric *
gh_metric_new(struct gh_inst *i, enum gh_metric_kind kind, const char *name, const char *help,
	const char *labels)
{
	(void)i, (void)kind, (void)name, (void)help, (void)labels;
	return NULL;
}

void
gh_metric_add(struct gh_metric *metric, uint64_t n)
{
	(void)metric, (void)n;
}

void
gh_metric_set(struct gh_metric *metric, int64_t value)
{
	(void)metric, (void)value;
}

/* ---- Its answers ----------------------------------------------------------------------------- */

/* What a path does. */
struct scene {
	const char *path;
	unsigned status;
	int64_t length;           /* -1: chunked; -2: that of the request's body. */
	size_t total;             /* Body bytes, of a pattern. */
	enum { AT_BEGIN, AT_TIMER, AT_BODY, AT_BODY_END, NEVER } when;
	size_t step;              /* Body bytes taken at a time; 0: all. */
	bool shows_fields;        /* The body is the request as it was seen. */
	size_t head_bytes;        /* One more field, of that size. */
	size_t abort_at;          /* Body bytes after which the response is aborted. */
	bool close;
};

static const struct scene scenes[] = {
	{ .path = "/sync", .status = 200, .length = 5, .total = 5 },
	{ .path = "/async", .status = 200, .length = 5, .total = 5, .when = AT_TIMER },
	{ .path = "/close", .status = 200, .length = 5, .total = 5, .close = true },
	{ .path = "/empty", .status = 200, .when = AT_TIMER },
	{ .path = "/fields", .status = 200, .length = -2, .shows_fields = true,
		.when = AT_BODY_END },
	{ .path = "/echo", .status = 200, .length = -2, .when = AT_BODY_END },
	{ .path = "/sip", .status = 200, .length = -2, .when = AT_BODY_END, .step = 5000 },
	{ .path = "/big", .status = 200, .length = 1000000, .total = 1000000, .when = AT_TIMER },
	{ .path = "/huge", .status = 200, .length = 50000000, .total = 50000000 },
	{ .path = "/chunks", .status = 200, .length = -1, .total = 300000, .when = AT_TIMER },
	{ .path = "/short", .status = 200, .length = 100000, .total = 50000, .when = AT_TIMER },
	{ .path = "/abort", .status = 200, .length = -1, .total = 90000, .abort_at = 40000 },
	{ .path = "/204", .status = 204, .when = AT_TIMER },
	{ .path = "/304", .status = 304, .length = 77 },
	{ .path = "/304-unknown", .status = 304 },
	{ .path = "/unknown", .status = 200, .length = -1, .total = 5 },
	{ .path = "/denied", .status = 401, .length = 5, .total = 5 },
	{ .path = "/late", .status = 413, .length = 5, .total = 5, .when = AT_BODY },
	{ .path = "/wide", .status = 200, .length = 5, .total = 5, .head_bytes = 60000 },
	{ .path = "/wide-enough", .status = 200, .length = 5, .total = 5, .head_bytes = 20000 },
	{ .path = "/hang", .when = NEVER },
};

static void
produce(struct gh_txn *txn)
{
	static char pattern[4096];

	if (pattern[0] == '\0')
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = (char)('a' + i % 26);
	while (!txn->is_over && txn->sent < txn->total) {
		size_t n = txn->total - txn->sent, taken;
		const char *p = txn->bytes != NULL ? txn->bytes + txn->sent : pattern;

		if (txn->scene->abort_at > 0 && txn->sent >= txn->scene->abort_at) {
			txn->is_over = true;
			txn->ops->abort(txn->conn);
			return;
		}
		if (txn->bytes == NULL) {
			p += txn->sent % 26;
			n = n < 4000 ? n : 4000;
		}
		taken = txn->ops->body(txn->conn, p, n);
		if (taken == 0)
			return; /* until drained */
		txn->sent += taken;
	}
	if (!txn->is_over) {
		txn->is_over = true;
		txn->ops->end(txn->conn);
	}
}

static void
answer(struct gh_txn *txn)
{
	const struct scene *s = txn->scene;
	static char wide[65536];
	size_t n = 0;

	if (txn->is_head_sent)
		return;
	txn->is_head_sent = true;
	txn->fields[n++] = (struct gh_field){ GH_STR("Content-Type"), GH_STR("text/plain") };
	txn->fields[n++] = (struct gh_field){ GH_STR("X-Empty"), GH_STR("") };
	txn->fields[n++] = (struct gh_field){ GH_STR("Date"),
		GH_STR("Mon, 23 Nov 2026 12:00:00 GMT") };
	if (s->head_bytes > 0) {
		memset(wide, 'w', sizeof(wide));
		txn->fields[n++] = (struct gh_field){ GH_STR("X-Wide"), { wide, s->head_bytes } };
	}
	txn->total = s->total;
	if (s->length == -2) {
		txn->bytes = s->shows_fields ? txn->fields_text : txn->body;
		txn->total = s->shows_fields ? strlen(txn->fields_text) : txn->body_n;
	}
	txn->ops->head(txn->conn, s->status, s->length == -2 ? (int64_t)txn->total : s->length,
		txn->fields, n, s->close);
	produce(txn);
}

static void
on_timer(uv_timer_t *timer)
{
	answer(timer->data);
}

static void
on_thirst(uv_timer_t *timer)
{
	struct gh_txn *txn = timer->data;

	txn->ops->ready(txn->conn);
}

struct gh_txn *
gh_engine_begin(void *kport, const struct gh_engine_head *head, const struct gh_engine_ops *ops,
	void *conn)
{
	struct gh_txn *txn = calloc(1, sizeof(*txn));
	size_t n = 0;

	(void)kport;
	txn->ops = ops;
	txn->conn = conn;
	uv_timer_init(&worker.loop, &txn->timer);
	txn->timer.data = txn;
	txn->scene = &scenes[0];
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		if (gh_str_eq(head->target, gh_str_of(scenes[i].path)))
			txn->scene = &scenes[i];
	n += (size_t)snprintf(txn->fields_text, sizeof(txn->fields_text),
		"%.*s %.*s %u %.*s %d %lld\n", GH_STR_ARG(head->method), GH_STR_ARG(head->target),
		head->minor, GH_STR_ARG(head->peer), head->tls, (long long)head->body_length);
	for (size_t i = 0; i < head->field_count; i++)
		n += (size_t)snprintf(txn->fields_text + n, sizeof(txn->fields_text) - n,
			"%.*s: %.*s|\n", GH_STR_ARG(head->fields[i].name),
			GH_STR_ARG(head->fields[i].value));
	if (txn->scene->when == AT_BEGIN)
		answer(txn);
	else if (txn->scene->when == AT_TIMER)
		uv_timer_start(&txn->timer, on_timer, 5, 0);
	return txn;
}

size_t
gh_engine_body(struct gh_txn *txn, const char *p, size_t n)
{
	size_t taken = txn->scene->step > 0 && n > txn->scene->step ? txn->scene->step : n;

	if (taken > sizeof(txn->body) - txn->body_n)
		taken = sizeof(txn->body) - txn->body_n;
	memcpy(txn->body + txn->body_n, p, taken);
	txn->body_n += taken;
	if (taken < n)
		uv_timer_start(&txn->timer, on_thirst, 1, 0);
	if (txn->scene->when == AT_BODY)
		answer(txn);
	return taken;
}

void
gh_engine_body_end(struct gh_txn *txn)
{
	if (txn->scene->when == AT_BODY_END)
		answer(txn);
}

void
gh_engine_drained(struct gh_txn *txn)
{
	produce(txn);
}

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
gh_engine_done(struct gh_txn *txn, uint64_t bytes)
{
	atomic_store(&done_bytes, bytes);
	atomic_fetch_add(&done_count, 1);
	uv_close((uv_handle_t *)&txn->timer, on_closed);
}

void
gh_engine_gone(struct gh_txn *txn, uint64_t bytes)
{
	(void)bytes;
	atomic_fetch_add(&gone_count, 1);
	uv_close((uv_handle_t *)&txn->timer, on_closed);
}

void
gh_engine_refused(void *kport, unsigned status, struct gh_str peer, struct gh_str target,
	const char *why)
{
	(void)kport, (void)peer, (void)target, (void)why;
	atomic_store(&refused_status, status);
	atomic_fetch_add(&refused_count, 1);
}

/* ---- Its worker ------------------------------------------------------------------------------ */

struct gh_listener listeners[PORTS] = {
	{ .name = { "plain", 5 }, .head_ms = 1000, .idle_ms = 5000, .max_head_bytes = 16384,
		.max_connections = 50 },
	{ .name = { "tls", 3 }, .tls = true, .head_ms = 1000, .idle_ms = 5000,
		.max_head_bytes = 16384, .max_connections = 50 },
};
static struct gh_port *ports[PORTS];
static int fds[PORTS];
enum { ASK_CLOSE = ASK_QUIESCE + 1 };
static pthread_t thread;
static _Atomic int task;

static void
on_wake(uv_async_t *async)
{
	int what = atomic_exchange(&task, 0);

	open_connections = engine->connections(ports[PLAIN]) + engine->connections(ports[TLS]);
	if (what == ASK_COUNT)
		return;
	for (int i = 0; i < PORTS; i++)
		(what == ASK_QUIESCE ? engine->quiesce : engine->close)(ports[i]);
	if (what == ASK_CLOSE) {
		gh_plugin.worker_stop(process, &worker, &worker.block);
		uv_close((uv_handle_t *)async, NULL);
	}
}

static void *
run(void *arg)
{
	(void)arg;
	for (int i = 0; i < PORTS; i++)
		if (engine->open(process, &worker, &listeners[i], fds[i], NULL, &ports[i]) < 0)
			abort();
	uv_run(&worker.loop, UV_RUN_DEFAULT);
	return NULL;
}

static int
listen_anywhere(uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 64) < 0 ||
		getsockname(fd, (struct sockaddr *)&at, &size) < 0)
		abort();
	*ret_port = ntohs(at.sin_port);
	return fd;
}

void
start_kernel(void)
{
	static struct http_options options = { .body_stall = { 2000 }, .max_target = { 4096 },
		.max_fields = 50 };
	char error[256];

	options.tls_priorities = GH_STR("SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2");
	snprintf(inst.state_dir, sizeof(inst.state_dir), "test_http-XXXXXX");
	if (mkdtemp(inst.state_dir) == NULL)
		abort();
	process = calloc(1, gh_plugin.process_size);
	if (gh_plugin.open(process, &options, &inst) < 0 || gh_plugin.start(process, &options) < 0)
		abort();
	engine = gh_plugin.provides[0].vtable;
	uv_loop_init(&worker.loop);
	uv_async_init(&worker.loop, &worker.wake, on_wake);
	if (gh_plugin.worker_start(process, &worker, &worker.block) < 0)
		abort();
	for (int i = 0; i < PORTS; i++) {
		fds[i] = listen_anywhere(&listeners[i].port);
		if (engine->prepare(process, &inst, &listeners[i], error, sizeof(error)) < 0) {
			fprintf(stderr, "%s\n", error);
			abort();
		}
	}
	pthread_create(&thread, NULL, run, NULL);
}

void
ask_kernel(int what)
{
	atomic_store(&task, what);
	uv_async_send(&worker.wake);
}

bool
stop_kernel(void)
{
	static const char *const left[] = { "tls/self-signed.crt", "tls/self-signed.key", "tls",
		"." };
	bool is_clean;

	ask_kernel(ASK_CLOSE);
	pthread_join(thread, NULL);
	is_clean = uv_loop_close(&worker.loop) == 0;
	gh_plugin.close(process);
	free(process);
	for (int i = 0; i < PORTS; i++)
		is_clean = close(fds[i]) == 0 && is_clean;
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s/%s", inst.state_dir, left[i]);
		remove(strcmp(left[i], ".") == 0 ? inst.state_dir : path);
	}
	return is_clean;
}
