/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file newer_minor.c
 * @brief Was built for a newer minor version of the ABI.
 */
#include <gatehouse/http.h>

GH_PLUGIN = { .abi_major = GH_ABI_MAJOR, .abi_minor = GH_ABI_MINOR + 1,
	.size = sizeof(struct gh_plugin), .opt_size = sizeof(struct gh_opt),
	.hook_size = sizeof(struct gh_hook_row), .service_size = sizeof(struct gh_service_row),
	.mount_size = sizeof(struct gh_mount_row), .event_size = sizeof(struct gh_event_row),
	.name = "newer_minor", .version = "1" };
