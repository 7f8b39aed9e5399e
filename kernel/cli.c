/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli.c
 * @brief The command line: gatehouse COMMAND [OPTIONS].
 *
 * Exit codes, which scripts rely on: 0, 64 usage, 70 internal error, 78 cannot start.
 */
#include "config.h"

#include <gatehouse/plugin.h>
#include <getopt.h>

#include "kernel/base.h"
#include "kernel/inspect.h"
#include "kernel/run.h"

#define DEFAULT_STATE_DIR "/var/lib/gatehouse"

enum { EXIT_USAGE = 64, EXIT_INTERNAL = 70 };

GH_API int gh_main(int argc, char **argv);

/** What was asked for. */
struct request {
	struct krn_run_args args;
	const char *schema; /* Plugin of `plugins --schema`, or NULL. */
	bool wants_build;
};

/* Values of options, as a set per command says which it takes. */
enum option_bit {
	OPT_MANIFEST = 1 << 0,
	OPT_STATE = 1 << 1,
	OPT_PLUGIN_PATH = 1 << 2,
	OPT_SCHEMA = 1 << 3,
	OPT_BUILD = 1 << 4,
	OPT_HELP = 1 << 5,
};

static const struct option long_options[] = {
	{ "manifest", required_argument, NULL, OPT_MANIFEST },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "plugin-path", required_argument, NULL, OPT_PLUGIN_PATH },
	{ "schema", required_argument, NULL, OPT_SCHEMA },
	{ "build", no_argument, NULL, OPT_BUILD },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static const char usage[] =
	"usage: gatehouse run     [--manifest FILE] [--state DIR] [--plugin-path PATH]\n"
	"       gatehouse check   [--manifest FILE] [--plugin-path PATH]\n"
	"       gatehouse plugins [--plugin-path PATH] [--schema NAME]\n"
	"       gatehouse version [--build]\n"
	"       gatehouse NAME    [--manifest FILE] [--state DIR] [--plugin-path PATH] [ARGUMENT...]\n"
	"\n"
	"  run      serve until SIGTERM\n"
	"  check    load the plugins and parse every option, print what would run, start nothing\n"
	"  plugins  list what can be loaded, or print the options of one as JSON Schema\n"
	"  version  print the version, with --build what was built in and what was left out\n"
	"  NAME     a command of a plugin that the manifest loads, as check lists them; what stands\n"
	"           behind -- is never taken for an option of gatehouse\n"
	"\n"
	"  --manifest FILE     default: " GH_MANIFEST "\n"
	"  --state DIR         default: " DEFAULT_STATE_DIR "\n"
	"  --plugin-path PATH  directories with colons between them; default: the environment "
	"variable\n"
	"                      GATEHOUSE_PLUGIN_PATH, else " GH_PLUGIN_DIR "\n"
	"\n"
	"Exit codes: 0, 64 wrong usage, 70 internal error, 78 cannot start.\n";

static int
refuse_usage(const char *what, const char *argument)
{
	fprintf(stderr, "gatehouse: %s '%s'; see gatehouse --help\n", what, argument);
	return EXIT_USAGE;
}

/* ---- Commands -------------------------------------------------------------------------------- */

static int
run(const struct request *rq)
{
	return krn_run(&rq->args);
}

static int
check(const struct request *rq)
{
	return krn_check(rq->args.manifest, rq->args.plugin_path);
}

static int
plugins(const struct request *rq)
{
	if (rq->schema != NULL)
		return krn_print_schema(rq->args.plugin_path, rq->schema);
	return krn_print_plugins(rq->args.plugin_path);
}

static int
version(const struct request *rq)
{
	printf("gatehouse %s, plugin ABI %d.%d\n", PACKAGE_VERSION, GH_ABI_MAJOR, GH_ABI_MINOR);
	if (rq->wants_build)
		printf("plugins: %s\nleft out: %s\nsanitizers: %s\n", GH_BUILD_PLUGINS,
			GH_BUILD_LEFT_OUT, GH_BUILD_SANITIZERS);
	return 0;
}

static int
not_available(const struct request *rq)
{
	(void)rq;
	fprintf(stderr,
		"gatehouse: backup and restore are not available in this version: stop the node "
		"and copy its state directory\n");
	return EXIT_USAGE;
}

static const struct command {
	const char *name;
	int (*fn)(const struct request *rq);
	unsigned options; /* A set of option_bit. */
} own_commands[] = {
	{ "run", run, OPT_MANIFEST | OPT_STATE | OPT_PLUGIN_PATH },
	{ "check", check, OPT_MANIFEST | OPT_STATE | OPT_PLUGIN_PATH },
	{ "plugins", plugins, OPT_PLUGIN_PATH | OPT_SCHEMA },
	{ "version", version, OPT_BUILD },
	{ "backup", not_available, OPT_MANIFEST | OPT_STATE },
	{ "restore", not_available, OPT_MANIFEST | OPT_STATE },
};

