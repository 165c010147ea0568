/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _IPSECVTI_RECEIVE_H
#define _IPSECVTI_RECEIVE_H

#include <linux/netdevice.h>

struct vti_dev;
struct vti_sa;

void vti_receive_poll(struct sk_buff *skb, struct napi_struct *napi);
void vti_receive_decrypted(struct sk_buff *skb);
void vti_receive_keep(struct sk_buff *skb, struct vti_dev *vd);
void vti_receive_held(struct vti_sa *sa, struct sk_buff *skb);

int vti_receive_init(void);
void vti_receive_exit(void);

#endif
