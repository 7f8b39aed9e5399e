/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_handover.c
 * @brief A process that starts itself again and passes its sockets on; what the new one believes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/handover/handover.h"
#include "lib/listen/listen.h"
#include "tests/unit/unit.h"

#define DEADLINE_MS 10000

static char *self;

/* ---- The started process --------------------------------------------------------------------- */

/* Exit codes are what the tests look at. */
static int
be_child(const char *what)
{
	static struct handover_given given;

	handover_take(&given);
	if (given.link < 0)
		return 2;
	if (getenv("LISTEN_FDS") != NULL || getenv("GATEHOUSE_HANDOVER") != NULL)
		return 3;
	if (fcntl(given.link + 1, F_GETFD) >= 0 || (fcntl(given.link, F_GETFD) & FD_CLOEXEC) == 0)
		return 4; /* something else came along */
	if (strcmp(what, "ports") == 0) {
		char text[HANDOVER_TEXT_MAX] = "";
		size_t n = 0;

		for (unsigned i = 0; i < given.count; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%u ",
				(unsigned)listen_port(given.fds[i]));
		handover_say(given.link, HANDOVER_FAILED, text);
		return given.drain_ms == 1234 ? 0 : 5;
	}
	if (strcmp(what, "needs") == 0) {
		handover_say(given.link, HANDOVER_NEEDS, NULL);
		return handover_await_end(given.link, DEADLINE_MS) == GH_OK ? 0 : 6;
	}
	if (strcmp(what, "impatient") == 0)
		return handover_await_end(given.link, 20) == GH_ETIMEDOUT ? 0 : 7;
	return 8;
}

/* ---- The tests ------------------------------------------------------------------------------- */

static int
start(const char *what, const int *fds, unsigned count, pid_t *pid, int *link)
{
	char child[] = "child", word[32];
	char *argv[] = { self, child, word, NULL };

	snprintf(word, sizeof(word), "%s", what);
	return handover_start(self, argv, fds, count, 1234, pid, link);
}

static enum handover_word
hear(int link, char *text)
{
	enum handover_word word = HANDOVER_END;
	int r;

	for (int i = 0; (r = handover_hear(link, &word, text)) == GH_EAGAIN && i < DEADLINE_MS; i++)
		usleep(1000);
	CU_ASSERT_EQUAL(r, GH_OK);
	return word;
}

static int
code_of(pid_t pid)
{
	int status = -1;

	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_sockets_arrive(void)
{
	char expected[HANDOVER_TEXT_MAX] = "", text[HANDOVER_TEXT_MAX];
	struct listen_address address;
	int fds[40], link = -1;
	size_t n = 0;
	pid_t pid = 0;

	CU_ASSERT_EQUAL_FATAL(listen_parse(GH_STR("127.0.0.1"), 0, &address), GH_OK);
	for (unsigned i = 0; i < 40; i++) {
		fds[i] = listen_bind(&address, false);
		CU_ASSERT_FATAL(fds[i] >= 0);
	}
	for (unsigned i = 0; i < 20; i++) { /* numbers that overlap with those they will have */
		int other = fds[i];

		fds[i] = fds[39 - i];
		fds[39 - i] = other;
	}
	for (unsigned i = 0; i < 40; i++)
		n += (size_t)snprintf(expected + n, sizeof(expected) - n, "%u ",
			(unsigned)listen_port(fds[i]));
	CU_ASSERT_EQUAL_FATAL(start("ports", fds, 40, &pid, &link), GH_OK);
	CU_ASSERT_EQUAL(hear(link, text), HANDOVER_FAILED);
	CU_ASSERT_STRING_EQUAL(text, expected);
	CU_ASSERT_EQUAL(hear(link, text), HANDOVER_END);
	CU_ASSERT_EQUAL(code_of(pid), 0);
	close(link);
	for (unsigned i = 0; i < 40; i++) {
		CU_ASSERT(listen_port(fds[i]) != 0); /* still ours */
		close(fds[i]);
	}
}

static void
test_end_is_noticed(void)
{
	char text[HANDOVER_TEXT_MAX];
	int link = -1;
	pid_t pid = 0;

	CU_ASSERT_EQUAL_FATAL(start("needs", NULL, 0, &pid, &link), GH_OK);
	CU_ASSERT_EQUAL(hear(link, text), HANDOVER_NEEDS);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, WNOHANG), 0); /* it waits */
	close(link);
	CU_ASSERT_EQUAL(code_of(pid), 0);
	CU_ASSERT_EQUAL_FATAL(start("impatient", NULL, 0, &pid, &link), GH_OK);
	CU_ASSERT_EQUAL(code_of(pid), 0);
	close(link);
}

