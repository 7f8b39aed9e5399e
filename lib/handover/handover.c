/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file handover.c
 * @brief One process starts another that takes its listening sockets over.
 *
 * Between fork() and execve() the child may call little more than the kernel: everything that needs
 * memory is prepared before.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/handover/handover.h"

#define FIRST_FD 3 /* sd_listen_fds(3) */
#define CANNOT_RUN 127 /* as of a shell */
#define VARIABLE "GATEHOUSE_HANDOVER" /* its value is drain_ms; the link stands behind the sockets */

/* ---- The process before ---------------------------------------------------------------------- */

/* What the child needs. */
struct child {
	const char *program;
	char *const *argv;
	char **environment;
	char pid[32], count[32], drain[48]; /* its last three variables */
	char *pid_digits;                   /* in pid, where the child writes its number */
	int *fds;                           /* count + 1 of them, above those that they will be */
	unsigned fd_count;
	sigset_t mask;
};

char *
handover_program(const char *argv0)
{
	char file[PATH_MAX], *path = NULL;
	ssize_t n;

	if (argv0 != NULL && argv0[0] == '/')
		return strdup(argv0);
	if (argv0 != NULL && strchr(argv0, '/') != NULL && getcwd(file, sizeof(file)) != NULL)
		return asprintf(&path, "%s/%s", file, argv0) < 0 ? NULL : path;
	n = readlink("/proc/self/exe", file, sizeof(file)); /* it came from $PATH */
	return n > 0 && (size_t)n < sizeof(file) ? strndup(file, (size_t)n) : strdup("gatehouse");
}

static bool
is_ours(const char *variable)
{
	static const char *const names[] = { "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=",
		VARIABLE "=" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static int
make_environment(struct child *c, unsigned count, uint64_t drain_ms)
{
	size_t n = 0, kept = 0;

	while (environ[n] != NULL)
		n++;
	c->environment = calloc(n + 4, sizeof(*c->environment));
	if (c->environment == NULL)
		return GH_ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!is_ours(environ[i]))
			c->environment[kept++] = environ[i];
	c->pid_digits = c->pid + snprintf(c->pid, sizeof(c->pid), "LISTEN_PID=");
	snprintf(c->count, sizeof(c->count), "LISTEN_FDS=%u", count);
	snprintf(c->drain, sizeof(c->drain), VARIABLE "=%llu", (unsigned long long)drain_ms);
	c->environment[kept++] = c->pid;
	c->environment[kept++] = c->count;
	c->environment[kept] = c->drain;
	return GH_OK;
}

/* Copies with numbers above all that they will have, so that none is overwritten by another. */
static int
copy_fds(struct child *c, const int *fds, unsigned count, int link)
{
	c->fds = calloc(count + 1, sizeof(*c->fds));
	if (c->fds == NULL)
		return GH_ENOMEM;
	for (unsigned i = 0; i <= count; i++) {
		int fd = fcntl(i < count ? fds[i] : link, F_DUPFD_CLOEXEC,
			FIRST_FD + (int)count + 1);

		if (fd < 0)
			return GH_EIO;
		c->fds[c->fd_count++] = fd;
	}
	return GH_OK;
}

static void
child_done(struct child *c)
{
	for (unsigned i = 0; i < c->fd_count; i++)
		close(c->fds[i]);
	free(c->fds);
	free(c->environment);
}

static void
write_pid(char *to)
{
	char digits[16];
	size_t n = 0;

	for (unsigned pid = (unsigned)getpid(); pid > 0; pid /= 10)
		digits[n++] = (char)('0' + pid % 10);
	while (n > 0)
		*to++ = digits[--n];
	*to = '\0';
}

/* Async-signal-safe. */
static _Noreturn void
become(const struct child *c)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	write_pid(c->pid_digits);
	for (unsigned i = 0; i < c->fd_count; i++)
		if (dup2(c->fds[i], FIRST_FD + (int)i) < 0)
			_exit(CANNOT_RUN);
	close_range(FIRST_FD + c->fd_count, ~0u, 0);
	for (int s = 1; s < NSIG; s++) /* a handler here would write into the old one's loop */
		sigaction(s, &dfl, NULL);
	sigprocmask(SIG_SETMASK, &c->mask, NULL);
	execve(c->program, c->argv, c->environment);
	_exit(CANNOT_RUN);
}

