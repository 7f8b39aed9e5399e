/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file message.c
 * @brief Messages: prelude, head, blobs; and structs that a table describes.
 */
#include <stdlib.h>

#include "lib/block/block.h"
#include "lib/rpc/rpc.h"

static const char magic[] = { 'G', 'H', 'R', RPC_VERSION };
#define PRELUDE_BYTES (sizeof(magic) + 4)
#define FIELDS_MAX 16 /* strings of one struct */

/* ---- Writing --------------------------------------------------------------------------------- */

void
rpc_writer_init(struct rpc_writer *w)
{
	*w = (struct rpc_writer){ .blobs = NULL };
	doc_writer_init(&w->head);
}

void
rpc_writer_done(struct rpc_writer *w)
{
	doc_writer_done(&w->head);
	free(w->blobs);
	w->blobs = NULL;
	w->n = w->capacity = w->bytes = 0;
}

/** Room for one blob more. */
static int
grow(struct rpc_writer *w)
{
	if (w->n < w->capacity)
		return 0;
	size_t capacity = w->capacity > 0 ? w->capacity * 2 : 8;
	struct gh_str *blobs = realloc(w->blobs, capacity * sizeof(*blobs));

	if (blobs == NULL)
		return GH_ENOMEM;
	w->blobs = blobs;
	w->capacity = capacity;
	return 0;
}

void
rpc_put_blob(struct rpc_writer *w, const char *name, struct gh_str blob)
{
	if (w->error == 0)
		w->error = blob.n > RPC_MESSAGE_MAX - w->bytes ? GH_ETOOBIG : grow(w);
	if (w->error != 0)
		return;
	doc_put_int(&w->head, name, (int64_t)blob.n);
	w->blobs[w->n++] = blob;
	w->bytes += blob.n;
}

int
rpc_finish(struct rpc_writer *w, struct gh_str *ret_message)
{
	struct gh_str head = GH_STR_NONE;
	char *message = NULL, *at;
	int r = doc_finish(&w->head, &head);

	if (r == 0)
		r = w->error;
	size_t total = PRELUDE_BYTES + head.n + w->bytes;

	if (r == 0 && total > RPC_MESSAGE_MAX)
		r = GH_ETOOBIG;
	if (r < 0)
		goto out;
	at = message = malloc(total);
	if (message == NULL) {
		r = GH_ENOMEM;
		goto out;
	}
	memcpy(at, magic, sizeof(magic));
	at += sizeof(magic);
	for (unsigned i = 0; i < 4; i++)
		*at++ = (char)(head.n >> (24 - 8 * i));
	memcpy(at, head.p, head.n);
	at += head.n;
	for (size_t i = 0; i < w->n; i++) {
		if (w->blobs[i].n > 0)
			memcpy(at, w->blobs[i].p, w->blobs[i].n);
		at += w->blobs[i].n;
	}
	*ret_message = (struct gh_str){ message, total };
out:
	free((void *)head.p);
	rpc_writer_done(w);
	return r;
}

void
rpc_free(struct gh_str message)
{
	if (message.n > 0)
		explicit_bzero((void *)message.p, message.n);
	free((void *)message.p);
}

/* ---- Reading --------------------------------------------------------------------------------- */

int
rpc_read(struct gh_str bytes, struct rpc_message *ret_message)
{
	if (bytes.n > RPC_MESSAGE_MAX)
		return GH_ETOOBIG;
	if (bytes.n < PRELUDE_BYTES || memcmp(bytes.p, magic, sizeof(magic)) != 0)
		return GH_EVERSION;
	size_t n = 0;

	for (unsigned i = 0; i < 4; i++)
		n = n << 8 | (unsigned char)bytes.p[sizeof(magic) + i];
	if (n > bytes.n - PRELUDE_BYTES)
		return GH_EINVAL;
	struct gh_str head = { bytes.p + PRELUDE_BYTES, n };
	int r = doc_check(head);

	if (r == 0)
		*ret_message = (struct rpc_message){ head,
			{ head.p + n, bytes.n - PRELUDE_BYTES - n } };
	return r;
}

int
rpc_blob(struct rpc_message *message, struct gh_str map, const char *name, size_t max,
	struct gh_str *ret_blob)
{
	int64_t n = doc_int(map, name, -1);

	if (n < 0 || (uint64_t)n > message->rest.n)
		return GH_EINVAL;
	if ((uint64_t)n > max)
		return GH_ETOOBIG;
	*ret_blob = (struct gh_str){ message->rest.p, (size_t)n };
	message->rest.p += n;
	message->rest.n -= (size_t)n;
	return 0;
}

int
rpc_end(const struct rpc_message *message)
{
	return message->rest.n == 0 ? 0 : GH_EINVAL;
}

