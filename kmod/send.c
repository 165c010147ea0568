// SPDX-License-Identifier: GPL-2.0
#include "send.h"

#include <linux/hash.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/sched/clock.h>
#include <linux/udp.h>
#include <linux/unaligned.h>
#include <net/gso.h>
#include <net/icmp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/ip_tunnels.h>
#include <net/route.h>

#include "elephant.h"
#include "esp.h"
#include "lane.h"
#include "netlink.h"
#include "trace.h"

/* Tunnels in tunnels, on one stack. More is a loop. */
#define NESTING_MAX 4

static DEFINE_PER_CPU(unsigned int, nesting);

/**
 * struct way - where a train of packets goes; the same for all of them
 * @net: outer namespace
 * @vd: device
 * @ep: its outer side
 * @dst: route to the peer, held
 * @pipe: MTU of the path, as far as is known
 * @mtu: what inner packets have to heed
 */
struct way {
	struct net *net;
	struct vti_dev *vd;
	struct vti_endpoint *ep;
	struct dst_entry *dst;
	unsigned int pipe, mtu;
};

static unsigned int ip_len(const struct vti_endpoint *ep)
{
	return ep->family == AF_INET6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

static unsigned int outer_len(const struct vti_endpoint *ep)
{
	return ip_len(ep) + (ep->encap == IPSECVTI_ENCAP_UDP ? sizeof(struct udphdr) : 0);
}

static u8 outer_proto(const struct vti_endpoint *ep)
{
	return ep->encap == IPSECVTI_ENCAP_UDP ? IPPROTO_UDP : IPPROTO_ESP;
}

/*
 * Routes are looked up without the xfrm lookup that ip_route_output_key() and
 * ip6_dst_lookup_flow() end in: a policy is not to encrypt ESP once more.
 */
static struct dst_entry *find_route4(struct net *net, struct vti_endpoint *ep)
{
	struct flowi4 fl4 = {
		.daddr = ep->remote.a4,
		.saddr = ep->local.a4,
		.flowi4_oif = ep->oif,
		.flowi4_mark = ep->mark,
		.flowi4_proto = outer_proto(ep),
	};
	__be32 saddr;
	struct rtable *rt = dst_cache_get_ip4(&ep->route, &saddr);

	if (likely(rt))
		return &rt->dst;
	if (ep->encap == IPSECVTI_ENCAP_UDP) {
		fl4.fl4_sport = ep->sport;
		fl4.fl4_dport = ep->dport;
	}
	rt = __ip_route_output_key(net, &fl4);
	if (IS_ERR(rt))
		return NULL;
	dst_cache_set_ip4(&ep->route, &rt->dst, fl4.saddr);
	return &rt->dst;
}

static struct dst_entry *find_route6(struct net *net, struct vti_endpoint *ep)
{
	struct flowi6 fl6 = {
		.daddr = ep->remote.in6,
		.saddr = ep->local.in6,
		.flowi6_oif = ep->oif,
		.flowi6_mark = ep->mark,
		.flowi6_proto = outer_proto(ep),
	};
	struct in6_addr saddr;
	struct dst_entry *dst = dst_cache_get_ip6(&ep->route, &saddr);

	if (likely(dst))
		return dst;
	if (ep->encap == IPSECVTI_ENCAP_UDP) {
		fl6.fl6_sport = ep->sport;
		fl6.fl6_dport = ep->dport;
	}
	dst = ip6_route_output(net, NULL, &fl6);
	if (dst->error) {
		dst_release(dst);
		return NULL;
	}
	dst_cache_set_ip6(&ep->route, dst, &fl6.saddr);
	return dst;
}

static struct dst_entry *find_route(struct net *net, struct vti_endpoint *ep)
{
	return ep->family == AF_INET6 ? find_route6(net, ep) : find_route4(net, ep);
}

/*
 * The path is as wide as the route says, or ICMP errors said of this peer. Below
 * the floor nobody is told so: where it is narrower, or a liar says so, packets
 * go in fragments.
 */
static void find_mtu(struct way *way)
{
	unsigned int learned = vti_endpoint_pmtu(way->ep);

	way->pipe = dst_mtu(way->dst);
	if (unlikely(learned && learned < way->pipe))
		way->pipe = learned;
	way->mtu = way->pipe;
	if (unlikely(way->mtu < way->ep->min_pmtu))
		way->mtu = min(way->ep->min_pmtu, READ_ONCE(dst_dev(way->dst)->mtu));
}

/* The way of a device's packets, or the name of what is missing. */
static int find_way(struct vti_dev *vd, struct way *way)
{
	way->vd = vd;
	way->net = rcu_dereference(vd->outer);
	if (unlikely(!way->net))
		return VTI_DROP_OUTER_GONE;
	way->ep = rcu_dereference(vd->endpoint);
	if (unlikely(!way->ep || way->ep->family == AF_UNSPEC))
		return VTI_DROP_NO_ADDRESS;
	way->dst = find_route(way->net, way->ep);
	if (unlikely(!way->dst))
		return VTI_DROP_NO_ROUTE;
	if (unlikely(dst_dev(way->dst) == vd->dev)) {
		dst_release(way->dst);
		return VTI_DROP_LOOP;
	}
	find_mtu(way);
	return -1;
}

/* The SA that a packet goes with; NULL with the name of what is missing. */
static struct vti_sa *choose_sa(struct vti_dev *vd, const struct sk_buff *skb, enum vti_drop *drop)
{
	const struct vti_outset *set = rcu_dereference(vd->out);
	struct vti_sa *sa;

	/* With its outer namespace a device loses its SAs: that is what to tell. */
	*drop = rcu_access_pointer(vd->outer) ? VTI_DROP_NO_SA : VTI_DROP_OUTER_GONE;
	if (unlikely(!set))
		return NULL;
	sa = set->by_cpu[smp_processor_id()];
	if (likely(sa && !READ_ONCE(sa->dead)))
		return sa;
	*drop = VTI_DROP_NO_SELECTOR;
	return vti_outset_choose(set, skb);
}

static bool is_ip(struct sk_buff *skb)
{
	if (skb_network_offset(skb))
		return false;
	switch (skb->protocol) {
	case htons(ETH_P_IP):
		return pskb_network_may_pull(skb, sizeof(struct iphdr)) &&
		       ip_hdr(skb)->version == 4;
	case htons(ETH_P_IPV6):
		return pskb_network_may_pull(skb, sizeof(struct ipv6hdr)) &&
		       ipv6_hdr(skb)->version == 6;
	}
	return false;
}

static void say_unreachable(struct sk_buff *skb)
{
	if (skb->protocol == htons(ETH_P_IP))
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
	else
		icmpv6_ndo_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_ADDR_UNREACH, 0);
}

