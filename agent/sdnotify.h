/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the service manager; all are no-ops without one. */
#ifndef AGENT_SDNOTIFY_H
#define AGENT_SDNOTIFY_H

#include <stdint.h>

void sdnotify_init(void);	/* takes NOTIFY_SOCKET and WATCHDOG_USEC out of the environment */
void sdnotify(const char *state);	/* "READY=1" and the like */
void sdnotify_reloading(void);
uint64_t sdnotify_watchdog_ms(void);	/* how often to say WATCHDOG=1; 0: never */

#endif
