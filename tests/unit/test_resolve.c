/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_resolve.c
 * @brief The resolver against a name server of our own: caching, failures, lies.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "plugins/gateway/resolve.h"
#include "tests/unit/unit.h"

static uv_loop_t loop;
static uv_udp_t server;
static struct resolver *resolver;

/** How the name server behaves, and what it was asked. */
static struct behaviour {
	unsigned addresses; /**< A records in an answer. */
	uint32_t ttl_s;
	unsigned code;      /**< 3: no such name. */
	unsigned queries;   /**< For A. */
} dns;

/** What a query came to. */
struct result {
	struct resolve_query query;
	unsigned calls;
	struct resolve_answer answer;
};

static void
put16(unsigned char **p, unsigned v)
{
	*(*p)++ = (unsigned char)(v >> 8);
	*(*p)++ = (unsigned char)v;
}

/** Answer in place: the question is kept, A records are appended. */
static size_t
make_answer(unsigned char *message, size_t n)
{
	unsigned char *p = message + n;
	bool is_a = message[n - 3] == 1; /* QTYPE, behind the name */
	unsigned count = is_a && dns.code == 0 ? dns.addresses : 0;

	dns.queries += is_a;
	message[2] |= 0x80;
	message[3] = (unsigned char)(0x80 | dns.code);
	message[7] = (unsigned char)count;
	message[10] = message[11] = 0; /* no EDNS */
	for (unsigned i = 0; i < count; i++) {
		put16(&p, 0xC00C);
		put16(&p, 1);
		put16(&p, 1);
		put16(&p, dns.ttl_s >> 16);
		put16(&p, dns.ttl_s & 0xFFFF);
		put16(&p, 4);
		put16(&p, 0xC000);
		put16(&p, 0x0201 + i); /* 192.0.2.1, .2 ... */
	}
	return (size_t)(p - message);
}

static void
on_query(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
	unsigned char *message = (unsigned char *)buf->base;
	size_t end = 12;

	(void)flags;
	if (n <= 12 || from == NULL || memcmp(message + 13, "silent", 6) == 0)
		return;
	while (end < (size_t)n && message[end] != 0)
		end += message[end] + 1u;
	end += 5; /* the root label, type and class */
	CU_ASSERT_FATAL(end <= (size_t)n);
	end = make_answer(message, end);
	if (memcmp(message + 13, "garbage", 7) == 0)
		memset(message + 12, 0xFF, end - 12);
	uv_buf_t out = uv_buf_init((char *)message, (unsigned)end);

	uv_udp_try_send(udp, &out, 1, from);
}

static void
on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	static char message[4096];

	(void)handle;
	(void)size;
	*buf = uv_buf_init(message, 1024);
}

static void
set_up(void)
{
	struct sockaddr_in address;
	int size = sizeof(address);
	char text[32];

	dns = (struct behaviour){ .addresses = 2, .ttl_s = 300 };
	uv_loop_init(&loop);
	uv_udp_init(&loop, &server);
	uv_ip4_addr("127.0.0.1", 0, &address);
	uv_udp_bind(&server, (const struct sockaddr *)&address, 0);
	uv_udp_recv_start(&server, on_alloc, on_query);
	uv_udp_getsockname(&server, (struct sockaddr *)&address, &size);
	snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
	CU_ASSERT_EQUAL_FATAL(resolve_library_init(), 0);
	CU_ASSERT_EQUAL_FATAL(resolver_new(&loop, gh_str_of(text), &resolver), 0);
}

