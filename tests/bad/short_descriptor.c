/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file short_descriptor.c
 * @brief Its descriptor is shorter than the kernel's.
 */
#include <gatehouse/http.h>

GH_PLUGIN = { .abi_major = GH_ABI_MAJOR, .abi_minor = GH_ABI_MINOR,
	.size = sizeof(struct gh_plugin) - sizeof(void *), .opt_size = sizeof(struct gh_opt),
	.hook_size = sizeof(struct gh_hook_row), .service_size = sizeof(struct gh_service_row),
	.mount_size = sizeof(struct gh_mount_row), .event_size = sizeof(struct gh_event_row),
	.name = "short_descriptor", .version = "1" };
