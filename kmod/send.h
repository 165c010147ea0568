/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _IPSECVTI_SEND_H
#define _IPSECVTI_SEND_H

#include <linux/netdevice.h>

#include "sa.h"

netdev_tx_t vti_send_xmit(struct sk_buff *skb, struct net_device *dev);
void vti_send_poll(struct sk_buff *skb);
void vti_send_encrypted(struct vti_sa *sa, struct sk_buff *skb, int err);
unsigned int vti_send_mtu(struct vti_dev *vd);

#endif
