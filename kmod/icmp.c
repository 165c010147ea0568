// SPDX-License-Identifier: GPL-2.0
#include "icmp.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/udp.h>
#include <linux/unaligned.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/ndisc.h>

#include "sa.h"

/* What an error has to quote of ESP in UDP: ports and SPI. */
#define QUOTED_BYTES (sizeof(struct udphdr) + sizeof(__be32))

static void learn4(struct net *net, const struct vti_sa *sa, u32 mtu)
{
	struct vti_endpoint *ep = rcu_dereference(sa->vd->endpoint);

	if (ep)
		vti_endpoint_learn(ep, mtu, READ_ONCE(net->ipv4.ip_rt_mtu_expires));
}

/* RFC 8201 4: no link of IPv6 is narrower than 1280 bytes, whoever says so. */
static void learn6(struct net *net, const struct vti_sa *sa, u32 mtu)
{
	struct vti_endpoint *ep = rcu_dereference(sa->vd->endpoint);

	if (ep && mtu >= IPV6_MIN_MTU)
		vti_endpoint_learn(ep, mtu, READ_ONCE(net->ipv6.sysctl.ip6_rt_mtu_expires));
}

/* Whoever can forge one would lead our packets where he likes; routing decides, nobody else. */
static void count_redirect(struct vti_sa *sa)
{
	atomic_long_inc(&sa->drops.rx_redirect);
	atomic_long_inc(&sa->vd->drops.rx_redirect);
}

/**
 * vti_icmp_error4() - an error quotes native ESP
 * @skb: skb->data is the quoted header, with 8 bytes behind it
 * @info: MTU
 *
 * Under RCU.
 *
 * Return: 0, or -ENOENT if it is not ours.
 */
int vti_icmp_error4(struct sk_buff *skb, u32 info)
{
	const struct iphdr *iph = (const struct iphdr *)skb->data;
	const struct ip_esp_hdr *esp = (const struct ip_esp_hdr *)(skb->data + iph->ihl * 4);
	const xfrm_address_t remote = { .a4 = iph->daddr };
	struct net *net = dev_net(skb->dev);
	struct vti_sa *sa = vti_sa_quoted(net, esp->spi, &remote, AF_INET);

	if (!sa)
		return -ENOENT;
	if (icmp_hdr(skb)->type == ICMP_REDIRECT)
		count_redirect(sa);
	if (icmp_hdr(skb)->type == ICMP_DEST_UNREACH && icmp_hdr(skb)->code == ICMP_FRAG_NEEDED)
		learn4(net, sa, info);
	return 0;
}

/**
 * vti_icmp_error6() - an error quotes native ESP
 * @skb: skb->data is the quoted header
 * @opt: unused
 * @type: of the error
 * @code: of the error
 * @offset: of the quoted ESP header, of which 8 bytes are there
 * @info: MTU
 *
 * Under RCU.
 *
 * Return: 0, or -ENOENT if it is not ours.
 */
int vti_icmp_error6(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type, u8 code,
		    int offset, __be32 info)
{
	const struct ipv6hdr *ip6h = (const struct ipv6hdr *)skb->data;
	const struct ip_esp_hdr *esp = (const struct ip_esp_hdr *)(skb->data + offset);
	const xfrm_address_t remote = { .in6 = ip6h->daddr };
	struct net *net = dev_net(skb->dev);
	struct vti_sa *sa = vti_sa_quoted(net, esp->spi, &remote, AF_INET6);

	if (!sa)
		return -ENOENT;
	if (type == NDISC_REDIRECT)
		count_redirect(sa);
	if (type == ICMPV6_PKT_TOOBIG)
		learn6(net, sa, ntohl(info));
	return 0;
}

/*
 * ESP in UDP: what an error says that quotes a datagram of a socket for
 * encapsulation, the kernel tells the route and nobody else, and it looks for
 * the route without mark and outside of VRFs. For those who use these, errors
 * are looked at where a filter would, behind all filters.
 */