/* The largest inner packet that needs no fragments outside. */
static unsigned int inner_mtu(const struct vti_sa *sa, const struct way *way)
{
	unsigned int mtu = vti_esp_mtu(sa->suite, way->mtu, outer_len(way->ep));

	/* In transport mode the outer header is the packet's own. */
	return sa->transport && mtu ? mtu + ip_len(way->ep) : mtu;
}

static bool fits(const struct sk_buff *skb, unsigned int limit)
{
	return skb_is_gso(skb) ? skb_gso_validate_network_len(skb, limit) : skb->len <= limit;
}

/*
 * A packet too large for the path: its sender is told where it wants to be
 * told. IPv4 without DF, and IPv6 that no router may refuse, is sent all the
 * same and fragmented outside.
 *
 * Return: true if the packet is to be dropped.
 */
static bool too_big(struct sk_buff *skb, unsigned int limit)
{
	if (likely(fits(skb, limit)))
		return false;
	if (skb->protocol == htons(ETH_P_IP)) {
		if (!(ip_hdr(skb)->frag_off & htons(IP_DF)))
			return false;
		limit = max_t(unsigned int, limit, IPV4_MIN_MTU);
		skb_dst_update_pmtu_no_confirm(skb, limit);
		icmp_ndo_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(limit));
		return true;
	}
	if (limit < IPV6_MIN_MTU && fits(skb, IPV6_MIN_MTU))
		return false;
	limit = max_t(unsigned int, limit, IPV6_MIN_MTU);
	skb_dst_update_pmtu_no_confirm(skb, limit);
	icmpv6_ndo_send(skb, ICMPV6_PKT_TOOBIG, 0, limit);
	return true;
}

/* Segments with checksums done, each in memory of its own. NULL: the packet was dropped. */
static struct sk_buff *split(struct vti_dev *vd, struct sk_buff *skb)
{
	struct sk_buff *segs;

