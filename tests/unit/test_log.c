/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_log.c
 * @brief The log, the access log and threads that write into it.
 */
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include "kernel/log.h"
#include "tests/unit/unit.h"

static char dir[] = "/tmp/gh-test-log-XXXXXX";
static char error[512];

/* ---- Helpers --------------------------------------------------------------------------------- */

static const char *
in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* The content of a file; the caller frees it. */
static char *
content(const char *name)
{
	FILE *f = fopen(in_dir(name), "re");
	char *text = NULL;
	size_t size = 0;

	if (f == NULL || getdelim(&text, &size, '\0', f) < 0) {
		free(text);
		text = strdup("");
	}
	if (f != NULL)
		fclose(f);
	return text;
}

static int saved_stderr = -1;

static void
stderr_to(const char *name)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static void
stderr_back(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
}

static unsigned
count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

static struct manifest_node
options(enum manifest_log_format format, enum manifest_access_format access, const char *file)
{
	struct manifest_node o = { .log_level = LOG_INFO, .log_format = format,
		.access_format = access };

	if (file != NULL)
		o.access_file = gh_str_of(strdup(in_dir(file)));
	return o;
}

static void
options_done(struct manifest_node *o)
{
	free((char *)o->access_file.p);
}

/* ---- The log --------------------------------------------------------------------------------- */

static void
test_log_without_writer(void)
{
	stderr_to("direct");
	krn_log(LOG_ERR, GH_STR("kernel"), GH_STR_NONE, "cannot start: %s", "no");
	krn_log(LOG_DEBUG, GH_STR("kernel"), GH_STR_NONE, "not shown");
	stderr_back();
	char *text = content("direct");

	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Z error kernel cannot start: no\n"));
	CU_ASSERT_EQUAL(count_lines(text), 1);
	free(text);
}

static void
test_log_text(void)
{
	struct manifest_node o = options(MANIFEST_LOG_TEXT, MANIFEST_ACCESS_OFF, NULL);
	char longer[6000];

	memset(longer, 'x', sizeof(longer));
	stderr_to("text");
	CU_ASSERT_EQUAL_FATAL(krn_log_start(&o, error, sizeof(error)), 0);
	krn_log(LOG_WARNING, GH_STR("gateway"), GH_STR("id1"), "bad \"%s\"",
		"x\n2024 forged\x1b[2J");
	krn_log(LOG_DEBUG, GH_STR("gateway"), GH_STR_NONE, "not shown");
	o.log_level = LOG_DEBUG;
	CU_ASSERT_EQUAL(krn_log_reconfigure(&o, error, sizeof(error)), 0);
	krn_log(LOG_DEBUG, GH_STR("gateway"), GH_STR_NONE, "shown");
	krn_log(LOG_INFO, GH_STR("gateway"), GH_STR_NONE, "%.*s", (int)sizeof(longer), longer);
	krn_log_stop();
	krn_log(LOG_INFO, GH_STR("kernel"), GH_STR_NONE, "after the end");
	stderr_back();
	char *text = content("text");

	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "Z warning gateway [id1] bad \"x\\x0a2024 forged\\x1b[2J\"\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Z debug gateway shown\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "xxx...\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Z info kernel after the end\n"));
	CU_ASSERT_EQUAL(count_lines(text), 4);
	free(text);
}

static void
test_log_json(void)
{
	struct manifest_node o = options(MANIFEST_LOG_JSON, MANIFEST_ACCESS_OFF, NULL);

	stderr_to("json");
	CU_ASSERT_EQUAL_FATAL(krn_log_start(&o, error, sizeof(error)), 0);
	krn_log(LOG_NOTICE, GH_STR("store"), GH_STR("id2"), "a \"quoted\" %s", "\n\xff\\");
	krn_log_stop();
	stderr_back();
	char *text = content("json");
	json_t *line = json_loads(text, 0, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "level")), "notice");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "who")), "store");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "id")), "id2");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "message")),
		"a \"quoted\" \n\xef\xbf\xbd\\");
	json_decref(line);
	free(text);
}

static const struct access_entry call = {
	.id = { "t1", 2 },
	.listener = { "public", 6 },
	.peer = { "::1", 3 },
	.method = { "GET", 3 },
	.target = { "/books?q=\"x y\"\n", 15 },
	.api = { "Books", 5 },
	.version = { "1.0", 3 },
	.minor = 1,
	.status = 200,
	.bytes = 28,
	.duration_us = 1234,
	.upstream_us = 900,
	.agent = { "curl \"7\"", 8 },
	.time_us = 1717567860123456,
};

