/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_http_engine.c
 * @brief plugins/http over real sockets: clients that write bytes and look at bytes.
 */
#include "config.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/http_kernel.h"
#include "tests/unit/unit.h"

/* ---- Clients --------------------------------------------------------------------------------- */

static char reply[2 << 20]; /* NUL-ended */
static size_t reply_n;

static int
client(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(listeners[PLAIN].port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		abort();
	return fd;
}

static void
say(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0)
			return; /* the test looks at what came back */
		p += sent;
		n -= (size_t)sent;
	}
}

/* Read until the reply ends with @p until, or to the end of the connection when it is NULL.
 * @return whether that came within 8 s. */
static bool
hear(int fd, const char *until)
{
	size_t until_n = until != NULL ? strlen(until) : 0;

	reply_n = 0;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		reply[reply_n] = '\0';
		if (until != NULL && reply_n >= until_n &&
			memcmp(reply + reply_n - until_n, until, until_n) == 0)
			return true;
		if (reply_n + 1 == sizeof(reply) || poll(&p, 1, 8000) <= 0)
			return false;
		ssize_t n = recv(fd, reply + reply_n, sizeof(reply) - 1 - reply_n, 0);

		if (n <= 0)
			return until == NULL;
		reply_n += (size_t)n;
	}
}

/* One connection, one write, everything that comes back. */
static const char *
exchange(const char *request)
{
	int fd = client();

	say(fd, request, strlen(request));
	if (!hear(fd, NULL))
		snprintf(reply, sizeof(reply), "(no end)");
	close(fd);
	return reply;
}

static unsigned
count(const char *needle)
{
	unsigned n = 0;

	for (const char *p = reply; (p = strstr(p, needle)) != NULL; p += strlen(needle))
		n++;
	return n;
}

static bool
starts(const char *prefix)
{
	if (strncmp(reply, prefix, strlen(prefix)) == 0)
		return true;
	printf("\n  instead of \"%s\": %.300s\n", prefix, reply);
	return false;
}

static bool
reaches(_Atomic unsigned *counter, unsigned value, unsigned ms)
{
	for (unsigned waited = 0; atomic_load(counter) < value && waited < ms; waited += 10)
		poll(NULL, 0, 10);
	return atomic_load(counter) >= value;
}

#define CLOSE "Connection: close\r\n\r\n"
#define LAST(method, path) method " " path " HTTP/1.1\r\nHost: a\r\n" CLOSE

/* ---- Tests ----------------------------------------------------------------------------------- */

static void
test_keep_alive(void)
{
	int fd = client();

	for (int i = 0; i < 3; i++) {
		const char *request = i == 1 ? "GET /async HTTP/1.1\r\nHost: a\r\n\r\n"
					     : "GET /sync HTTP/1.1\r\nHost: a\r\n\r\n";

		say(fd, request, strlen(request));
		CU_ASSERT_TRUE(hear(fd, "abcde"));
		CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK\r\n"));
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, "Content-Length: 5\r\n"));
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, "Content-Type: text/plain\r\n"));
		CU_ASSERT_PTR_NULL(strstr(reply, "Connection:"));
		CU_ASSERT_PTR_NULL(strstr(reply, "Server:"));
		CU_ASSERT_EQUAL(count("Date:"), 1);
	}
	close(fd);
	exchange("GET /close HTTP/1.1\r\nHost: a\r\n\r\n");
	CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK\r\n"));
	CU_ASSERT_EQUAL(count("Connection: close"), 1);
	CU_ASSERT_EQUAL(count("Date:"), 1);
}