	if (!skb_is_gso(skb)) {
		if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb)) {
			vti_dev_drop(vd, skb, VTI_DROP_NO_MEMORY);
			return NULL;
		}
		return skb;
	}
	segs = skb_gso_segment(skb, 0);
	if (IS_ERR_OR_NULL(segs)) {
		vti_dev_drop(vd, skb, PTR_ERR_OR_ZERO(segs) == -ENOMEM ? VTI_DROP_NO_MEMORY :
								       VTI_DROP_NOT_IP);
		return NULL;
	}
	consume_skb(skb);
	return segs;
}

static void push_udp(struct sk_buff *skb, const struct vti_endpoint *ep)
{
	struct udphdr *uh = __skb_push(skb, sizeof(*uh));

	uh->source = ep->sport;
	uh->dest = ep->dport;
	uh->len = htons(skb->len);
	uh->check = 0;		/* RFC 3948 2.1; the ICV protects more */
	skb_reset_transport_header(skb);
	/* Over IPv6 there is no doing without (RFC 8200 8.1). */
	if (ep->family == AF_INET6)
		udp6_set_csum(false, skb, &ep->local.in6, &ep->remote.in6, skb->len);
}

static void push_ipv4(struct sk_buff *skb, const struct way *way)
{
	const struct vti_cb cb = *VTI_CB(skb);
	struct iphdr *iph = __skb_push(skb, sizeof(*iph));

	skb_reset_network_header(skb);
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = cb.tos;
	/* Whole packets need no counter that all CPUs share (RFC 6864). */
	iph->id = htons((u16)cb.seq);
	iph->frag_off = ip_mtu_locked(way->dst) || skb->len > way->pipe ? 0 : cb.df;
	iph->ttl = way->ep->ttl ?: ip4_dst_hoplimit(way->dst);
	iph->protocol = outer_proto(way->ep);
	iph->saddr = way->ep->local.a4;
	iph->daddr = way->ep->remote.a4;
	/* Fragments of several SAs to one peer must not be taken for each other's. */
	if (unlikely(!iph->frag_off && skb->len > dst_mtu(way->dst)))
		__ip_select_ident(way->net, iph, 1);

	skb->protocol = htons(ETH_P_IP);
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	/* Keeps the xfrm policies' hands off it when a filter or NAT has it routed again. */
	IPCB(skb)->flags = IPSKB_XFRM_TRANSFORMED;
}

static void push_ipv6(struct sk_buff *skb, const struct way *way, __be32 spi)
{
	const struct vti_cb cb = *VTI_CB(skb);
	struct ipv6hdr *ip6h = __skb_push(skb, sizeof(*ip6h));

	skb_reset_network_header(skb);
	/* One path for each SA, and nothing told of the flows in it (RFC 6438 3). */
	ip6_flow_hdr(ip6h, cb.tos, htonl(hash_32((__force u32)spi, 20)));
	ip6h->payload_len = htons(skb->len - sizeof(*ip6h));
	ip6h->nexthdr = outer_proto(way->ep);
	ip6h->hop_limit = way->ep->ttl ?: ip6_dst_hoplimit(way->dst);
	ip6h->saddr = way->ep->local.in6;
	ip6h->daddr = way->ep->remote.in6;

	skb->protocol = htons(ETH_P_IPV6);
	/* What too_big() has let pass is fragmented here, for want of routers that would. */
	skb->ignore_df = 1;
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	IP6CB(skb)->flags = IP6SKB_XFRM_TRANSFORMED;
	if (unlikely(skb->len > way->pipe && way->pipe < dst_mtu(way->dst)))
		IP6CB(skb)->frag_max_size = way->pipe;
}

/*
 * The output of a tunnel device, written out: iptunnel_xmit() would draw an id
 * from a counter that all CPUs share, and would not set the flags above.
 */