static void
tear_down(void)
{
	resolver_free(resolver);
	uv_close((uv_handle_t *)&server, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(uv_loop_close(&loop), 0);
	resolve_library_done();
}

static void
on_answer(void *arg, const struct resolve_answer *answer)
{
	struct result *r = arg;

	r->calls++;
	r->answer = *answer;
}

static void
ask(struct result *r, const char *host)
{
	*r = (struct result){ .query = { .fn = on_answer, .arg = r } };
	resolve_start(resolver, gh_str_of(host), &r->query);
}

/** Run until @p r has its answer, 8 s at most. */
static void
wait_for(const struct result *r)
{
	uint64_t until = uv_hrtime() + UINT64_C(8000000000);

	while (r->calls == 0 && uv_hrtime() < until)
		uv_run(&loop, UV_RUN_ONCE);
	CU_ASSERT_EQUAL(r->calls, 1);
}

static void
test_numeric(void)
{
	struct result r;

	set_up();
	ask(&r, "192.0.2.7");
	CU_ASSERT(r.calls == 1 && r.answer.n == 1);
	CU_ASSERT_EQUAL(r.answer.v[0].v4.sin_addr.s_addr, htonl(0xC0000207));
	ask(&r, "[2001:db8::7]");
	CU_ASSERT(r.calls == 1 && r.answer.n == 1);
	CU_ASSERT_EQUAL(r.answer.v[0].any.sa_family, AF_INET6);
	CU_ASSERT_EQUAL(r.answer.v[0].v6.sin6_addr.s6_addr[15], 7);
	CU_ASSERT_EQUAL(dns.queries, 0);
	tear_down();
}

static void
test_localhost(void)
{
	struct result r;

	set_up();
	ask(&r, "localhost");
	wait_for(&r);
	CU_ASSERT(r.answer.n > 0);
	CU_ASSERT_EQUAL(dns.queries, 0);
	tear_down();
}

static void
test_answer_is_kept(void)
{
	struct result r;

	set_up();
	ask(&r, "backend.example");
	CU_ASSERT_EQUAL(r.calls, 0);
	wait_for(&r);
	CU_ASSERT_EQUAL(r.answer.n, 2);
	ask(&r, "backend.example");
	CU_ASSERT(r.calls == 1 && r.answer.n == 2);
	CU_ASSERT_EQUAL(dns.queries, 1);
	tear_down();
}

static void
test_all_wait_for_one_query(void)
{
	struct result r[10];

	set_up();
	for (unsigned i = 0; i < 10; i++)
		ask(&r[i], "backend.example");
	resolve_cancel(&r[0].query);
	resolve_cancel(&r[5].query);
	resolve_cancel(&r[9].query);
	resolve_cancel(&r[9].query);
	wait_for(&r[1]);
	for (unsigned i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(r[i].calls, i % 5 != 0 && i != 9);
	CU_ASSERT_EQUAL(dns.queries, 1);
	tear_down();
}

static void
on_timer(uv_timer_t *timer)
{
	(void)timer;
	uv_stop(&loop);
}

static void
test_answer_expires(void)
{
	struct result r;
	uv_timer_t timer;

	set_up();
	dns.ttl_s = 0; /* kept for a second all the same */
	ask(&r, "backend.example");
	wait_for(&r);
	ask(&r, "backend.example");
	CU_ASSERT_EQUAL(dns.queries, 1);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_timer, 1100, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&timer, NULL);
	ask(&r, "backend.example");
	wait_for(&r);
	CU_ASSERT_EQUAL(dns.queries, 2);
	tear_down();
}

static void
test_no_such_name(void)
{
	struct result r;

	set_up();
	dns.code = 3;
	ask(&r, "nobody.example");
	wait_for(&r);
	CU_ASSERT(r.answer.n == 0 && r.answer.why != NULL);
	unsigned queries = dns.queries;

	ask(&r, "nobody.example");
	CU_ASSERT(r.calls == 1 && r.answer.n == 0);
	CU_ASSERT_EQUAL(dns.queries, queries);
	tear_down();
}

/** Neither silence nor garbage lasts for ever. */
static void
test_no_answer(void)
{
	struct result r, s;

	set_up();
	ask(&r, "silent.example");
	ask(&s, "garbage.example");
	wait_for(&r);
	wait_for(&s);
	CU_ASSERT(r.answer.n == 0 && r.answer.why != NULL);
	CU_ASSERT(s.answer.n == 0 && s.answer.why != NULL);
	tear_down();
}

static void
test_many_addresses(void)
{
	struct result r;

	set_up();
	dns.addresses = 20;
	ask(&r, "backend.example");
	wait_for(&r);
	CU_ASSERT_EQUAL(r.answer.n, RESOLVE_MAX);
	tear_down();
}

/** Freed while a look-up runs, and while nobody waits for it any more. */
static void
test_free_while_looking_up(void)
{
	struct result r;

	set_up();
	ask(&r, "silent.example");
	uv_run(&loop, UV_RUN_NOWAIT);
	resolve_cancel(&r.query);
	tear_down();
	CU_ASSERT_EQUAL(r.calls, 0);
}

static void
test_bad_servers(void)
{
	struct resolver *none = NULL;

	uv_loop_init(&loop);
	CU_ASSERT_EQUAL(resolver_new(&loop, GH_STR("not an address"), &none), GH_EINVAL);
	CU_ASSERT_PTR_NULL(none);
	CU_ASSERT_EQUAL(uv_loop_close(&loop), 0);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_numeric), UNIT_TEST(test_localhost), UNIT_TEST(test_answer_is_kept),
		UNIT_TEST(test_all_wait_for_one_query), UNIT_TEST(test_answer_expires),
		UNIT_TEST(test_no_such_name), UNIT_TEST(test_no_answer),
		UNIT_TEST(test_many_addresses), UNIT_TEST(test_free_while_looking_up),
		UNIT_TEST(test_bad_servers), { NULL, NULL },
	};

	return unit_run("resolve", tests);
}