static void
test_start_refused(void)
{
	char name[] = "x", *argv[] = { name, NULL };
	char text[HANDOVER_TEXT_MAX];
	int link = -1;
	pid_t pid = 0;

	CU_ASSERT_EQUAL(handover_start("/nowhere/x", argv, NULL, 0, 0, &pid, &link), GH_ENOENT);
	CU_ASSERT_EQUAL(handover_start(self, argv, NULL, HANDOVER_FDS_MAX + 1, 0, &pid, &link),
		GH_ETOOBIG);
	CU_ASSERT(pid == 0 && link == -1);
	/* A directory may be "executed" as far as access() knows. */
	CU_ASSERT_EQUAL_FATAL(handover_start("/", argv, NULL, 0, 0, &pid, &link), GH_OK);
	CU_ASSERT_EQUAL(hear(link, text), HANDOVER_END);
	CU_ASSERT_EQUAL(code_of(pid), 127);
	close(link);
}

/* Variables that are not for this process, or not numbers. */
static void
test_take_refuses(void)
{
	static const struct {
		const char *pid, *count;
	} rows[] = {
		{ NULL, "1" }, { "1", "1" }, { "", "1" }, { "-1", "1" }, { "x", "1" },
		{ "OWN", NULL }, { "OWN", "" }, { "OWN", "-1" }, { "OWN", "1x" }, { "OWN", "1025" },
		{ "OWN", "99999999999999999999" }, { "OWNx", "1" },
	};
	static struct handover_given given;
	char own[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].pid != NULL) {
			bool is_own = strncmp(rows[i].pid, "OWN", 3) == 0;

			snprintf(own, sizeof(own), "%d%s", (int)getpid(), rows[i].pid + (is_own ? 3 : 0));
			setenv("LISTEN_PID", is_own ? own : rows[i].pid, 1);
		}
		if (rows[i].count != NULL)
			setenv("LISTEN_FDS", rows[i].count, 1);
		setenv("GATEHOUSE_HANDOVER", "1", 1);
		CU_ASSERT_EQUAL(handover_take(&given), 0);
		CU_ASSERT_EQUAL(given.link, -1);
		CU_ASSERT_PTR_NULL(getenv("LISTEN_PID"));
		CU_ASSERT_PTR_NULL(getenv("GATEHOUSE_HANDOVER"));
	}
}

static void
test_program(void)
{
	char *path = handover_program("/a/b");

	CU_ASSERT_STRING_EQUAL(path, "/a/b");
	free(path);
	path = handover_program("./b");
	CU_ASSERT(path[0] == '/' && strcmp(path + strlen(path) - 4, "/./b") == 0);
	free(path);
	path = handover_program("b");
	CU_ASSERT(path[0] == '/' && access(path, X_OK) == 0);
	free(path);
}

static void
test_addresses(void)
{
	static const struct {
		const char *bound, *asked;
		bool is_same;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1", true }, { "127.0.0.1", "127.0.0.2", false },
		{ "0.0.0.0", "::", true }, { "0.0.0.0", "*", true }, { "127.0.0.1", "::", false },
		{ "0.0.0.0", "127.0.0.1", false }, { "127.0.0.1", "::1", false },
	};
	struct listen_address address;

	CU_ASSERT_EQUAL(listen_parse(GH_STR("localhost"), 1, &address), GH_EINVAL);
	CU_ASSERT_EQUAL(listen_parse(GH_STR("1.2.3"), 1, &address), GH_EINVAL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_EQUAL_FATAL(listen_parse(gh_str_of(rows[i].bound), 0, &address), GH_OK);
		int fd = listen_bind(&address, true);

		CU_ASSERT_FATAL(fd >= 0);
		uint16_t port = listen_port(fd);

		CU_ASSERT_EQUAL(listen_parse(gh_str_of(rows[i].asked), port, &address), GH_OK);
		CU_ASSERT_EQUAL(listen_is_at(fd, &address), rows[i].is_same);
		listen_set_port(&address, (uint16_t)(port ^ 1));
		CU_ASSERT_FALSE(listen_is_at(fd, &address));
		close(fd);
	}
	CU_ASSERT_EQUAL(listen_port(0), 0);
}

int
main(int argc, char **argv)
{
	static const struct unit_test tests[] = {
		UNIT_TEST(test_sockets_arrive),
		UNIT_TEST(test_end_is_noticed),
		UNIT_TEST(test_start_refused),
		UNIT_TEST(test_take_refuses),
		UNIT_TEST(test_program),
		UNIT_TEST(test_addresses),
		{ NULL, NULL },
	};

	if (argc == 3 && strcmp(argv[1], "child") == 0)
		return be_child(argv[2]);
	self = handover_program(NULL);
	return unit_run("handover", tests);
}
