/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file main.c
 * @brief The program `gatehouse`: everything is in libgatehouse.
 */
#include <gatehouse/base.h>

GH_API int gh_main(int argc, char **argv);

int
main(int argc, char **argv)
{
	return gh_main(argc, argv);
}