static struct vti_sa *quoted_udp(struct net *net, const struct sk_buff *skb, int offset,
				 const xfrm_address_t *remote, u8 family)
{
	u8 buffer[QUOTED_BYTES];
	const u8 *quote = skb_header_pointer(skb, offset, sizeof(buffer), buffer);
	const struct udphdr *uh = (const struct udphdr *)quote;
	const struct vti_endpoint *ep;
	struct vti_sa *sa;

	if (!quote)
		return NULL;
	sa = vti_sa_quoted(net, get_unaligned((const __be32 *)(uh + 1)), remote, family);
	ep = sa ? rcu_dereference(sa->vd->endpoint) : NULL;
	return ep && ep->encap == IPSECVTI_ENCAP_UDP && ep->sport == uh->source &&
	       ep->dport == uh->dest ? sa : NULL;
}

static unsigned int watch4(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	const int at = ip_hdrlen(skb);
	const struct icmphdr *icmp;
	struct icmphdr icmp_copy;
	const struct vti_sa *sa;
	const struct iphdr *iph;
	struct iphdr iph_copy;
	xfrm_address_t remote;

	if (likely(ip_hdr(skb)->protocol != IPPROTO_ICMP))
		return NF_ACCEPT;
	icmp = skb_header_pointer(skb, at, sizeof(*icmp), &icmp_copy);
	if (!icmp || icmp->type != ICMP_DEST_UNREACH || icmp->code != ICMP_FRAG_NEEDED)
		return NF_ACCEPT;
	iph = skb_header_pointer(skb, at + sizeof(*icmp), sizeof(*iph), &iph_copy);
	if (!iph || iph->protocol != IPPROTO_UDP || nf_ip_checksum(skb, state->hook, at, 0))
		return NF_ACCEPT;
	remote.a4 = iph->daddr;
	sa = quoted_udp(state->net, skb, at + sizeof(*icmp) + iph->ihl * 4, &remote, AF_INET);
	if (sa)
		learn4(state->net, sa, ntohs(icmp->un.frag.mtu));
	return NF_ACCEPT;
}

static unsigned int watch6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	const int at = sizeof(struct ipv6hdr);
	const struct icmp6hdr *icmp;
	const struct ipv6hdr *ip6h;
	struct icmp6hdr icmp_copy;
	struct ipv6hdr ip6h_copy;
	const struct vti_sa *sa;
	xfrm_address_t remote;

	if (likely(ipv6_hdr(skb)->nexthdr != IPPROTO_ICMPV6))
		return NF_ACCEPT;
	icmp = skb_header_pointer(skb, at, sizeof(*icmp), &icmp_copy);
	if (!icmp || icmp->icmp6_type != ICMPV6_PKT_TOOBIG)
		return NF_ACCEPT;
	ip6h = skb_header_pointer(skb, at + sizeof(*icmp), sizeof(*ip6h), &ip6h_copy);
	if (!ip6h || ip6h->nexthdr != IPPROTO_UDP ||
	    nf_ip6_checksum(skb, state->hook, at, IPPROTO_ICMPV6))
		return NF_ACCEPT;
	remote.in6 = ip6h->daddr;
	sa = quoted_udp(state->net, skb, at + sizeof(*icmp) + sizeof(*ip6h), &remote, AF_INET6);
	if (sa)
		learn6(state->net, sa, ntohl(icmp->icmp6_mtu));
	return NF_ACCEPT;
}

static const struct nf_hook_ops hooks[] = {
	{
		.hook = watch4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_LAST,
	}, {
		.hook = watch6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP6_PRI_LAST,
	},
};

/**
 * vti_icmp_watch() - see errors that quote ESP in UDP, from now on
 * @net: outer namespace
 *
 * May sleep.
 */
int vti_icmp_watch(struct net *net)
{
	return nf_register_net_hooks(net, hooks, ARRAY_SIZE(hooks));
}

/**
 * vti_icmp_unwatch() - no more
 * @net: outer namespace
 */
void vti_icmp_unwatch(struct net *net)
{
	nf_unregister_net_hooks(net, hooks, ARRAY_SIZE(hooks));
}
