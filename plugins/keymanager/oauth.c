/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file oauth.c
 * @brief What all OAuth endpoints need: forms, client authentication, answers (RFC 6749, 2.3, 5).
 */
#include <stdlib.h>
#include <syslog.h>

#include "plugins/keymanager/keymanager.h"

#define JSON_TYPE GH_STR("application/json")

const struct km_error km_bad_client = { 401, "invalid_client",
	"Client authentication failed" };

/* ---- Answers --------------------------------------------------------------------------------- */

/** Nothing of this may stay in a cache (RFC 6749, 5.1). */
static void
forbid_caching(struct gh_call *call)
{
	(void)gh_call_reply_field(call, GH_STR("Cache-Control"), GH_STR("no-store"));
	(void)gh_call_reply_field(call, GH_STR("Pragma"), GH_STR("no-cache"));
}

void
km_reply_json(struct gh_call *call, unsigned status, json_t *json)
{
	struct gh_str text;

	if (json == NULL || js_dump(json, &text) < 0) {
		json_decref(json);
		km_reply_failure(call, GH_ENOMEM, "answer");
		return;
	}
	json_decref(json);
	forbid_caching(call);
	(void)gh_call_reply(call, status, JSON_TYPE, text);
	crypto_wipe_free((void *)text.p, text.n);
}

void
km_reply_error(struct gh_call *call, const struct km_error *error)
{
	struct gh_str body = gh_call_printf(call,
		"{\"error\":\"%s\",\"error_description\":\"%s\"}", error->error,
		error->description);

	forbid_caching(call);
	if (error->status == 401)
		(void)gh_call_reply_field(call, GH_STR("WWW-Authenticate"),
			GH_STR("Basic realm=\"gatehouse\""));
	(void)gh_call_reply(call, error->status, JSON_TYPE, body);
}

bool
km_reply_failure(struct gh_call *call, int err, const char *what)
{
	static const struct km_error busy = { 503, "temporarily_unavailable",
		"Too many attempts at once; try again later" };
	static const struct km_error no_store = { 503, "temporarily_unavailable",
		"The store has trouble; try again later" };
	static const struct km_error failed = { 500, "server_error",
		"The request could not be served" };

	if (err != GH_EAGAIN)
		gh_call_log(call, LOG_ERR, "%s: %s", what, gh_strerror(err));
	if (err == GH_EAGAIN || err == GH_EIO)
		(void)gh_call_reply_field(call, GH_STR("Retry-After"), GH_STR("1"));
	km_reply_error(call, err == GH_EAGAIN ? &busy : err == GH_EIO ? &no_store : &failed);
	return false;
}

bool
km_require_method(struct gh_call *call, const char *allow)
{
	static const struct km_error wrong = { 405, "invalid_request", "Method not allowed here" };
	struct gh_str method = gh_call_method(call);

	if (gh_str_eq(method, gh_str_of(allow)) ||
			(gh_str_eq(gh_str_of(allow), GH_STR("GET")) &&
			gh_str_eq(method, GH_STR("HEAD"))))
		return true;
	(void)gh_call_reply_field(call, GH_STR("Allow"), gh_str_of(allow));
	km_reply_error(call, &wrong);
	return false;
}

/* ---- Requests -------------------------------------------------------------------------------- */

/** Is every parameter there once (RFC 6749, 3.2)? */
static bool
has_duplicates(const struct form *form)
{
	for (size_t i = 0; i < form->n; i++)
		for (size_t j = i + 1; j < form->n; j++)
			if (gh_str_eq(form->fields[i].name, form->fields[j].name))
				return true;
	return false;
}

/** Read the Basic field, if there is one. */
static bool
read_basic(struct km_request *request)
{
	struct gh_str field = gh_call_field(request->call, GH_STR("Authorization"));
	int r = form_basic_parse(field, &request->basic);

	request->has_basic = r == 0;
	if (r == 0 || (r == GH_ENOENT && field.n == 0))
		return true;
	km_reply_error(request->call, &km_bad_client);
	return false;
}

struct gh_str
km_path_tenant(const struct gh_call *call)
{
	struct gh_str path = gh_call_path(call);

	if (path.n < 3 || memcmp(path.p, "/t/", 3) != 0)
		return GH_STR_NONE;
	struct gh_str rest = { path.p + 3, path.n - 3 };
	const char *slash = memchr(rest.p, '/', rest.n);

	return (struct gh_str){ rest.p, slash != NULL ? (size_t)(slash - rest.p) : rest.n };
}

struct gh_str
km_request_username(const struct km_request *request, struct gh_str username)
{
	struct gh_str name, tenant;

	if (request->home.n == 0)
		return username;
	tenant_split_user(username, request->home, &name, &tenant);
	return gh_call_printf(request->call, "%.*s@%.*s", GH_STR_ARG(name), GH_STR_ARG(tenant));
}

bool
km_request_serves(const struct km_request *request, struct gh_str tenant)
{
	return km_client_serves(&request->client, tenant) &&
		(request->home.n == 0 || gh_str_eq(request->home, tenant));
}

bool
km_request_init(struct km_request *request, struct km *km, struct gh_call *call)
{
	static const struct km_error not_form = { 400, "invalid_request",
		"The body must be application/x-www-form-urlencoded" };
	static const struct km_error bad_form = { 400, "invalid_request", "The form is malformed" };
	static const struct km_error twice = { 400, "invalid_request",
		"A parameter must not be repeated" };

	*request = (struct km_request){ .km = km, .call = call,
		.home = km_path_tenant(call) };
	if (!km_require_method(call, "POST"))
		return false;
	if (!form_is_type(gh_call_field(call, GH_STR("Content-Type")),
			GH_STR("application/x-www-form-urlencoded"))) {
		km_reply_error(call, &not_form);
		return false;
	}
	int r = form_parse(gh_call_body(call), &request->form, NULL);

	if (r == GH_ENOMEM)
		return km_reply_failure(call, r, "form");
	if (r < 0 || has_duplicates(request->form)) {
		km_reply_error(call, r < 0 ? &bad_form : &twice);
		return false;
	}
	return read_basic(request);
}

void
km_request_done(struct km_request *request)
{
	km_client_done(request->km, &request->client);
	block_free(request->user);
	form_free(request->form);
	crypto_wipe(&request->basic, sizeof(request->basic));
}

struct gh_str
km_request_param(const struct km_request *request, const char *name)
{
	return form_get(request->form, name);
}

bool
km_request_client(struct km_request *request)
{
	static const struct km_error both = { 400, "invalid_request",
		"The client authenticates in two ways at once" };
	struct gh_str id = km_request_param(request, "client_id");
	struct gh_str secret = km_request_param(request, "client_secret");

	if (request->has_basic) {
		if (secret.n != 0 || (id.n != 0 && !gh_str_eq(id, request->basic.user))) {
			km_reply_error(request->call, &both);
			return false;
		}
		id = request->basic.user;
		secret = request->basic.password;
	}
	int r = km_client_authenticate(request->km, id, secret, &request->client);

	if (r == 0 && request->home.n != 0 && !km_client_serves(&request->client, request->home)) {
		km_client_done(request->km, &request->client);
		r = GH_EDENIED; /* it is no client of the tenant that the path names */
	}
	if (r == GH_EDENIED)
		km_reply_error(request->call, &km_bad_client);
	else if (r < 0)
		km_reply_failure(request->call, r, "client authentication");
	return r == 0;
}
