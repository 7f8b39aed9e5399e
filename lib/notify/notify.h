/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file notify.h
 * @brief Telling the service manager about our state, as sd_notify(3) does.
 */
#ifndef LIB_NOTIFY_NOTIFY_H
#define LIB_NOTIFY_NOTIFY_H
#include <gatehouse/base.h>

/** One datagram to the socket that NOTIFY_SOCKET names; without one, nothing is done.
 *  @param state  "READY=1".  @return 0, GH_EIO: it could not be sent. */
int notify_manager(const char *state);

#endif
