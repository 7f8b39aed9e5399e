/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_upstream.c
 * @brief The upstream client under an engine that does everything at once: transactions that end,
 * and are freed, inside the very call that ends them; clients that leave inside any call.
 *
 * The kernel is replaced by the few functions below; the backend is a scripted server on the same
 * loop. What backends can do wrong is tested on whole nodes (tests/integration/test_upstream.py).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "plugins/gateway/upstream.h"
#include "tests/unit/unit.h"

#define OK "HTTP/1.1 200 OK\r\n"

/* ---- The transaction --------------------------------------------------------------- */

/** Where the client leaves. */
enum leave { NEVER, IN_RESUME, IN_DATA, IN_DROP, IN_READY };

/** What a test wants, and what came of it; outlives the transaction. */
struct scene {
	const char *method, *body;   /**< Request; body NULL: none. */
	bool is_chunked;             /**< Body of unknown length. */
	bool body_is_late;           /**< Offered by the test, not by gh_txn_request_sink(). */
	enum leave leave;
	size_t takes;                /**< Response bytes taken at once; 0: all. */
	bool ready_at_once;          /**< ready() is called inside data(). */
	struct scene *then;          /**< Started inside gh_txn_response_end(): pipelining. */

	struct gh_txn *txn;          /**< NULL: over. */
	bool ended, aborted, gone, failed, sink_dropped;
	unsigned status, fields;
	int error_code;
	int64_t length;
	char got[4096];
	size_t got_n;
};

struct gh_txn {
	struct scene *scene;
	void *slot;
	gh_resume_fn *resume;
	uint64_t serial;
	bool in_hook, resume_is_due;
	const struct gh_sink *sink;
	void *sink_ctx;
	size_t offered;
	const struct gh_source *source;
	void *source_ctx;
	char *memory[64];
	unsigned memory_n;
};

static uv_loop_t loop;
static uv_tcp_t server;
static struct upstream_pool *pool;
static struct upstream_trust *trust;
static struct upstream_options options;
static uint16_t server_port;
static struct gh_txn *by_serial[512];
static uint64_t last_serial;

static void start(struct scene *scene);

static void
txn_free(struct gh_txn *txn)
{
	by_serial[txn->serial] = NULL;
	txn->scene->txn = NULL;
	for (unsigned i = 0; i < txn->memory_n; i++)
		free(txn->memory[i]);
	free(txn->slot);
	free(txn);
}

/** The client leaves: what the kernel does then, all at once. */
static void
leave(struct gh_txn *txn)
{
	gh_resume_fn *fn = txn->resume;

	txn->scene->gone = true;
	txn->resume = NULL;
	if (fn != NULL)
		fn(txn, GH_CANCELLED);
	if (txn->sink != NULL)
		txn->sink->abort(txn->sink_ctx);
	if (txn->source != NULL)
		txn->source->cancel(txn->source_ctx);
	txn_free(txn);
}

static char *
keep(struct gh_txn *txn, size_t n)
{
	CU_ASSERT_FATAL(txn->memory_n < 64);
	return txn->memory[txn->memory_n++] = calloc(1, n + 1);
}

void *
gh_txn_slot(struct gh_txn *txn, size_t bytes)
{
	if (txn->slot == NULL)
		txn->slot = calloc(1, bytes);
	return txn->slot;
}

struct gh_str
gh_txn_strdup(struct gh_txn *txn, struct gh_str s)
{
	char *p = keep(txn, s.n);

	memcpy(p, s.p, s.n);
	return (struct gh_str){ p, s.n };
}

struct gh_str
gh_txn_printf(struct gh_txn *txn, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);

	va_end(ap);
	return gh_txn_strdup(txn, (struct gh_str){ text, (size_t)n });
}

struct gh_str
gh_txn_attr(const struct gh_txn *txn, enum gh_attr attr)
{
	if (attr == GH_ATTR_METHOD)
		return gh_str_of(txn->scene->method != NULL ? txn->scene->method : "GET");
	return attr == GH_ATTR_PEER ? GH_STR("192.0.2.1") :
		attr == GH_ATTR_SCHEME ? GH_STR("http") : GH_STR_NONE;
}