static void
test_pipelined(void)
{
	exchange("GET /async HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\n"
		"Content-Length: 3\r\n\r\nxyzHEAD /sync HTTP/1.1\r\nHost: a\r\n\r\n"
		LAST("GET", "/empty"));
	CU_ASSERT_EQUAL(count("HTTP/1.1 200 OK"), 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\r\n\r\nxyzHTTP/1.1"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "Content-Length: 0\r\n"));
}

static void
test_http_1_0(void)
{
	exchange("GET /async HTTP/1.0\r\n\r\n");
	CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "Connection: close"));
	exchange("GET /unknown HTTP/1.0\r\n\r\n");
	CU_ASSERT_PTR_NULL(strstr(reply, "chunked"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\r\n\r\nabcde"));
	exchange("GET /sync HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /sync HTTP/1.0\r\n\r\n");
	CU_ASSERT_EQUAL(count("HTTP/1.1 200 OK"), 2);
}

static void
test_bodiless(void)
{
	exchange("HEAD /big HTTP/1.1\r\nHost: a\r\n\r\n" LAST("GET", "/sync"));
	CU_ASSERT_EQUAL(count("HTTP/1.1 200 OK"), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "Content-Length: 1000000\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\r\n\r\nHTTP/1.1"));
	exchange("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n" LAST("GET", "/sync"));
	CU_ASSERT_TRUE(starts("HTTP/1.1 204 No Content\r\n"));
	CU_ASSERT_EQUAL(count("Content-Length"), 1);
	CU_ASSERT_PTR_NULL(strstr(reply, "chunked"));
	exchange("GET /304 HTTP/1.1\r\nHost: a\r\n\r\n" LAST("GET", "/sync"));
	CU_ASSERT_TRUE(starts("HTTP/1.1 304 Not Modified\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "Content-Length: 77\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\r\n\r\nHTTP/1.1 200 OK"));
	exchange(LAST("GET", "/304-unknown"));
	CU_ASSERT_TRUE(starts("HTTP/1.1 304 Not Modified\r\n"));
	CU_ASSERT_PTR_NULL(strstr(reply, "Content-Length"));
	CU_ASSERT_STRING_EQUAL(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
	exchange(LAST("HEAD", "/unknown"));
	CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK\r\n"));
	CU_ASSERT_STRING_EQUAL(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
}

static void
test_fields_are_stripped(void)
{
	exchange("POST /fields HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n"
		"TE: trailers\r\nContent-Length: 2\r\nX-Kept:  b \r\nExpect: 100-continue\r\n"
		"\r\nhi");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\r\n\r\nPOST /fields 1 127.0.0.1 0 2\n"
		"Host: a|\nX-Kept: b|\n"));
	CU_ASSERT_EQUAL(reply[reply_n - 1], '\n');
	exchange("GET /fields HTTP/1.1\r\nHost: a\r\nX-%41: %41+b\r\nX-Empty:\r\n" CLOSE);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "X-%41: %41+b|\nX-Empty: |\n"));
}

static void
test_body_known_and_chunked(void)
{
	static char big[600000];
	char head[128];

	exchange("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" CLOSE
		"5\r\nhello\r\n6\r\n world\r\n0\r\nContent-Length: 9\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\r\n\r\nhello world"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "Content-Length: 11\r\n"));

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)('0' + i % 10);
	for (int sips = 0; sips < 2; sips++) {
		int fd = client();

		snprintf(head, sizeof(head), "POST /%s HTTP/1.1\r\nHost: a\r\n"
			"Content-Length: %zu\r\n" CLOSE, sips ? "sip" : "echo", sizeof(big));
		say(fd, head, strlen(head));
		say(fd, big, sizeof(big));
		CU_ASSERT_TRUE(hear(fd, NULL));
		close(fd);
		const char *body = strstr(reply, "\r\n\r\n");

		CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK\r\n"));
		CU_ASSERT_PTR_NOT_NULL_FATAL(body);
		CU_ASSERT_EQUAL_FATAL(reply_n - (size_t)(body + 4 - reply), sizeof(big));
		CU_ASSERT_EQUAL(memcmp(body + 4, big, sizeof(big)), 0);
	}
}