static void
test_access_common_and_reopen(void)
{
	struct manifest_node o = options(MANIFEST_LOG_TEXT, MANIFEST_ACCESS_COMMON, "access");
	char rotated[256];

	CU_ASSERT_FALSE(krn_access_is_on());
	CU_ASSERT_EQUAL_FATAL(krn_log_start(&o, error, sizeof(error)), 0);
	CU_ASSERT_TRUE(krn_access_is_on());
	krn_access_log(&call);
	/* As logrotate does it; what is queued may go to either file, so wait until it is written.
	 */
	for (int i = 0; i < 2000; i++) {
		char *text = content("access");
		bool is_there = text[0] != '\0';

		free(text);
		if (is_there)
			break;
		usleep(1000);
	}
	snprintf(rotated, sizeof(rotated), "%s", in_dir("access.1"));
	CU_ASSERT_EQUAL(rename(in_dir("access"), rotated), 0);
	CU_ASSERT_EQUAL(krn_log_reconfigure(&o, error, sizeof(error)), 0);
	krn_access_log(&call);
	krn_access_log(&call);
	krn_log_stop();
	CU_ASSERT_FALSE(krn_access_is_on());
	char *old = content("access.1"), *new = content("access");

	CU_ASSERT_STRING_EQUAL(old,
		"::1 - - [05/Jun/2024:06:11:00 +0000] \"GET /books?q=\\x22x\\x20y\\x22\\x0a "
		"HTTP/1.1\" "
		"200 28 \"-\" \"curl \\x227\\x22\" id=t1 listener=public api=Books version=1.0 "
		"application=- us=1234 upstream_us=900 error=0\n");
	CU_ASSERT_EQUAL(count_lines(new), 2);
	free(old);
	free(new);
	options_done(&o);
}

static void
test_access_json(void)
{
	struct manifest_node o = options(MANIFEST_LOG_TEXT, MANIFEST_ACCESS_JSON, "access.json");

	CU_ASSERT_EQUAL_FATAL(krn_log_start(&o, error, sizeof(error)), 0);
	krn_access_log(&call);
	krn_log_stop();
	char *text = content("access.json");
	json_t *line = json_loads(text, 0, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(line);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "time")),
		"2024-06-05T06:11:00.123Z");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(line, "target")),
		"/books?q=\"x y\"\n");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(line, "duration_us")), 1234);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(line, "upstream_us")), 900);
	CU_ASSERT_PTR_NULL(json_object_get(line, "user"));
	json_decref(line);
	free(text);
	options_done(&o);
}

static void
test_access_file_unwritable(void)
{
	struct manifest_node o = options(MANIFEST_LOG_TEXT, MANIFEST_ACCESS_JSON, "no/such/file");

	CU_ASSERT_EQUAL(krn_log_start(&o, error, sizeof(error)), GH_EIO);
	CU_ASSERT_PTR_NOT_NULL(strstr(error, "no/such/file: No such file or directory"));
	CU_ASSERT_FALSE(krn_access_is_on());
	options_done(&o);
}

/* ---- Threads --------------------------------------------------------------------------------- */

#define THREADS 4
#define LINES 5000

static void *
write_many(void *arg)
{
	for (int i = 0; i < LINES; i++)
		krn_log(LOG_INFO, GH_STR("thread"), GH_STR_NONE, "%d %d", *(int *)arg, i);
	return NULL;
}

/* Every line arrives whole, once, and in the order of its thread. */
static void
test_log_threads(void)
{
	struct manifest_node o = options(MANIFEST_LOG_TEXT, MANIFEST_ACCESS_OFF, NULL);
	pthread_t threads[THREADS];
	int numbers[THREADS], next[THREADS] = { 0 };

	stderr_to("threads");
	CU_ASSERT_EQUAL_FATAL(krn_log_start(&o, error, sizeof(error)), 0);
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		pthread_create(&threads[i], NULL, write_many, &numbers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	krn_log_stop();
	stderr_back();
	char *text = content("threads"), *save = NULL;
	unsigned seen = 0;

	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		const char *message = strstr(line, " thread ");
		int who, number;

		CU_ASSERT_PTR_NOT_NULL_FATAL(message);
		CU_ASSERT_EQUAL_FATAL(sscanf(message, " thread %d %d", &who, &number), 2);
		CU_ASSERT_EQUAL(next[who], number);
		next[who] = number + 1;
		seen++;
	}
	CU_ASSERT_EQUAL(seen, THREADS * LINES);
	free(text);
}

int
main(void)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_log_without_writer),
		UNIT_TEST(test_log_text),
		UNIT_TEST(test_log_json),
		UNIT_TEST(test_access_common_and_reopen),
		UNIT_TEST(test_access_json),
		UNIT_TEST(test_access_file_unwritable),
		UNIT_TEST(test_log_threads),
		{ NULL, NULL },
	};
	static const char *const files[] = { "direct", "text", "json", "access", "access.1",
		"access.json", "threads" };

	if (mkdtemp(dir) == NULL)
		return 70;
	int r = unit_run("log", tests);

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(in_dir(files[i]));
	rmdir(dir);
	return r;
}
