/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file manifest.c
 * @brief Reads a manifest: sections by option tables, as those of plugins; entries; listeners.
 *
 * Nothing is loaded here: whether a plugin exists and what its options mean is asked later.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/env/env.h"
#include "lib/manifest/manifest.h"
#include "lib/options/options.h"

enum {
	MANIFEST_MAX_BYTES = 1024 * 1024,
	LISTENERS_MAX = 64,
	ENTRIES_MAX = 256,
	NAME_MAX_BYTES = 64,
};

static const struct yaml_limits limits = {
	.max_bytes = MANIFEST_MAX_BYTES, .max_nodes = 100000, .max_depth = 32,
};

/** A manifest in the making. */
struct reader {
	struct manifest *m;
	char *error;
	size_t error_size;
};

static int complain(struct reader *rd, unsigned line, const char *fmt, ...) GH_PRINTF(3, 4);

static int
complain(struct reader *rd, unsigned line, const char *fmt, ...)
{
	va_list ap;
	int n = snprintf(rd->error, rd->error_size, "%s:%u: ", rd->m->path, line);

	if (n > 0 && (size_t)n < rd->error_size) {
		va_start(ap, fmt);
		vsnprintf(rd->error + n, rd->error_size - (size_t)n, fmt, ap);
		va_end(ap);
	}
	return GH_EINVAL;
}

static int
out_of_memory(struct reader *rd)
{
	complain(rd, 1, "out of memory");
	return GH_ENOMEM;
}

/** Copy of a string of a configuration that ends soon, in the manifest's own memory. */
static int
keep(struct reader *rd, struct gh_str text, struct gh_str *ret_text)
{
	char *copy = yaml_alloc(rd->m->doc, text.n + 1);

	if (copy == NULL)
		return out_of_memory(rd);
	if (text.n > 0)
		memcpy(copy, text.p, text.n);
	*ret_text = (struct gh_str){ copy, text.n };
	return 0;
}

