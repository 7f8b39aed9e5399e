/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cli.c
 * @brief The command line: gatehouse run.
 */
#include <string.h>

#include "kernel/base.h"
#include "kernel/run.h"

GH_API int gh_main(int argc, char **argv);

int
gh_main(int argc, char **argv)
{
	struct krn_run_args args = { .state_dir = "/var/lib/gatehouse" };

	for (int i = 2; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--manifest") == 0)
			args.manifest = argv[i + 1];
		else if (strcmp(argv[i], "--state") == 0)
			args.state_dir = argv[i + 1];
	}
	if (argc < 2 || strcmp(argv[1], "run") != 0 || args.manifest == NULL)
		return 64;
	return krn_run(&args);
}
