/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file http_kernel.h
 * @brief A small kernel on one worker thread, for tests of an engine over real sockets.
 *
 * It answers by the request's path: http_kernel.c has the table of scenes.
 */
#ifndef TESTS_UNIT_HTTP_KERNEL_H
#define TESTS_UNIT_HTTP_KERNEL_H
#include <gatehouse/svc/engine.h>
#include <stdatomic.h>

struct gh_inst {
	char state_dir[64];
};

enum { PLAIN, TLS, PORTS };

extern struct gh_listener listeners[PORTS];
extern struct gh_inst inst;
extern void *process; /* The engine's block. */
extern const struct gh_engine_v1 *engine;
/* What became of requests so far. */
extern _Atomic unsigned done_count, gone_count, refused_count, refused_status;
extern _Atomic uint64_t done_bytes;
extern _Atomic unsigned open_connections; /* As of the last ask_kernel(). */

/** Open the engine and serve both listeners on free ports. */
void start_kernel(void);
enum { ASK_COUNT, ASK_QUIESCE };
/** Let the worker do something, soon. */
void ask_kernel(int what);
/** Close ports and engine, join the worker.  @return whether the sockets stayed the kernel's and
 *  the loop was left empty. */
bool stop_kernel(void);

#endif
