// SPDX-License-Identifier: GPL-2.0-or-later
/* Links and addresses. */
#include "rtnl.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "nlsock.h"

struct rtnl {
	struct nlsock s;
};

int rtnl_open(struct rtnl **out)
{
	struct rtnl *r = calloc(1, sizeof(*r));
	int err = r ? nls_open(&r->s, NETLINK_ROUTE) : -ENOMEM;

	if (err)
		free(r);
	else
		*out = r;
	return err;
}

void rtnl_close(struct rtnl *r)
{
	if (r)
		nls_close(&r->s);
	free(r);
}

const char *rtnl_text(const struct rtnl *r)
{
	return r->s.text;
}

static struct ifinfomsg *start_link(struct rtnl *r, uint16_t type, uint16_t flags, const char *name)
{
	struct nlmsghdr *h = nls_start(&r->s, type, flags);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	nls_put_str(&r->s, IFLA_IFNAME, name);
	return ifi;
}

static void got_link(void *arg, const struct nlmsghdr *h)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(h);
	const struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	size_t len = mnl_nlmsg_get_payload_len(h);
	struct rtnl_link *link = arg;

	if (h->nlmsg_type != RTM_NEWLINK || len < sizeof(*ifi))
		return;
	link->ifindex = (uint32_t)ifi->ifi_index;
	nls_parse(tb, IFLA_MAX, mnl_nlmsg_get_payload_offset(h, sizeof(*ifi)),
		  len - MNL_ALIGN(sizeof(*ifi)));
	nls_parse_nest(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO]);
	nls_str(info[IFLA_INFO_KIND], link->kind, sizeof(link->kind));
	nls_str(tb[IFLA_IFALIAS], link->alias, sizeof(link->alias));
}

int rtnl_link_get(struct rtnl *r, const char *name, struct rtnl_link *link)
{
	memset(link, 0, sizeof(*link));
	start_link(r, RTM_GETLINK, 0, name);
	return nls_talk(&r->s, got_link, link);
}

int rtnl_link_add(struct rtnl *r, const char *name, const char *kind)
{
	struct nlattr *info;

	start_link(r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, name);
	info = nls_nest(&r->s, IFLA_LINKINFO);
	nls_put_str(&r->s, IFLA_INFO_KIND, kind);
	nls_nest_end(&r->s, info);
	return nls_talk(&r->s, NULL, NULL);
}

int rtnl_link_alias(struct rtnl *r, const char *name, const char *alias)
{
	start_link(r, RTM_NEWLINK, 0, name);
	nls_put_str(&r->s, IFLA_IFALIAS, alias);
	return nls_talk(&r->s, NULL, NULL);
}

int rtnl_link_up(struct rtnl *r, const char *name)
{
	struct ifinfomsg *ifi = start_link(r, RTM_NEWLINK, 0, name);

	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
	return nls_talk(&r->s, NULL, NULL);
}

int rtnl_link_del(struct rtnl *r, const char *name)
{
	start_link(r, RTM_DELLINK, 0, name);
	return nls_talk(&r->s, NULL, NULL);
}

int rtnl_addr_add(struct rtnl *r, uint32_t ifindex, const struct addr *a, uint8_t bits)
{
	struct nlmsghdr *h = nls_start(&r->s, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(h, sizeof(*ifa));
	size_t len = a->family == AF_INET ? 4 : 16;
	int err;

	ifa->ifa_family = (uint8_t)a->family;
	ifa->ifa_prefixlen = bits;
	ifa->ifa_index = ifindex;
	/* Nobody on a tunnel could have the same address: no waiting for detection. */
	ifa->ifa_flags = a->family == AF_INET6 ? IFA_F_NODAD : 0;
	nls_put(&r->s, IFA_LOCAL, a->ip, len);
	nls_put(&r->s, IFA_ADDRESS, a->ip, len);
	err = nls_talk(&r->s, NULL, NULL);
	return err == -EEXIST ? 0 : err;
}
