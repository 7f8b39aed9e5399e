/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file handover.h
 * @brief One process starts another that takes its listening sockets over.
 *
 * Sockets are passed as systemd passes them (sd_listen_fds(3): LISTEN_FDS, LISTEN_PID), so that one
 * function takes them from both.  Between the two processes there is a link besides, a socket with
 * messages, on which the new one says how far it has come; its end says that the old one is gone.
 */
#ifndef LIB_HANDOVER_HANDOVER_H
#define LIB_HANDOVER_HANDOVER_H
#include <gatehouse/base.h>
#include <sys/types.h>

#define HANDOVER_FDS_MAX 1024u
#define HANDOVER_TEXT_MAX 1024u

/** What the new process says; each at most once. */
enum handover_word {
	HANDOVER_END = 0,      /**< Nothing more: the other process has closed the link, or ended. */
	HANDOVER_READY = 'r',  /**< I serve: go. */
	HANDOVER_NEEDS = 'n',  /**< Go, and I serve when you are gone: you hold what I need. */
	HANDOVER_FAILED = 'f', /**< I cannot start; why follows. */
};

/** What a process was given by the one that started it. */
struct handover_given {
	int fds[HANDOVER_FDS_MAX]; /**< Close-on-exec. */
	unsigned count;
	int link;                  /**< -1: by a service manager, not by a predecessor. */
	uint64_t drain_ms;         /**< How long the predecessor may take to go. */
};

/** The file that was started as @p argv0, so that a newer one may be put in its place.
 *  @return malloc()ed absolute path, or NULL: out of memory. */
char *handover_program(const char *argv0);
/** Start @p program with this process's environment.  ANY, also with threads.
 *  @param fds  stay the caller's, too.  @param drain_ms  for struct handover_given.
 *  @param[out] ret_link  close it to say that this process has gone.
 *  @return 0; GH_ETOOBIG: too many; GH_ENOENT: no such program that may be run; GH_EIO. */
int handover_start(const char *program, char *const *argv, const int *fds, unsigned count,
	uint64_t drain_ms, pid_t *ret_pid, int *ret_link);

/** Take what LISTEN_FDS and LISTEN_PID offer to this process, once; the variables go.
 *  @return how many sockets. */
unsigned handover_take(struct handover_given *ret_given);

/** @param text  for HANDOVER_FAILED, or NULL.  @return 0; GH_EIO: nobody listens. */
int handover_say(int link, enum handover_word word, const char *text);
/** The next word; does not wait.  @param[out] text  HANDOVER_TEXT_MAX bytes; what followed the word.
 *  @return 0, GH_EAGAIN: none yet, GH_EINVAL: not a word. */
int handover_hear(int link, enum handover_word *ret_word, char *text);
/** Wait for the end of the link.  @return 0, GH_ETIMEDOUT. */
int handover_await_end(int link, uint64_t timeout_ms);

#endif
