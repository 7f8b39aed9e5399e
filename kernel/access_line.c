/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file access_line.c
 * @brief The access log: one line per call, in the format of the manifest.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "kernel/access_line.h"
#include "kernel/log.h"

/* Eleven values of this length fit on a line. */
#define VALUE_MAX 1280u

static _Atomic int format = MANIFEST_ACCESS_OFF;

void
krn_access_set_format(enum manifest_access_format new_format)
{
	atomic_store(&format, (int)new_format);
}

bool
krn_access_is_on(void)
{
	return atomic_load_explicit(&format, memory_order_relaxed) != MANIFEST_ACCESS_OFF;
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

void
krn_access_log(const struct access_entry *entry)
{
	int now = atomic_load_explicit(&format, memory_order_relaxed);
	struct line line;

	if (now == MANIFEST_ACCESS_OFF)
		return;
	line_init(&line, VALUE_MAX);
	if (now == MANIFEST_ACCESS_JSON)
		access_line_json(&line, entry);
	else
		access_line_common(&line, entry, clf_time(entry->time_us));
	krn_log_access_line(&line);
}