static void
test_expect_continue(void)
{
	const char *head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
		"Expect: 100-continue\r\n" CLOSE;
	int fd = client();

	say(fd, head, strlen(head));
	CU_ASSERT_TRUE(hear(fd, "HTTP/1.1 100 Continue\r\n\r\n"));
	say(fd, "abc", 3);
	CU_ASSERT_TRUE(hear(fd, NULL));
	CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "\r\n\r\nabc"));
	close(fd);

	exchange("POST /denied HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
		"Expect: 100-continue\r\n\r\n");
	CU_ASSERT_TRUE(starts("HTTP/1.1 401 Unauthorized\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "Connection: close"));
}

static void
test_early_reply(void)
{
	static char big[300000];
	int fd = client();

	/* A short rest is read, the connection stays. */
	exchange("POST /denied HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
		LAST("GET", "/sync"));
	CU_ASSERT_TRUE(starts("HTTP/1.1 401 Unauthorized\r\n"));
	CU_ASSERT_EQUAL(count("HTTP/1.1 200 OK"), 1);
	/* A long one is not waited for. */
	exchange("POST /denied HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\nabc");
	CU_ASSERT_TRUE(starts("HTTP/1.1 401 Unauthorized\r\n"));
	CU_ASSERT_EQUAL(count("Connection: close"), 1);
	/* A reply in the middle of a long body gets across, then the connection closes. */
	memset(big, 'x', sizeof(big));
	const char *head = "POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n";

	say(fd, head, strlen(head));
	say(fd, big, sizeof(big));
	CU_ASSERT_TRUE(hear(fd, NULL));
	CU_ASSERT_TRUE(starts("HTTP/1.1 413 "));
	CU_ASSERT_EQUAL(count("Connection: close"), 1);
	close(fd);
}

static void
test_large_responses(void)
{
	exchange(LAST("GET", "/big"));
	const char *body = strstr(reply, "\r\n\r\n");

	CU_ASSERT_PTR_NOT_NULL_FATAL(body);
	CU_ASSERT_EQUAL(reply_n - (size_t)(body + 4 - reply), 1000000);
	for (size_t i = 0, bad = 0; i < 1000000 && bad == 0; i++) {
		bad = body[4 + i] != (char)('a' + i % 26);
		if (bad)
			CU_FAIL("the body differs");
	}
	CU_ASSERT_TRUE(reaches(&done_count, 1, 1000));
	CU_ASSERT_EQUAL(done_bytes, 1000000);
	exchange(LAST("GET", "/chunks"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "Transfer-Encoding: chunked\r\n"));
	CU_ASSERT_TRUE(reply_n > 300000);
	CU_ASSERT_STRING_EQUAL(reply + reply_n - 5, "0\r\n\r\n");
}

static void
test_slow_reader(void)
{
	const char *request = LAST("GET", "/big");
	int fd = client(), size = 65536;
	size_t total = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	say(fd, request, strlen(request));
	poll(NULL, 0, 300);
	for (ssize_t n; (n = recv(fd, reply, 20000, 0)) > 0;) {
		total += (size_t)n;
		if (total < 100000)
			poll(NULL, 0, 5);
	}
	CU_ASSERT_TRUE(total > 1000000 && total < 1000400);
	close(fd);
}

static void
test_broken_responses(void)
{
	exchange("GET /short HTTP/1.1\r\nHost: a\r\n\r\n");
	CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK\r\n"));
	CU_ASSERT_TRUE(reply_n < 60000);
	exchange("GET /abort HTTP/1.1\r\nHost: a\r\n\r\n");
	CU_ASSERT_PTR_NULL(strstr(reply, "\r\n0\r\n\r\n"));
	exchange("GET /wide HTTP/1.1\r\nHost: a\r\n\r\n");
	CU_ASSERT_TRUE(starts("HTTP/1.1 502 Bad Gateway\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply,
		"\"description\":\"The response head cannot be sent.\""));
	exchange(LAST("GET", "/wide-enough"));
	CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK\r\n"));
	CU_ASSERT_TRUE(reply_n > 20000);
}

static void
test_hostile_requests(void)
{
	static const struct {
		const char *what, *request;
		const char *statuses; /* Several where newer libraries judge themselves. */
	} rows[] = {
		{ "no Host", "GET / HTTP/1.1\r\n\r\n", "400" },
		{ "two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400" },
		{ "blank before colon",
			"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nGET /", "400" },
		{ "length and chunked", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
			"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400" },
		{ "two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
			"Content-Length: 0\r\n\r\nabcde", "400" },
		{ "bad length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde",
			"400" },
		{ "other coding", "POST / HTTP/1.1\r\nHost: a\r\n"
			"Transfer-Encoding: xchunked\r\n\r\n0",
			"501/400" },
		{ "two codings", "POST / HTTP/1.1\r\nHost: a\r\n"
			"Transfer-Encoding: gzip, chunked\r\n\r\n",
			"501/400" },
		{ "coding with a tab", "POST / HTTP/1.1\r\nHost: a\r\n"
			"Transfer-Encoding: chunked\t\r\n"
			CLOSE "0\r\n\r\n", "501/200" },
		{ "chunked in 1.0", "POST / HTTP/1.0\r\n"
			"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"400" },
		{ "bare CR", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "400" },
		{ "fold", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b c: d\r\n\r\n", "400" },
		{ "space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400" },
		{ "CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "501" },
		{ "HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505" },
		{ "PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505" },
		{ "bad chunk", "POST /echo HTTP/1.1\r\nHost: a\r\n"
			"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", "400" },
	};
	bool is_old = strncmp(MHD_get_version(), "0.9.75", 6) == 0;
	unsigned begun = done_count + gone_count, refused = refused_count;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		exchange(rows[i].request);
		bool is_answered = strncmp(reply, "HTTP/1.1 ", 9) == 0;

		/* One of the statuses that stand in the row. */
		reply[is_answered ? 12 : 0] = '\0';
		if (!is_answered || strstr(rows[i].statuses, reply + 9) == NULL) {
			printf("\n  %s: %s", rows[i].what, reply);
			CU_FAIL("another status");
		}
	}
	CU_ASSERT_TRUE(refused_count - refused >= 12); /* the library's own among them */
	CU_ASSERT_EQUAL(done_count + gone_count, begun + (is_old ? 1 : 2)); /* the last row */
	refused = refused_count;
	exchange("GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
	CU_ASSERT_EQUAL(refused_count, refused + 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "Content-Type: application/json\r\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(reply, "{\"code\":\"400\",\"message\":\"Bad Request\","
		"\"description\":\"The Host field is not a host and a port.\"}"));
}

static void
test_limits_of_the_head(void)
{
	static char request[70000];
	int n = snprintf(request, sizeof(request), "GET /");

	memset(request + n, 'a', 5000);
	snprintf(request + n + 5000, 100, " HTTP/1.1\r\nHost: a\r\n\r\n");
	exchange(request);
	CU_ASSERT_TRUE(starts("HTTP/1.1 414 "));
	n = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < 60; i++)
		n += snprintf(request + n, 100, "X-%d: y\r\n", i);
	snprintf(request + n, 10, "\r\n");
	exchange(request);
	CU_ASSERT_TRUE(starts("HTTP/1.1 431 "));
	n = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	memset(request + n, 'x', 18000);
	snprintf(request + n + 18000, 10, "\r\n\r\n");
	exchange(request);
	CU_ASSERT_TRUE(starts("HTTP/1.1 431 "));
}

static void
test_slow_head(void)
{
	int fd = client();
	unsigned before = refused_count;

	say(fd, "GET / HTTP/1.1\r\n", 16);
	for (int i = 0; i < 40; i++) { /* a byte now and then keeps it busy */
		say(fd, "X", 1);
		poll(NULL, 0, 100);
		if (atomic_load(&refused_count) > before)
			break;
	}
	CU_ASSERT_TRUE(reaches(&refused_count, before + 1, 1000));
	CU_ASSERT_EQUAL(refused_status, 408);
	CU_ASSERT_TRUE(hear(fd, NULL));
	close(fd);
}

static void
test_slow_body(void)
{
	const char *head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n";
	unsigned before = gone_count;
	int fd = client();

	say(fd, head, strlen(head));
	for (int i = 0; i < 60 && gone_count == before; i++) {
		say(fd, "X", 1);
		poll(NULL, 0, 100);
	}
	CU_ASSERT_EQUAL(gone_count, before + 1);
	close(fd);
}

static void
test_client_leaves(void)
{
	static const char *const requests[] = {
		"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n",
		/* A next request in the socket must not hide that it is the last. */
		"GET /hang HTTP/1.1\r\nHost: a\r\n\r\nGET /hang HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /hang HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc",
		"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		unsigned before = gone_count;
		int fd = client();

		say(fd, requests[i], strlen(requests[i]));
		poll(NULL, 0, 100);
		close(fd);
		if (!reaches(&gone_count, before + 1, 1000)) {
			printf("\n  %s", requests[i]);
			CU_FAIL("nobody noticed");
		}
	}
}

static void
test_limit_of_connections(void)
{
	int held[50], late;

	for (int i = 0; i < 50; i++)
		held[i] = client();
	late = client();
	say(late, LAST("GET", "/sync"), strlen(LAST("GET", "/sync")));
	struct pollfd p = { .fd = late, .events = POLLIN };

	CU_ASSERT_EQUAL(poll(&p, 1, 300), 0);
	for (int i = 0; i < 50; i++)
		close(held[i]);
	CU_ASSERT_TRUE(hear(late, NULL));
	CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK"));
	close(late);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static bool
talk_tls(const char *priorities, gnutls_datum_t *resume, bool *ret_resumed)
{
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(listeners[TLS].port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;
	const char *request = LAST("GET", "/fields");
	char ca[128];
	ssize_t n;

	snprintf(ca, sizeof(ca), "%s/tls/self-signed.crt", inst.state_dir);
	gnutls_certificate_allocate_credentials(&credentials);
	gnutls_certificate_set_x509_trust_file(credentials, ca, GNUTLS_X509_FMT_PEM);
	gnutls_init(&session, GNUTLS_CLIENT);
	gnutls_priority_set_direct(session, priorities, NULL);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_session_set_verify_cert(session, "localhost", 0);
	if (resume->data != NULL)
		gnutls_session_set_data(session, resume->data, resume->size);
	gnutls_transport_set_int(session, fd);
	r = connect(fd, (struct sockaddr *)&at, sizeof(at));
	while (r == 0 && (r = gnutls_handshake(session)) < 0 && !gnutls_error_is_fatal(r))
		r = 0;
	*ret_resumed = r == 0 && gnutls_session_is_resumed(session);
	reply_n = 0;
	if (r == 0 && gnutls_record_send(session, request, strlen(request)) > 0)
		while ((n = gnutls_record_recv(session, reply + reply_n, 4096)) > 0 ||
			(n < 0 && !gnutls_error_is_fatal((int)n)))
			reply_n += n > 0 ? (size_t)n : 0;
	reply[reply_n] = '\0';
	gnutls_free(resume->data);
	resume->data = NULL;
	if (r == 0)
		gnutls_session_get_data2(session, resume);
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(credentials);
	close(fd);
	return r == 0;
}

static void
test_tls(void)
{
	static const char *const versions[] = { "NORMAL:-VERS-ALL:+VERS-TLS1.3",
		"NORMAL:-VERS-ALL:+VERS-TLS1.2" };
	gnutls_datum_t resume = { .data = NULL };
	bool is_resumed;

	for (int i = 0; i < 2; i++) {
		CU_ASSERT_TRUE(talk_tls(versions[i], &resume, &is_resumed));
		CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK\r\n"));
		CU_ASSERT_PTR_NOT_NULL(strstr(reply, "GET /fields 1 127.0.0.1 1 0\n"));
		CU_ASSERT_FALSE(is_resumed);
		CU_ASSERT_TRUE(talk_tls(versions[i], &resume, &is_resumed));
		CU_ASSERT_TRUE(is_resumed);
		gnutls_free(resume.data);
		resume.data = NULL;
	}
	CU_ASSERT_FALSE(talk_tls("NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT", &resume, &is_resumed));
	gnutls_free(resume.data);
}

static void
test_tls_files(void)
{
	struct gh_listener l = { .name = GH_STR("x"), .tls = true };
	char path[128], error[512];
	struct stat st;

	snprintf(path, sizeof(path), "%s/tls", inst.state_dir);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "%s/tls/self-signed.key", inst.state_dir);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);

	l.certificate_file = GH_STR("/nonexistent");
	CU_ASSERT_EQUAL(engine->prepare(process, &inst, &l, error, sizeof(error)), GH_EINVAL);
	CU_ASSERT_STRING_EQUAL(error, "listener x: certificate_file and key_file belong together");
	l.key_file = GH_STR("/nonexistent");
	CU_ASSERT_EQUAL(engine->prepare(process, &inst, &l, error, sizeof(error)), GH_ENOENT);
	CU_ASSERT_STRING_EQUAL(error,
		"listener x: cannot read /nonexistent: No such file or directory");
	l.certificate_file = gh_str_of(path);
	l.key_file = gh_str_of(path);
	CU_ASSERT_EQUAL(engine->prepare(process, &inst, &l, error, sizeof(error)), GH_EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "listener x: one of them is not PEM "));
}

/* ---- The end --------------------------------------------------------------------------------- */

static void
test_quiesce_and_close(void)
{
	int idle = client(), busy = client(), hung = client();
	unsigned gone = gone_count;

	say(idle, "GET /sync HTTP/1.1\r\nHost: a\r\n\r\n", 31);
	CU_ASSERT_TRUE(hear(idle, "abcde"));
	say(hung, "GET /hang HTTP/1.1\r\nHost: a\r\n\r\n", 31);
	say(busy, "GET /async HTTP/1.1\r\nHost: a\r\n\r\n", 32);
	poll(NULL, 0, 2);
	ask_kernel(ASK_QUIESCE);
	CU_ASSERT_TRUE(hear(idle, NULL)); /* closed at once */
	CU_ASSERT_EQUAL(reply_n, 0);
	CU_ASSERT_TRUE(hear(busy, NULL));
	CU_ASSERT_TRUE(starts("HTTP/1.1 200 OK"));
	for (int i = 0; i < 100; i++) {
		ask_kernel(ASK_COUNT);
		poll(NULL, 0, 10);
		if (open_connections == 1)
			break;
	}
	CU_ASSERT_EQUAL(open_connections, 1);
	CU_ASSERT_TRUE(stop_kernel());
	CU_ASSERT_EQUAL(gone_count, gone + 1);
	close(idle);
	close(busy);
	close(hung);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_large_responses), /* first: it looks at a counter */
		UNIT_TEST(test_keep_alive),
		UNIT_TEST(test_pipelined),
		UNIT_TEST(test_http_1_0),
		UNIT_TEST(test_bodiless),
		UNIT_TEST(test_fields_are_stripped),
		UNIT_TEST(test_body_known_and_chunked),
		UNIT_TEST(test_expect_continue),
		UNIT_TEST(test_early_reply),
		UNIT_TEST(test_slow_reader),
		UNIT_TEST(test_broken_responses),
		UNIT_TEST(test_hostile_requests),
		UNIT_TEST(test_limits_of_the_head),
		UNIT_TEST(test_slow_head),
		UNIT_TEST(test_slow_body),
		UNIT_TEST(test_client_leaves),
		UNIT_TEST(test_limit_of_connections),
		UNIT_TEST(test_tls),
		UNIT_TEST(test_tls_files),
		UNIT_TEST(test_quiesce_and_close),
		{ .name = NULL },
	};

	signal(SIGPIPE, SIG_IGN);
	start_kernel();
	return unit_run("http engine", tests);
}
