/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file log.c
 * @brief The node's log: lines are made by the caller, queued, and written by one thread.
 *
 * The writer sleeps on a semaphore.  After it was woken it stays awake for as long as each nap
 * brings something new, so that a busy node posts no semaphore at all.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "kernel/access_line.h"
#include "kernel/base.h"
#include "kernel/inst.h"
#include "kernel/log.h"
#include "kernel/metrics.h"
#include "lib/line/line.h"
#include "lib/ring/ring.h"

#define NAP_MS 10             /* the writer gathers what comes meanwhile into one write */
#define MESSAGE_MAX 4096u
#define BATCH_BYTES (64u << 10)
#define WRITE_STALL_MS 2000   /* a reader of our output that is slower than this loses lines */

enum tag { TAG_LOG = 1, TAG_ACCESS };

/* What the writer has gathered for one descriptor. */
struct batch {
	size_t n;
	unsigned lines;
	char bytes[BATCH_BYTES];
};

static struct {
	struct ring ring;
	_Atomic int level;
	_Atomic bool is_json;
	_Atomic bool is_sleeping;  /* the writer waits for `wake` without an end */
	_Atomic bool is_stopping;
	_Atomic int access_fd;     /* -1 or a descriptor of our own; replaced by dup3() only */
	bool is_started;           /* MAIN */
	pthread_t writer;
	sem_t wake;
	struct gh_metric *dropped;
} log_state = { .ring.head = UINT64_C(1) << 63, .level = LOG_INFO, .access_fd = -1 };

/* ---- Writing --------------------------------------------------------------------------------- */