/** Labels, names of listeners and nodes go into logs, metrics and file names. */
static bool
is_name(struct gh_str s)
{
	if (s.n == 0 || s.n > NAME_MAX_BYTES || s.p[0] == '.' || s.p[0] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (!((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9') && c != '_' &&
			c != '-' && c != '.')
			return false;
	}
	return true;
}

static int
check_name(struct reader *rd, unsigned line, const char *what, struct gh_str name)
{
	if (is_name(name))
		return 0;
	return complain(rd, line,
		"%s: a name has 1 to %d letters, digits, '_', '-' and '.', and does not "
		"begin with '-' or '.'",
		what, NAME_MAX_BYTES);
}

/* ---- node:, log:, access_log:, pool: --------------------------------------------------------- */

struct node_section {
	struct gh_str name;
	uint64_t workers;
	struct gh_ms drain_ms, leave_ms;
	struct gh_bytes txn_arena_bytes;
};

static const struct gh_opt node_opts[] = {
	GH_OPT(struct node_section, name, .dflt = "local"),
	GH_OPT(struct node_section, workers, .dflt = "0", .max = 256),
	GH_OPT(struct node_section, drain_ms, .dflt = "10s", .max = 86400000),
	GH_OPT(struct node_section, leave_ms, .dflt = "0ms", .max = 600000),
	GH_OPT(struct node_section, txn_arena_bytes, .dflt = "1M", .min = 65536, .max = 1u << 30),
	{ .type = GH_OPT_END },
};

struct log_section {
	struct gh_choice level, format;
};

/* Each at the number that <syslog.h> gives it, from LOG_EMERG to LOG_DEBUG. */
static const char *const log_levels[] = { "emerg", "alert", "crit", "error", "warning", "notice",
	"info", "debug", NULL };
static const char *const log_formats[] = { "text", "json", NULL };

static const struct gh_opt log_opts[] = {
	GH_OPT(struct log_section, level, .dflt = "info", .words = log_levels),
	GH_OPT(struct log_section, format, .dflt = "text", .words = log_formats),
	{ .type = GH_OPT_END },
};

struct access_section {
	struct gh_choice format;
	struct gh_str file;
};

static const char *const access_formats[] = { "off", "common", "json", NULL };

static const struct gh_opt access_opts[] = {
	GH_OPT(struct access_section, format, .dflt = "off", .words = access_formats),
	GH_OPT(struct access_section, file, .dflt = ""),
	{ .type = GH_OPT_END },
};

struct pool_section {
	uint64_t store, crypto, net, queue;
};

static const struct gh_opt pool_opts[] = {
	GH_OPT(struct pool_section, store, .dflt = "4", .min = 1, .max = 64),
	GH_OPT(struct pool_section, crypto, .dflt = "2", .min = 1, .max = 64),
	GH_OPT(struct pool_section, net, .dflt = "4", .min = 1, .max = 64),
	GH_OPT(struct pool_section, queue, .dflt = "1024", .min = 1, .max = 65536),
	{ .type = GH_OPT_END },
};

static int
fill(struct reader *rd, const struct gh_opt *opts, size_t size, const struct yaml_node *node,
	const char *label, struct options_config *ret_config)
{
	return options_fill(opts, size, node, rd->m->path, gh_str_of(label), ret_config, rd->error,
		rd->error_size);
}

static int
read_log(struct reader *rd, const struct yaml_node *node)
{
	struct options_config config;
	int r = fill(rd, log_opts, sizeof(struct log_section), node, "log", &config);

	if (r < 0)
		return r;
	const struct log_section *log = config.block;

	rd->m->node.log_level = (int)log->level.v;
	rd->m->node.log_format = (enum manifest_log_format)log->format.v;
	options_done(&config);
	return 0;
}

static int
read_access_log(struct reader *rd, const struct yaml_node *node)
{
	struct options_config config;
	int r = fill(rd, access_opts, sizeof(struct access_section), node, "access_log", &config);

	if (r < 0)
		return r;
	const struct access_section *access = config.block;

	rd->m->node.access_format = (enum manifest_access_format)access->format.v;
	r = keep(rd, access->file, &rd->m->node.access_file);
	options_done(&config);
	return r;
}

static int
read_pool(struct reader *rd, const struct yaml_node *node)
{
	struct options_config config;
	int r = fill(rd, pool_opts, sizeof(struct pool_section), node, "pool", &config);

	if (r < 0)
		return r;
	const struct pool_section *pool = config.block;

	rd->m->node.pool_threads[GH_LANE_STORE] = pool->store;
	rd->m->node.pool_threads[GH_LANE_CRYPTO] = pool->crypto;
	rd->m->node.pool_threads[GH_LANE_NET] = pool->net;
	rd->m->node.pool_queue = pool->queue;
	options_done(&config);
	return 0;
}

static int
read_node_options(struct reader *rd, const struct yaml_node *node, unsigned line)
{
	struct options_config config;
	int r = fill(rd, node_opts, sizeof(struct node_section), node, "node", &config);

	if (r < 0)
		return r;
	const struct node_section *section = config.block;
	struct manifest_node *options = &rd->m->node;

	options->workers = section->workers;
	options->drain_ms = section->drain_ms.v;
	options->leave_ms = section->leave_ms.v;
	options->txn_arena_bytes = section->txn_arena_bytes.v;
	r = check_name(rd, line, "node: name", section->name);
	if (r == 0)
		r = keep(rd, section->name, &options->name);
	options_done(&config);
	return r;
}

static int
read_node(struct reader *rd, const struct yaml_node *node)
{
	static const char *const not_auto[] = { "workers", NULL };
	const struct yaml_node *workers = yaml_get(node, GH_STR("workers")), *own = node;

	if (workers != NULL && gh_str_eq(workers->text, GH_STR("auto"))) {
		own = yaml_pick(rd->m->doc, node, not_auto, false);
		if (own == NULL)
			return out_of_memory(rd);
	}
	return read_node_options(rd, own, node != NULL ? node->line : 1);
}

/* ---- listeners: ------------------------------------------------------------------------------ */

struct listener_section {
	struct gh_str name, engine, address, certificate_file, key_file;
	struct gh_choice chain;
	uint64_t port, max_connections;
	bool tls;
	struct gh_ms head_ms, idle_ms;
	struct gh_bytes max_head_bytes;
};

static const char *const chains[] = { "gateway", "management", "cluster", NULL };

static const struct gh_opt listener_opts[] = {
	GH_OPT(struct listener_section, name, .dflt = NULL),
	GH_OPT(struct listener_section, chain, .words = chains),
	GH_OPT(struct listener_section, engine, .dflt = "http"),
	GH_OPT(struct listener_section, address, .dflt = "[::]"),
	GH_OPT(struct listener_section, port, .min = 1, .max = 65535),
	GH_OPT(struct listener_section, tls, .dflt = "false"),
	GH_OPT(struct listener_section, certificate_file, .dflt = ""),
	GH_OPT(struct listener_section, key_file, .dflt = ""),
	GH_OPT(struct listener_section, head_ms, .dflt = "10s", .min = 100, .max = 3600000),
	GH_OPT(struct listener_section, idle_ms, .dflt = "75s", .min = 100, .max = 86400000),
	GH_OPT(struct listener_section, max_head_bytes, .dflt = "16k", .min = 1024,
		.max = 1u << 20),
	GH_OPT(struct listener_section, max_connections, .dflt = "10000", .min = 1, .max = 1000000),
	{ .type = GH_OPT_END },
};

/** "[::1]" as "::1"; others as they are. */
static struct gh_str
without_brackets(struct gh_str address)
{
	if (address.n > 2 && address.p[0] == '[' && address.p[address.n - 1] == ']')
		return (struct gh_str){ address.p + 1, address.n - 2 };
	return address;
}

static bool
is_numeric_address(struct gh_str address)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char binary[sizeof(struct in6_addr)];

	if (address.n >= sizeof(text))
		return false;
	memcpy(text, address.p, address.n);
	text[address.n] = '\0';
	return inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1;
}

static bool
is_wildcard(struct gh_str address)
{
	return gh_str_eq(address, GH_STR("::")) || gh_str_eq(address, GH_STR("0.0.0.0"));
}

/** What the table cannot say about one listener. */
static int
check_listener(struct reader *rd, const struct manifest_listener *decl)
{
	const struct gh_listener *l = &decl->listener;
	int r = check_name(rd, decl->line, "listener: name", l->name);

	if (r < 0)
		return r;
	if (!is_numeric_address(l->address))
		return complain(rd, decl->line,
			"listener '%.*s': address: must be a numeric IPv4 or IPv6 address",
			GH_STR_ARG(l->name));
	if ((l->certificate_file.n > 0) != (l->key_file.n > 0))
		return complain(rd, decl->line,
			"listener '%.*s': certificate_file and key_file belong together",
			GH_STR_ARG(l->name));
	if (l->certificate_file.n > 0 && !l->tls)
		return complain(rd, decl->line,
			"listener '%.*s': certificate_file: the listener has no tls",
			GH_STR_ARG(l->name));
	if (l->chain == GH_CHAIN_CLUSTER && (!l->tls || l->certificate_file.n > 0))
		return complain(rd, decl->line,
			"listener '%.*s': the cluster chain needs tls, with the node's own certificate",
			GH_STR_ARG(l->name));
	for (const struct manifest_listener *other = rd->m->listeners; other != decl; other++) {
		const struct gh_listener *o = &other->listener;

		if (gh_str_eq(o->name, l->name))
			return complain(rd, decl->line,
				"listener '%.*s': line %u has one of that name",
				GH_STR_ARG(l->name), other->line);
		if (o->port == l->port &&
			(gh_str_eq(o->address, l->address) || is_wildcard(o->address) ||
				is_wildcard(l->address)))
			return complain(rd, decl->line,
				"listener '%.*s': port %u is taken by '%.*s' in line %u",
				GH_STR_ARG(l->name), l->port, GH_STR_ARG(o->name), other->line);
	}
	return 0;
}

static int
read_listener(struct reader *rd, const struct yaml_node *node, struct manifest_listener *decl)
{
	struct options_config config;
	int r = fill(rd, listener_opts, sizeof(struct listener_section), node, "listener", &config);

	if (r < 0)
		return r;
	const struct listener_section *section = config.block;
	struct gh_listener *l = &decl->listener;

	decl->line = node->line;
	l->chain = (enum gh_chain)section->chain.v;
	l->port = (uint16_t)section->port;
	l->tls = section->tls;
	l->head_ms = section->head_ms.v;
	l->idle_ms = section->idle_ms.v;
	l->max_head_bytes = section->max_head_bytes.v;
	l->max_connections = section->max_connections;
	const struct {
		struct gh_str from, *to;
	} texts[] = {
		{ section->name, &l->name },
		{ section->engine, &decl->engine },
		{ without_brackets(section->address), &l->address },
		{ section->certificate_file, &l->certificate_file },
		{ section->key_file, &l->key_file },
	};

	for (size_t i = 0; r == 0 && i < sizeof(texts) / sizeof(texts[0]); i++)
		r = keep(rd, texts[i].from, texts[i].to);
	options_done(&config);
	return r < 0 ? r : check_listener(rd, decl);
}

/** Is it absent (or null), or a list of at most @p max? */
static int
check_list(
	struct reader *rd, const struct yaml_node *node, const char *key, size_t max, size_t *ret_n)
{
	*ret_n = 0;
	if (node == NULL || yaml_type_of(node) == YAML_TYPE_NULL)
		return 0;
	if (node->kind != YAML_SEQUENCE_NODE_KIND)
		return complain(rd, node->line, "%s: must be a list", key);
	if (node->n > max)
		return complain(rd, node->line, "%s: must have at most %zu items", key, max);
	*ret_n = node->n;
	return 0;
}

static int
read_listeners(struct reader *rd, const struct yaml_node *node)
{
	size_t n;
	int r = check_list(rd, node, "listeners", LISTENERS_MAX, &n);

	if (r < 0)
		return r;
	rd->m->listeners = yaml_alloc(rd->m->doc, n * sizeof(*rd->m->listeners));
	if (rd->m->listeners == NULL)
		return out_of_memory(rd);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = read_listener(rd, node->items[i], &rd->m->listeners[i]);
		rd->m->listener_count++;
	}
	return r;
}

