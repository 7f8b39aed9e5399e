/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gatehouse/plugin.h
 * @brief What a shared object must contain to be a Gatehouse plugin.
 *
 * A plugin is one .so that exports one symbol, gh_plugin: a descriptor made of tables.  The kernel
 * reads the tables before any code of the plugin runs, so that `gatehouse check` can print services,
 * hooks and mounts without starting anything.
 *
 * A plugin has three blocks of memory, each zeroed by the kernel:
 *   process     open()/close(), MAIN: sockets, database handles, threads, counters.  Kept over reloads.
 *   generation  start()/stop(), MAIN: the options and what follows from them.  Read-only afterwards.
 *   worker      worker_start()/worker_stop(), on that WORKER: pools and caches of one worker.
 *
 * ABI change log: 0.1 first.  0.2 commands.
 */
#ifndef GATEHOUSE_PLUGIN_H
#define GATEHOUSE_PLUGIN_H
#include <gatehouse/base.h>

#define GH_ABI_MAJOR 0 /**< While 0: exact match of both.  From 1.0 on: only a change raises it. */
#define GH_ABI_MINOR 2 /**< Something appended: the plugin's minor must be <= the kernel's. */

/* ---- Phases and verdicts ----------------------------------------------------------------------- */

/** In the order in which a transaction passes them. */
enum gh_phase {
	GH_ACCEPT,       /**< The head has been read; nothing is known but the connection. */
	GH_ROUTE,        /**< Find what the target means: API, operation, CORS preflight. */
	GH_AUTHENTICATE, /**< Who calls? */
	GH_AUTHORIZE,    /**< May they? */
	GH_LIMIT,        /**< May they now? */
	GH_REQUEST,      /**< Change the request before it leaves. */
	GH_UPSTREAM,     /**< Produce the response; one hook does. */
	GH_RESPONSE,     /**< Change the response head before it is sent; also for replies set by STOP. */
	GH_LOG,          /**< Everything is over, also for aborted transactions; verdicts are ignored. */
	GH_PHASE_COUNT
};

/** Order within a phase; then the order of attachment decides. */
enum gh_class { GH_DENY, GH_AUTH, GH_QUOTA, GH_TRANSFORM, GH_OBSERVE, GH_CLASS_COUNT };

enum gh_verdict {
	GH_NEXT,
	GH_STOP,    /**< A reply was set with gh_txn_reply(); go on with GH_RESPONSE. */
	GH_SUSPEND, /**< gh_txn_suspend() or gh_offload() was called. */
	GH_FAIL,    /**< Could not decide: logged, then the attachment's on_error decides. */
};

/** Hook.  WORKER, concurrently on several.
 *  @param config  this generation's options, read-only. */
typedef enum gh_verdict gh_hook(const void *config, struct gh_txn *txn);

/** A row of the hook table, ended by a NULL fn. */
struct gh_hook_row {
	enum gh_phase phase;
	enum gh_class order;
	gh_hook *fn;
	const char *name; /**< Metric label and `check` output; NULL: the plugin's name. */
};

/* ---- Options ----------------------------------------------------------------------------------- */

enum gh_opt_type {
	GH_OPT_END, GH_OPT_BOOL, GH_OPT_UINT, GH_OPT_MS, GH_OPT_BYTES, GH_OPT_STRING, GH_OPT_SECRET,
	GH_OPT_CHOICE, GH_OPT_LIST,
};

/** One option.  The kernel parses (YAML or JSON), range-checks and stores it before open().  Strings, also
 *  those of secrets and lists, contain no NUL and have one behind them. */
struct gh_opt {
	const char *key;   /**< snake_case. */
	enum gh_opt_type type;
	size_t offset;     /**< offsetof() into the configuration. */
	const char *dflt;  /**< Text form; NULL makes the key mandatory.  Lists: comma separated. */
	uint64_t min, max; /**< Inclusive.  Numbers: the value; strings: bytes; lists: items.  Max 0: no maximum. */
	bool fixed;        /**< A reload that changes it is refused: "needs a restart". */
	const char *const *words; /**< GH_OPT_CHOICE: NULL-ended list of the words allowed. */
	const char *help;  /**< One sentence; manual pages and portal forms are made from it. */
};
/** Option row; key and type come from the field, so they cannot disagree with it. */
#define GH_OPT(T, field, ...) { .key = #field, .offset = offsetof(T, field), \
	.type = _Generic(((T *)0)->field, bool: GH_OPT_BOOL, uint64_t: GH_OPT_UINT, \
		struct gh_ms: GH_OPT_MS, struct gh_bytes: GH_OPT_BYTES, \
		struct gh_str: GH_OPT_STRING, struct gh_secret: GH_OPT_SECRET, \
		struct gh_choice: GH_OPT_CHOICE, struct gh_list: GH_OPT_LIST), __VA_ARGS__ }