/* Write all of it.  A full pipe is waited for, but not for ever. */
static bool
write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done > 0) {
			p += done;
			n -= (size_t)done;
		} else if (done < 0 && errno == EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			if (poll(&wait, 1, WRITE_STALL_MS) == 0)
				return false;
		} else if (done == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

static void
flush_batch(struct batch *batch, int fd)
{
	if (batch->n > 0 && !write_all(fd, batch->bytes, batch->n))
		gh_metric_add(log_state.dropped, batch->lines);
	batch->n = 0;
	batch->lines = 0;
}

/* Write what the ring holds.  Returns false when it held nothing. */
static bool
drain(struct batch batches[2])
{
	struct gh_str text;
	unsigned tag;
	bool found = false;

	while (ring_take(&log_state.ring, &tag, &text)) {
		struct batch *batch = &batches[tag == TAG_ACCESS];
		int fd = tag == TAG_ACCESS ? atomic_load(&log_state.access_fd) : STDERR_FILENO;

		if (text.n > BATCH_BYTES - batch->n)
			flush_batch(batch, fd);
		memcpy(batch->bytes + batch->n, text.p, text.n);
		batch->n += text.n;
		batch->lines++;
		ring_release(&log_state.ring);
		found = true;
	}
	flush_batch(&batches[0], STDERR_FILENO);
	flush_batch(&batches[1], atomic_load(&log_state.access_fd));
	return found;
}

static void
nap(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += NAP_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	sem_timedwait(&log_state.wake, &until);
}

static void *
write_lines(void *arg)
{
	static struct batch batches[2]; /* there is one writer */

	(void)arg;
	while (!atomic_load(&log_state.is_stopping)) {
		if (drain(batches)) {
			nap();
			continue;
		}
		atomic_store(&log_state.is_sleeping, true);
		/* A line that came before the flag was seen nobody would wake us for. */
		unsigned tag;
		struct gh_str text;

		if (!ring_take(&log_state.ring, &tag, &text) &&
		    !atomic_load(&log_state.is_stopping))
			while (sem_wait(&log_state.wake) < 0 && errno == EINTR)
				;
		atomic_store(&log_state.is_sleeping, false);
	}
	/* The ring is closed: wait for those who still copy their line into it. */
	while (!ring_is_empty(&log_state.ring))
		drain(batches);
	return NULL;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static void
push(enum tag tag, struct gh_str line)
{
	int r = ring_put(&log_state.ring, tag, line);

	if (r == GH_EEXPIRED && tag == TAG_LOG)
		write_all(STDERR_FILENO, line.p, line.n);
	else if (r < 0)
		gh_metric_add(log_state.dropped, 1);
	else if (atomic_load(&log_state.is_sleeping) &&
		 atomic_exchange(&log_state.is_sleeping, false))
		sem_post(&log_state.wake);
}

static struct gh_str
level_name(int level)
{
	static const char *const names[] = {
		[LOG_EMERG] = "emergency", [LOG_ALERT] = "alert", [LOG_CRIT] = "critical",
		[LOG_ERR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
		[LOG_INFO] = "info", [LOG_DEBUG] = "debug",
	};

	return gh_str_of(names[level < LOG_EMERG || level > LOG_DEBUG ? LOG_DEBUG : level]);
}

static void
put_text_line(struct line *line, int level, struct gh_str who, struct gh_str id,
	struct gh_str message)
{
	line_time(line, gh_now_us());
	line_put(line, GH_STR(" "));
	line_put(line, level_name(level));
	line_put(line, GH_STR(" "));
	line_word(line, who);
	line_put(line, GH_STR(" "));
	if (id.n > 0) {
		line_put(line, GH_STR("["));
		line_word(line, id);
		line_put(line, GH_STR("] "));
	}
	line_text(line, message);
	line_put(line, GH_STR("\n"));
}

static void
put_json_line(struct line *line, int level, struct gh_str who, struct gh_str id,
	struct gh_str message)
{
	line_put(line, GH_STR("{\"time\":\""));
	line_time(line, gh_now_us());
	line_put(line, GH_STR("\",\"level\":\""));
	line_put(line, level_name(level));
	line_put(line, GH_STR("\",\"who\":"));
	line_json(line, who);
	if (id.n > 0) {
		line_put(line, GH_STR(",\"id\":"));
		line_json(line, id);
	}
	line_put(line, GH_STR(",\"message\":"));
	line_json(line, message);
	line_put(line, GH_STR("}\n"));
}

void
krn_vlog(int level, struct gh_str who, struct gh_str id, const char *fmt, va_list ap)
{
	char message[MESSAGE_MAX];
	struct line line;

	if (level > atomic_load_explicit(&log_state.level, memory_order_relaxed))
		return;
	int n = vsnprintf(message, sizeof(message), fmt, ap);

	if (n < 0)
		return;
	if ((size_t)n >= sizeof(message)) {
		n = sizeof(message) - 1;
		memcpy(message + n - 3, "...", 3);
	}
	line_init(&line, MESSAGE_MAX);
	bool is_json = atomic_load_explicit(&log_state.is_json, memory_order_relaxed);

	(is_json ? put_json_line : put_text_line)
		(&line, level, who, id, (struct gh_str){ message, (size_t)n });
	push(TAG_LOG, (struct gh_str){ line.p, line.n });
}

void
krn_log(int level, struct gh_str who, struct gh_str id, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	krn_vlog(level, who, id, fmt, ap);
	va_end(ap);
}

void
gh_inst_log(struct gh_inst *inst, int level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	krn_vlog(level, inst->label, GH_STR_NONE, fmt, ap);
	va_end(ap);
}

void
krn_log_access_line(const struct line *line)
{
	push(TAG_ACCESS, (struct gh_str){ line->p, line->n });
}

/* ---- Life ------------------------------------------------------------------------------------ */

/* Open the access file and put it in the place of the present one. */
static int
open_access(const struct manifest_node *options, char *error, size_t error_size)
{
	char path[4096];
	int fd, present = atomic_load(&log_state.access_fd);

	if (options->access_format == MANIFEST_ACCESS_OFF)
		return 0; /* a descriptor that is open stays, for lines on their way */
	if (options->access_file.n == 0) {
		fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else if (options->access_file.n >= sizeof(path)) {
		snprintf(error, error_size, "access log: the file name is longer than %zu bytes",
			sizeof(path) - 1);
		return GH_ETOOBIG;
	} else {
		memcpy(path, options->access_file.p, options->access_file.n);
		path[options->access_file.n] = '\0';
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	}
	if (fd >= 0 && present >= 0) {
		int r = dup3(fd, present, O_CLOEXEC);

		close(fd);
		fd = r;
	}
	if (fd < 0) {
		struct gh_str name = options->access_file;

		if (name.n == 0)
			name = GH_STR("stdout");
		snprintf(error, error_size, "access log: cannot open %.*s: %s",
			GH_STR_ARG(name), strerror(errno));
		return GH_EIO;
	}
	atomic_store(&log_state.access_fd, fd);
	return 0;
}

int
krn_log_reconfigure(const struct manifest_node *options, char *error, size_t error_size)
{
	int r = open_access(options, error, error_size);

	if (r < 0)
		return r;
	atomic_store(&log_state.level, options->log_level);
	atomic_store(&log_state.is_json, options->log_format == MANIFEST_LOG_JSON);
	krn_access_set_format(options->access_format);
	return 0;
}

static void
close_access(void)
{
	int fd = atomic_exchange(&log_state.access_fd, -1);

	krn_access_set_format(MANIFEST_ACCESS_OFF);
	if (fd >= 0)
		close(fd);
}

int
krn_log_start(const struct manifest_node *options, char *error, size_t error_size)
{
	sigset_t all, before;

	KRN_ASSERT(!log_state.is_started);
	log_state.dropped = krn_metric_new(GH_COUNTER, "gatehouse_kernel_log_dropped_total",
		"Lines of log and access log that were lost: the ring was full or writing failed.",
		NULL);
	int r = krn_log_reconfigure(options, error, error_size);

	if (r < 0)
		return r;
	if (sem_init(&log_state.wake, 0, 0) < 0) {
		snprintf(error, error_size, "log: %s", strerror(errno));
		close_access();
		return GH_ENOMEM;
	}
	atomic_store(&log_state.is_stopping, false);
	/* Signals are MAIN's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&log_state.writer, NULL, write_lines, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0) {
		snprintf(error, error_size, "log: cannot start the writer: %s", strerror(r));
		sem_destroy(&log_state.wake);
		close_access();
		return GH_ENOMEM;
	}
#ifdef HAVE_PTHREAD_SETNAME_NP
	pthread_setname_np(log_state.writer, "gh-log");
#endif
	log_state.is_started = true;
	ring_open(&log_state.ring);
	return 0;
}

void
krn_log_stop(void)
{
	if (!log_state.is_started)
		return;
	ring_close(&log_state.ring);
	atomic_store(&log_state.is_stopping, true);
	sem_post(&log_state.wake);
	pthread_join(log_state.writer, NULL);
	log_state.is_started = false;
	close_access();
	/* `wake` is not destroyed: a thread that is just about to post it may do so harmlessly. */
}
