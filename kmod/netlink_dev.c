// SPDX-License-Identifier: GPL-2.0
/* Commands about devices and their SPIs. */
#include <linux/inetdevice.h>
#include <net/route.h>

#include "compat/compat.h"
#include "icmp.h"
#include "request.h"
#include "send.h"
#include "spi.h"

#define SPI_LOWEST 256
#define SPI_HIGHEST 0xbfffffff	/* charon takes its own from 0xc0000000 upwards */

static int put_dev_stats(struct sk_buff *skb, struct vti_dev *vd)
{
	struct nlattr *nest = nla_nest_start(skb, IPSECVTI_A_DEV_STATS);
	struct rtnl_link_stats64 stats = {};

	if (!nest)
		return -EMSGSIZE;
	dev_get_tstats64(vd->dev, &stats);
	if (vti_put_stat(skb, IPSECVTI_A_STATS_RX_PACKETS, stats.rx_packets) ||
	    vti_put_stat(skb, IPSECVTI_A_STATS_RX_BYTES, stats.rx_bytes) ||
	    vti_put_stat(skb, IPSECVTI_A_STATS_TX_PACKETS, stats.tx_packets) ||
	    vti_put_stat(skb, IPSECVTI_A_STATS_TX_BYTES, stats.tx_bytes) ||
	    vti_put_drops(skb, &vd->drops))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_endpoint(struct sk_buff *skb, const struct vti_endpoint *ep)
{
	if (!ep)
		return 0;
	if (ep->family == AF_INET &&
	    (nla_put_in_addr(skb, IPSECVTI_A_DEV_LOCAL4, ep->local.a4) ||
	     nla_put_in_addr(skb, IPSECVTI_A_DEV_REMOTE4, ep->remote.a4)))
		return -EMSGSIZE;
	if (ep->family == AF_INET6 &&
	    (nla_put_in6_addr(skb, IPSECVTI_A_DEV_LOCAL6, &ep->local.in6) ||
	     nla_put_in6_addr(skb, IPSECVTI_A_DEV_REMOTE6, &ep->remote.in6)))
		return -EMSGSIZE;
	if (nla_put_u32(skb, IPSECVTI_A_DEV_ENCAP, ep->encap) ||
	    nla_put_be16(skb, IPSECVTI_A_DEV_SPORT, ep->sport) ||
	    nla_put_be16(skb, IPSECVTI_A_DEV_DPORT, ep->dport) ||
	    nla_put_u32(skb, IPSECVTI_A_DEV_OIF, ep->oif) ||
	    nla_put_u32(skb, IPSECVTI_A_DEV_MARK, ep->mark) ||
	    nla_put_u32(skb, IPSECVTI_A_DEV_DF, ep->df) ||
	    nla_put_u8(skb, IPSECVTI_A_DEV_DSCP, ep->dscp) ||
	    nla_put_u8(skb, IPSECVTI_A_DEV_TTL, ep->ttl) ||
	    nla_put_u32(skb, IPSECVTI_A_DEV_MIN_PMTU, ep->min_pmtu))
		return -EMSGSIZE;
	if (vti_endpoint_pmtu(ep) &&
	    nla_put_u32(skb, IPSECVTI_A_DEV_PMTU, vti_endpoint_pmtu(ep)))
		return -EMSGSIZE;
	return 0;
}

static int put_seen(struct sk_buff *skb, struct vti_dev *vd)
{
	const struct vti_source seen = vti_dev_seen(vd);

	switch (seen.family) {
	case AF_INET:
		return nla_put_in_addr(skb, IPSECVTI_A_DEV_SEEN4, seen.addr.a4) ?:
		       nla_put_be16(skb, IPSECVTI_A_DEV_SEEN_PORT, seen.port);
	case AF_INET6:
		return nla_put_in6_addr(skb, IPSECVTI_A_DEV_SEEN6, &seen.addr.in6) ?:
		       nla_put_be16(skb, IPSECVTI_A_DEV_SEEN_PORT, seen.port);
	}
	return 0;
}

static int put_dev(struct sk_buff *skb, struct vti_dev *vd, struct vti_net *vn, bool stats)
{
	struct vti_spi *r;

	if (vti_put_handle(skb, vd, vn->net, IPSECVTI_A_DEV_NETNSID) ||
	    nla_put_u32(skb, IPSECVTI_A_DEV_PEER_ID, 0) ||
	    (vd->owner[0] && nla_put_string(skb, IPSECVTI_A_DEV_OWNER, vd->owner)) ||
	    put_endpoint(skb, rcu_dereference_protected(vd->endpoint,
							lockdep_is_held(&vn->lock))) ||
	    put_seen(skb, vd) ||
	    nla_put_u32(skb, IPSECVTI_A_DEV_GEN, vd->gen) ||
	    nla_put_u8(skb, IPSECVTI_A_DEV_CARRIER,
		       netif_carrier_ok(vd->dev) && !netif_dormant(vd->dev)) ||
	    nla_put_u32(skb, IPSECVTI_A_DEV_EFFECTIVE_MTU, vti_send_mtu(vd)) ||
	    nla_put_u32(skb, IPSECVTI_A_DEV_FORKED, vd->forked) ||
	    nla_put_u32(skb, IPSECVTI_A_DEV_NETNS_GEN, vn->gen) ||
	    nla_put_u8(skb, IPSECVTI_A_DEV_ON_DEMAND, vd->on_demand))
		return -EMSGSIZE;
	vti_spi_prune(vd);
	list_for_each_entry(r, &vd->reserved, list)
		if (nla_put_be32(skb, IPSECVTI_A_DEV_RESERVED_SPI, r->spi))
			return -EMSGSIZE;
	return stats ? put_dev_stats(skb, vd) : 0;
}

static int dev_get(struct vti_request *req)
{
	return put_dev(req->msg, req->vd, req->vn, req->attrs[IPSECVTI_A_DEV_GET_STATS]);
}

int vti_netlink_dev_get(struct sk_buff *skb, struct genl_info *info)
{
	return vti_request_answer(skb, info, dev_get);
}

int vti_netlink_dev_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct vti_net *vn = vti_net(sock_net(skb->sk));
	bool stats = vti_dump_attrs(cb)[IPSECVTI_A_DEV_GET_STATS];
	unsigned long id = cb->args[0];
	struct vti_dev *vd;
	void *hdr;

	mutex_lock(&vn->lock);
	cb->seq = vn->gen;
	xa_for_each_start(&vn->devices, id, vd, cb->args[0]) {
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				  &vti_genl_family, NLM_F_MULTI, IPSECVTI_CMD_DEV_GET);
		if (!hdr)
			break;
		if (put_dev(skb, vd, vn, stats)) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
		cb->args[0] = id + 1;
	}
	mutex_unlock(&vn->lock);
	return skb->len;
}