/* ---- Parsing --------------------------------------------------------------------------------- */

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(own_commands) / sizeof(own_commands[0]); i++)
		if (strcmp(own_commands[i].name, name) == 0)
			return &own_commands[i];
	return NULL;
}

bool
krn_is_own_command(const char *name)
{
	return find_command(name) != NULL;
}

static void
take_option(struct request *rq, int option, const char *value)
{
	switch (option) {
	case OPT_MANIFEST:
		rq->args.manifest = value;
		break;
	case OPT_STATE:
		rq->args.state_dir = value;
		break;
	case OPT_PLUGIN_PATH:
		rq->args.plugin_path = value;
		break;
	case OPT_SCHEMA:
		rq->schema = value;
		break;
	case OPT_BUILD:
		rq->wants_build = true;
		break;
	default:
		KRN_ASSERT(!"an option without a place");
	}
}

static const char *
option_name(int option)
{
	const struct option *o = long_options;

	while (o->val != option)
		o++;
	return o->name;
}

/** @param argv  begins with the command.  @return 0; EXIT_USAGE; -1: help was printed. */
static int
parse_options(const struct command *command, int argc, char **argv, struct request *rq)
{
	int option;

	optind = 0; /* From the beginning, also when this is not the first call. */
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:h", long_options, NULL)) != -1) {
		const char *argument = argv[optind - 1];

		if (option == 'h' || option == OPT_HELP) {
			fputs(usage, stdout);
			return -1;
		}
		if (option == '?')
			return refuse_usage("unknown option", argument);
		if (option == ':')
			return refuse_usage("a value is missing behind", argument);
		if ((command->options & (unsigned)option) == 0) {
			fprintf(stderr,
				"gatehouse: the command '%s' does not take --%s; see gatehouse "
				"--help\n",
				command->name, option_name(option));
			return EXIT_USAGE;
		}
		if (optarg != NULL && optarg[0] == '\0')
			return refuse_usage("an empty value for the option", option_name(option));
		take_option(rq, option, optarg);
	}
	return optind < argc ? refuse_usage("unexpected argument", argv[optind]) : 0;
}

/* ---- Commands of plugins --------------------------------------------------------------------- */

/** Is it the option at @p *at, as --name=VALUE or --name VALUE?  Moves @p *at to its last word.
 *  @param[out] value  NULL: it is missing. */
static bool
is_option(const struct option *o, char **argv, int *at, const char **value)
{
	const char *word = argv[*at];
	size_t n = strlen(o->name);

	if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, o->name, n) != 0 ||
		(word[2 + n] != '\0' && word[2 + n] != '='))
		return false;
	*value = word[2 + n] == '=' ? word + 3 + n : argv[*at + 1];
	if (word[2 + n] == '\0' && *value != NULL)
		++*at;
	return true;
}

/** @return the option that the word at @p *at is and that commands of plugins leave to us, or NULL. */
static const struct option *
find_option(char **argv, int *at, const char **value)
{
	for (const struct option *o = long_options; o->name != NULL; o++)
		if ((o->val & (OPT_MANIFEST | OPT_STATE | OPT_PLUGIN_PATH)) != 0 &&
			is_option(o, argv, at, value))
			return o;
	return NULL;
}

/** @param argv  begins with the command; what is ours is taken out of it. */
static int
run_of_plugin(struct request *rq, int argc, char **argv)
{
	bool was_given = false;
	int kept = 1, at = 1;

	for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
		const char *value = NULL;
		const struct option *o = find_option(argv, &at, &value);

		if (o == NULL) {
			argv[kept++] = argv[at];
			continue;
		}
		if (value == NULL)
			return refuse_usage("a value is missing behind", argv[at]);
		if (value[0] == '\0')
			return refuse_usage("an empty value for the option", o->name);
		take_option(rq, o->val, value);
		was_given = was_given || o->val == OPT_MANIFEST;
	}
	while (++at < argc) /* behind the "--" */
		argv[kept++] = argv[at];
	argv[kept] = NULL;
	return krn_run_command(&rq->args, was_given, kept, argv);
}

int
gh_main(int argc, char **argv)
{
	struct request rq = { .args = { .manifest = GH_MANIFEST, .state_dir = DEFAULT_STATE_DIR,
		.argv = argv } };

	if (argc < 2) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	const struct command *command = find_command(argv[1]);

	int r;

	if (command == NULL)
		r = run_of_plugin(&rq, argc - 1, argv + 1);
	else if ((r = parse_options(command, argc - 1, argv + 1, &rq)) == 0)
		r = command->fn(&rq);
	if (r < 0)
		r = 0;
	if (fflush(stdout) != 0 && r == 0) {
		fprintf(stderr, "gatehouse: standard output cannot be written\n");
		r = EXIT_INTERNAL;
	}
	return r;
}