static void output(struct vti_sa *sa, struct sk_buff *skb, const struct way *way)
{
	struct net_device *dev = way->vd->dev;
	unsigned int len = VTI_CB(skb)->inner_len;
	int err;

	skb->ip_summed = CHECKSUM_NONE;
	skb->encapsulation = 0;
	skb->mark = way->ep->mark;
	skb_dst_set_noref(skb, way->dst);
	skb_reset_transport_header(skb);
	if (way->ep->encap == IPSECVTI_ENCAP_UDP)
		push_udp(skb, way->ep);
	if (way->ep->family == AF_INET6) {
		push_ipv6(skb, way, sa->spi);
		err = ip6_local_out(way->net, NULL, skb);
	} else {
		push_ipv4(skb, way);
		err = ip_local_out(way->net, NULL, skb);
	}
	if (unlikely(net_xmit_eval(err))) {
		atomic_long_inc(&sa->drops.n[VTI_DROP_OUTER_DROP]);
		atomic_long_inc(&way->vd->drops.n[VTI_DROP_OUTER_DROP]);
		return;
	}
	dev_sw_netstats_tx_add(dev, 1, len);
	vti_sa_count(sa, 1, len);
}

static void finish(struct vti_sa *sa, struct sk_buff *skb, int err, const struct way *way)
{
	if (unlikely(err))
		vti_sa_drop(sa, VTI_CB(skb)->seq, skb,
			    err == -ENOMEM ? VTI_DROP_NO_MEMORY : VTI_DROP_CRYPTO_ERROR);
	else
		output(sa, skb, way);
	vti_sa_done(sa);
}

/**
 * vti_send_encrypted() - the cipher has answered later
 * @sa: outbound SA, held
 * @skb: packet, skb->data is the ESP header
 * @err: the cipher's result
 *
 * BH disabled. The way may have changed meanwhile.
 */
void vti_send_encrypted(struct vti_sa *sa, struct sk_buff *skb, int err)
{
	u8 depth = VTI_CB(skb)->depth;
	struct way way;
	int drop;

	rcu_read_lock();
	__this_cpu_add(nesting, depth);	/* a loop is one whichever stack it is on */
	drop = find_way(sa->vd, &way);
	if (unlikely(drop >= 0)) {
		vti_sa_drop(sa, VTI_CB(skb)->seq, skb, drop);
		vti_sa_done(sa);
	} else {
		finish(sa, skb, err, &way);
		dst_release(way.dst);
	}
	__this_cpu_sub(nesting, depth);
	rcu_read_unlock();
}

/* Does a packet go from the outer address to the peer's, as our own output does? */
static bool between_ends(const struct sk_buff *skb, const struct vti_endpoint *ep)
{
	if (skb->protocol == htons(ETH_P_IP))
		return ep->family == AF_INET && ip_hdr(skb)->saddr == ep->local.a4 &&
		       ip_hdr(skb)->daddr == ep->remote.a4;
	return ep->family == AF_INET6 &&
	       ipv6_addr_equal(&ipv6_hdr(skb)->saddr, &ep->local.in6) &&
	       ipv6_addr_equal(&ipv6_hdr(skb)->daddr, &ep->remote.in6);
}

/*
 * Transport mode: the packet's own IP header gives way to the outer one, so
 * that has to say the same. Fragments are no business of it (RFC 4303 3.3.4).
 */
static bool transportable(const struct sk_buff *skb, const struct vti_endpoint *ep)
{
	if (!between_ends(skb, ep))
		return false;
	if (ep->family == AF_INET)
		return ip_hdr(skb)->ihl == 5 && !ip_is_fragment(ip_hdr(skb));
	return ipv6_hdr(skb)->nexthdr != NEXTHDR_FRAGMENT;
}

