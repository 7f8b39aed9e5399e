/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file intake.c
 * @brief Usage of other nodes: a parcel is checked whole and written whole, once.
 *
 * A row's key in the series begins with the id of the node that sent it, from its certificate: so
 * no node can touch the rows of another.
 */
#include <pthread.h>
#include <stdlib.h>
#include <syslog.h>

#include "plugins/analytics/analytics.h"

#define NODE_ID_MAX 64u
#define AHEAD_MAX_S 300u /* how far the clock of another node may be ahead */
#define SENDERS_MAX 10000u

struct sender {
	struct sender *next;
	struct parcel_number last;
	uint32_t n;
	char id[NODE_ID_MAX];
};

struct intake {
	struct gh_inst *inst;
	struct gh_series series;
	pthread_mutex_t lock;    /* held over a write: the parcels of one node stay in order */
	struct sender *senders;  /* lock */
	size_t sender_count;     /* lock */
	struct gh_metric *taken, *repeated, *refused;
};

/* Rows on their way from a parcel to the series. */
struct taking {
	struct gh_str node;
	size_t n, cap;
	struct gh_series_row *rows;
	char (*keys)[NODE_ID_MAX + PARCEL_KEY_BYTES];
};

static void
reply(struct gh_call *call, unsigned status, const char *text)
{
	gh_call_reply(call, status, GH_STR("text/plain; charset=utf-8"), gh_str_of(text));
}

/* lock is held.  @return NULL: no memory, or too many nodes. */
static struct sender *
sender_of(struct intake *intake, struct gh_str id)
{
	struct sender *s = intake->senders;

	while (s != NULL && !gh_str_eq((struct gh_str){ s->id, s->n }, id))
		s = s->next;
	if (s != NULL || intake->sender_count >= SENDERS_MAX || (s = calloc(1, sizeof(*s))) == NULL)
		return s;
	s->n = (uint32_t)id.n;
	memcpy(s->id, id.p, id.n);
	s->next = intake->senders;
	intake->senders = s;
	intake->sender_count++;
	return s;
}

static bool
is_newer(const struct parcel_number *a, const struct parcel_number *b)
{
	return a->run != b->run ? a->run > b->run : a->seq > b->seq;
}

static int
count_row(void *arg, const struct gh_series_row *row)
{
	(void)row;
	((struct taking *)arg)->cap++;
	return 0;
}

static int
take_row(void *arg, const struct gh_series_row *row)
{
	struct taking *t = arg;
	char *key = t->keys[t->n];

	memcpy(key, t->node.p, t->node.n);
	memcpy(key + t->node.n, row->key.p, PARCEL_KEY_BYTES);
	t->rows[t->n++] = (struct gh_series_row){ ANALYTICS_SERIES, row->bucket_s,
		{ key, t->node.n + PARCEL_KEY_BYTES }, row->value };
	return 0;
}

static int
write_parcel(struct intake *intake, struct gh_str node, struct gh_str body)
{
	struct taking taking = { .node = node };
	struct parcel_number number;
	uint64_t latest_s;
	const char *why;
	int r = parcel_read(body, &number, &latest_s, count_row, &taking, &why);

	if (r < 0 || taking.cap == 0)
		return r;
	taking.rows = calloc(taking.cap, sizeof(*taking.rows));
	taking.keys = calloc(taking.cap, sizeof(*taking.keys));
	r = taking.rows != NULL && taking.keys != NULL
		? parcel_read(body, &number, &latest_s, take_row, &taking, &why) : GH_ENOMEM;
	if (r == 0)
		r = intake->series.vt->write(intake->series.self, taking.rows, taking.n);
	free(taking.rows);
	free(taking.keys);
	return r;
}

/* Once, and in order.  @return 0; GH_ECONFLICT: it was taken before; an error of the series. */
static int
take_once(struct intake *intake, struct gh_str node, const struct parcel_number *number,
	struct gh_str body)
{
	pthread_mutex_lock(&intake->lock);
	struct sender *sender = sender_of(intake, node);
	int r = sender == NULL ? GH_ENOMEM
		: is_newer(number, &sender->last) ? write_parcel(intake, node, body) : GH_ECONFLICT;

	if (r == 0)
		sender->last = *number;
	pthread_mutex_unlock(&intake->lock);
	return r;
}

void
intake_serve(struct intake *intake, struct gh_call *call)
{
	struct gh_str node = gh_call_peer_node(call), body = gh_call_body(call);
	struct parcel_number number;
	uint64_t latest_s;
	const char *why;

	if (node.n == 0 || node.n > NODE_ID_MAX) {
		reply(call, 403, "usage is taken from nodes of the cluster only\n");
		return;
	}
	if (!gh_str_eq(gh_call_method(call), GH_STR("POST"))) {
		gh_call_reply_field(call, GH_STR("Allow"), GH_STR("POST"));
		reply(call, 405, "parcels are posted\n");
		return;
	}
	if (parcel_read(body, &number, &latest_s, NULL, NULL, &why) < 0) {
		gh_metric_add(intake->refused, 1);
		gh_call_log(call, LOG_WARNING, "a parcel of usage from node %.*s is %s",
			GH_STR_ARG(node), why);
		struct gh_str text = gh_call_printf(call, "the parcel is %s\n", why);

		gh_call_reply(call, 400, GH_STR("text/plain; charset=utf-8"), text);
		return;
	}
	if (latest_s > gh_now_us() / 1000000u + AHEAD_MAX_S) {
		gh_metric_add(intake->refused, 1);
		reply(call, 409, "the parcel is of a time to come: set the clocks of both nodes\n");
		return;
	}
	int r = take_once(intake, node, &number, body);

	if (r == 0 || r == GH_ECONFLICT) {
		gh_metric_add(r == 0 ? intake->taken : intake->repeated, 1);
		reply(call, 200, r == 0 ? "taken\n" : "known\n");
		return;
	}
	gh_call_log(call, LOG_ERR, "usage of node %.*s cannot be written: %s", GH_STR_ARG(node),
		gh_strerror(r));
	reply(call, 503, "usage cannot be written now\n");
}

struct intake *
intake_new(struct gh_inst *inst, const struct gh_series *series)
{
	struct intake *intake = calloc(1, sizeof(*intake));

	if (intake == NULL)
		return NULL;
	intake->inst = inst;
	intake->series = *series;
	pthread_mutex_init(&intake->lock, NULL);
	intake->taken = gh_metric_new(inst, GH_COUNTER, "gatehouse_analytics_parcels_taken_total",
		"Parcels of other nodes that were written.", NULL);
	intake->repeated = gh_metric_new(inst, GH_COUNTER, "gatehouse_analytics_parcels_repeated_total",
		"Parcels of other nodes that had been written before.", NULL);
	intake->refused = gh_metric_new(inst, GH_COUNTER, "gatehouse_analytics_parcels_refused_total",
		"Parcels of other nodes that were damaged, or of a time to come.", NULL);
	return intake;
}

void
intake_free(struct intake *intake)
{
	if (intake == NULL)
		return;
	for (struct sender *s = intake->senders, *next; s != NULL; s = next) {
		next = s->next;
		free(s);
	}
	pthread_mutex_destroy(&intake->lock);
	free(intake);
}