/* ---- Structs --------------------------------------------------------------------------------- */

#define STR(T, member) { #member, RPC_STR, offsetof(struct T, member) }
#define SECRET(T, member) { #member, RPC_SECRET, offsetof(struct T, member) }
#define INT(T, member) { #member, RPC_INT, offsetof(struct T, member) }
#define COUNT(T, member) { #member, RPC_COUNT, offsetof(struct T, member) }

const struct rpc_field rpc_client_fields[] = {
	STR(gh_client, tenant), STR(gh_client, id), SECRET(gh_client, secret), STR(gh_client, name),
	STR(gh_client, owner), STR(gh_client, grants), STR(gh_client, callback),
	INT(gh_client, validity_s), STR(gh_client, application_id),
	STR(gh_client, application_name), STR(gh_client, application_tier),
	STR(gh_client, key_type), STR(gh_client, key_mapping_id), { .type = RPC_END },
};
const struct rpc_field rpc_principal_fields[] = {
	STR(gh_principal, user), STR(gh_principal, tenant), STR(gh_principal, client_id),
	STR(gh_principal, scopes), STR(gh_principal, jti), COUNT(gh_principal, expires_at_s),
	{ .type = RPC_END },
};
const struct rpc_field rpc_token_request_fields[] = {
	STR(gh_token_request, tenant), STR(gh_token_request, client_id),
	STR(gh_token_request, user), STR(gh_token_request, api_id),
	STR(gh_token_request, scopes), INT(gh_token_request, validity_s), { .type = RPC_END },
};
const struct rpc_field rpc_login_fields[] = {
	STR(gh_login, user), SECRET(gh_login, password), STR(gh_login, peer), STR(gh_login, scopes),
	{ .type = RPC_END },
};
const struct rpc_field rpc_issued_fields[] = {
	SECRET(gh_token_issued, token), STR(gh_token_issued, scopes),
	INT(gh_token_issued, validity_s), { .type = RPC_END },
};

void
rpc_put_struct(struct rpc_writer *w, const struct rpc_field *fields, const void *value)
{
	for (const struct rpc_field *f = fields; f->type != RPC_END; f++) {
		const void *member = (const char *)value + f->offset;
		uint64_t count;

		switch (f->type) {
		case RPC_STR:
			doc_put_str(&w->head, f->name, *(const struct gh_str *)member);
			break;
		case RPC_SECRET:
			rpc_put_blob(w, f->name, *(const struct gh_str *)member);
			break;
		case RPC_INT:
			doc_put_int(&w->head, f->name, *(const int64_t *)member);
			break;
		default:
			count = *(const uint64_t *)member;
			doc_put_int(&w->head, f->name,
				count > INT64_MAX ? INT64_MAX : (int64_t)count);
		}
	}
}

static int
get_field(struct rpc_message *message, const struct rpc_field *f, void *member)
{
	struct doc_value v;
	int r = doc_find(message->head, gh_str_of(f->name), &v);
	bool is_string = f->type == RPC_STR;

	if (r < 0)
		return 0; /* absent */
	if (f->type == RPC_SECRET)
		return rpc_blob(message, message->head, f->name, RPC_TOKEN_MAX, member);
	if (v.type != (is_string ? DOC_STR : DOC_INT) || (f->type == RPC_COUNT && v.i < 0))
		return GH_EINVAL;
	if (is_string)
		*(struct gh_str *)member = v.s;
	else
		*(int64_t *)member = v.i;
	return 0;
}

int
rpc_get_struct(struct rpc_message *message, const struct rpc_field *fields, void *ret_value)
{
	int r = 0;

	for (const struct rpc_field *f = fields; f->type != RPC_END && r == 0; f++) {
		void *member = (char *)ret_value + f->offset;

		memset(member, 0, f->type == RPC_STR || f->type == RPC_SECRET
			? sizeof(struct gh_str) : sizeof(int64_t));
		r = get_field(message, f, member);
	}
	return r;
}

int
rpc_get_block(struct rpc_message *message, const struct rpc_field *fields, size_t size,
	void **ret_block)
{
	size_t offsets[FIELDS_MAX], n = 0;
	void *value = block_new(size);
	int r = value != NULL ? rpc_get_struct(message, fields, value) : GH_ENOMEM;

	for (const struct rpc_field *f = fields; f->type != RPC_END; f++)
		if (n < FIELDS_MAX && (f->type == RPC_STR || f->type == RPC_SECRET))
			offsets[n++] = f->offset;
	if (r == 0) {
		void *block = block_copy(value, size, offsets, n);

		r = block != NULL ? 0 : GH_ENOMEM;
		if (r == 0)
			*ret_block = block;
	}
	block_free(value);
	return r;
}
