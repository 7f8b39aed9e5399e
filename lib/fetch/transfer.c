/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file transfer.c
 * @brief One call: options of libcurl, the loop with its deadlines, and what an error means.
 */
#include "lib/fetch/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/crypto/crypto.h"

#define URL_MAX 4096
#define METHOD_BYTES 32
#define WAIT_MAX_MS 1000
#define FIELD_BYTES_MAX (256u << 10) /* of all header sections, interim ones too */

static uint64_t
now_ms(void)
{
	return gh_mono_ns() / 1000000;
}

/* ---- The body -------------------------------------------------------------------------------- */

static int
keep(struct transfer *t, const char *p, size_t n)
{
	if (t->body_n + n > t->body_size) {
		size_t size = t->body_size > 0 ? t->body_size : 4096;
		char *larger;

		while (size < t->body_n + n)
			size *= 2;
		larger = malloc(size);
		if (larger == NULL)
			return GH_ENOMEM;
		if (t->body_n > 0)
			memcpy(larger, t->body, t->body_n);
		crypto_wipe_free(t->body, t->body_size);
		t->body = larger;
		t->body_size = size;
	}
	memcpy(t->body + t->body_n, p, n);
	t->body_n += n;
	return GH_OK;
}

static size_t
on_data(char *p, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t n = size * count;
	long status = 0;

	t->heard_ms = now_ms();
	t->received += n;
	curl_easy_getinfo(t->slot->easy, CURLINFO_RESPONSE_CODE, &status);
	if (t->received > t->request->max_bytes)
		t->result = GH_ETOOBIG;
	else if (t->fn != NULL && status == 200)
		t->result = t->fn(t->arg, (struct gh_str){ p, n });
	else
		t->result = keep(t, p, n);
	return t->result == GH_OK ? n : n + 1; /* another number than n ends it, also for n = 0 */
}

static size_t
on_field(char *p, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;

	(void)p;
	t->heard_ms = now_ms();
	t->field_bytes += size * count;
	if (t->field_bytes > FIELD_BYTES_MAX)
		t->result = GH_ETOOBIG;
	return t->result == GH_OK ? size * count : size * count + 1;
}

/* ---- The address ----------------------------------------------------------------------------- */

/** One refused address ends the call: a name with public and private ones is not to be trusted. */
static curl_socket_t
on_dial(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *t = arg;

	(void)purpose;
	if (t->refused[0] != '\0')
		return CURL_SOCKET_BAD;
	if (t->request->may_dial(t->request->dial_arg, &address->addr, t->refused,
		sizeof(t->refused)) == 0)
		return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (t->refused[0] == '\0')
		snprintf(t->refused, sizeof(t->refused), "the address may not be called");
	return CURL_SOCKET_BAD;
}

/* ---- The request ----------------------------------------------------------------------------- */

/** Words of libcurl's that name things in a text must not be able to end it. */
static bool
is_clean(struct gh_str s)
{
	return memchr(s.n > 0 ? s.p : "", '\n', s.n) == NULL &&
		memchr(s.n > 0 ? s.p : "", '\r', s.n) == NULL &&
		memchr(s.n > 0 ? s.p : "", '\0', s.n) == NULL;
}

/** Upper-case letters, few enough for set_options(); empty is GET. */
static bool
is_method(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 'A' || s.p[i] > 'Z')
			return false;
	return s.n < METHOD_BYTES;
}

/** What is dialled, what is asked for. */
struct target {
	char url[URL_MAX];
	char path[URL_MAX];       /**< Empty: that of the url. */
	char connect_to[2 * URL_MAX];
	struct curl_slist *connect;
};

