/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file add_header.c
 * @brief Puts one field into the request before it leaves, or into the response before it is sent.
 *
 * Phases REQUEST and RESPONSE, class TRANSFORM.  Framing is not its business: fields that say where
 * a message ends are refused at start.
 */
#include <gatehouse/http.h>
#include <syslog.h>

struct config {
	struct gh_str name, value;
	struct gh_choice side; /* enum gh_side */
	struct gh_choice mode; /* enum mode */
};

struct process {
	struct gh_inst *inst;
};

/* ---- Options --------------------------------------------------------------------------------- */

enum mode { MODE_SET, MODE_ADD };

static const char *const sides[] = { "request", "response", NULL }; /* as enum gh_side */
static const char *const modes[] = { "set", "add", NULL };          /* as enum mode */

static const struct gh_opt opts[] = {
	GH_OPT(struct config, name, .min = 1, .max = 64, .help = "Name of the field."),
	GH_OPT(struct config, value, .dflt = "", .max = 4096, .help = "Its value."),
	GH_OPT(struct config, side, .dflt = "response", .words = sides,
		.help = "The message that gets the field."),
	GH_OPT(struct config, mode, .dflt = "set", .words = modes,
		.help = "Whether it replaces fields of that name or is added to them."),
	{ .type = GH_OPT_END },
};

/* ---- Hooks ----------------------------------------------------------------------------------- */

static enum gh_verdict
put_field(const struct config *c, struct gh_txn *txn, enum gh_side side)
{
	if (c->side.v != (unsigned)side)
		return GH_NEXT;
	int r = c->mode.v == MODE_SET ? gh_txn_field_set(txn, side, c->name, c->value)
				      : gh_txn_field_add(txn, side, c->name, c->value);

	if (r < 0) {
		gh_log(txn, LOG_WARNING, "field %.*s: %s", GH_STR_ARG(c->name), gh_strerror(r));
		return GH_FAIL;
	}
	return GH_NEXT;
}

static enum gh_verdict
on_request(const void *config, struct gh_txn *txn)
{
	return put_field(config, txn, GH_SIDE_REQUEST);
}

static enum gh_verdict
on_response(const void *config, struct gh_txn *txn)
{
	return put_field(config, txn, GH_SIDE_RESPONSE);
}

static const struct gh_hook_row hooks[] = {
	{ GH_REQUEST, GH_TRANSFORM, on_request, NULL },
	{ GH_RESPONSE, GH_TRANSFORM, on_response, NULL },
	{ .fn = NULL },
};

/* ---- Life ------------------------------------------------------------------------------------ */

/** A token (RFC 9110, 5.6.2). */
static bool
is_token(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("\"(),/:;<=>?@[\\]{}", s.p[i]) != NULL)
			return false;
	return s.n > 0;
}

/** No control bytes but HTAB (RFC 9110, 5.5). */
static bool
is_field_value(struct gh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return true;
}

/** Framing and hop-by-hop fields (RFC 9110, 7.6.1): the engines write them. */
static bool
is_framing(struct gh_str name)
{
	static const char *const names[] = { "connection", "content-length", "transfer-encoding",
		"te", "trailer", "upgrade", "keep-alive", "proxy-connection" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (gh_str_eq_nocase(name, gh_str_of(names[i])))
			return true;
	return false;
}

static int
open_add_header(void *process, const void *config, struct gh_inst *inst)
{
	struct process *p = process;

	(void)config;
	p->inst = inst;
	return GH_OK;
}

static int
start_add_header(void *process, void *config)
{
	struct process *p = process;
	const struct config *c = config;
	const char *fault = NULL;

	if (!is_token(c->name))
		fault = "name: is not the name of a field";
	else if (is_framing(c->name))
		fault = "name: framing fields belong to the engine";
	else if (!is_field_value(c->value))
		fault = "value: contains control bytes";
	if (fault == NULL)
		return GH_OK;
	gh_inst_log(p->inst, LOG_ERR, "%s", fault);
	return GH_EINVAL;
}

GH_PLUGIN = {
	GH_PLUGIN_ABI, .name = "add_header", .version = "1.0.0", .opts = opts, .hooks = hooks,
	.config_size = sizeof(struct config), .process_size = sizeof(struct process),
	.open = open_add_header, .start = start_add_header,
};