static bool unicast(const xfrm_address_t *addr, u8 family)
{
	if (family == AF_INET6)
		return ipv6_addr_type(&addr->in6) & IPV6_ADDR_UNICAST &&
		       !ipv6_addr_v4mapped(&addr->in6);
	return addr->a4 && !ipv4_is_multicast(addr->a4) && !ipv4_is_lbcast(addr->a4) &&
	       !ipv4_is_zeronet(addr->a4);
}

static int patch_addresses(struct vti_endpoint *ep, struct nlattr **attrs,
			   struct netlink_ext_ack *extack)
{
	bool v4 = attrs[IPSECVTI_A_DEV_LOCAL4] || attrs[IPSECVTI_A_DEV_REMOTE4];
	bool v6 = attrs[IPSECVTI_A_DEV_LOCAL6] || attrs[IPSECVTI_A_DEV_REMOTE6];
	u8 family = v6 ? AF_INET6 : AF_INET;

	if (!v4 && !v6)
		return 0;
	if (v4 && v6) {
		NL_SET_ERR_MSG(extack, "local and remote are of one family, IPv4 or IPv6");
		return -EINVAL;
	}
	if (ep->family != family) {
		memset(&ep->local, 0, sizeof(ep->local));
		memset(&ep->remote, 0, sizeof(ep->remote));
		ep->family = family;
	}
	if (attrs[IPSECVTI_A_DEV_LOCAL4])
		ep->local.a4 = nla_get_in_addr(attrs[IPSECVTI_A_DEV_LOCAL4]);
	if (attrs[IPSECVTI_A_DEV_REMOTE4])
		ep->remote.a4 = nla_get_in_addr(attrs[IPSECVTI_A_DEV_REMOTE4]);
	if (attrs[IPSECVTI_A_DEV_LOCAL6])
		ep->local.in6 = nla_get_in6_addr(attrs[IPSECVTI_A_DEV_LOCAL6]);
	if (attrs[IPSECVTI_A_DEV_REMOTE6])
		ep->remote.in6 = nla_get_in6_addr(attrs[IPSECVTI_A_DEV_REMOTE6]);
	if (!unicast(&ep->local, family) || !unicast(&ep->remote, family)) {
		NL_SET_ERR_MSG(extack, "local and remote must both be unicast addresses");
		return -EINVAL;
	}
	if (xfrm_addr_equal(&ep->local, &ep->remote, family)) {
		NL_SET_ERR_MSG(extack, "local and remote are the same address");
		return -EINVAL;
	}
	return 0;
}