static int
print_connect_to(struct target *t, CURLU *u, struct gh_str name)
{
	char *host = NULL, *port = NULL;
	int n = -1;

	if (curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
		n = snprintf(t->connect_to, sizeof(t->connect_to), "%.*s:%s:%s:%s", GH_STR_ARG(name),
			port, host, port);
	curl_free(host);
	curl_free(port);
	return n > 0 && (size_t)n < sizeof(t->connect_to) ? GH_OK : GH_EINVAL;
}

static bool
is_whole(CURLU *u)
{
	char *path = NULL;
	bool is_root = curl_url_get(u, CURLUPART_PATH, &path, 0) == CURLUE_OK && strcmp(path, "/") == 0;

	curl_free(path);
	path = NULL;
	if (is_root && curl_url_get(u, CURLUPART_QUERY, &path, 0) == CURLUE_OK)
		is_root = false;
	curl_free(path);
	return is_root;
}

static int
make_target(const struct fetch_request *request, struct target *t)
{
	char name[256], *text = NULL;
	CURLU *u = curl_url();
	int r = GH_EINVAL;

	if (u == NULL)
		return GH_ENOMEM;
	if (request->url.n == 0 || request->url.n >= sizeof(t->url) || !is_clean(request->url) ||
		request->path.n >= sizeof(t->path) || !is_clean(request->path) ||
		request->host.n >= sizeof(name) || !is_clean(request->host))
		goto out;
	memcpy(t->url, request->url.p, request->url.n);
	t->url[request->url.n] = '\0';
	snprintf(t->path, sizeof(t->path), "%.*s", GH_STR_ARG(request->path));
	snprintf(name, sizeof(name), "%.*s", GH_STR_ARG(request->host));
	if (curl_url_set(u, CURLUPART_URL, t->url, 0) != CURLUE_OK)
		goto out;
	if (t->path[0] != '\0' && (t->path[0] != '/' || !is_whole(u)))
		goto out;
	if (name[0] != '\0') {
		if (print_connect_to(t, u, request->host) < 0 ||
			curl_url_set(u, CURLUPART_HOST, name, 0) != CURLUE_OK)
			goto out;
		t->connect = curl_slist_append(NULL, t->connect_to);
		r = GH_ENOMEM;
		if (t->connect == NULL)
			goto out;
	}
	r = GH_EINVAL;
	if (curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK && strlen(text) < sizeof(t->url)) {
		snprintf(t->url, sizeof(t->url), "%s", text);
		r = GH_OK;
	}
out:
	curl_free(text);
	curl_url_cleanup(u);
	return r;
}

static int
add_field(struct curl_slist **list, struct gh_str name, struct gh_str value)
{
	char line[1024];
	int n = snprintf(line, sizeof(line), "%.*s: %.*s", GH_STR_ARG(name), GH_STR_ARG(value));
	struct curl_slist *longer;

	if (n < 0 || (size_t)n >= sizeof(line) || name.n == 0 || !is_clean(name) || !is_clean(value))
		return GH_EINVAL;
	longer = curl_slist_append(*list, line);
	if (longer == NULL)
		return GH_ENOMEM;
	*list = longer;
	return GH_OK;
}

static int
make_fields(const struct fetch_request *request, struct curl_slist **ret_list)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no round trip before a body */
	int r = list == NULL ? GH_ENOMEM : request->field_count > FETCH_FIELDS_MAX ? GH_EINVAL : GH_OK;

	if (r == GH_OK && request->body.n > 0)
		r = add_field(&list, GH_STR("Content-Type"), request->content_type.n > 0
			? request->content_type : GH_STR("application/octet-stream"));
	for (size_t i = 0; r == GH_OK && i < request->field_count; i++)
		r = add_field(&list, request->fields[i].name, request->fields[i].value);
	if (r == GH_OK)
		*ret_list = list;
	else
		curl_slist_free_all(list);
	return r;
}

/** By name, as the library has no other way to take PEM. */
static void
set_file(CURL *easy, CURLoption option, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	curl_easy_setopt(easy, option, path);
}