/* ---- Services ---------------------------------------------------------------------------------- */

/** One service that a plugin provides. */
struct gh_service_row {
	const char *name;   /**< "docs/1"; NULL ends the table. */
	const void *vtable; /**< STATIC; its first field is uint32_t size. */
};

/** A bound service: call vt->fn(self, ...).  Each gatehouse/svc header has a typed twin. */
struct gh_service {
	const void *vt;
	void *self; /**< The provider's process block. */
};

/** The @p index-th service bound to @p need.  MAIN, in open() or later; its provider stays until our
 *  close() has returned.  @param need  as in the table, without '?' and '*'.
 *  @return 0; GH_ENOENT: not bound, or no more of them. */
GH_API int gh_service_get(struct gh_inst *inst, const char *need, unsigned index,
	struct gh_service *ret_service);

/** Typed form for one need: GH_BIND(inst, GH_SVC_DOCS, &process->docs). */
#define GH_BIND(inst, need, ref) GH_BIND_AT(inst, need, 0, ref)
#define GH_BIND_AT(inst, need, index, ref) __extension__({ \
	struct gh_service gh_bound_; \
	int gh_bind_r_ = gh_service_get((inst), (need), (index), &gh_bound_); \
	if (gh_bind_r_ == 0) { (ref)->vt = gh_bound_.vt; (ref)->self = gh_bound_.self; } \
	gh_bind_r_; })

/* ---- Mounts ------------------------------------------------------------------------------------ */

enum gh_chain {
	GH_CHAIN_GATEWAY,    /**< Calls of applications: all phases run. */
	GH_CHAIN_MANAGEMENT, /**< Portals, REST, OAuth 2: accept, a mount, log. */
	GH_CHAIN_CLUSTER,    /**< Other nodes, over mutual TLS: as management. */
	GH_CHAIN_COUNT
};
enum gh_lane { GH_LANE_STORE, GH_LANE_CRYPTO, GH_LANE_NET, GH_LANE_COUNT };

/** Blocking handler.  POOL.  It reads @p call, sets its reply (gatehouse/call.h) and returns.
 *  A handler that sets no reply is answered 500. */
typedef void gh_handler(void *process, const void *config, struct gh_call *call);

/** A path prefix that this plugin answers.  Longest prefix wins, at segment borders; two equal ones
 *  refuse to start.  Set exactly one of @c hook (not blocking: ends with GH_STOP) and @c handler. */
struct gh_mount_row {
	enum gh_chain chain;
	const char *prefix; /**< "/oauth2"; NULL ends the table. */
	gh_hook *hook;
	gh_handler *handler;
	enum gh_lane lane;       /**< For handler: where it runs. */
	uint64_t max_body_bytes; /**< For handler: a longer body is answered 413.  0: 1 MiB. */
	uint64_t deadline_ms;    /**< For handler: then 503.  0: 30,000. */
};

/* ---- Events ------------------------------------------------------------------------------------ */

#define GH_EVENT_MAX 256 /**< Largest payload in bytes. */

/** Subscriber.  MAIN, in order per subscriber.  @param payload  BORROW. */
typedef void gh_event_fn(void *process, struct gh_str name, struct gh_str payload);

/** A subscription; a full queue drops the event and counts it. */
struct gh_event_row {
	const char *name; /**< "revoked"; NULL ends the table. */
	gh_event_fn *fn;
	unsigned queue;   /**< Events that may wait, 1 to 65,536. */
};

/** Send an event to all subscribers of @p name.  ANY, never blocks.
 *  @param payload  BORROW, copied.  @return 0; GH_ETOOBIG; a full queue is counted, not reported. */
GH_API int gh_event_emit(struct gh_inst *inst, struct gh_str name, struct gh_str payload);

/* ---- Commands ---------------------------------------------------------------------------------- */

/** `gatehouse NAME`: runs instead of a node, for things to be done before one can start.  MAIN.  The
 *  manifest was read and this entry's options were stored, but neither open() nor start() has run and
 *  nothing else does: no service, no worker, no log.  It speaks through stdout and stderr.
 *  @param config     BORROW.
 *  @param state_dir  BORROW: as gh_inst_state_dir(); it exists, with mode 0700.
 *  @param argv       BORROW: the command's name and what the kernel did not take; argv[argc] is NULL.
 *  @return the exit code: 0, 64 for wrong usage, 78 when it could not be done. */