void
gh_txn_set_attr(struct gh_txn *txn, enum gh_attr attr, struct gh_str value)
{
	(void)txn;
	(void)attr;
	(void)value;
}

void
gh_txn_set_attr_int(struct gh_txn *txn, enum gh_attr attr, int64_t value)
{
	(void)txn;
	(void)attr;
	(void)value;
}

struct gh_str
gh_txn_field(const struct gh_txn *txn, enum gh_side side, struct gh_str name)
{
	(void)txn;
	(void)side;
	(void)name;
	return GH_STR_NONE;
}

const struct gh_field *
gh_txn_fields(const struct gh_txn *txn, enum gh_side side, size_t *ret_n)
{
	(void)txn;
	(void)side;
	*ret_n = 0;
	return NULL;
}

int
gh_txn_field_add(struct gh_txn *txn, enum gh_side side, struct gh_str name, struct gh_str value)
{
	(void)side;
	(void)name;
	(void)value;
	txn->scene->fields++;
	return 0;
}

void
gh_txn_set_status(struct gh_txn *txn, unsigned status)
{
	txn->scene->status = status;
}

void
gh_log(struct gh_txn *txn, int level, const char *fmt, ...)
{
	(void)txn;
	(void)level;
	(void)fmt;
}

uint64_t
gh_mono_ns(void)
{
	return uv_hrtime();
}

/* ---- Suspend and resume ------------------------------------------------------------ */

struct gh_token
gh_txn_suspend(struct gh_txn *txn, uint64_t deadline_ms, gh_resume_fn *fn)
{
	(void)deadline_ms;
	txn->resume = fn;
	return (struct gh_token){ .serial = txn->serial };
}

static void
run_resume(struct gh_txn *txn)
{
	gh_resume_fn *fn = txn->resume;

	txn->resume = NULL;
	enum gh_verdict verdict = fn(txn, GH_DONE);

	if (verdict == GH_STOP) /* fail() has answered */
		txn_free(txn);
	else if (txn->scene->leave == IN_RESUME)
		leave(txn);
}

void
gh_resume(struct gh_token token)
{
	struct gh_txn *txn = by_serial[token.serial];

	if (txn == NULL || txn->resume == NULL)
		return;
	if (txn->in_hook)
		txn->resume_is_due = true;
	else
		run_resume(txn);
}

static enum gh_verdict
on_fail(struct gh_txn *txn, int error_code, unsigned status)
{
	txn->scene->failed = true;
	txn->scene->error_code = error_code;
	txn->scene->status = status;
	CU_ASSERT(upstream_why(txn).n > 0);
	return GH_STOP;
}

/* ---- Bodies ------------------------------------------------------------------------ */

int64_t
gh_txn_request_length(const struct gh_txn *txn)
{
	if (txn->scene->body == NULL)
		return 0;
	return txn->scene->is_chunked ? -1 : (int64_t)strlen(txn->scene->body);
}

/** Offer what is left of the body, and its end. */
static void
offer_body(struct gh_txn *txn)
{
	const char *body = txn->scene->body;

	while (txn->sink != NULL && body[txn->offered] != '\0') {
		const char *rest = body + txn->offered;
		size_t n = txn->sink->data(txn->sink_ctx, rest, strlen(rest));

		txn->offered += n;
		if (n == 0)
			return;
	}
	const struct gh_sink *sink = txn->sink;

	txn->sink = NULL;
	if (sink != NULL)
		sink->end(txn->sink_ctx);
}

void
gh_txn_request_sink(struct gh_txn *txn, const struct gh_sink *sink, void *ctx)
{
	txn->sink = sink;
	txn->sink_ctx = ctx;
	if (!txn->scene->body_is_late)
		offer_body(txn);
}

void
gh_txn_request_ready(struct gh_txn *txn)
{
	if (txn->scene->leave == IN_READY)
		leave(txn);
	else
		offer_body(txn);
}

