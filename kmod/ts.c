// SPDX-License-Identifier: GPL-2.0
#include "ts.h"

#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netlink.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat/compat.h"

#define PORT_MAX 65535

/*
 * What a packet has of what selectors ask for. Fragments but the first have no
 * ports, nor has what is cut short; such packets fit selectors for any port.
 */
struct flow {
	u8 type;
	u8 proto;
	bool has_ports;
	u16 sport, dport;
	u8 saddr[16], daddr[16];
};

static unsigned int addr_len(u8 type)
{
	return type == VTI_TS_IPV6 ? 16 : 4;
}

static unsigned int ts_len(u8 type)
{
	return sizeof(struct vti_ts) + 2 * addr_len(type);
}

static bool any_port(const struct vti_ts *ts)
{
	return !ts->first_port && ntohs(ts->last_port) == PORT_MAX;
}

/* Packets whose ports can't be told. */
static bool opaque_port(const struct vti_ts *ts)
{
	return ntohs(ts->first_port) == PORT_MAX && !ts->last_port;
}

static int check(const u8 *data, unsigned int len, struct netlink_ext_ack *extack)
{
	if (len > VTI_TS_MAX_BYTES) {
		NL_SET_ERR_MSG(extack, "too many traffic selectors");
		return -E2BIG;
	}
	while (len) {
		const struct vti_ts *ts = (const struct vti_ts *)data;

		if (len < sizeof(*ts) || (ts->type != VTI_TS_IPV4 && ts->type != VTI_TS_IPV6) ||
		    ntohs(ts->len) != ts_len(ts->type) || len < ts_len(ts->type)) {
			NL_SET_ERR_MSG(extack, "not a traffic selector of RFC 7296 3.13.1");
			return -EINVAL;
		}
		if (memcmp(ts->addr, ts->addr + addr_len(ts->type), addr_len(ts->type)) > 0) {
			NL_SET_ERR_MSG(extack, "a traffic selector ends before it begins");
			return -EINVAL;
		}
		if (ntohs(ts->first_port) > ntohs(ts->last_port) && !opaque_port(ts)) {
			NL_SET_ERR_MSG(extack, "a traffic selector's ports end before they begin");
			return -EINVAL;
		}
		if (!ts->proto && !any_port(ts)) {
			NL_SET_ERR_MSG(extack, "a traffic selector has ports of no protocol");
			return -EINVAL;
		}
		data += ts_len(ts->type);
		len -= ts_len(ts->type);
	}
	return 0;
}

/* The selector at @data, of which @len bytes are left; NULL at the end. */
static const struct vti_ts *next_ts(const u8 **data, unsigned int *len)
{
	const struct vti_ts *ts = (const struct vti_ts *)*data;

	if (!*len)
		return NULL;
	*data += ntohs(ts->len);
	*len -= ntohs(ts->len);
	return ts;
}

static unsigned long whole_types(const u8 *data, unsigned int len)
{
	unsigned long types = 0;
	const struct vti_ts *ts;

	while ((ts = next_ts(&data, &len))) {
		const unsigned int n = addr_len(ts->type);

		if (!ts->proto && !memchr_inv(ts->addr, 0, n) && !memchr_inv(ts->addr + n, 0xff, n))
			types |= BIT(ts->type);
	}
	return types;
}

/**
 * vti_selectors_new() - check selectors and keep them
 * @local: our end's; NULL with @remote, for all packets
 * @local_len: bytes
 * @remote: the peer's
 * @remote_len: bytes
 * @extack: for the refusal
 *
 * May sleep.
 *
 * Return: to be freed with kfree(); NULL for all packets; or ERR_PTR().
 */
struct vti_selectors *vti_selectors_new(const u8 *local, unsigned int local_len,
					const u8 *remote, unsigned int remote_len,
					struct netlink_ext_ack *extack)
{
	struct vti_selectors *s;
	int err;

	if (!local && !remote)
		return NULL;
	if (!local_len || !remote_len) {
		NL_SET_ERR_MSG(extack, "traffic selectors want both ends, local and remote");
		return ERR_PTR(-EINVAL);
	}
	err = check(local, local_len, extack) ?: check(remote, remote_len, extack);
	if (err)
		return ERR_PTR(err);
	s = kmalloc(struct_size(s, ts, local_len + remote_len), GFP_KERNEL_ACCOUNT);
	if (!s)
		return ERR_PTR(-ENOMEM);
	s->whole = whole_types(local, local_len) & whole_types(remote, remote_len);
	s->local_len = local_len;
	s->remote_len = remote_len;
	memcpy(s->ts, local, local_len);
	memcpy(s->ts + local_len, remote, remote_len);
	return s;
}

/**
 * vti_selectors_equal() - do two SAs carry the same?
 * @a: one's; NULL is all packets
 * @b: the other's
 */
bool vti_selectors_equal(const struct vti_selectors *a, const struct vti_selectors *b)
{
	if (!a || !b)
		return a == b;
	return a->local_len == b->local_len && a->remote_len == b->remote_len &&
	       !memcmp(a->ts, b->ts, a->local_len + a->remote_len);
}

/**
 * vti_selectors_only() - are all for one protocol?
 * @s: selectors
 * @proto: protocol
 */
bool vti_selectors_only(const struct vti_selectors *s, u8 proto)
{
	unsigned int len = s->local_len + s->remote_len;
	const u8 *data = s->ts;
	const struct vti_ts *ts;

	while ((ts = next_ts(&data, &len)))
		if (ts->proto != proto)
			return false;
	return true;
}

