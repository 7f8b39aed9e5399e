/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file odd_rows.c
 * @brief Its hook rows have an unknown size.
 */
#include <gatehouse/http.h>

GH_PLUGIN = { .abi_major = GH_ABI_MAJOR,
	.abi_minor = GH_ABI_MINOR,
	.size = sizeof(struct gh_plugin),
	.opt_size = sizeof(struct gh_opt),
	.hook_size = sizeof(struct gh_hook_row) + sizeof(void *),
	.service_size = sizeof(struct gh_service_row),
	.mount_size = sizeof(struct gh_mount_row),
	.event_size = sizeof(struct gh_event_row),
	.name = "odd_rows",
	.version = "1" };
