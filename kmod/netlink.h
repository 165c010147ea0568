/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The generic netlink family: parse, check, refuse with a text, dump, tell.
 * It knows no cipher and no packet.
 */
#ifndef _IPSECVTI_NETLINK_H
#define _IPSECVTI_NETLINK_H

#include <linux/ipsecvti.h>

struct net;
struct vti_dev;
struct vti_sa;
struct vti_source;

void vti_netlink_dev_event(struct vti_dev *vd, struct net *net, enum ipsecvti_event_type type);
void vti_netlink_sa_event(struct vti_sa *sa, struct net *net, enum ipsecvti_event_type type);
void vti_netlink_peer_moved(struct vti_dev *vd, const struct vti_source *from);
void vti_netlink_acquire(struct vti_dev *vd);

int vti_netlink_init(void);
void vti_netlink_exit(void);

#endif