static void
set_tls(CURL *easy, const struct tls_files *tls)
{
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->is_unverified ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->is_unverified ? 0L : 2L);
	if (tls->authorities >= 0 || tls->is_unverified) { /* without the system's: megabytes each time */
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	}
	if (tls->authorities >= 0)
		set_file(easy, CURLOPT_CAINFO, tls->authorities);
	if (tls->certificate >= 0) {
		set_file(easy, CURLOPT_SSLCERT, tls->certificate);
		set_file(easy, CURLOPT_SSLKEY, tls->key);
	}
}

static void
set_options(struct transfer *t, const struct target *target, struct curl_slist *fields)
{
	const struct fetch_request *request = t->request;
	CURL *easy = t->slot->easy;
	char method[METHOD_BYTES];

	curl_easy_reset(easy); /* keeps the connections */
	curl_easy_setopt(easy, CURLOPT_URL, target->url);
	if (target->path[0] != '\0')
		curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, target->path);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, target->connect);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->deadline_ms);
	if (request->connect_ms > 0)
		curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms);
	if (request->may_dial != NULL) {
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_dial);
		curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
		curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	}
	if (request->takes_packed)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "gatehouse");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, fields);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->why);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_field);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	if (gh_str_eq(request->method, GH_STR("HEAD"))) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (request->body.n > 0 || gh_str_eq(request->method, GH_STR("POST"))) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.n > 0 ? request->body.p : "");
	}
	if (request->method.n > 0) {
		snprintf(method, sizeof(method), "%.*s", GH_STR_ARG(request->method));
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
	}
	set_tls(easy, t->slot->tls);
}

/* ---- The loop -------------------------------------------------------------------------------- */

/** How long may the next wait be?  0: a deadline has passed. */
static int
patience_ms(const struct transfer *t, uint64_t until_ms)
{
	uint64_t now = now_ms(), wait = until_ms > now ? until_ms - now : 0;
	uint64_t idle = t->request->idle_ms;

	if (idle > 0) {
		uint64_t quiet = now - t->heard_ms;
		uint64_t left = quiet < idle ? idle - quiet : 0;

		wait = left < wait ? left : wait;
	}
	return (int)(wait < WAIT_MAX_MS ? wait : WAIT_MAX_MS);
}