void
gh_txn_request_drop(struct gh_txn *txn)
{
	txn->scene->sink_dropped = true;
	txn->sink = NULL;
	if (txn->scene->leave == IN_DROP)
		leave(txn);
}

void
gh_txn_response_stream(struct gh_txn *txn, int64_t length, const struct gh_source *source,
	void *ctx)
{
	txn->scene->length = length;
	txn->source = source;
	txn->source_ctx = ctx;
}

size_t
gh_txn_response_data(struct gh_txn *txn, const char *p, size_t n)
{
	struct scene *s = txn->scene;

	if (s->leave == IN_DATA) {
		leave(txn);
		return 0;
	}
	if (s->takes > 0 && n > s->takes)
		n = s->takes;
	CU_ASSERT_FATAL(s->got_n + n <= sizeof(s->got));
	memcpy(s->got + s->got_n, p, n);
	s->got_n += n;
	if (s->ready_at_once)
		txn->source->ready(txn->source_ctx);
	return n;
}

void
gh_txn_response_end(struct gh_txn *txn)
{
	struct scene *then = txn->scene->then;

	txn->scene->ended = true;
	txn->source = NULL;
	if (txn->sink != NULL)
		txn->sink->abort(txn->sink_ctx);
	txn_free(txn);
	if (then != NULL)
		start(then);
}

void
gh_txn_response_abort(struct gh_txn *txn)
{
	txn->scene->aborted = true;
	txn_free(txn);
}

/* ---- The backend ------------------------------------------------------------------- */

/** What it sends: pieces, one per turn of the loop, NULL-ended; the request must hold @c wants
 *  first. */
static struct script {
	const char *wants;
	const char *const *pieces;
	size_t cut;           /**< Not 0: the one piece is sent in two. */
	bool closes;
	unsigned connections, requests;
} script;

struct peer {
	uv_tcp_t tcp;
	uv_idle_t idle;
	char in[4096];
	size_t in_n, at, piece;
	bool is_answering;
	unsigned open;
};

static void
on_peer_closed(uv_handle_t *handle)
{
	struct peer *p = handle->data;

	if (--p->open == 0)
		free(p);
}

static void
peer_close(struct peer *p)
{
	if (uv_is_closing((uv_handle_t *)&p->tcp))
		return;
	uv_close((uv_handle_t *)&p->tcp, on_peer_closed);
	uv_close((uv_handle_t *)&p->idle, on_peer_closed);
}

static void
answered(struct peer *p)
{
	uv_idle_stop(&p->idle);
	p->is_answering = false;
	p->piece = p->at = 0;
	if (script.closes)
		peer_close(p);
}

/** Send the next piece. */
static void
on_turn(uv_idle_t *idle)
{
	struct peer *p = idle->data;
	const char *text = script.pieces[p->piece];

	if (text != NULL) {
		size_t n = strlen(text);
		size_t end = script.cut > p->at && script.cut < n ? script.cut : n;
		uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text + p->at,
			(unsigned)(end - p->at));

		CU_ASSERT_EQUAL(uv_try_write((uv_stream_t *)&p->tcp, &buf, 1), (int)buf.len);
		p->at = end == n ? 0 : end;
		p->piece += end == n;
	}
	if (script.pieces[p->piece] == NULL)
		answered(p);
}

static void
on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct peer *p = handle->data;

	(void)size;
	*buf = uv_buf_init(p->in + p->in_n, (unsigned)(sizeof(p->in) - 1 - p->in_n));
}

static void
on_input(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct peer *p = stream->data;

	(void)buf;
	if (n < 0) {
		peer_close(p);
		return;
	}
	p->in_n += (size_t)n;
	p->in[p->in_n] = '\0';
	if (!p->is_answering && strstr(p->in, script.wants) != NULL) {
		script.requests++;
		p->in_n = 0;
		p->is_answering = true;
		uv_idle_start(&p->idle, on_turn);
	}
}

