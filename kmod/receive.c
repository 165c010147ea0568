// SPDX-License-Identifier: GPL-2.0
#include "receive.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/xfrm.h>

#include "esp.h"
#include "icmp.h"
#include "lane.h"
#include "spi.h"
#include "trace.h"

/* Before esp4 (0), xfrm interfaces (10) and vti (100), which swallow what is not theirs. */
#define HOOK_PRIORITY 200

static void drop(struct sk_buff *skb, enum vti_drop name)
{
	struct vti_sa *sa = VTI_CB(skb)->sa;

	vti_sa_drop(sa, VTI_CB(skb)->seq, skb, name);
	vti_sa_done(sa);
	percpu_ref_put(&sa->ref);
}

static enum vti_drop replay_drop(enum vti_replay_verdict verdict)
{
	return verdict == VTI_REPLAY_SEEN ? VTI_DROP_REPLAY : VTI_DROP_REPLAY_OLD;
}

/* The inner header must be what the trailer announced; behind it there may be TFC padding. */
static bool inner_valid(struct sk_buff *skb, u8 next_header)
{
	unsigned int len;

	skb_reset_network_header(skb);
	if (next_header == IPPROTO_IPIP) {
		const struct iphdr *iph = ip_hdr(skb);

		if (skb->len < sizeof(*iph) || iph->version != 4 || iph->ihl < 5)
			return false;
		len = ntohs(iph->tot_len);
		if (len < iph->ihl * 4U)
			return false;
		skb->protocol = htons(ETH_P_IP);
	} else {
		const struct ipv6hdr *ip6h = ipv6_hdr(skb);

		if (skb->len < sizeof(*ip6h) || ip6h->version != 6)
			return false;
		len = sizeof(*ip6h) + ntohs(ip6h->payload_len);
		skb->protocol = htons(ETH_P_IPV6);
	}
	if (len > skb->len)
		return false;
	__skb_trim(skb, len);
	return true;
}

static void push_ipv4(struct sk_buff *skb, const struct vti_endpoint *ep, u8 proto, u8 tos)
{
	struct iphdr *iph = __skb_push(skb, sizeof(*iph));

	memset(iph, 0, sizeof(*iph));
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->tos = tos;
	iph->tot_len = htons(skb->len);
	iph->frag_off = htons(IP_DF);
	iph->ttl = IPDEFTTL;
	iph->protocol = proto;
	iph->saddr = ep->remote.a4;
	iph->daddr = ep->local.a4;
	ip_send_check(iph);
}

static void push_ipv6(struct sk_buff *skb, const struct vti_endpoint *ep, u8 proto, u8 tos)
{
	struct ipv6hdr *ip6h = __skb_push(skb, sizeof(*ip6h));

	ip6_flow_hdr(ip6h, tos, 0);
	ip6h->payload_len = htons(skb->len - sizeof(*ip6h));
	ip6h->nexthdr = proto;
	ip6h->hop_limit = IPDEFTTL;
	ip6h->saddr = ep->remote.in6;
	ip6h->daddr = ep->local.in6;
}

/*
 * Transport mode: what was encrypted gets back the IP header that the outer one
 * stood for. Through a NAT that was another one than the peer sent, so it is
 * written anew, between the addresses that GRE knows.
 *
 * Return: what tunnel mode would have announced; IPPROTO_NONE for a refusal.
 */
static u8 push_header(struct vti_sa *sa, struct sk_buff *skb, u8 next_header, u8 tos)
{
	const struct vti_endpoint *ep = rcu_dereference(sa->vd->endpoint);

	/* ip6_gre may put its encapsulation limit before GRE. */
	if (next_header != IPPROTO_GRE && next_header != IPPROTO_DSTOPTS)
		return IPPROTO_NONE;
	if (!ep || skb_cow_head(skb, sizeof(struct ipv6hdr)))
		return IPPROTO_NONE;
	if (ep->family == AF_INET6) {
		push_ipv6(skb, ep, next_header, tos);
		return IPPROTO_IPV6;
	}
	push_ipv4(skb, ep, next_header, tos);
	return IPPROTO_IPIP;
}

static bool ecn_valid(struct sk_buff *skb, u8 outer)
{
	u8 inner = skb->protocol == htons(ETH_P_IP) ? ip_hdr(skb)->tos :
						      ipv6_get_dsfield(ipv6_hdr(skb));

	return INET_ECN_decapsulate(skb, outer, inner) <= 1;
}

