/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ICMP errors that quote our packets.
 */
#ifndef _IPSECVTI_ICMP_H
#define _IPSECVTI_ICMP_H

#include <linux/skbuff.h>

struct inet6_skb_parm;
struct net;

int vti_icmp_error4(struct sk_buff *skb, u32 info);
int vti_icmp_error6(struct sk_buff *skb, struct inet6_skb_parm *opt, u8 type, u8 code,
		    int offset, __be32 info);
int vti_icmp_watch(struct net *net);
void vti_icmp_unwatch(struct net *net);

#endif
