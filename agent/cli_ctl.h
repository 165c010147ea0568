/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line's end of the agent's control sockets. */
#ifndef AGENT_CLI_CTL_H
#define AGENT_CLI_CTL_H

#include <stdbool.h>

#include <jansson.h>

/*
 * One command: answers go to each (may be NULL), which does not keep them.
 * 0, or EXIT_REFUSED after a line on standard error (not when quiet).
 */
int ctl_ask(const char *command, const char *name, bool looks_only, bool quiet,
	    void (*each)(void *arg, const json_t *answer), void *arg);

#endif