static u8 pull_header(struct sk_buff *skb)
{
	bool v4 = skb->protocol == htons(ETH_P_IP);
	u8 proto = v4 ? ip_hdr(skb)->protocol : ipv6_hdr(skb)->nexthdr;

	__skb_pull(skb, v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	return proto;
}

static void send_one(struct vti_sa *sa, struct sk_buff *skb, u64 seq, const struct way *way)
{
	const struct vti_suite *suite = sa->suite;
	unsigned int headroom = LL_RESERVED_SPACE(dst_dev(way->dst)) + outer_len(way->ep) +
				VTI_ESP_HEADER + suite->iv;
	unsigned int tailroom = suite->align - 1 + VTI_ESP_TRAILER + suite->icv;
	struct vti_cb *cb;
	struct sk_buff *own;
	u8 next_header;
	int err;

	own = vti_esp_own(skb, headroom, tailroom);
	if (unlikely(!own))
		return vti_sa_drop(sa, seq, skb, VTI_DROP_NO_MEMORY);
	if (unlikely(own != skb))
		vti_dev_widen(way->vd, headroom);
	skb = own;
	skb_scrub_packet(skb, !net_eq(way->net, dev_net(way->vd->dev)));

	cb = VTI_CB(skb);
	cb->seq = seq;
	cb->inner_len = skb->len;
	cb->depth = __this_cpu_read(nesting);
	/* RFC 6040 4.1: ECN goes with the packet, whatever DSCP does. */
	if (skb->protocol == htons(ETH_P_IP)) {
		next_header = IPPROTO_IPIP;
		cb->tos = ip_hdr(skb)->tos;
		cb->df = ip_hdr(skb)->frag_off & htons(IP_DF);
	} else {
		next_header = IPPROTO_IPV6;
		cb->tos = ipv6_get_dsfield(ipv6_hdr(skb));
		/* What no router may refuse has passed too_big() to be fragmented outside. */
		cb->df = skb->len > IPV6_MIN_MTU ? htons(IP_DF) : 0;
	}
	if (way->ep->dscp != IPSECVTI_DSCP_COPY)
		cb->tos = way->ep->dscp << 2 | (cb->tos & INET_ECN_MASK);
	if (way->ep->df != IPSECVTI_DF_COPY)
		cb->df = way->ep->df == IPSECVTI_DF_SET ? htons(IP_DF) : 0;
	trace_ipsecvti_send(sa, seq, skb->len);
	if (sa->transport)
		next_header = pull_header(skb);
	vti_sa_begin(sa);
	err = vti_esp_encrypt(sa, skb, seq, next_header);
	if (err != -EINPROGRESS)
		finish(sa, skb, err, way);
}

static void send_train(struct vti_sa *sa, struct sk_buff *segs, const struct way *way)
{
	struct sk_buff *skb, *next;
	unsigned int n = 0;
	u64 seq, last;

	for (skb = segs; skb; skb = skb->next)
		n++;
	/* Numbers that lie past the limit are burnt; there are enough. */
	seq = atomic64_fetch_add(n, &sa->seq) + 1;
	last = seq + n - 1;
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		if (likely(seq <= sa->last_seq))
			send_one(sa, skb, seq, way);
		else
			vti_sa_drop(sa, seq, skb,
				    sa->last_seq == sa->limits.hard_packets ?
					    VTI_DROP_SA_EXPIRED : VTI_DROP_SEQ_EXHAUSTED);
		seq++;
	}
	if (unlikely(last >= sa->soft_seq))
		vti_sa_raise(sa, IPSECVTI_EVENT_TYPE_SOFT_EXPIRE);
	if (unlikely(last >= sa->last_seq))
		vti_sa_raise(sa, IPSECVTI_EVENT_TYPE_HARD_EXPIRE);
}

/*
 * Our own output has come back by way of another namespace, where it is a
 * packet as any other. A tunnel of somebody else's, between the same
 * addresses, has another SPI.
 */
static bool comes_back(const struct sk_buff *skb, const struct vti_sa *sa,
		       const struct vti_endpoint *ep)
{
	bool v4 = skb->protocol == htons(ETH_P_IP);
	unsigned int at = v4 ? ip_hdrlen(skb) : sizeof(struct ipv6hdr);
	__be32 *spi, copy;

	if (likely((v4 ? ip_hdr(skb)->protocol : ipv6_hdr(skb)->nexthdr) != outer_proto(ep)) ||
	    !between_ends(skb, ep))
		return false;
	if (ep->encap == IPSECVTI_ENCAP_UDP)
		at += sizeof(struct udphdr);
	spi = skb_header_pointer(skb, at, sizeof(copy), &copy);
	return spi && get_unaligned(spi) == sa->spi;
}