/* ---- plugins: -------------------------------------------------------------------------------- */

/** The keys of an entry that are the kernel's; `needs` is read apart. */
struct entry_section {
	struct gh_str as;
	struct gh_list provide;
	bool dry_run, bypass;
	struct gh_choice on_error;
};

/* In the order of enum gh_on_error. */
static const char *const on_error_words[] = { "default", "deny", "allow", NULL };

static const struct gh_opt entry_opts[] = {
	GH_OPT(struct entry_section, as, .dflt = ""),
	GH_OPT(struct entry_section, provide, .dflt = ""),
	GH_OPT(struct entry_section, dry_run, .dflt = "false"),
	GH_OPT(struct entry_section, bypass, .dflt = "false"),
	GH_OPT(struct entry_section, on_error, .dflt = "default", .words = on_error_words),
	{ .type = GH_OPT_END },
};

static const char *const entry_keys[] = { "as", "provide", "dry_run", "bypass", "on_error", NULL };
static const char *const kernel_keys[] = { "as", "provide", "dry_run", "bypass", "on_error",
	"needs", NULL };

static int
read_provide(struct reader *rd, const struct gh_list *provide, struct manifest_entry *entry)
{
	struct gh_str *copy = yaml_alloc(rd->m->doc, provide->n * sizeof(*copy));
	int r = copy != NULL ? 0 : out_of_memory(rd);

	for (size_t i = 0; r == 0 && i < provide->n; i++)
		r = keep(rd, provide->v[i], &copy[i]);
	entry->provide = copy;
	entry->provide_count = provide->n;
	return r;
}