static void deliver(struct vti_sa *sa, struct sk_buff *skb, struct napi_struct *napi)
{
	struct net_device *dev = sa->vd->dev;

	skb_orphan(skb);
	skb_scrub_packet(skb, !net_eq(sa->net, dev_net(dev)));
	skb_clear_hash(skb);
	skb_reset_mac_header(skb);
	skb_reset_transport_header(skb);
	skb_set_queue_mapping(skb, 0);
	skb->dev = dev;
	skb->encapsulation = 0;
	/*
	 * The ICV says that the peer's gateway sent this, not that its host did:
	 * a checksum that was wrong before encryption must stay visible.
	 */
	skb->ip_summed = CHECKSUM_NONE;

	dev_sw_netstats_rx_add(dev, skb->len);
	vti_sa_count(sa, 1, skb->len);
	napi_gro_receive(napi, skb);
}

static void finish(struct sk_buff *skb, struct napi_struct *napi)
{
	const struct vti_cb cb = *VTI_CB(skb);
	struct vti_sa *sa = cb.sa;
	enum vti_replay_verdict verdict;
	u8 next_header;
	bool moved;

	if (unlikely(cb.err))
		return drop(skb, cb.err == -EBADMSG ? VTI_DROP_ICV_FAILED :
				 cb.err == -ENOMEM ? VTI_DROP_RX_NO_MEMORY :
						     VTI_DROP_RX_CRYPTO_ERROR);
	/* One that was delayed, or replayed in the window, doesn't say where the peer is. */
	moved = unlikely(cb.from.family) && cb.seq > atomic64_read(&sa->replay->top);
	/* With the very number that was authenticated. */
	verdict = vti_replay_commit(sa->replay, cb.seq);
	if (unlikely(verdict != VTI_REPLAY_OK))
		return drop(skb, replay_drop(verdict));
	if (unlikely(!test_bit(IPSECVTI_EVENT_TYPE_FIRST_AUTH, &sa->events)))
		vti_sa_raise(sa, IPSECVTI_EVENT_TYPE_FIRST_AUTH);
	if (unlikely(moved))
		vti_dev_peer_moved(sa->vd, &cb.from);

	if (unlikely(vti_esp_trailer(sa, skb, &next_header)))
		return drop(skb, VTI_DROP_BAD_PADDING);
	if (unlikely(next_header == IPPROTO_NONE)) {
		atomic_long_inc(&sa->drops.rx_dummy);
		atomic_long_inc(&sa->vd->drops.rx_dummy);
		consume_skb(skb);
		goto put;
	}
	if (unlikely(sa->transport))
		next_header = push_header(sa, skb, next_header, cb.tos);
	if (unlikely(next_header != IPPROTO_IPIP && next_header != IPPROTO_IPV6))
		return drop(skb, VTI_DROP_BAD_NEXT_HEADER);
	if (unlikely(!inner_valid(skb, next_header)))
		return drop(skb, VTI_DROP_BAD_INNER);
	if (unlikely(sa->selectors && !vti_selectors_match(sa->selectors, skb, false)))
		return drop(skb, VTI_DROP_RX_SELECTOR);
	if (unlikely(!ecn_valid(skb, cb.tos)))
		return drop(skb, VTI_DROP_BAD_ECN);
	if (unlikely(!netif_running(sa->vd->dev)))
		return drop(skb, VTI_DROP_DEVICE_DOWN);
	trace_ipsecvti_receive(sa, cb.seq, skb->len);
	deliver(sa, skb, napi);
put:
	vti_sa_done(sa);
	percpu_ref_put(&sa->ref);
}

/**
 * vti_receive_poll() - decrypt a packet and deliver what is in it
 * @skb: from a lane
 * @napi: of that lane
 *
 * BH disabled, RCU held.
 */
void vti_receive_poll(struct sk_buff *skb, struct napi_struct *napi)
{
	struct sk_buff *own;

	if (VTI_CB(skb)->decrypted)
		return finish(skb, napi);
	own = vti_esp_own(skb, 4, 0);
	if (unlikely(!own))
		return drop(skb, VTI_DROP_RX_NO_MEMORY);
	if (vti_esp_decrypt(VTI_CB(own)->sa, own) != -EINPROGRESS)
		finish(own, napi);
}

