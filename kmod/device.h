/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The network device: its outer side (endpoint), its SAs, its carrier.
 *
 * Locking. Everything that user space can change about the devices of one
 * outer namespace is changed under that namespace's vti_net.lock, a mutex that
 * nests inside RTNL and inside vti_devices_lock. The data path takes no lock:
 * endpoint, outbound set and the outer namespace itself are RCU pointers.
 */
#ifndef _IPSECVTI_DEVICE_H
#define _IPSECVTI_DEVICE_H

#include <linux/if.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/xarray.h>
#include <linux/ipsecvti.h>
#include <net/dst_cache.h>
#include <net/net_namespace.h>
#include <net/xfrm.h>

#include "stats.h"

struct vti_outset;

/*
 * Room to leave for Ethernet, IPv4, ESP and an AEAD's IV. Drivers leave 64 bytes, and
 * who forwards a packet with less than we ask for copies it: see vti_dev_widen().
 */
#define VTI_NEEDED_HEADROOM (16 + 20 + 16)
/* Padding, trailer, the longest ICV. */
#define VTI_NEEDED_TAILROOM (15 + 2 + 32)

/**
 * struct vti_endpoint - the outer side of a device, replaced as a whole
 * @rcu: frees it
 * @local: our outer address
 * @remote: the peer's
 * @family: AF_INET, AF_INET6 or AF_UNSPEC (no addresses yet)
 * @encap: enum ipsecvti_encap
 * @sport: UDP source port
 * @dport: UDP destination port
 * @oif: outer interface, 0 for any
 * @mark: fwmark of outer packets
 * @df: enum ipsecvti_df
 * @dscp: of outer packets, or IPSECVTI_DSCP_COPY
 * @ttl: of outer packets; 0 is the route's
 * @min_pmtu: packets up to this are sent, in fragments if need be, whatever ICMP errors say
 * @pmtu: what ICMP errors have taught; 0 is nothing
 * @pmtu_until: jiffies until which that is believed
 * @route: for each CPU the route to @remote
 */
struct vti_endpoint {
	struct rcu_head rcu;
	xfrm_address_t local;
	xfrm_address_t remote;
	u8 family;
	u8 encap;
	__be16 sport;
	__be16 dport;
	int oif;
	u32 mark;
	u8 df;
	u8 dscp;
	u8 ttl;
	u32 min_pmtu;
	u32 pmtu;
	unsigned long pmtu_until;
	struct dst_cache route;
};

/**
 * struct vti_source - where a packet came from
 * @family: AF_UNSPEC for nowhere
 * @port: UDP source port, 0 for native ESP
 * @addr: address
 */
struct vti_source {
	u8 family;
	__be16 port;
	xfrm_address_t addr;
};

/**
 * struct vti_net - what belongs to one outer namespace
 * @lock: see above
 * @net: the namespace
 * @devices: by dev-id
 * @sas: by sa-id
 * @next_dev: where the search for a dev-id goes on
 * @next_sa: where the search for an sa-id goes on
 * @gen: changes with every change of a device or an SA
 * @watching: vti_icmp_watch() was called
 */
struct vti_net {
	struct mutex lock;	/* see above */
	struct net *net;
	struct xarray devices;
	struct xarray sas;
	u32 next_dev;
	u32 next_sa;
	u32 gen;
	bool watching;
};

/**
 * struct vti_dev - private part of the net_device
 * @dev: the net_device
 * @outer: the namespace of the outer packets; NULL once that is gone
 * @endpoint: outer addresses
 * @out: outbound set; NULL for an empty one
 * @drops: named drops
 * @acquire: jiffies before which no further acquire event is sent
 * @seen_lock: of @seen
 * @seen: where the peer's packets come from when not from where ours go to
 * @seen_event: jiffies before which no further event tells of @seen
 * @sas: under vti_net.lock; all live SAs
 * @reserved: under vti_net.lock; SPIs reserved for this device
 * @n_reserved: their number
 * @stopped: which one of all stopped devices it was; under RTNL
 * @all: in vti_devices, under vti_devices_lock
 * @id: dev-id
 * @gen: generation of @out
 * @forked: times that a VM fork killed the outbound SAs
 * @on_demand: dormant rather than without carrier
 * @owner: who may write without force
 */
struct vti_dev {
	struct net_device *dev;
	struct net __rcu *outer;
	struct vti_endpoint __rcu *endpoint;
	struct vti_outset __rcu *out;
	struct vti_drops drops;
	unsigned long acquire;
	spinlock_t seen_lock;	/* see above */
	struct vti_source seen;
	unsigned long seen_event;
	struct list_head sas;
	struct list_head reserved;
	unsigned int n_reserved;
	u64 stopped;
	struct list_head all;
	u32 id;
	u32 gen;
	u32 forked;
	bool on_demand;
	char owner[IPSECVTI_OWNER_MAX + 1];
};

extern struct rtnl_link_ops vti_link_ops;
extern bool vti_hibernating;

struct vti_net *vti_net(struct net *net);
bool vti_dev_is(const struct net_device *dev);
struct net *vti_dev_outer_get(struct vti_dev *vd);
void vti_dev_widen(struct vti_dev *vd, unsigned int headroom);
void vti_dev_set_endpoint(struct vti_dev *vd, struct vti_endpoint *ep);
void vti_dev_update_carrier(struct vti_dev *vd);
void vti_dev_activate(struct vti_dev *vd);
void vti_dev_peer_moved(struct vti_dev *vd, const struct vti_source *from);
struct vti_source vti_dev_seen(struct vti_dev *vd);
void vti_dev_forget_seen(struct vti_dev *vd);
void vti_dev_drop(struct vti_dev *vd, struct sk_buff *skb, enum vti_drop drop);
struct vti_endpoint *vti_endpoint_copy(const struct vti_endpoint *from);
void vti_endpoint_free(struct vti_endpoint *ep);
void vti_endpoint_learn(struct vti_endpoint *ep, u32 mtu, unsigned long believed);
u32 vti_endpoint_pmtu(const struct vti_endpoint *ep);

int vti_device_init(void);
void vti_device_exit(void);

#endif