/** @return 0 and what libcurl says; GH_EAGAIN: stopped; GH_ETIMEDOUT; GH_ENOMEM. */
static int
run(struct transfer *t, CURLcode *ret_code)
{
	CURLM *multi = t->slot->multi;
	uint64_t until_ms = now_ms() + t->request->deadline_ms;
	int running = 1, left = 0, r = GH_OK;
	CURLMsg *message;

	t->heard_ms = now_ms();
	if (curl_multi_add_handle(multi, t->slot->easy) != CURLM_OK)
		return GH_ENOMEM;
	while (running > 0 && r == GH_OK) {
		int wait;

		if (atomic_load(t->is_stopped))
			r = GH_EAGAIN;
		else if (curl_multi_perform(multi, &running) != CURLM_OK)
			r = GH_ENOMEM;
		else if (running > 0 && (wait = patience_ms(t, until_ms)) == 0)
			r = GH_ETIMEDOUT;
		else if (running > 0)
			curl_multi_poll(multi, NULL, 0, wait, NULL);
	}
	*ret_code = CURLE_OK;
	while ((message = curl_multi_info_read(multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			*ret_code = message->data.result;
	curl_multi_remove_handle(multi, t->slot->easy);
	return r;
}

/* ---- The outcome ----------------------------------------------------------------------------- */

static int
meaning(CURLcode code, const char *why)
{
	switch (code) {
	case CURLE_OUT_OF_MEMORY:
		return GH_ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return GH_EINVAL;
	case CURLE_OPERATION_TIMEDOUT:
		return GH_ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return GH_EDENIED;
	default: /* with TLS 1.3 a client hears later, as a broken connection, that it was refused */
		return strstr(why, "fatal alert") != NULL ? GH_EDENIED : GH_EAGAIN;
	}
}

static int
make_reply(struct transfer *t, struct fetch_reply **ret)
{
	const char *type = NULL, *location = NULL;
	long status = 0;

	curl_easy_getinfo(t->slot->easy, CURLINFO_CONTENT_TYPE, &type);
	curl_easy_getinfo(t->slot->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->slot->easy, CURLINFO_REDIRECT_URL, &location);
	struct gh_str content_type = gh_str_of(type), target = gh_str_of(location);
	size_t n = sizeof(struct reply_head) + sizeof(struct fetch_reply) + content_type.n + target.n +
		t->body_n + 3;
	struct reply_head *head = calloc(1, n);

	if (head == NULL)
		return GH_ENOMEM;
	struct fetch_reply *reply = (struct fetch_reply *)(void *)(head + 1);
	char *at = (char *)(reply + 1);

	head->n = n;
	reply->status = (unsigned)status;
	reply->content_type = (struct gh_str){ at, content_type.n };
	if (content_type.n > 0)
		memcpy(at, content_type.p, content_type.n);
	at += content_type.n + 1;
	reply->location = (struct gh_str){ at, target.n };
	if (target.n > 0)
		memcpy(at, target.p, target.n);
	at += target.n + 1;
	reply->body = (struct gh_str){ at, t->body_n };
	if (t->body_n > 0)
		memcpy(at, t->body, t->body_n);
	*ret = reply;
	return GH_OK;
}

static int
judge(struct transfer *t, int r, CURLcode code, char *error, size_t error_size)
{
	if (r == GH_EAGAIN)
		snprintf(error, error_size, "the call was stopped");
	else if (r == GH_ETIMEDOUT || code == CURLE_OPERATION_TIMEDOUT)
		snprintf(error, error_size, "no answer in time");
	else if (r == GH_ENOMEM)
		snprintf(error, error_size, "out of memory");
	if (r < 0)
		return r;
	if (t->refused[0] != '\0' && code != CURLE_OK) {
		snprintf(error, error_size, "%s", t->refused);
		return GH_EDENIED;
	}
	if (t->field_bytes > FIELD_BYTES_MAX)
		snprintf(error, error_size, "the answer's header has more than %u bytes", FIELD_BYTES_MAX);
	else if (t->result == GH_ETOOBIG)
		snprintf(error, error_size, "the answer has more than %llu bytes",
			(unsigned long long)t->request->max_bytes);
	else if (t->result != GH_OK)
		snprintf(error, error_size, "the answer was not accepted");
	if (t->result != GH_OK)
		return t->result;
	if (code == CURLE_OK)
		return GH_OK;
	if (code != CURLE_OPERATION_TIMEDOUT)
		snprintf(error, error_size, "%s", t->why[0] != '\0' ? t->why : curl_easy_strerror(code));
	return meaning(code, t->why);
}

int
fetch_transfer(struct transfer *t, struct fetch_reply **ret, char *error, size_t error_size)
{
	struct target *target = calloc(1, sizeof(*target));
	struct curl_slist *fields = NULL;
	CURLcode code = CURLE_OK;
	int r = GH_ENOMEM;

	snprintf(error, error_size, "out of memory");
	if (target == NULL)
		return r;
	r = make_target(t->request, target);
	if (r == GH_EINVAL)
		snprintf(error, error_size, "%.*s is not a URL that can be called",
			(int)(t->request->url.n < 200 ? t->request->url.n : 200), t->request->url.p);
	if (r == GH_OK) {
		r = is_method(t->request->method) ? make_fields(t->request, &fields) : GH_EINVAL;
		if (r == GH_EINVAL)
			snprintf(error, error_size, "method or a field of the request is not acceptable");
	}
	if (r < 0)
		goto out;
	set_options(t, target, fields);
	r = run(t, &code);
	r = judge(t, r, code, error, error_size);
	if (r == GH_OK)
		r = make_reply(t, ret);
out:
	crypto_wipe_free(t->body, t->body_size);
	t->body = NULL;
	curl_slist_free_all(fields);
	curl_slist_free_all(target->connect);
	free(target);
	return r;
}
