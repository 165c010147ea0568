/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control sockets: SOCK_SEQPACKET, one JSON object in each message.
 * control.sock takes every command and is root's; status.sock takes those that
 * only look, for a group. A request is {"command": "show", "name": "ipsec0"};
 * the answer is one message {"tunnel": {...}} for each tunnel, and at last
 * {"ok": true} or {"ok": false, "error": "..."}.
 */
#ifndef AGENT_CTL_H
#define AGENT_CTL_H

#include <stdbool.h>

#include <jansson.h>

#define CTL_REQUEST_MAX	4096
#define CTL_CLIENTS_MAX	32	/* of each socket: lookers do not keep root out */
#define CTL_GROUP	"ipsecvti"

struct keeper;
struct ktunnel;

int ctl_open(struct keeper *k);		/* 0, or an exit status after a line in the log */
void ctl_close(struct keeper *k);
/* Net has answered a question for the status, or (gone) never will. */
void ctl_status_done(struct keeper *k, bool gone);

/* ctl_show.c: every tunnel (or the named one) to say(); and the agent itself. */
void ctl_show(struct keeper *k, const char *name, void (*say)(void *arg, json_t *j), void *arg);
json_t *ctl_agent(struct keeper *k);

#endif