int
handover_start(const char *program, char *const *argv, const int *fds, unsigned count,
	uint64_t drain_ms, pid_t *ret_pid, int *ret_link)
{
	struct child c = { .program = program, .argv = argv };
	int pair[2] = { -1, -1 };
	sigset_t all;
	pid_t pid;
	int r;

	if (count > HANDOVER_FDS_MAX)
		return GH_ETOOBIG;
	if (access(program, X_OK) < 0)
		return GH_ENOENT;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return GH_EIO;
	r = make_environment(&c, count, drain_ms);
	if (r == GH_OK)
		r = copy_fds(&c, fds, count, pair[1]);
	if (r < 0)
		goto out;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &c.mask);
	pid = fork();
	if (pid == 0)
		become(&c);
	pthread_sigmask(SIG_SETMASK, &c.mask, NULL);
	if (pid < 0) {
		r = GH_EIO;
		goto out;
	}
	*ret_pid = pid;
	*ret_link = pair[0];
	pair[0] = -1;
out:
	child_done(&c);
	if (pair[0] >= 0)
		close(pair[0]);
	close(pair[1]);
	return r;
}

/* ---- The process after ----------------------------------------------------------------------- */

/* A whole number in a variable, at most @p max.  @return -1: it is none. */
static long long
number_in(const char *name, long long max)
{
	const char *text = getenv(name);
	char *end;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	long long n = strtoll(text, &end, 10);

	return errno == 0 && *end == '\0' && n <= max ? n : -1;
}

unsigned
handover_take(struct handover_given *ret_given)
{
	long long pid = number_in("LISTEN_PID", INT_MAX);
	long long count = number_in("LISTEN_FDS", HANDOVER_FDS_MAX);
	long long drain_ms = number_in(VARIABLE, LLONG_MAX);
	bool is_for_us = pid == getpid() && count >= 0;

	*ret_given = (struct handover_given){ .link = -1 };
	unsetenv("LISTEN_PID"); /* a program started by this one is not meant */
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	unsetenv(VARIABLE);
	if (!is_for_us)
		return 0;
	for (int fd = FIRST_FD; fd < FIRST_FD + (int)count; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
			ret_given->fds[ret_given->count++] = fd;
	if (drain_ms >= 0 && fcntl(FIRST_FD + (int)count, F_SETFD, FD_CLOEXEC) == 0) {
		ret_given->link = FIRST_FD + (int)count;
		ret_given->drain_ms = (uint64_t)drain_ms;
	}
	return ret_given->count;
}

/* ---- The link -------------------------------------------------------------------------------- */

int
handover_say(int link, enum handover_word word, const char *text)
{
	char message[HANDOVER_TEXT_MAX];
	int n = snprintf(message, sizeof(message), "%c%s", (char)word, text != NULL ? text : "");
	size_t size = (size_t)n < sizeof(message) ? (size_t)n : sizeof(message) - 1;

	return send(link, message, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? GH_EIO : GH_OK;
}

int
handover_hear(int link, enum handover_word *ret_word, char *text)
{
	char message[HANDOVER_TEXT_MAX];
	ssize_t n = recv(link, message, sizeof(message) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return GH_EAGAIN;
	text[0] = '\0';
	if (n <= 0) {
		*ret_word = HANDOVER_END;
		return GH_OK;
	}
	message[n] = '\0';
	if (message[0] != HANDOVER_READY && message[0] != HANDOVER_NEEDS &&
		message[0] != HANDOVER_FAILED)
		return GH_EINVAL;
	*ret_word = (enum handover_word)message[0];
	memcpy(text, message + 1, (size_t)n);
	return GH_OK;
}

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int
handover_await_end(int link, uint64_t timeout_ms)
{
	uint64_t until = now_ms() + timeout_ms;

	for (uint64_t now; (now = now_ms()) < until;) {
		struct pollfd fd = { .fd = link, .events = POLLIN };
		uint64_t left = until - now;
		char byte;

		if (poll(&fd, 1, left < 60000 ? (int)left : 60000) > 0 &&
			recv(link, &byte, 1, MSG_DONTWAIT) <= 0)
			return GH_OK;
	}
	return GH_ETIMEDOUT;
}
