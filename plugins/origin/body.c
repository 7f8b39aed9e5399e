/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file body.c
 * @brief Encoded bytes to a response: shared pieces, one after the other, at the client's pace.
 */
#include <stdlib.h>

#include "plugins/origin/origin.h"

struct piece *
piece_new(struct gh_str bytes, uint64_t seq)
{
	struct piece *piece = malloc(sizeof(*piece) + bytes.n);

	if (piece == NULL)
		return NULL;
	atomic_init(&piece->refs, 1);
	piece->seq = seq;
	piece->n = bytes.n;
	memcpy(piece->bytes, bytes.p, bytes.n);
	return piece;
}

struct piece *
piece_ref(struct piece *piece)
{
	atomic_fetch_add(&piece->refs, 1);
	return piece;
}

void
piece_unref(struct piece *piece)
{
	if (piece != NULL && atomic_fetch_sub(&piece->refs, 1) == 1)
		free(piece);
}

static void
let_go(void *arg)
{
	struct body *body = arg;

	for (size_t i = 0; i < body->n; i++)
		piece_unref(body->pieces[i]);
}

struct body *
body_new(struct gh_txn *txn, size_t n)
{
	struct body *body = gh_txn_alloc(txn, sizeof(*body) + n * sizeof(body->pieces[0]));

	if (body == NULL || gh_txn_defer(txn, let_go, body) < 0)
		return NULL;
	body->txn = txn;
	return body;
}

static void
push(void *ctx)
{
	struct body *body = ctx;

	while (!body->is_over && body->at < body->n) {
		const struct piece *piece = body->pieces[body->at];
		size_t left = piece->n - body->offset;
		size_t taken = gh_txn_response_data(body->txn, piece->bytes + body->offset, left);

		gh_metric_add(body->sent, taken);
		body->offset += taken;
		if (taken < left)
			return;
		body->at++;
		body->offset = 0;
	}
	if (!body->is_over) {
		body->is_over = true;
		gh_txn_response_end(body->txn);
	}
}

static void
cancel(void *ctx)
{
	((struct body *)ctx)->is_over = true;
}

static const struct gh_source source = { push, cancel };

enum gh_verdict
body_send(struct body *body, struct gh_metric *sent)
{
	int64_t length = 0;

	body->sent = sent;
	for (size_t i = 0; i < body->n; i++)
		length += (int64_t)body->pieces[i]->n;
	gh_txn_set_status(body->txn, 200);
	if (gh_txn_field_set(body->txn, GH_SIDE_RESPONSE, GH_STR("Content-Type"),
		GH_STR("application/octet-stream")) < 0)
		return GH_FAIL;
	gh_txn_response_stream(body->txn, length, &source, body);
	push(body); /* refused until the head is out; ready() follows */
	return GH_STOP;
}

enum gh_verdict
refuse(struct gh_txn *txn, unsigned status, const char *message, const char *description)
{
	struct gh_str text = gh_txn_printf(txn,
		"{\"code\":%u,\"message\":\"%s\",\"description\":\"%s\"}", status, message,
		description);

	if (text.p == NULL || gh_txn_reply(txn, status, GH_STR("application/json"), text) < 0)
		return GH_FAIL;
	return GH_STOP;
}
