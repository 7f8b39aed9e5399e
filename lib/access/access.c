/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file access.c
 * @brief Lines of an access log.  Every value is escaped, so that a request cannot forge a line.
 */
#include "lib/access/access.h"

void
access_line_common(struct line *line, const struct access_entry *a, struct gh_str clf_time)
{
	line_word(line, a->peer);
	line_put(line, GH_STR(" - "));
	line_word(line, a->user);
	line_put(line, GH_STR(" ["));
	line_put(line, clf_time);
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

void
access_line_json(struct line *line, const struct access_entry *a)
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