typedef int gh_command_fn(const void *config, const char *state_dir, int argc, char **argv);

/** A command of a plugin.  The kernel takes --manifest, --state and --plugin-path out of the command
 *  line; everything else, and all that follows "--", is the command's. */
struct gh_command_row {
	const char *name; /**< "join": lower-case letters, digits, '-'; NULL ends the table. */
	const char *help; /**< STATIC: half a sentence for `gatehouse check`. */
	gh_command_fn *fn;
};

/* ---- The descriptor ---------------------------------------------------------------------------- */

/** The only symbol that a plugin exports.  The first members, up to version, never move. */
struct gh_plugin {
	uint16_t abi_major, abi_minor;
	uint16_t size, opt_size, hook_size, service_size, mount_size, event_size;
	const char *name, *version;             /**< STATIC; name == file name without .so. */
	const struct gh_service_row *provides;  /**< Or NULL, as every table below. */
	const char *const *needs; /**< NULL-ended: "docs/1"; "?x/1" optional; "x/1*" all of them, 0 to n. */
	const struct gh_opt *opts;              /**< Ended by GH_OPT_END. */
	const struct gh_hook_row *hooks;
	const struct gh_mount_row *mounts;
	const struct gh_event_row *events;
	size_t config_size, process_size, worker_size;
	/** Once per process, after the providers of all needs were opened.  MAIN.  @param config BORROW:
	 *  fixed options may be used.  On error it has logged the reason (gh_inst_log) and freed what it
	 *  took itself; close() is not called and the node does not start.  GH_EAGAIN: another process
	 *  holds what it needs (logged as LOG_NOTICE at most); while a node takes over from one that still
	 *  runs, that one ends first, and open() is called once more, on a zeroed block. */
	int (*open)(void *process, const void *config, struct gh_inst *inst);
	/** MAIN, after all workers have stopped; no hook, handler or job of this entry runs any more. */
	void (*close)(void *process);
	/** Per generation, after the options were stored; may derive read-only values.  MAIN; for the options
	 *  of an attachment (gh_plan_new) on its caller's thread, perhaps beside others: what it shares
	 *  through @p process needs a lock. */
	int (*start)(void *process, void *config);
	/** No transaction pins the generation any more.  MAIN; for an attachment ANY: it must not block. */
	void (*stop)(void *process, void *config);
	/** On each worker before it accepts connections, after every open().  WORKER. */
	int (*worker_start)(void *process, struct gh_worker *worker, void *worker_data);
	/** After the worker's last transaction.  WORKER. */
	void (*worker_stop)(void *process, struct gh_worker *worker, void *worker_data);
	const struct gh_command_row *commands;
	uint16_t command_size;
};
#define GH_PLUGIN GH_API const struct gh_plugin gh_plugin
#define GH_PLUGIN_ABI .abi_major = GH_ABI_MAJOR, .abi_minor = GH_ABI_MINOR, \
	.size = sizeof(struct gh_plugin), .opt_size = sizeof(struct gh_opt), \
	.hook_size = sizeof(struct gh_hook_row), .service_size = sizeof(struct gh_service_row), \
	.mount_size = sizeof(struct gh_mount_row), .event_size = sizeof(struct gh_event_row), \
	.command_size = sizeof(struct gh_command_row)

/* ---- What an entry may ask about itself and its node ------------------------------------------- */

/** Label of the entry (`as:` or the plugin's name).  ANY.  @return valid until close(). */
GH_API struct gh_str gh_inst_label(const struct gh_inst *inst);
/** Name of the node from the manifest.  ANY. */
GH_API struct gh_str gh_inst_node_name(const struct gh_inst *inst);
/** Directory for this node's files (--state), mode 0700, without a trailing slash.  ANY. */
GH_API const char *gh_inst_state_dir(const struct gh_inst *inst);
/** Port of the first listener of @p chain with or without TLS; 0: there is none.  ANY. */
GH_API uint16_t gh_inst_port(const struct gh_inst *inst, enum gh_chain chain, bool tls);
/** Say whether this entry can serve; /readyz answers 503 while any entry said no.  ANY.
 *  Entries are ready unless they say otherwise.  @param why  STATIC, one short sentence, or NULL. */
GH_API void gh_inst_ready(struct gh_inst *inst, bool is_ready, const char *why);

/** Log one line about this entry; level as in <syslog.h>.  No secrets.  ANY. */
GH_API void gh_inst_log(struct gh_inst *inst, int level, const char *fmt, ...) GH_PRINTF(3, 4);

#endif