static int
read_needs(struct reader *rd, const struct yaml_node *node, struct manifest_entry *entry)
{
	if (node == NULL || yaml_type_of(node) == YAML_TYPE_NULL)
		return 0;
	if (node->kind != YAML_MAPPING_NODE_KIND)
		return complain(rd, node->line,
			"%.*s: needs: must be a mapping of services to labels",
			GH_STR_ARG(entry->plugin));
	struct manifest_need *needs = yaml_alloc(rd->m->doc, node->n * sizeof(*needs));

	if (needs == NULL)
		return out_of_memory(rd);
	for (size_t i = 0; i < node->n; i++) {
		if (!is_name(node->items[i]->text))
			return complain(rd, node->key_lines[i],
				"%.*s: needs: %.*s: must be the label of an entry",
				GH_STR_ARG(entry->plugin), GH_STR_ARG(node->keys[i]));
		needs[i] = (struct manifest_need){ node->keys[i], node->items[i]->text };
	}
	entry->needs = needs;
	entry->need_count = node->n;
	return 0;
}

static int
read_entry_options(struct reader *rd, const struct yaml_node *value, struct manifest_entry *entry)
{
	const struct yaml_node *own = yaml_pick(rd->m->doc, value, entry_keys, true);
	struct options_config config;

	entry->options = yaml_pick(rd->m->doc, value, kernel_keys, false);
	if (own == NULL || entry->options == NULL)
		return out_of_memory(rd);
	int r = options_fill(entry_opts, sizeof(struct entry_section), own, rd->m->path,
		entry->plugin, &config, rd->error, rd->error_size);

	if (r < 0)
		return r;
	const struct entry_section *section = config.block;

	entry->dry_run = section->dry_run;
	entry->bypass = section->bypass;
	entry->on_error = (enum gh_on_error)section->on_error.v;
	entry->label = entry->plugin;
	if (section->as.n > 0) {
		r = check_name(rd, entry->line, "as", section->as);
		if (r == 0)
			r = keep(rd, section->as, &entry->label);
	}
	if (r == 0 && section->provide.n > 0)
		r = read_provide(rd, &section->provide, entry);
	options_done(&config);
	return r < 0 ? r : read_needs(rd, yaml_get(value, GH_STR("needs")), entry);
}