/* Another way has another MTU. */
static bool another_way(struct nlattr **attrs)
{
	return attrs[IPSECVTI_A_DEV_LOCAL4] || attrs[IPSECVTI_A_DEV_REMOTE4] ||
	       attrs[IPSECVTI_A_DEV_LOCAL6] || attrs[IPSECVTI_A_DEV_REMOTE6] ||
	       attrs[IPSECVTI_A_DEV_OIF] || attrs[IPSECVTI_A_DEV_MARK];
}

/* Apply a patch to a private copy of the endpoint. */
static int patch_endpoint(struct vti_endpoint *ep, struct nlattr **attrs,
			  struct netlink_ext_ack *extack)
{
	int err = patch_addresses(ep, attrs, extack);

	if (err)
		return err;
	if (another_way(attrs))
		ep->pmtu = 0;
	if (attrs[IPSECVTI_A_DEV_ENCAP]) {
		u32 encap = nla_get_u32(attrs[IPSECVTI_A_DEV_ENCAP]);

		if (encap != IPSECVTI_ENCAP_NONE && encap != IPSECVTI_ENCAP_UDP) {
			NL_SET_ERR_MSG_FMT(extack, "unknown encapsulation %u", encap);
			return -EOPNOTSUPP;
		}
		ep->encap = encap;
	}
	if (attrs[IPSECVTI_A_DEV_SPORT])
		ep->sport = nla_get_be16(attrs[IPSECVTI_A_DEV_SPORT]);
	if (attrs[IPSECVTI_A_DEV_DPORT])
		ep->dport = nla_get_be16(attrs[IPSECVTI_A_DEV_DPORT]);
	if (ep->encap == IPSECVTI_ENCAP_UDP && (!ep->sport || !ep->dport)) {
		NL_SET_ERR_MSG(extack, "encapsulation in UDP needs both ports");
		return -EINVAL;
	}
	if (attrs[IPSECVTI_A_DEV_MARK])
		ep->mark = nla_get_u32(attrs[IPSECVTI_A_DEV_MARK]);
	if (attrs[IPSECVTI_A_DEV_OIF])
		ep->oif = nla_get_u32(attrs[IPSECVTI_A_DEV_OIF]);
	if (attrs[IPSECVTI_A_DEV_DF]) {
		u32 df = nla_get_u32(attrs[IPSECVTI_A_DEV_DF]);

		if (df > IPSECVTI_DF_CLEAR) {
			NL_SET_ERR_MSG_FMT(extack, "df %u is not copy, set or clear", df);
			return -EINVAL;
		}
		ep->df = df;
	}
	if (attrs[IPSECVTI_A_DEV_DSCP])
		ep->dscp = nla_get_u8(attrs[IPSECVTI_A_DEV_DSCP]);
	if (attrs[IPSECVTI_A_DEV_TTL])
		ep->ttl = nla_get_u8(attrs[IPSECVTI_A_DEV_TTL]);
	if (attrs[IPSECVTI_A_DEV_MIN_PMTU])
		ep->min_pmtu = nla_get_u32(attrs[IPSECVTI_A_DEV_MIN_PMTU]);
	if (ep->family == AF_INET6 && !ep->oif &&
	    (__ipv6_addr_needs_scope_id(ipv6_addr_type(&ep->local.in6)) ||
	     __ipv6_addr_needs_scope_id(ipv6_addr_type(&ep->remote.in6)))) {
		NL_SET_ERR_MSG(extack, "link-local addresses need an interface (oif)");
		return -EINVAL;
	}
	return 0;
}