/**
 * vti_receive_decrypted() - the cipher has answered later
 * @skb: packet, VTI_CB(skb)->err set
 *
 * BH disabled. The rest is done on this CPU's lane, where GRO is.
 */
void vti_receive_decrypted(struct sk_buff *skb)
{
	if (unlikely(!vti_lane_add(skb)))
		drop(skb, VTI_DROP_LANE_FULL);
}

/* On the lane where its SA lives. */
static bool queue(struct vti_sa *sa, struct sk_buff *skb)
{
	int err = -EAGAIN;

	if (unlikely(READ_ONCE(sa->lane) != VTI_LANE_HOME))
		err = vti_lane_bring(sa, skb);
	return likely(err == -EAGAIN) ? vti_lane_add(skb) : !err;
}

/* The packet is ours from here on. @moved: it came from where nobody sends to. */
static void take(struct vti_sa *sa, struct sk_buff *skb, u8 tos, const struct vti_source *moved)
{
	const unsigned int overhead = vti_esp_overhead(sa->suite);
	enum vti_replay_verdict verdict;
	u32 low;
	u64 seq;

	low = ntohl(((const struct ip_esp_hdr *)skb->data)->seq_no);
	vti_sa_begin(sa);
	VTI_CB(skb)->sa = sa;
	VTI_CB(skb)->seq = low;
	vti_receive_keep(skb, sa->vd);

	if (unlikely(skb->len < overhead + sa->suite->align ||
		     (skb->len - overhead) % sa->suite->align))
		return drop(skb, VTI_DROP_TRUNCATED);
	if (unlikely(READ_ONCE(sa->dead)))
		return drop(skb, VTI_DROP_RX_EXPIRED);
	if (unlikely(!vti_replay_infer(sa->replay, low, &seq)))
		return drop(skb, VTI_DROP_REPLAY_OLD);
	verdict = vti_replay_check(sa->replay, seq);
	if (unlikely(verdict != VTI_REPLAY_OK))
		return drop(skb, replay_drop(verdict));

	VTI_CB(skb)->seq = seq;
	VTI_CB(skb)->tos = tos;
	VTI_CB(skb)->decrypted = false;
	VTI_CB(skb)->outbound = false;
	VTI_CB(skb)->from.family = AF_UNSPEC;
	if (unlikely(moved))
		VTI_CB(skb)->from = *moved;
	if (unlikely(!queue(sa, skb)))
		drop(skb, VTI_DROP_LANE_FULL);
}

/**
 * vti_receive_keep() - make a packet last beyond the RCU section it came in
 * @skb: packet
 * @vd: device that it is for
 *
 * Its route and the device that it came by need not last so long.
 */
void vti_receive_keep(struct sk_buff *skb, struct vti_dev *vd)
{
	skb_dst_drop(skb);
	nf_reset_ct(skb);
	skb->dev = vd->dev;
}

/**
 * vti_receive_held() - the SA that a packet waited for is there
 * @sa: inbound SA
 * @skb: packet, from vti_spi_hold()
 *
 * BH disabled, RCU held.
 */
void vti_receive_held(struct vti_sa *sa, struct sk_buff *skb)
{
	if (percpu_ref_tryget_live(&sa->ref))
		take(sa, skb, VTI_CB(skb)->tos, NULL);
	else
		vti_sa_drop(sa, 0, skb, VTI_DROP_LARVAL);
}

/* A kernel SA may have the same SPI by chance, with another peer. */
static bool xfrm_owns(struct net *net, const struct sk_buff *skb, __be32 spi, u8 family)
{
	xfrm_address_t daddr;
	struct xfrm_state *x;

	if (family == AF_INET6)
		daddr.in6 = ipv6_hdr(skb)->daddr;
	else
		daddr.a4 = ip_hdr(skb)->daddr;
	x = xfrm_state_lookup(net, skb->mark, &daddr, spi, IPPROTO_ESP, family);
	if (x)
		xfrm_state_put(x);
	return x;
}

static void read_source(struct vti_source *from, const struct sk_buff *skb, u8 family, bool udp)
{
	const struct udphdr *uh = (const struct udphdr *)(skb_transport_header(skb) - sizeof(*uh));

	from->family = family;
	from->port = udp ? uh->source : 0;
	if (family == AF_INET6)
		from->addr.in6 = ipv6_hdr(skb)->saddr;
	else
		from->addr.a4 = ip_hdr(skb)->saddr;
}

