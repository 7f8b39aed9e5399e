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
	pthread_mutex_t lock;      /* held over a write: the parcels of one node stay in order */
	struct parcel_number last; /* lock */
	uint32_t n;
	char id[NODE_ID_MAX];
};

struct intake {
	struct gh_inst *inst;
	struct gh_series series;
	pthread_mutex_t lock;      /* of the list; senders stay until the end */
	struct sender *senders;
	size_t sender_count;
	struct gh_metric *taken, *repeated, *refused;
};

static void
reply(struct gh_call *call, unsigned status, const char *text)
{
	gh_call_reply(call, status, GH_STR("text/plain; charset=utf-8"), gh_str_of(text));
}

static struct sender *
sender_new(struct gh_str id)
{
	struct sender *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->n = (uint32_t)id.n;
	memcpy(s->id, id.p, id.n);
	return s;
}

/* @return NULL: no memory, or too many nodes. */
static struct sender *
sender_of(struct intake *intake, struct gh_str id)
{
	pthread_mutex_lock(&intake->lock);
	struct sender *s = intake->senders;

	while (s != NULL && !gh_str_eq((struct gh_str){ s->id, s->n }, id))
		s = s->next;
	if (s == NULL && intake->sender_count < SENDERS_MAX && (s = sender_new(id)) != NULL) {
		s->next = intake->senders;
		intake->senders = s;
		intake->sender_count++;
	}
	pthread_mutex_unlock(&intake->lock);
	return s;
}

static bool
is_newer(const struct parcel_number *a, const struct parcel_number *b)
{
	return a->run != b->run ? a->run > b->run : a->seq > b->seq;
}

/* Under keys that begin with the node's id. */
static int
write_rows(struct intake *intake, struct gh_str node, struct parcel *parcel)
{
	char (*keys)[NODE_ID_MAX + PARCEL_KEY_BYTES] = calloc(parcel->n + 1, sizeof(*keys));

	if (keys == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < parcel->n; i++) {
		struct gh_series_row *row = &parcel->rows[i];

		memcpy(keys[i], node.p, node.n);
		memcpy(keys[i] + node.n, row->key.p, PARCEL_KEY_BYTES);
		row->series = ANALYTICS_SERIES;
		row->key = (struct gh_str){ keys[i], node.n + PARCEL_KEY_BYTES };
	}
	int r = intake->series.vt->write(intake->series.self, parcel->rows, parcel->n);

	free(keys);
	return r;
}

/* Once, and in order.  @return 0; GH_ECONFLICT: it was taken before; an error of the series. */
static int
take_once(struct intake *intake, struct gh_str node, struct parcel *parcel)
{
	struct sender *sender = sender_of(intake, node);

	if (sender == NULL)
		return GH_ENOMEM;
	pthread_mutex_lock(&sender->lock);
	int r = is_newer(&parcel->number, &sender->last) ? write_rows(intake, node, parcel)
		: GH_ECONFLICT;

	if (r == 0)
		sender->last = parcel->number;
	pthread_mutex_unlock(&sender->lock);
	return r;
}

static void
take(struct intake *intake, struct gh_call *call, struct gh_str node)
{
	struct parcel parcel = { .n = 0 };
	const char *why = NULL;
	int r = parcel_read(gh_call_body(call), &parcel, &why);

	if (r == GH_EINVAL) {
		gh_metric_add(intake->refused, 1);
		gh_call_log(call, LOG_WARNING, "a parcel of usage from node %.*s is %s",
			GH_STR_ARG(node), why);
		struct gh_str text = gh_call_printf(call, "the parcel is %s\n", why);

		gh_call_reply(call, 400, GH_STR("text/plain; charset=utf-8"), text);
		return;
	}
	if (parcel.latest_s > gh_now_us() / 1000000u + AHEAD_MAX_S) {
		gh_metric_add(intake->refused, 1);
		parcel_done(&parcel);
		reply(call, 409, "the parcel is of a time to come: set the clocks of both nodes\n");
		return;
	}
	if (r == 0)
		r = take_once(intake, node, &parcel);
	parcel_done(&parcel);
	if (r == 0 || r == GH_ECONFLICT) {
		gh_metric_add(r == 0 ? intake->taken : intake->repeated, 1);
		reply(call, 200, r == 0 ? "taken\n" : "known\n");
		return;
	}
	gh_call_log(call, LOG_ERR, "usage of node %.*s cannot be written: %s", GH_STR_ARG(node),
		gh_strerror(r));
	reply(call, 503, "usage cannot be written now\n");
}

void
intake_serve(struct intake *intake, struct gh_call *call)
{
	struct gh_str node = gh_call_peer_node(call);

	if (node.n == 0 || node.n > NODE_ID_MAX) {
		reply(call, 403, "usage is taken from nodes of the cluster only\n");
		return;
	}
	if (!gh_str_eq(gh_call_method(call), GH_STR("POST"))) {
		gh_call_reply_field(call, GH_STR("Allow"), GH_STR("POST"));
		reply(call, 405, "parcels are posted\n");
		return;
	}
	take(intake, call, node);
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
		pthread_mutex_destroy(&s->lock);
		free(s);
	}
	pthread_mutex_destroy(&intake->lock);
	free(intake);
}
