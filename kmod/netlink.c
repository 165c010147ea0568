// SPDX-License-Identifier: GPL-2.0
#include "netlink.h"

#include <linux/inetdevice.h>
#include <net/genetlink.h>

#include "compat/compat.h"
#include "netlink_policy.h"
#include "request.h"
#include "sa.h"

/* Devices outlive the family at exit, and its group's number may be another's then. */
static bool registered;

enum { GROUP_EVENTS };

static const struct genl_multicast_group groups[] = {
	[GROUP_EVENTS] = { .name = IPSECVTI_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_NET_ADMIN },
};

#define OP(id, policy_name, do_fn, dump_fn) {			\
	.cmd = IPSECVTI_CMD_##id,				\
	.policy = ipsecvti_##policy_name##_nl_policy,		\
	.maxattr = ARRAY_SIZE(ipsecvti_##policy_name##_nl_policy) - 1, \
	.doit = do_fn,						\
	.dumpit = dump_fn,					\
	.flags = GENL_UNS_ADMIN_PERM,				\
}

static const struct genl_ops ops[] = {
	OP(DEV_GET, dev_get, vti_netlink_dev_get, vti_netlink_dev_dump),
	OP(DEV_SET, dev_set, vti_netlink_dev_set, NULL),
	OP(SPI_ALLOC, spi_alloc, vti_netlink_spi_alloc, NULL),
	OP(SA_NEW, sa_new, vti_netlink_sa_new, NULL),
	OP(SA_DEL, sa_del, vti_netlink_sa_del, NULL),
	OP(SA_GET, sa_get, vti_netlink_sa_get, vti_netlink_sa_dump),
	OP(OUT_SET, out_set, vti_netlink_out_set, NULL),
};

struct genl_family vti_genl_family __ro_after_init = {
	.name = IPSECVTI_FAMILY_NAME,
	.version = IPSECVTI_FAMILY_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.parallel_ops = true,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

static int put_source(struct sk_buff *skb, const struct vti_source *from)
{
	if (from->family == AF_INET6)
		return nla_put_in6_addr(skb, IPSECVTI_A_EVENT_ADDRESS6, &from->addr.in6) ?:
		       nla_put_be16(skb, IPSECVTI_A_EVENT_PORT, from->port);
	return nla_put_in_addr(skb, IPSECVTI_A_EVENT_ADDRESS4, from->addr.a4) ?:
	       nla_put_be16(skb, IPSECVTI_A_EVENT_PORT, from->port);
}

static int put_event(struct sk_buff *skb, struct vti_dev *vd, const struct vti_sa *sa,
		     const struct vti_source *from, struct net *net, enum ipsecvti_event_type type)
{
	if (nla_put_u32(skb, IPSECVTI_A_EVENT_TYPE, type) ||
	    nla_put_u32(skb, IPSECVTI_A_EVENT_DEV_ID, vd->id) ||
	    nla_put_u32(skb, IPSECVTI_A_EVENT_IFINDEX, vd->dev->ifindex) ||
	    nla_put_string(skb, IPSECVTI_A_EVENT_IFNAME, vd->dev->name) ||
	    nla_put_u32(skb, IPSECVTI_A_EVENT_NETNS_GEN, READ_ONCE(vti_net(net)->gen)))
		return -EMSGSIZE;
	if (!net_eq(dev_net(vd->dev), net) &&
	    nla_put_s32(skb, IPSECVTI_A_EVENT_NETNSID, peernet2id(net, dev_net(vd->dev))))
		return -EMSGSIZE;
	if (sa && (nla_put_u32(skb, IPSECVTI_A_EVENT_SA_ID, sa->id) ||
		   nla_put_be32(skb, IPSECVTI_A_EVENT_SPI, sa->spi) ||
		   nla_put_u32(skb, IPSECVTI_A_EVENT_DIR, sa->dir)))
		return -EMSGSIZE;
	return from ? put_source(skb, from) : 0;
}

/* An event that finds no memory is lost; what it says is latched all the same. */
static void tell(struct vti_dev *vd, const struct vti_sa *sa, const struct vti_source *from,
		 struct net *net, enum ipsecvti_event_type type, gfp_t gfp)
{
	struct sk_buff *msg;
	void *hdr;

	if (!READ_ONCE(registered) || !genl_has_listeners(&vti_genl_family, net, GROUP_EVENTS))
		return;
	msg = genlmsg_new(256, gfp);
	if (!msg)
		return;
	hdr = genlmsg_put(msg, 0, 0, &vti_genl_family, 0, IPSECVTI_CMD_EVENT);
	if (!hdr || put_event(msg, vd, sa, from, net, type)) {
		nlmsg_free(msg);
		return;
	}
	genlmsg_end(msg, hdr);
	genlmsg_multicast_netns(&vti_genl_family, net, msg, 0, GROUP_EVENTS, gfp);
}

/**
 * vti_netlink_dev_event() - tell that something happened to a device
 * @vd: device
 * @net: its outer namespace
 * @type: what
 *
 * May sleep.
 */
void vti_netlink_dev_event(struct vti_dev *vd, struct net *net, enum ipsecvti_event_type type)
{
	tell(vd, NULL, NULL, net, type, GFP_KERNEL);
}

/**
 * vti_netlink_sa_event() - tell that something happened to an SA
 * @sa: SA
 * @net: its outer namespace
 * @type: what
 *
 * May sleep.
 */
void vti_netlink_sa_event(struct vti_sa *sa, struct net *net, enum ipsecvti_event_type type)
{
	tell(sa->vd, sa, NULL, net, type, GFP_KERNEL);
}

/**
 * vti_netlink_peer_moved() - tell where a device's peer was seen
 * @vd: device
 * @from: where
 *
 * Under RCU, any context.
 */
void vti_netlink_peer_moved(struct vti_dev *vd, const struct vti_source *from)
{
	struct net *net = rcu_dereference(vd->outer);

	if (net)
		tell(vd, NULL, from, net, IPSECVTI_EVENT_TYPE_PEER_MOVED, GFP_ATOMIC);
}

/**
 * vti_netlink_acquire() - ask for an outbound SA
 * @vd: device
 *
 * Under RCU, any context; once a second at most for each device.
 */
void vti_netlink_acquire(struct vti_dev *vd)
{
	struct net *net = rcu_dereference(vd->outer);
	unsigned long next = READ_ONCE(vd->acquire), now = jiffies | 1;

	if (!net || (next && time_before(now, next)))
		return;
	if (cmpxchg(&vd->acquire, next, (now + HZ) | 1) == next)
		tell(vd, NULL, NULL, net, IPSECVTI_EVENT_TYPE_ACQUIRE, GFP_ATOMIC);
}

int __init vti_netlink_init(void)
{
	int err = genl_register_family(&vti_genl_family);

	WRITE_ONCE(registered, !err);
	return err;
}

void vti_netlink_exit(void)
{
	WRITE_ONCE(registered, false);
	genl_unregister_family(&vti_genl_family);
}
