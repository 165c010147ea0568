/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The little of rtnetlink that "ipsecvti up" and "delete" need. */
#ifndef AGENT_RTNL_H
#define AGENT_RTNL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel.h"

struct rtnl;

struct rtnl_link {
	uint32_t ifindex;
	char kind[16];		/* "" for a link without */
	char alias[64];
};

int rtnl_open(struct rtnl **out);
void rtnl_close(struct rtnl *r);
const char *rtnl_text(const struct rtnl *r);	/* the kernel's words for the last refusal */

/* 0 or a negative errno; -ENODEV: no such link. */
int rtnl_link_get(struct rtnl *r, const char *name, struct rtnl_link *link);
int rtnl_link_add(struct rtnl *r, const char *name, const char *kind);
int rtnl_link_alias(struct rtnl *r, const char *name, const char *alias);
int rtnl_link_up(struct rtnl *r, const char *name);
int rtnl_link_del(struct rtnl *r, const char *name);
/* An address that is there already is no error. */
int rtnl_addr_add(struct rtnl *r, uint32_t ifindex, const struct addr *a, uint8_t bits);

#endif