static void
on_connection(uv_stream_t *stream, int status)
{
	struct peer *p = calloc(1, sizeof(*p));

	(void)status;
	script.connections++;
	p->open = 2;
	uv_tcp_init(&loop, &p->tcp);
	uv_idle_init(&loop, &p->idle);
	p->tcp.data = p->idle.data = p;
	uv_accept(stream, (uv_stream_t *)&p->tcp);
	uv_tcp_nodelay(&p->tcp, 1);
	uv_read_start((uv_stream_t *)&p->tcp, on_alloc, on_input);
}

/* ---- Running ----------------------------------------------------------------------- */

static void
set_up(void)
{
	struct sockaddr_in address;
	int size = sizeof(address);
	char error[256];

	memset(&script, 0, sizeof(script));
	script.wants = "\r\n\r\n";
	options = (struct upstream_options){ .connect_ms = 2000, .head_ms = 2000, .idle_ms = 2000 };
	uv_loop_init(&loop);
	uv_tcp_init(&loop, &server);
	uv_ip4_addr("127.0.0.1", 0, &address);
	uv_tcp_bind(&server, (const struct sockaddr *)&address, 0);
	uv_listen((uv_stream_t *)&server, 16, on_connection);
	uv_tcp_getsockname(&server, (struct sockaddr *)&address, &size);
	server_port = ntohs(address.sin_port);
	CU_ASSERT_EQUAL_FATAL(upstream_trust_new(&options, &trust, error, sizeof(error)), 0);
	CU_ASSERT_EQUAL_FATAL(upstream_pool_new(&loop, &options, trust, &pool), 0);
}

static void
close_peer(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (handle->type == UV_TCP && handle != (uv_handle_t *)&server)
		peer_close(handle->data);
}

static void
tear_down(void)
{
	upstream_pool_free(pool);
	uv_close((uv_handle_t *)&server, NULL);
	uv_walk(&loop, close_peer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&loop), 0);
	upstream_trust_free(trust);
}

static void
start(struct scene *scene)
{
	struct gh_txn *txn = calloc(1, sizeof(*txn));
	struct upstream_endpoint endpoint = { .host = GH_STR("127.0.0.1"), .port = server_port };

	txn->scene = scene;
	txn->serial = ++last_serial % 511 + 1;
	scene->txn = by_serial[txn->serial] = txn;
	txn->in_hook = true;
	enum gh_verdict verdict = upstream_start(pool, txn, &endpoint, GH_STR("/"), on_fail);

	CU_ASSERT_EQUAL(verdict, GH_SUSPEND);
	txn->in_hook = false;
	if (txn->resume_is_due)
		run_resume(txn);
}

/** Run until the scene's transaction is over, with the client taking more on each turn. */
static void
run(struct scene *scene)
{
	uint64_t until = uv_hrtime() + UINT64_C(5000000000);

	while (scene->txn != NULL && uv_hrtime() < until) {
		struct gh_txn *txn = scene->txn;

		uv_run(&loop, UV_RUN_NOWAIT);
		if (scene->takes > 0 && scene->txn == txn && txn->source != NULL)
			txn->source->ready(txn->source_ctx);
	}
	CU_ASSERT_PTR_NULL_FATAL(scene->txn);
}

static void
play(struct scene *scene)
{
	start(scene);
	run(scene);
}

static void
check_body(const struct scene *scene, const char *want)
{
	CU_ASSERT(scene->ended);
	CU_ASSERT_EQUAL(scene->status, 200);
	CU_ASSERT(gh_str_eq((struct gh_str){ scene->got, scene->got_n }, gh_str_of(want)));
}

/* ---- Tests ------------------------------------------------------------------------- */

static const char *const hello[] = { OK "Content-Length: 5\r\nA: b\r\n\r\nhello", NULL };
static const char *const in_chunks[] = { OK "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
	"2\r\nlo\r\n0\r\nX: y\r\n\r\n", NULL };

