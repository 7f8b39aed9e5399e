/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file upgrade.h
 * @brief One process takes over from another: both sides of SIGUSR2.
 *
 * The old process starts the program again and passes all listening sockets on.  The new one says when
 * it serves, and the old one drains and ends.  When the new one needs what the old one holds (an
 * open() answers GH_EAGAIN), it says so as soon as nothing else is left to be checked; then the old one
 * drains and ends first, while connections wait in the sockets' queues.  All MAIN.
 */
#ifndef KERNEL_UPGRADE_H
#define KERNEL_UPGRADE_H
#include <sys/types.h>
#include <uv.h>

#include "kernel/node.h"

struct listen_address; /* lib/listen/listen.h */

/* ---- The new process --------------------------------------------------------------------------- */

/** Take what a predecessor or a service manager passed on.  Call once, early. */
void krn_upgrade_take(void);
/** The next socket that was passed on for that address and has no user yet.  A predecessor's must be
 *  bound to the same address, a service manager's to the same port.  @return it, or -1. */
int krn_upgrade_socket(const struct listen_address *address);
/** Sockets that no listener wanted. */
void krn_upgrade_close_rest(void);
/** Did a predecessor start this process? */
bool krn_upgrade_is_one(void);
/** Is there a predecessor that still has its databases open? */
bool krn_predecessor_holds(void);
/** Ask it to end, and wait until it has.  @return 0, GH_ETIMEDOUT. */
int krn_predecessor_end(char *error, size_t error_size);
/** This process serves. */
void krn_predecessor_ready(void);
/** This process cannot start. */
void krn_predecessor_failed(const char *why);

/* ---- The old process --------------------------------------------------------------------------- */

/** A process that was started to take over.  Zeroed: none. */
struct krn_successor {
	pid_t pid;       /**< 0: none. */
	int link;
	bool has_taken;  /**< It serves, or waits until this process has ended. */
	uv_poll_t *poll; /**< Of link, until it has taken over. */
	uv_timer_t *deadline;
	void (*on_taken)(void *arg);
	void *arg;
};

/** Start it.  @param program, argv  as this process was started.
 *  @return 0, or why not: it is there already, this is process 1, the program cannot be started. */
int krn_successor_start(struct krn_successor *s, uv_loop_t *loop, const struct krn_node *node,
	const char *program, char *const *argv, char *error, size_t error_size);
/** This process ends.  To one that has taken over it says that nothing is held any more; one that
 *  has not is ended, too. */
void krn_successor_done(struct krn_successor *s);

#endif
