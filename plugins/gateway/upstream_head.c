/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upstream_head.c
 * @brief The request head as the backend sees it, and the response head as the client will.
 *
 * End-to-end fields go through as they are.  Written anew: Host, framing, X-Forwarded-For (the
 * caller's address behind what was there), X-Forwarded-Proto, -Host and -Port (what the caller
 * asked us, never what it claims), and one more Via.
 */
#include "plugins/gateway/upstream_private.h"

#define VIA "1.1 gatehouse"

/** Request fields that are written anew, or answered by us (Expect). */
static bool
is_ours(struct gh_str name)
{
	static const struct gh_str ours[] = {
		{ "Host", 4 }, { "Expect", 6 }, { "X-Forwarded-For", 15 },
		{ "X-Forwarded-Host", 16 }, { "X-Forwarded-Port", 16 },
		{ "X-Forwarded-Proto", 17 },
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (gh_str_eq_nocase(name, ours[i]))
			return true;
	return h1_is_hop_by_hop(name);
}

/** "host" or "host:port", as the scheme wants it. */
static void
put_host(struct h1_writer *w, const struct upstream_endpoint *e)
{
	char digits[8];
	unsigned port = e->port;
	size_t at = sizeof(digits);

	h1_put(w, GH_STR("Host: "));
	h1_put(w, e->host);
	if (port != (e->is_tls ? 443 : 80)) {
		do
			digits[--at] = (char)('0' + port % 10);
		while ((port /= 10) > 0);
		digits[--at] = ':';
		h1_put(w, (struct gh_str){ digits + at, sizeof(digits) - at });
	}
	h1_put(w, GH_STR("\r\n"));
}

/** One line: every address that was named before, then the caller's. */
static void
put_forwarded_for(struct h1_writer *w, struct gh_txn *txn, const struct gh_field *fields, size_t n)
{
	h1_put(w, GH_STR("X-Forwarded-For: "));
	for (size_t i = 0; i < n; i++) {
		if (fields[i].value.n == 0 ||
			!gh_str_eq_nocase(fields[i].name, GH_STR("X-Forwarded-For")))
			continue;
		h1_put(w, fields[i].value);
		h1_put(w, GH_STR(", "));
	}
	h1_put(w, gh_txn_attr(txn, GH_ATTR_PEER));
	h1_put(w, GH_STR("\r\n"));
}

/** Port of a Host field value, as text. */
static struct gh_str
port_of(struct gh_str host, struct gh_str scheme)
{
	for (size_t i = host.n; i > 0 && host.p[i - 1] != ']'; i--)
		if (host.p[i - 1] == ':' && i < host.n)
			return (struct gh_str){ host.p + i, host.n - i };
	return gh_str_eq(scheme, GH_STR("https")) ? GH_STR("443") : GH_STR("80");
}

static void
put_forwarded(struct h1_writer *w, struct gh_txn *txn, const struct gh_field *fields, size_t n)
{
	struct gh_str host = gh_txn_field(txn, GH_SIDE_REQUEST, GH_STR("Host"));
	struct gh_str scheme = gh_txn_attr(txn, GH_ATTR_SCHEME);

	put_forwarded_for(w, txn, fields, n);
	h1_put_field(w, GH_STR("X-Forwarded-Proto"), scheme);
	if (host.n > 0) {
		h1_put_field(w, GH_STR("X-Forwarded-Host"), host);
		h1_put_field(w, GH_STR("X-Forwarded-Port"), port_of(host, scheme));
	}
	h1_put_field(w, GH_STR("Via"), GH_STR(VIA));
}

/** A request without a body says so only where one is expected (RFC 9110, 8.6). */
static bool
expects_body(struct gh_str method)
{
	return gh_str_eq(method, GH_STR("POST")) || gh_str_eq(method, GH_STR("PUT")) ||
		gh_str_eq(method, GH_STR("PATCH"));
}

int
upstream_write_head(struct upstream_exchange *x)
{
	struct h1_writer w = { x->pool->scratch, 0, UPSTREAM_SCRATCH_SIZE, false };
	struct gh_str method = gh_txn_attr(x->txn, GH_ATTR_METHOD);
	size_t n = 0;
	const struct gh_field *fields = gh_txn_fields(x->txn, GH_SIDE_REQUEST, &n);

	h1_put_request_line(&w, method, x->target);
	put_host(&w, &x->endpoint);
	for (size_t i = 0; i < n; i++)
		if (!is_ours(fields[i].name))
			h1_put_field(&w, fields[i].name, fields[i].value);
	put_forwarded(&w, x->txn, fields, n);
	if (x->body_length < 0)
		h1_put(&w, GH_STR("Transfer-Encoding: chunked\r\n"));
	else if (x->body_length > 0 || expects_body(method))
		h1_put_content_length(&w, (uint64_t)x->body_length);
	h1_put(&w, GH_STR("\r\n"));
	if (w.is_bad)
		return GH_ETOOBIG;
	x->head = (struct gh_str){ w.p, w.n };
	return 0;
}

/** Length that the client is told; -1: not known. */
static int64_t
announced_length(const struct upstream_exchange *x, const struct h1_response *r)
{
	if (r->framing == H1_NO_BODY && !x->is_head && r->status == 204)
		return 0;
	return r->content_length;
}

int
upstream_pass_head(struct upstream_exchange *x, const struct h1_response *r, const char *bytes)
{
	for (unsigned i = 0; i < r->field_count; i++) {
		const struct h1_field *f = &r->fields[i];

		if (f->is_hop)
			continue;
		int r2 = gh_txn_field_add(x->txn, GH_SIDE_RESPONSE, h1_slice_of(bytes, f->name),
			h1_slice_of(bytes, f->value));

		if (r2 < 0)
			return r2;
	}
	gh_txn_set_status(x->txn, r->status);
	gh_txn_response_stream(x->txn, announced_length(x, r), &upstream_source, x);
	return 0;
}
