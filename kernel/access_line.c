/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file access_line.c
 * @brief The access log: one line per call, in the Combined Log Format with more words behind it,
 * or as JSON.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "kernel/access_line.h"
#include "kernel/log.h"

/* Eleven values of this length fit on a line. */
#define VALUE_MAX 1280u

static _Atomic int format = KRN_ACCESS_OFF;

void
krn_access_set_format(enum krn_access_format new_format)
{
	atomic_store(&format, (int)new_format);
}

bool
krn_access_is_on(void)
{
	return atomic_load_explicit(&format, memory_order_relaxed) != KRN_ACCESS_OFF;
}

/* "05/Jun/2024:06:11:00 +0000", made once per second and thread. */
static struct gh_str
clf_time(uint64_t time_us)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static _Thread_local char text[48];
	static _Thread_local time_t made_for = -1;
	static _Thread_local size_t n;
	time_t s = (time_t)(time_us / 1000000u);

	if (s != made_for) {
		struct tm tm;

		gmtime_r(&s, &tm);
		n = (size_t)snprintf(text, sizeof(text), "%02d/%.3s/%d:%02d:%02d:%02d +0000",
			tm.tm_mday, months + (ptrdiff_t)3 * tm.tm_mon, tm.tm_year + 1900,
			tm.tm_hour, tm.tm_min, tm.tm_sec);
		made_for = s;
	}
	return (struct gh_str){ text, n };
}

static void
put_common(struct line *line, const struct krn_access *a)
{
	line_word(line, a->peer);
	line_put(line, GH_STR(" - "));
	line_word(line, a->user);
	line_put(line, GH_STR(" ["));
	line_put(line, clf_time(a->time_us));
	line_put(line, GH_STR("] \""));
	line_word(line, a->method);
	line_put(line, GH_STR(" "));
	line_word(line, a->target);
	line_put(line, a->minor == 0 ? GH_STR(" HTTP/1.0\" ") : GH_STR(" HTTP/1.1\" "));
	line_uint(line, a->status);
	line_put(line, GH_STR(" "));
	line_uint(line, a->bytes);
	line_put(line, GH_STR(" "));
	line_quoted(line, a->referer);
	line_put(line, GH_STR(" "));
	line_quoted(line, a->agent);
	line_put(line, GH_STR(" id="));
	line_word(line, a->id);
	line_put(line, GH_STR(" listener="));
	line_word(line, a->listener);
	line_put(line, GH_STR(" api="));
	line_word(line, a->api);
	line_put(line, GH_STR(" version="));
	line_word(line, a->version);
	line_put(line, GH_STR(" application="));
	line_word(line, a->application);
	line_put(line, GH_STR(" us="));
	line_uint(line, a->duration_us);
	line_put(line, GH_STR(" upstream_us="));
	if (a->upstream_us >= 0)
		line_int(line, a->upstream_us);
	else
		line_put(line, GH_STR("-"));
	line_put(line, GH_STR(" error="));
	line_int(line, a->error_code);
	line_put(line, GH_STR("\n"));
}

static void
put_json(struct line *line, const struct krn_access *a)
{
	const struct {
		struct gh_str key, value;
	} strings[] = {
		{ GH_STR(",\"id\":"), a->id }, { GH_STR(",\"listener\":"), a->listener },
		{ GH_STR(",\"peer\":"), a->peer }, { GH_STR(",\"user\":"), a->user },
		{ GH_STR(",\"method\":"), a->method }, { GH_STR(",\"target\":"), a->target },
		{ GH_STR(",\"api\":"), a->api }, { GH_STR(",\"version\":"), a->version },
		{ GH_STR(",\"application\":"), a->application },
		{ GH_STR(",\"referer\":"), a->referer }, { GH_STR(",\"agent\":"), a->agent },
	};

	line_put(line, GH_STR("{\"time\":\""));
	line_time(line, a->time_us);
	line_put(line, GH_STR("\""));
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (strings[i].value.n == 0)
			continue;
		line_put(line, strings[i].key);
		line_json(line, strings[i].value);
	}
	line_put(line, GH_STR(",\"status\":"));
	line_uint(line, a->status);
	line_put(line, GH_STR(",\"bytes\":"));
	line_uint(line, a->bytes);
	line_put(line, GH_STR(",\"duration_us\":"));
	line_uint(line, a->duration_us);
	if (a->upstream_us >= 0) {
		line_put(line, GH_STR(",\"upstream_us\":"));
		line_int(line, a->upstream_us);
	}
	if (a->error_code != 0) {
		line_put(line, GH_STR(",\"error_code\":"));
		line_int(line, a->error_code);
	}
	line_put(line, GH_STR("}\n"));
}

void
krn_access_log(const struct krn_access *access)
{
	int now = atomic_load_explicit(&format, memory_order_relaxed);
	struct line line;

	if (now == KRN_ACCESS_OFF)
		return;
	line_init(&line, VALUE_MAX);
	(now == KRN_ACCESS_JSON ? put_json : put_common)(&line, access);
	krn_log_access_line(&line);
}
