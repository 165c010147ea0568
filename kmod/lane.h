/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One lane for each CPU: a queue of received ESP packets and the NAPI context
 * that decrypts them in batches and hands them to GRO. It is the softirq hop
 * that every tunnel device needs, put in front of the cipher.
 *
 * A packet is worked on where it is, and so is its SA. One SA that keeps a CPU
 * busy, an elephant, can be the guest of another CPU's lane: then all packets
 * of it, sent or received, are brought there. It moves only while nothing of it
 * is under way where it was, so its packets stay in order without anybody
 * having to put them back into it; see elephant.c for when.
 */
#ifndef _IPSECVTI_LANE_H
#define _IPSECVTI_LANE_H

#include <linux/skbuff.h>

struct vti_sa;

/* The SA's packets are worked on where they are. */
#define VTI_LANE_HOME (-1)

bool vti_lane_add(struct sk_buff *skb);
int vti_lane_bring(struct vti_sa *sa, struct sk_buff *skb);
bool vti_lane_free(int cpu);
void vti_lane_relieve(struct vti_sa *sa);
void vti_lane_forget(struct vti_sa *sa);
void vti_lane_drain(void);

int vti_lane_init(void);
void vti_lane_exit(void);

#endif