static void
test_connection_is_used_again(void)
{
	struct scene second = { .leave = NEVER }, first = { .then = &second };
	struct upstream_counts counts;

	set_up();
	script.pieces = hello;
	start(&first);
	run(&first);
	run(&second);
	check_body(&first, "hello");
	check_body(&second, "hello");
	CU_ASSERT_EQUAL(first.length, 5);
	CU_ASSERT_EQUAL(first.fields, 1);
	upstream_pool_counts(pool, &counts);
	CU_ASSERT_EQUAL(script.connections, 1);
	CU_ASSERT(counts.requests == 2 && counts.reused == 1);
	CU_ASSERT(counts.idle == 1 && counts.open == 1);
	tear_down();
}

/** Every place to cut a response, in both framings. */
static void
test_cuts(void)
{
	static const char *const one_piece[] = { OK "Transfer-Encoding: chunked\r\n\r\n"
		"5\r\nhello\r\n0\r\n\r\n", NULL };
	const char *const *const all[] = { hello, one_piece };

	set_up();
	for (unsigned i = 0; i < 2; i++) {
		script.pieces = all[i];
		for (script.cut = 1; script.cut < strlen(all[i][0]); script.cut++) {
			struct scene s = { .leave = NEVER };

			play(&s);
			check_body(&s, "hello");
		}
		script.cut = 0;
	}
	CU_ASSERT_EQUAL(script.connections, 1);
	tear_down();
}

static void
test_slow_client(void)
{
	set_up();
	for (unsigned at_once = 0; at_once < 2; at_once++) {
		struct scene s = { .takes = 1, .ready_at_once = at_once };
		struct scene t = { .takes = 2, .ready_at_once = at_once };

		script.pieces = in_chunks;
		play(&s);
		check_body(&s, "hello");
		script.pieces = hello;
		play(&t);
		check_body(&t, "hello");
	}
	CU_ASSERT_EQUAL(script.connections, 1);
	tear_down();
}

static void
test_client_leaves(void)
{
	static const enum leave places[] = { IN_RESUME, IN_DATA };
	const char *const *const all[] = { hello, in_chunks };

	set_up();
	for (unsigned i = 0; i < 4; i++) {
		struct scene s = { .leave = places[i / 2] }, after = { .leave = NEVER };

		script.pieces = all[i % 2];
		play(&s);
		CU_ASSERT(s.gone && !s.ended);
		play(&after);
		check_body(&after, "hello");
	}
	tear_down();
}

static void
test_client_leaves_before_the_answer(void)
{
	static const char *const nothing[] = { NULL };
	struct scene s = { .leave = NEVER };

	set_up();
	script.pieces = nothing;
	start(&s);
	while (script.requests == 0)
		uv_run(&loop, UV_RUN_ONCE);
	leave(s.txn);
	CU_ASSERT(s.gone);
	tear_down();
}

static void
test_request_body(void)
{
	set_up();
	script.pieces = hello;
	script.wants = "the body";
	for (unsigned chunked = 0; chunked < 2; chunked++) {
		struct scene s = { .method = "POST", .body = "the body", .is_chunked = chunked };

		play(&s);
		check_body(&s, "hello");
		CU_ASSERT(!s.sink_dropped);
	}
	CU_ASSERT_EQUAL(script.connections, 1);
	tear_down();
}

static void
test_late_request_body(void)
{
	struct scene s = { .method = "POST", .body = "the body", .body_is_late = true };

	set_up();
	script.pieces = hello;
	script.wants = "the body";
	start(&s);
	for (unsigned i = 0; i < 20; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s.txn);
	offer_body(s.txn);
	run(&s);
	check_body(&s, "hello");
	tear_down();
}

/** The answer comes before the body was read: a refusal ends it, and the client may leave just
 *  then. */
static void
test_early_refusal(void)
{
	static const char *const no[] = { "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno", NULL };

	for (unsigned i = 0; i < 2; i++) {
		struct scene s = { .method = "POST", .body = "the body", .body_is_late = true,
			.leave = i == 0 ? NEVER : IN_DROP };
		struct upstream_counts counts;

		set_up();
		script.pieces = no;
		play(&s);
		CU_ASSERT(s.sink_dropped);
		CU_ASSERT_EQUAL(s.gone, i == 1);
		CU_ASSERT_EQUAL(s.ended, i == 0);
		upstream_pool_counts(pool, &counts);
		CU_ASSERT_EQUAL(counts.open, 0);
		tear_down();
	}
}