static void send_with(struct vti_sa *sa, struct sk_buff *skb)
{
	struct vti_dev *vd = sa->vd;
	struct way way;
	int drop;

	if (unlikely(READ_ONCE(sa->dead))) {
		vti_netlink_acquire(vd);
		say_unreachable(skb);
		return vti_sa_drop(sa, 0, skb, VTI_DROP_SA_EXPIRED);
	}
	drop = find_way(vd, &way);
	if (unlikely(drop >= 0)) {
		say_unreachable(skb);
		return vti_sa_drop(sa, 0, skb, drop);
	}
	if (unlikely(comes_back(skb, sa, way.ep))) {
		vti_sa_drop(sa, 0, skb, VTI_DROP_LOOP);
	} else if (unlikely(sa->transport && !transportable(skb, way.ep))) {
		vti_sa_drop(sa, 0, skb, VTI_DROP_NO_SELECTOR);
	} else if (unlikely(way.ep->df != IPSECVTI_DF_CLEAR &&
			    too_big(skb, inner_mtu(sa, &way)))) {
		vti_sa_drop(sa, 0, skb, VTI_DROP_TOO_BIG);
	} else {
		skb = split(vd, skb);
		if (skb)
			send_train(sa, skb, &way);
	}
	dst_release(way.dst);
}

/* To the lane where its SA lives. Return: false if it has gone home. */
static bool bring(struct vti_sa *sa, struct sk_buff *skb)
{
	int err;

	if (unlikely(!percpu_ref_tryget_live(&sa->ref))) {
		vti_sa_drop(sa, 0, skb, VTI_DROP_SA_EXPIRED);
		return true;
	}
	skb_dst_force(skb);
	VTI_CB(skb)->sa = sa;
	VTI_CB(skb)->outbound = true;
	VTI_CB(skb)->depth = __this_cpu_read(nesting);
	err = vti_lane_bring(sa, skb);
	if (!err)
		return true;
	if (err == -ENOBUFS)
		vti_sa_drop(sa, 0, skb, VTI_DROP_TX_LANE_FULL);
	percpu_ref_put(&sa->ref);
	return err == -ENOBUFS;
}

/**
 * vti_send_poll() - send a packet that was brought to this CPU's lane
 * @skb: inner packet, with a reference to its SA
 *
 * BH disabled, RCU held.
 */
void vti_send_poll(struct sk_buff *skb)
{
	struct vti_sa *sa = VTI_CB(skb)->sa;
	u8 depth = VTI_CB(skb)->depth;

	__this_cpu_add(nesting, depth);
	send_with(sa, skb);
	__this_cpu_sub(nesting, depth);
	percpu_ref_put(&sa->ref);
}

static void send(struct vti_dev *vd, struct sk_buff *skb)
{
	enum vti_drop why;
	struct vti_sa *sa;
	u64 begun;

	if (unlikely(!is_ip(skb)))
		return vti_dev_drop(vd, skb, VTI_DROP_NOT_IP);
	sa = choose_sa(vd, skb, &why);
	if (unlikely(!sa)) {
		if (why == VTI_DROP_NO_SA)
			vti_netlink_acquire(vd);
		say_unreachable(skb);
		return vti_dev_drop(vd, skb, why);
	}
	if (unlikely(READ_ONCE(sa->lane) != VTI_LANE_HOME) && bring(sa, skb))
		return;
	if (likely(!vti_elephant_bulky(skb_shinfo(skb)->gso_segs)))
		return send_with(sa, skb);
	begun = local_clock();
	send_with(sa, skb);
	vti_elephant_sent(sa, begun);
}

/**
 * vti_send_xmit() - a packet was routed to the device
 * @skb: packet
 * @dev: device
 *
 * BH disabled. Whatever happens, the packet does not leave in clear.
 */
netdev_tx_t vti_send_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct vti_dev *vd = netdev_priv(dev);

	rcu_read_lock();
	if (likely(__this_cpu_inc_return(nesting) <= NESTING_MAX))
		send(vd, skb);
	else
		vti_dev_drop(vd, skb, VTI_DROP_LOOP);
	__this_cpu_dec(nesting);
	rcu_read_unlock();
	return NETDEV_TX_OK;
}

/**
 * vti_send_mtu() - the largest inner packet that now fits the path
 * @vd: device
 *
 * Return: bytes; 0 without a route or an SA.
 */
unsigned int vti_send_mtu(struct vti_dev *vd)
{
	const struct vti_outset *set;
	unsigned int mtu = 0;
	struct way way;

	local_bh_disable();
	rcu_read_lock();
	set = rcu_dereference(vd->out);
	if (set && find_way(vd, &way) < 0) {
		mtu = inner_mtu(set->slots[set->groups[0].first].sa, &way);
		dst_release(way.dst);
	}
	rcu_read_unlock();
	local_bh_enable();
	return mtu;
}