/* Routes without mark and outside of VRFs learn of a narrow path by themselves. */
static int watch_errors(struct vti_net *vn, const struct vti_endpoint *ep)
{
	int err;

	if (vn->watching || ep->encap != IPSECVTI_ENCAP_UDP || (!ep->mark && !ep->oif))
		return 0;
	err = vti_icmp_watch(vn->net);
	vn->watching = !err;
	return err;
}

static int dev_set(struct vti_request *req)
{
	struct nlattr **attrs = req->attrs;
	struct vti_dev *vd = req->vd;
	struct vti_endpoint *ep;
	int err;

	err = vti_request_check_owner(req, IPSECVTI_A_DEV_OWNER, IPSECVTI_A_DEV_FORCE);
	if (err)
		return err;
	ep = vti_endpoint_copy(rcu_dereference_protected(vd->endpoint,
							 lockdep_is_held(&req->vn->lock)));
	if (!ep)
		return -ENOMEM;
	err = patch_endpoint(ep, attrs, req->extack) ?: watch_errors(req->vn, ep);
	if (err) {
		vti_endpoint_free(ep);
		return err;
	}
	vti_dev_set_endpoint(vd, ep);
	vti_dev_forget_seen(vd);
	if (attrs[IPSECVTI_A_DEV_OWNER])
		nla_strscpy(vd->owner, attrs[IPSECVTI_A_DEV_OWNER], sizeof(vd->owner));
	if (attrs[IPSECVTI_A_DEV_ON_DEMAND])
		vd->on_demand = nla_get_u8(attrs[IPSECVTI_A_DEV_ON_DEMAND]);
	req->vn->gen++;
	vti_dev_update_carrier(vd);
	return 0;
}

int vti_netlink_dev_set(struct sk_buff *skb, struct genl_info *info)
{
	return vti_request_do(skb, info, dev_set);
}

static int spi_alloc(struct vti_request *req)
{
	struct nlattr **attrs = req->attrs;
	u32 lowest = SPI_LOWEST, highest = SPI_HIGHEST;
	__be32 spi;
	int err;

	if (attrs[IPSECVTI_A_SPI_LOWEST])
		lowest = nla_get_u32(attrs[IPSECVTI_A_SPI_LOWEST]);
	if (attrs[IPSECVTI_A_SPI_HIGHEST])
		highest = nla_get_u32(attrs[IPSECVTI_A_SPI_HIGHEST]);
	err = vti_request_check_owner(req, IPSECVTI_A_SPI_OWNER, IPSECVTI_A_SPI_FORCE) ?:
	      vti_spi_alloc(req->vn, req->vd, lowest, highest, &spi, req->extack);
	return err ?: nla_put_be32(req->msg, IPSECVTI_A_SPI_SPI, spi);
}

int vti_netlink_spi_alloc(struct sk_buff *skb, struct genl_info *info)
{
	return vti_request_answer(skb, info, spi_alloc);
}