static void
test_broken_body_aborts(void)
{
	static const char *const bad[] = { OK "Transfer-Encoding: chunked\r\n\r\n1\r\nxy", NULL };
	static const char *const shorter[] = { OK "Content-Length: 9\r\n\r\nxy", NULL };
	const char *const *const all[] = { bad, shorter };

	set_up();
	script.closes = true;
	for (unsigned i = 0; i < 2; i++) {
		struct scene s = { .leave = NEVER };

		script.pieces = all[i];
		play(&s);
		CU_ASSERT(s.aborted && !s.ended && !s.failed);
	}
	tear_down();
}

static void
test_failure_before_the_head(void)
{
	static const char *const nothing[] = { "", NULL };
	struct scene s = { .leave = NEVER };

	set_up();
	script.pieces = nothing;
	script.closes = true;
	play(&s);
	CU_ASSERT(s.failed && s.error_code == UPSTREAM_FAILED && s.status == 502);
	tear_down();
}

/** The connection cannot even be begun: the answer comes while the hook still runs. */
static void
test_failure_within_the_hook(void)
{
	struct scene first = { .leave = NEVER }, second = { .leave = NEVER };
	static const char *const nothing[] = { NULL };

	set_up();
	upstream_pool_free(pool);
	options.max_connections = 1;
	CU_ASSERT_EQUAL_FATAL(upstream_pool_new(&loop, &options, trust, &pool), 0);
	script.pieces = nothing;
	start(&first);
	start(&second);
	CU_ASSERT(second.failed && second.error_code == UPSTREAM_FULL && second.status == 503);
	leave(first.txn);
	tear_down();
}

/** A kept connection was closed meanwhile: once more for GET, not for POST with a body. */
static void
test_retry(void)
{
	struct scene first = { .leave = NEVER }, get = { .leave = NEVER };
	struct scene post = { .method = "POST", .body = "x" };
	struct upstream_counts counts;
	static const char *const nothing[] = { NULL };

	set_up();
	script.pieces = hello;
	play(&first);
	start(&get);
	script.pieces = nothing; /* the request has been written; now the backend closes */
	script.closes = true;
	while (script.requests < 2)
		uv_run(&loop, UV_RUN_ONCE);
	uv_run(&loop, UV_RUN_ONCE);
	script.pieces = hello;
	script.closes = false;
	run(&get);
	check_body(&get, "hello");
	upstream_pool_counts(pool, &counts);
	CU_ASSERT_EQUAL(counts.retried, 1);
	script.pieces = nothing;
	script.closes = true;
	play(&post);
	CU_ASSERT(post.failed && post.status == 502);
	tear_down();
}

/** Nobody asked yet: bytes on an idle connection close it and reach nobody. */
static void
test_unasked_bytes(void)
{
	static const char *const twice[] = { OK "Content-Length: 5\r\n\r\nhello" OK, NULL };
	struct scene s = { .leave = NEVER };
	struct upstream_counts counts;

	set_up();
	script.pieces = twice;
	play(&s);
	check_body(&s, "hello");
	upstream_pool_counts(pool, &counts);
	CU_ASSERT(counts.open == 0 && counts.idle == 0);
	tear_down();
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_connection_is_used_again), UNIT_TEST(test_cuts),
		UNIT_TEST(test_slow_client), UNIT_TEST(test_client_leaves),
		UNIT_TEST(test_client_leaves_before_the_answer), UNIT_TEST(test_request_body),
		UNIT_TEST(test_late_request_body), UNIT_TEST(test_early_refusal),
		UNIT_TEST(test_broken_body_aborts), UNIT_TEST(test_failure_before_the_head),
		UNIT_TEST(test_failure_within_the_hook), UNIT_TEST(test_retry),
		UNIT_TEST(test_unasked_bytes), { NULL, NULL },
	};

	return unit_run("upstream", tests);
}