/* Ports, or what stands for them (RFC 4301 4.4.1.1), from the upper-layer header at @offset. */
static void read_ports(const struct sk_buff *skb, int offset, struct flow *flow)
{
	__be16 buffer[2];
	const __be16 *ports = skb_header_pointer(skb, offset, sizeof(buffer), buffer);

	if (!ports)
		return;
	switch (flow->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		flow->sport = ntohs(ports[0]);
		flow->dport = ntohs(ports[1]);
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		flow->sport = ntohs(ports[0]);
		flow->dport = flow->sport;
		break;
	default:
		return;
	}
	flow->has_ports = true;
}

static int read_ipv4(const struct sk_buff *skb, int offset, struct flow *flow)
{
	struct iphdr buffer;
	const struct iphdr *iph = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);

	if (!iph || iph->version != 4 || iph->ihl < 5)
		return -1;
	flow->type = VTI_TS_IPV4;
	flow->proto = iph->protocol;
	memcpy(flow->saddr, &iph->saddr, 4);
	memcpy(flow->daddr, &iph->daddr, 4);
	offset += iph->ihl * 4;
	if (!(iph->frag_off & htons(IP_OFFSET)))
		read_ports(skb, offset, flow);
	return offset;
}

static int read_ipv6(const struct sk_buff *skb, int offset, struct flow *flow)
{
	struct ipv6hdr buffer;
	const struct ipv6hdr *ip6h = skb_header_pointer(skb, offset, sizeof(buffer), &buffer);
	__be16 fragment;

	if (!ip6h || ip6h->version != 6)
		return -1;
	flow->type = VTI_TS_IPV6;
	flow->proto = ip6h->nexthdr;
	memcpy(flow->saddr, &ip6h->saddr, 16);
	memcpy(flow->daddr, &ip6h->daddr, 16);
	offset = ipv6_skip_exthdr(skb, offset + sizeof(*ip6h), &flow->proto, &fragment);
	if (offset < 0) {
		flow->proto = IPPROTO_NONE;
		return skb->len;
	}
	if (!(fragment & htons(~0x7)))
		read_ports(skb, offset, flow);
	return offset;
}

/* Return: offset of the upper-layer header; negative if this is no IP packet. */
static int read_flow(const struct sk_buff *skb, int offset, bool v6, struct flow *flow)
{
	flow->has_ports = false;
	return v6 ? read_ipv6(skb, offset, flow) : read_ipv4(skb, offset, flow);
}

static bool ports_match(const struct vti_ts *ts, bool has_port, u16 port)
{
	if (any_port(ts))
		return true;
	if (opaque_port(ts))
		return !has_port;
	return has_port && port >= ntohs(ts->first_port) && port <= ntohs(ts->last_port);
}

static bool end_matches(const u8 *data, unsigned int len, const struct flow *flow,
			const u8 *addr, u16 port)
{
	const unsigned int n = addr_len(flow->type);
	const struct vti_ts *ts;

	while ((ts = next_ts(&data, &len)))
		if (ts->type == flow->type && (!ts->proto || ts->proto == flow->proto) &&
		    memcmp(addr, ts->addr, n) >= 0 && memcmp(addr, ts->addr + n, n) <= 0 &&
		    ports_match(ts, flow->has_ports, port))
			return true;
	return false;
}

static bool flow_matches(const struct vti_selectors *s, const struct flow *flow, bool outbound)
{
	const u8 *local = outbound ? flow->saddr : flow->daddr;
	const u8 *remote = outbound ? flow->daddr : flow->saddr;

	return end_matches(s->ts, s->local_len, flow, local,
			   outbound ? flow->sport : flow->dport) &&
	       end_matches(s->ts + s->local_len, s->remote_len, flow, remote,
			   outbound ? flow->dport : flow->sport);
}

static bool is_icmp_error(const struct flow *flow)
{
	u8 type = flow->sport >> 8;

	if (!flow->has_ports)
		return false;
	if (flow->proto == IPPROTO_ICMPV6)
		return type < ICMPV6_INFOMSG_MASK;
	return flow->proto == IPPROTO_ICMP &&
	       (type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
		type == ICMP_PARAMETERPROB);
}

/**
 * vti_selectors_match() - may a packet go through an SA?
 * @s: the SA's selectors
 * @skb: inner packet, at its network header; skb->protocol says which family
 * @outbound: direction
 *
 * An ICMP error may come from a router that the selectors do not know. It
 * belongs where the packet it quotes went the other way (RFC 4301 6), or path
 * MTU discovery would die with peers that narrow; but only to that packet's
 * sender, or a peer could reach anyone with it.
 */
bool vti_selectors_match(const struct vti_selectors *s, const struct sk_buff *skb, bool outbound)
{
	bool v6 = skb->protocol == htons(ETH_P_IPV6);
	struct flow flow, quoted;
	int upper;

	if (likely(s->whole & BIT(v6 ? VTI_TS_IPV6 : VTI_TS_IPV4)))
		return true;
	upper = read_flow(skb, skb_network_offset(skb), v6, &flow);
	if (upper < 0)
		return false;
	if (flow_matches(s, &flow, outbound))
		return true;
	return is_icmp_error(&flow) &&
	       read_flow(skb, upper + sizeof(struct icmphdr), v6, &quoted) >= 0 &&
	       !memcmp(flow.daddr, quoted.saddr, addr_len(flow.type)) &&
	       flow_matches(s, &quoted, !outbound);
}
