/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upgrade.c
 * @brief One process takes over from another: both sides of SIGUSR2.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "kernel/base.h"
#include "kernel/log.h"
#include "kernel/upgrade.h"
#include "lib/handover/handover.h"
#include "lib/listen/listen.h"

#define START_DEADLINE_MS 60000 /* for the new process to serve, or to ask for the end of the old */
#define END_GRACE_MS 5000       /* of the old one, beside its drain_ms */

#define say(level, ...) krn_log(level, GH_STR("kernel"), GH_STR_NONE, __VA_ARGS__)

/* ---- The new process --------------------------------------------------------------------------- */

/* Sockets are used from the front, -1 once taken; the link is -1 when nobody waits for a word. */
static struct handover_given given = { .link = -1 };
static bool is_from_predecessor;

void
krn_upgrade_take(void)
{
	handover_take(&given);
	is_from_predecessor = given.link >= 0;
}

int
krn_upgrade_socket(const struct listen_address *address)
{
	for (unsigned i = 0; i < given.count; i++) {
		int fd = given.fds[i];

		if (fd < 0 || !(is_from_predecessor ? listen_is_at(fd, address)
				: listen_port(fd) == listen_port_of(address)))
			continue;
		given.fds[i] = -1;
		return fd;
	}
	return -1;
}

void
krn_upgrade_close_rest(void)
{
	for (unsigned i = 0; i < given.count; i++) {
		if (given.fds[i] < 0)
			continue;
		say(LOG_WARNING, "closing a socket on port %u that was passed on: no listener wants it",
			(unsigned)listen_port(given.fds[i]));
		close(given.fds[i]);
		given.fds[i] = -1;
	}
}

bool
krn_upgrade_is_one(void)
{
	return is_from_predecessor;
}

bool
krn_predecessor_holds(void)
{
	return given.link >= 0;
}

static void
end_link(void)
{
	close(given.link);
	given.link = -1;
}

int
krn_predecessor_end(char *error, size_t error_size)
{
	uint64_t wait_ms = given.drain_ms + END_GRACE_MS;

	say(LOG_NOTICE, "waiting for the end of the process before this one");
	handover_say(given.link, HANDOVER_NEEDS, NULL);
	int r = handover_await_end(given.link, wait_ms);

	end_link();
	if (r < 0)
		snprintf(error, error_size, "the process before this one did not end within %llu ms",
			(unsigned long long)wait_ms);
	return r;
}

void
krn_predecessor_ready(void)
{
	if (given.link < 0)
		return;
	handover_say(given.link, HANDOVER_READY, NULL);
	end_link();
}

void
krn_predecessor_failed(const char *why)
{
	if (given.link < 0)
		return;
	handover_say(given.link, HANDOVER_FAILED, why);
	end_link();
}

/* ---- The old process --------------------------------------------------------------------------- */

static void
on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void
stop_watching(struct krn_successor *s)
{
	uv_close((uv_handle_t *)s->poll, on_closed);
	uv_close((uv_handle_t *)s->deadline, on_closed);
	s->poll = NULL;
	s->deadline = NULL;
}

/* @param why  what it said, or what we know. */
static void
give_up(struct krn_successor *s, const char *why)
{
	int status = 0;

	stop_watching(s);
	kill(s->pid, SIGKILL); /* it can do nothing useful any more */
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	close(s->link);
	if (why[0] != '\0')
		say(LOG_ERR, "not replaced, this process goes on: %s", why);
	else
		say(LOG_ERR, "not replaced, this process goes on: process %d ended (%s %d) before it "
			"could serve", (int)s->pid, WIFEXITED(status) ? "exit code" : "signal",
			WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	s->pid = 0;
}

static void
on_deadline(uv_timer_t *timer)
{
	give_up(timer->data, "the new process was not ready in time");
}

static void
on_word(uv_poll_t *poll, int status, int events)
{
	struct krn_successor *s = poll->data;
	char text[HANDOVER_TEXT_MAX] = "";
	enum handover_word word = HANDOVER_END;
	int r = handover_hear(s->link, &word, text);

	(void)status, (void)events;
	if (r == GH_EAGAIN)
		return;
	if (r < 0 || word == HANDOVER_END || word == HANDOVER_FAILED) {
		give_up(s, r < 0 ? "the new process talks nonsense" : text);
		return;
	}
	say(LOG_NOTICE, word == HANDOVER_READY ? "process %d serves: draining"
		: "process %d waits for this one to end: draining", (int)s->pid);
	stop_watching(s);
	s->has_taken = true;
	s->on_taken(s->arg);
}

/* All listening sockets.  @return how many; 0 when there are more than @p max. */
static unsigned
collect_sockets(const struct krn_node *node, int *fds, unsigned max)
{
	unsigned n = 0;

	for (size_t i = 0; i < node->listen_count; i++)
		for (unsigned j = 0; j < node->listens[i].fd_count; j++) {
			if (n == max)
				return 0;
			fds[n++] = node->listens[i].fds[j];
		}
	return n;
}

static int
watch(struct krn_successor *s, uv_loop_t *loop)
{
	s->poll = malloc(sizeof(*s->poll));
	s->deadline = malloc(sizeof(*s->deadline));
	if (s->poll == NULL || s->deadline == NULL || uv_poll_init(loop, s->poll, s->link) < 0) {
		free(s->poll);
		free(s->deadline);
		return GH_ENOMEM;
	}
	uv_timer_init(loop, s->deadline);
	s->poll->data = s->deadline->data = s;
	uv_poll_start(s->poll, UV_READABLE, on_word);
	uv_timer_start(s->deadline, on_deadline, START_DEADLINE_MS, 0);
	return GH_OK;
}

int
krn_successor_start(struct krn_successor *s, uv_loop_t *loop, const struct krn_node *node,
	const char *program, char *const *argv, char *error, size_t error_size)
{
	int fds[HANDOVER_FDS_MAX];
	unsigned count = collect_sockets(node, fds, HANDOVER_FDS_MAX);
	pid_t pid = 0;

	if (s->pid != 0) {
		snprintf(error, error_size, "process %d is starting already", (int)s->pid);
		return GH_ECONFLICT;
	}
	if (getpid() == 1) {
		snprintf(error, error_size,
			"this is process 1: when it ends, all of its container does");
		return GH_EDENIED;
	}
	if (count == 0) {
		snprintf(error, error_size, "there must be 1 to %u listening sockets", HANDOVER_FDS_MAX);
		return GH_ETOOBIG;
	}
	int r = handover_start(program, argv, fds, count, node->gen->manifest->node.drain_ms, &pid,
		&s->link);

	if (r < 0) {
		snprintf(error, error_size, "%s cannot be started: %s", program, gh_strerror(r));
		return r;
	}
	s->pid = pid;
	r = watch(s, loop);
	if (r < 0) {
		snprintf(error, error_size, "%s", gh_strerror(r));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(s->link);
		s->pid = 0;
		return r;
	}
	say(LOG_NOTICE, "process %d is starting: %s", (int)pid, program);
	return GH_OK;
}

void
krn_successor_done(struct krn_successor *s)
{
	if (s->pid == 0)
		return;
	if (!s->has_taken) {
		stop_watching(s);
		kill(s->pid, SIGTERM);
	}
	close(s->link);
	s->pid = 0;
}