static int
read_entry(struct reader *rd, const struct yaml_node *node, struct manifest_entry *entry)
{
	const struct yaml_node *value = node;

	entry->line = node->line;
	if (node->kind == YAML_SCALAR_NODE_KIND) {
		entry->plugin = node->text;
	} else if (node->kind == YAML_MAPPING_NODE_KIND && node->n == 1) {
		entry->plugin = node->keys[0];
		value = node->items[0];
		if (value->kind != YAML_MAPPING_NODE_KIND && yaml_type_of(value) != YAML_TYPE_NULL)
			return complain(rd, value->line,
				"plugins: %.*s: must be followed by a mapping of options",
				GH_STR_ARG(entry->plugin));
	} else {
		return complain(rd, node->line,
			"plugins: an item is a plugin's name, alone or with its options "
			"indented below it");
	}
	int r = check_name(rd, entry->line, "plugins", entry->plugin);

	return r < 0 ? r : read_entry_options(rd, value, entry);
}

static int
read_entries(struct reader *rd, const struct yaml_node *node)
{
	size_t n;
	int r = check_list(rd, node, "plugins", ENTRIES_MAX, &n);

	if (r < 0)
		return r;
	if (n == 0)
		return complain(rd, node != NULL ? node->line : 1, "plugins: names no plugin");
	rd->m->entries = yaml_alloc(rd->m->doc, n * sizeof(*rd->m->entries));
	if (rd->m->entries == NULL)
		return out_of_memory(rd);
	rd->m->entry_count = n;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_entry(rd, node->items[i], &rd->m->entries[i]);
	return r;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static int
read_root(struct reader *rd)
{
	static const struct {
		const char *key;
		int (*read)(struct reader *rd, const struct yaml_node *node);
	} sections[] = {
		{ "node", read_node }, { "log", read_log }, { "access_log", read_access_log },
		{ "pool", read_pool }, { "listeners", read_listeners }, { "plugins", read_entries },
	};
	static const char *const keys[] = { "node", "log", "access_log", "pool", "listeners",
		"plugins", NULL };
	const struct yaml_node *root = yaml_root(rd->m->doc);
	int r = 0;

	if (root == NULL || root->kind != YAML_MAPPING_NODE_KIND)
		return complain(rd, root != NULL ? root->line : 1,
			"a manifest is a mapping with the keys node, listeners and plugins");
	const struct yaml_node *unknown = yaml_pick(rd->m->doc, root, keys, false);

	if (unknown == NULL)
		return out_of_memory(rd);
	if (unknown->n > 0)
		return complain(rd, unknown->key_lines[0],
			"%.*s: unknown key; known are: node, log, access_log, pool, listeners, "
			"plugins",
			(int)(unknown->keys[0].n < 64 ? unknown->keys[0].n : 64),
			unknown->keys[0].p);
	for (size_t i = 0; r == 0 && i < sizeof(sections) / sizeof(sections[0]); i++)
		r = sections[i].read(rd, yaml_get(root, gh_str_of(sections[i].key)));
	return r;
}

/** "line N: why" of lib/yaml as "FILE:N: why". */
static int
complain_yaml(struct reader *rd, int r, const char *why)
{
	static const char prefix[] = "line ";
	char *end = NULL;

	if (strncmp(why, prefix, sizeof(prefix) - 1) != 0)
		return r;
	unsigned line = (unsigned)strtoul(why + sizeof(prefix) - 1, &end, 10);

	complain(rd, line, "%s", end + strspn(end, ": "));
	return r;
}

int
manifest_parse(const char *name, struct gh_str text, struct manifest **ret_manifest,
	char *error, size_t error_size)
{
	struct manifest *m = calloc(1, sizeof(*m));
	struct reader rd = { m, error, error_size };
	struct env *env = NULL;
	char why[400] = "";
	int r = GH_ENOMEM;

	if (m == NULL || (m->path = strdup(name)) == NULL) {
		snprintf(error, error_size, "%s: out of memory", name);
		goto out;
	}
	r = env_new(text, &env, why, sizeof(why));
	if (r == 0)
		r = yaml_parse(env_text(env), &limits, env_expand, env, &m->doc, why, sizeof(why));
	if (r < 0) {
		complain_yaml(&rd, r, why);
		goto out;
	}
	r = read_root(&rd);
	if (r < 0)
		goto out;
	*ret_manifest = m;
	m = NULL;
out:
	env_free(env);
	manifest_free(m);
	return r;
}

/** @return bytes read, at most @p size; or a negative errno. */
static ssize_t
read_all(const char *path, char *buf, size_t size)
{
	size_t used = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (used < size) {
		ssize_t n = read(fd, buf + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = errno;

			close(fd);
			return -err;
		}
		if (n == 0)
			break;
		used += (size_t)n;
	}
	close(fd);
	return (ssize_t)used;
}

int
manifest_load(
	const char *path, struct manifest **ret_manifest, char *error, size_t error_size)
{
	char *text = malloc(MANIFEST_MAX_BYTES + 1);

	if (text == NULL) {
		snprintf(error, error_size, "%s: out of memory", path);
		return GH_ENOMEM;
	}
	ssize_t n = read_all(path, text, MANIFEST_MAX_BYTES + 1);
	int r;

	if (n < 0) {
		snprintf(error, error_size, "%s: cannot be read: %s", path, strerror((int)-n));
		r = n == -ENOENT ? GH_ENOENT : GH_EINVAL;
	} else {
		r = manifest_parse(
			path, (struct gh_str){ text, (size_t)n }, ret_manifest, error, error_size);
		explicit_bzero(text, (size_t)n);
	}
	free(text);
	return r;
}

void
manifest_free(struct manifest *manifest)
{
	if (manifest == NULL)
		return;
	yaml_doc_free(manifest->doc);
	free((char *)manifest->path);
	free(manifest);
}