static bool from_peer(const struct vti_endpoint *ep, const struct sk_buff *skb, u8 family)
{
	if (ep->family != family)
		return false;
	return family == AF_INET6 ? ipv6_addr_equal(&ep->remote.in6, &ipv6_hdr(skb)->saddr) :
				    ep->remote.a4 == ip_hdr(skb)->saddr;
}

/* Native ESP and ESP in UDP may take turns (RFC 7296 2.23); ports are compared with ports. */
static bool from_port(const struct vti_endpoint *ep, const struct sk_buff *skb, bool udp)
{
	const struct udphdr *uh = (const struct udphdr *)(skb_transport_header(skb) - sizeof(*uh));

	return !udp || ep->encap != IPSECVTI_ENCAP_UDP || uh->source == ep->dport;
}

/*
 * Whose packet is this? Until it is known to be ours it is not written to, its
 * cb least of all: xfrm_input() relies on what it left there.
 *
 * Return: the two results that the callers understand: 0, ours, and -EINVAL,
 * not ours and untouched. After any other they would go on with a packet that
 * is gone.
 */
static int receive(struct sk_buff *skb, u8 family, bool udp)
{
	const struct vti_endpoint *ep;
	struct vti_source from;
	bool moved = false;
	struct vti_sa *sa;
	struct net *net;
	__be32 spi;
	u8 tos;

	if (!pskb_may_pull(skb, VTI_ESP_HEADER))
		return -EINVAL;
	net = dev_net(skb->dev);
	spi = ((const struct ip_esp_hdr *)skb->data)->spi;
	tos = family == AF_INET6 ? ipv6_get_dsfield(ipv6_hdr(skb)) : ip_hdr(skb)->tos;
	sa = vti_sa_find_in(net, spi);
	if (!sa) {
		if (vti_spi_hold(net, spi, skb, tos))
			return 0;
		sa = vti_sa_find_in(net, spi);
		if (!sa)
			return -EINVAL;
	}
	ep = rcu_dereference(sa->vd->endpoint);
	if (unlikely(ep && !from_peer(ep, skb, family))) {
		if (xfrm_owns(net, skb, spi, family))
			return -EINVAL;
		moved = true;
	} else if (unlikely(ep && !from_port(ep, skb, udp))) {
		moved = true;
	}
	if (!percpu_ref_tryget_live(&sa->ref))
		return -EINVAL;
	if (unlikely(moved))
		read_source(&from, skb, family, udp);
	take(sa, skb, tos, moved ? &from : NULL);
	return 0;
}

static int esp4_receive(struct sk_buff *skb)
{
	return receive(skb, AF_INET, false);
}

static int esp6_receive(struct sk_buff *skb)
{
	return receive(skb, AF_INET6, false);
}

/* ESP in UDP from any socket with UDP_ENCAP_ESPINUDP; skb->data is the ESP header too. */
static int esp4_receive_udp(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type)
{
	return receive(skb, AF_INET, true);
}

static int esp6_receive_udp(struct sk_buff *skb, int nexthdr, __be32 spi, int encap_type)
{
	return receive(skb, AF_INET6, true);
}

/* Called for every packet of the kernel's own xfrm, without a check for NULL; 1 is "go on". */
static int callback(struct sk_buff *skb, int err)
{
	return 1;
}

static struct xfrm4_protocol esp4_protocol __read_mostly = {
	.handler = esp4_receive,
	.input_handler = esp4_receive_udp,
	.cb_handler = callback,
	.err_handler = vti_icmp_error4,
	.priority = HOOK_PRIORITY,
};

static struct xfrm6_protocol esp6_protocol __read_mostly = {
	.handler = esp6_receive,
	.input_handler = esp6_receive_udp,
	.cb_handler = callback,
	.err_handler = vti_icmp_error6,
	.priority = HOOK_PRIORITY,
};

int __init vti_receive_init(void)
{
	int err = xfrm4_protocol_register(&esp4_protocol, IPPROTO_ESP);

	if (err)
		return err;
	err = xfrm6_protocol_register(&esp6_protocol, IPPROTO_ESP);
	if (err)
		xfrm4_protocol_deregister(&esp4_protocol, IPPROTO_ESP);
	return err;
}

void vti_receive_exit(void)
{
	xfrm6_protocol_deregister(&esp6_protocol, IPPROTO_ESP);
	xfrm4_protocol_deregister(&esp4_protocol, IPPROTO_ESP);
}
