// SPDX-License-Identifier: GPL-2.0
#include "device.h"

#include <linux/ethtool.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/suspend.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/netns/generic.h>
#include <net/rtnetlink.h>
#include <net/sch_generic.h>

#include "compat/compat.h"
#include "icmp.h"
#include "lane.h"
#include "netlink.h"
#include "sa.h"
#include "send.h"
#include "spi.h"
#include "trace.h"

/*
 * The default MTU leaves what the worst suite in UDP over IPv4 takes from a
 * path of 1500 bytes. It never moves by itself: the exact limit of path and
 * suite is enforced for each packet instead.
 */
#define DEFAULT_MTU (ETH_DATA_LEN - 96)
#define MAX_MTU (IP_MAX_MTU - 116)

static unsigned int net_id __read_mostly;

/* An image of this machine is being made. Under every vti_net.lock at once, see kill_outbound(). */
bool vti_hibernating;

/* All devices of all namespaces, for what concerns the whole machine. Taken before vti_net.lock. */
static DEFINE_MUTEX(vti_devices_lock);
static LIST_HEAD(vti_devices);

/**
 * vti_net() - our part of an outer namespace
 * @net: namespace, alive
 */
struct vti_net *vti_net(struct net *net)
{
	return net_generic(net, net_id);
}

/**
 * vti_dev_outer_get() - a device's outer namespace, held
 * @vd: device, held
 *
 * Return: to be released with put_net(); NULL once the namespace is going.
 */
struct net *vti_dev_outer_get(struct vti_dev *vd)
{
	struct net *net;

	rcu_read_lock();
	net = rcu_dereference(vd->outer);
	if (net)
		net = maybe_get_net(net);
	rcu_read_unlock();
	return net;
}

/**
 * vti_endpoint_copy() - a private endpoint to change and publish
 * @from: endpoint to start with; NULL for an empty one
 *
 * May sleep.
 */
struct vti_endpoint *vti_endpoint_copy(const struct vti_endpoint *from)
{
	struct vti_endpoint *ep = kzalloc(sizeof(*ep), GFP_KERNEL_ACCOUNT);

	if (!ep)
		return NULL;
	if (from) {
		*ep = *from;
	} else {
		ep->family = AF_UNSPEC;
		ep->dscp = IPSECVTI_DSCP_COPY;
		ep->min_pmtu = IPV6_MIN_MTU;
	}
	if (dst_cache_init(&ep->route, GFP_KERNEL)) {
		kfree(ep);
		return NULL;
	}
	return ep;
}

/**
 * vti_endpoint_free() - free an endpoint that nobody can see
 * @ep: never published, or a grace period ago
 */
void vti_endpoint_free(struct vti_endpoint *ep)
{
	dst_cache_destroy(&ep->route);
	kfree(ep);
}

/**
 * vti_endpoint_learn() - an ICMP error tells of a narrower path
 * @ep: endpoint, under RCU
 * @mtu: as the error says, unchecked
 * @believed: jiffies that it is believed for
 *
 * Any context. It is kept here rather than with the route, which would not be
 * found again by those who route by mark or in a VRF.
 */
void vti_endpoint_learn(struct vti_endpoint *ep, u32 mtu, unsigned long believed)
{
	u32 known = vti_endpoint_pmtu(ep);

	if (mtu < IPV4_MIN_MTU || (known && known < mtu))
		return;
	WRITE_ONCE(ep->pmtu_until, jiffies + believed);
	WRITE_ONCE(ep->pmtu, mtu);
}

/**
 * vti_endpoint_pmtu() - what ICMP errors have taught of the path
 * @ep: endpoint, under RCU
 *
 * Return: bytes; 0 if there is nothing that is still believed.
 */
u32 vti_endpoint_pmtu(const struct vti_endpoint *ep)
{
	u32 mtu = READ_ONCE(ep->pmtu);

	return mtu && time_before(jiffies, READ_ONCE(ep->pmtu_until)) ? mtu : 0;
}

static void endpoint_free_rcu(struct rcu_head *rcu)
{
	vti_endpoint_free(container_of(rcu, struct vti_endpoint, rcu));
}

/**
 * vti_dev_set_endpoint() - replace the outer side in one step
 * @vd: device
 * @ep: from vti_endpoint_copy(); NULL for none
 *
 * Under vti_net.lock, or when nothing else can reach the device.
 */
void vti_dev_set_endpoint(struct vti_dev *vd, struct vti_endpoint *ep)
{
	struct vti_endpoint *old = rcu_replace_pointer(vd->endpoint, ep, true);

	if (old)
		call_rcu(&old->rcu, endpoint_free_rcu);
}

/**
 * vti_dev_widen() - have the room left that a packet did not have
 * @vd: device
 * @headroom: bytes that are written before a packet
 *
 * Any context.
 */
void vti_dev_widen(struct vti_dev *vd, unsigned int headroom)
{
	if (headroom > READ_ONCE(vd->dev->needed_headroom))
		WRITE_ONCE(vd->dev->needed_headroom, headroom);
}

static bool usable(struct vti_dev *vd)
{
	const struct vti_endpoint *ep = rcu_dereference_protected(vd->endpoint, true);
	const struct vti_outset *set = rcu_dereference_protected(vd->out, true);
	const struct vti_sa *sa;
	unsigned int i;

	if (!rcu_access_pointer(vd->outer) || !ep || ep->family == AF_UNSPEC || !set)
		return false;
	for (i = 0; i < set->n_slots; i++) {
		const struct vti_sa *out = set->slots[i].sa;

		if (READ_ONCE(out->dead))
			continue;
		list_for_each_entry(sa, &vd->sas, list)
			if (sa->dir == IPSECVTI_DIR_IN && sa->child_id == out->child_id &&
			    !READ_ONCE(sa->dead))
				return true;
	}
	return false;
}

/**
 * vti_dev_update_carrier() - make the carrier follow the SAs
 * @vd: device
 *
 * The carrier is on while an outbound SA can send and its inbound partner can
 * receive. Under vti_net.lock, the only place that decides.
 */
void vti_dev_update_carrier(struct vti_dev *vd)
{
	bool on = usable(vd);

	if (on || vd->on_demand)
		netif_carrier_on(vd->dev);
	else
		netif_carrier_off(vd->dev);
	if (!on && vd->on_demand)
		netif_dormant_on(vd->dev);
	else
		netif_dormant_off(vd->dev);
}

/**
 * vti_dev_activate() - give a device whose carrier came on its queue
 * @vd: device
 *
 * linkwatch does the same a moment later, but whoever has installed an SA sends
 * at once, and what it sends until then would be dropped. Context: may sleep;
 * takes RTNL, so vti_net.lock must not be held.
 */
void vti_dev_activate(struct vti_dev *vd)
{
	struct net_device *dev = vd->dev;

	if (!netif_running(dev) || !netif_carrier_ok(dev) || !qdisc_tx_is_noop(dev))
		return;
	rtnl_lock();
	if (netif_running(dev) && netif_carrier_ok(dev))
		dev_activate(dev);
	rtnl_unlock();
}

/**
 * vti_dev_peer_moved() - the peer's newest packet came from elsewhere
 * @vd: device
 * @from: where it came from
 *
 * BH disabled, RCU held. A hint for whoever decides where packets go to, once
 * a second at most.
 */
void vti_dev_peer_moved(struct vti_dev *vd, const struct vti_source *from)
{
	bool tell;

	spin_lock(&vd->seen_lock);
	vd->seen = *from;
	tell = time_after_eq(jiffies, vd->seen_event);
	if (tell)
		vd->seen_event = jiffies + HZ;
	spin_unlock(&vd->seen_lock);
	if (tell)
		vti_netlink_peer_moved(vd, from);
}

/**
 * vti_dev_seen() - where the peer was seen
 * @vd: device
 *
 * Return: AF_UNSPEC while it is where our packets go to.
 */
struct vti_source vti_dev_seen(struct vti_dev *vd)
{
	struct vti_source seen;

	spin_lock_bh(&vd->seen_lock);
	seen = vd->seen;
	spin_unlock_bh(&vd->seen_lock);
	return seen;
}

/**
 * vti_dev_forget_seen() - our packets now go to where user space says
 * @vd: device
 */
void vti_dev_forget_seen(struct vti_dev *vd)
{
	spin_lock_bh(&vd->seen_lock);
	vd->seen.family = AF_UNSPEC;
	vd->seen_event = jiffies;
	spin_unlock_bh(&vd->seen_lock);
}

/**
 * vti_dev_drop() - count a packet under a name and free it
 * @vd: device
 * @skb: packet, of which no SA is known
 * @drop: name
 *
 * Any context.
 */
void vti_dev_drop(struct vti_dev *vd, struct sk_buff *skb, enum vti_drop drop)
{
	trace_ipsecvti_drop(vd, NULL, 0, drop);
	atomic_long_inc(&vd->drops.n[drop]);
	kfree_skb_reason(skb, vti_drop_info[drop].reason);
}

static int vti_dev_init(struct net_device *dev)
{
	dev->tstats = netdev_alloc_pcpu_stats(struct pcpu_sw_netstats);
	return dev->tstats ? 0 : -ENOMEM;
}

/* Devices stopped so far, and how many of these no lane has a packet of. Under RTNL. */
static u64 stopped, drained;

static int vti_dev_stop(struct net_device *dev)
{
	struct vti_dev *vd = netdev_priv(dev);

	vd->stopped = ++stopped;
	return 0;
}

/*
 * A device leaves its namespace, for another one or for good. After this no
 * packet of it is on a lane or in a GRO list, and none can get there: the lanes
 * look at netif_running(), and between stopping devices and saying this the
 * stack waits for a grace period. Of many that go together the first one waits
 * for all.
 */
static int leaving(struct notifier_block *nb, unsigned long event, void *data)
{
	struct net_device *dev = netdev_notifier_info_to_dev(data);
	const struct vti_dev *vd = netdev_priv(dev);

	if (event != NETDEV_UNREGISTER || !vti_dev_is(dev) || vd->stopped <= drained)
		return NOTIFY_DONE;
	ASSERT_RTNL();
	vti_lane_drain();
	drained = stopped;
	return NOTIFY_OK;
}

static struct notifier_block leaving_notifier = { .notifier_call = leaving };

static void vti_dev_uninit(struct net_device *dev)
{
	struct vti_dev *vd = netdev_priv(dev);
	struct net *net = rcu_dereference_protected(vd->outer, true);
	struct vti_net *vn;

	mutex_lock(&vti_devices_lock);
	list_del_init(&vd->all);
	/* The outer namespace may be on its way out: its pre_exit takes the same lock. */
	net = rcu_dereference_protected(vd->outer, lockdep_is_held(&vti_devices_lock));
	if (net) {
		vn = vti_net(net);
		mutex_lock(&vn->lock);
		xa_erase(&vn->devices, vd->id);
		vti_sa_kill_all(vn, vd);
		vti_spi_release_all(vd);
		vn->gen++;
		vti_netlink_dev_event(vd, net, IPSECVTI_EVENT_TYPE_DEV_GONE);
		RCU_INIT_POINTER(vd->outer, NULL);
		mutex_unlock(&vn->lock);
	}
	mutex_unlock(&vti_devices_lock);
	vti_dev_set_endpoint(vd, NULL);
}

static void vti_dev_free(struct net_device *dev)
{
	free_percpu(dev->tstats);
}

static void vti_dev_stats64(struct net_device *dev, struct rtnl_link_stats64 *stats)
{
	struct vti_dev *vd = netdev_priv(dev);
	unsigned int i;

	dev_get_tstats64(dev, stats);
	for (i = 0; i < VTI_DROP_MAX; i++) {
		u64 *field = (void *)stats + vti_drop_info[i].field;

		*field += atomic_long_read(&vd->drops.n[i]);
	}
	stats->rx_errors += stats->rx_length_errors + stats->rx_crc_errors +
			    stats->rx_frame_errors + stats->rx_fifo_errors;
	stats->tx_errors += stats->tx_carrier_errors + stats->tx_fifo_errors +
			    stats->collisions;
}

/* With an iflink of another device, or none, operstate changes are reported at once. */
static int vti_dev_iflink(const struct net_device *dev)
{
	const struct vti_dev *vd = netdev_priv(dev);
	const struct vti_endpoint *ep;
	int oif;

	rcu_read_lock();
	ep = rcu_dereference(vd->endpoint);
	oif = ep ? ep->oif : 0;
	rcu_read_unlock();
	return oif;
}

static const struct net_device_ops vti_dev_ops = {
	.ndo_init = vti_dev_init,
	.ndo_uninit = vti_dev_uninit,
	.ndo_stop = vti_dev_stop,
	.ndo_start_xmit = vti_send_xmit,
	.ndo_get_stats64 = vti_dev_stats64,
	.ndo_get_iflink = vti_dev_iflink,
};

static void vti_dev_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
}

static const struct ethtool_ops vti_ethtool_ops = {
	.get_drvinfo = vti_dev_drvinfo,
	.get_link = ethtool_op_get_link,
};

static const struct device_type vti_device_type = { .name = KBUILD_MODNAME };

static void vti_link_setup(struct net_device *dev)
{
	const netdev_features_t features = NETIF_F_HW_CSUM | NETIF_F_RXCSUM | NETIF_F_SG |
					   NETIF_F_GSO | NETIF_F_GSO_SOFTWARE | NETIF_F_HIGHDMA;

	dev->netdev_ops = &vti_dev_ops;
	dev->ethtool_ops = &vti_ethtool_ops;
	dev->header_ops = &ip_tunnel_header_ops;
	dev->needs_free_netdev = true;
	dev->priv_destructor = vti_dev_free;
	dev->type = ARPHRD_NONE;
	dev->flags = IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST;
	/* A console's packets come in contexts that a cipher can't run in. */
	dev->priv_flags |= IFF_NO_QUEUE | IFF_DISABLE_NETPOLL;
	vti_set_lltx(dev);
	netif_keep_dst(dev);
	dev->features |= features;
	dev->hw_features |= features;
	dev->hw_enc_features |= features;
	dev->needed_headroom = VTI_NEEDED_HEADROOM;
	dev->needed_tailroom = VTI_NEEDED_TAILROOM;
	dev->mtu = DEFAULT_MTU;
	dev->min_mtu = IPV4_MIN_MTU;
	dev->max_mtu = MAX_MTU;
	netif_set_tso_max_size(dev, GSO_MAX_SIZE);
	SET_NETDEV_DEVTYPE(dev, &vti_device_type);
}

VTI_NEWLINK(vti_link_new)
{
	struct vti_dev *vd = netdev_priv(dev);
	struct net *net = VTI_NEWLINK_NET;
	struct vti_net *vn = vti_net(net);
	int err;

	vd->dev = dev;
	spin_lock_init(&vd->seen_lock);
	vti_dev_forget_seen(vd);
	INIT_LIST_HEAD(&vd->sas);
	INIT_LIST_HEAD(&vd->reserved);
	INIT_LIST_HEAD(&vd->all);

	mutex_lock(&vn->lock);
	err = xa_alloc_cyclic(&vn->devices, &vd->id, NULL, XA_LIMIT(1, INT_MAX), &vn->next_dev,
			      GFP_KERNEL);
	mutex_unlock(&vn->lock);
	if (err < 0)
		return err;

	netif_carrier_off(dev);
	err = register_netdevice(dev);
	if (err) {
		xa_erase(&vn->devices, vd->id);
		return err;
	}

	mutex_lock(&vti_devices_lock);
	mutex_lock(&vn->lock);
	rcu_assign_pointer(vd->outer, net);
	list_add_tail(&vd->all, &vti_devices);
	xa_store(&vn->devices, vd->id, vd, GFP_KERNEL);	/* the slot is there: cannot fail */
	vn->gen++;
	vti_netlink_dev_event(vd, net, IPSECVTI_EVENT_TYPE_DEV_NEW);
	mutex_unlock(&vn->lock);
	mutex_unlock(&vti_devices_lock);
	return 0;
}

static struct net *vti_link_net(const struct net_device *dev)
{
	const struct vti_dev *vd = netdev_priv(dev);
	struct net *net = rcu_dereference_rtnl(vd->outer);

	return net ?: dev_net(dev);
}

/* A queue for each CPU: a qdisc on a single one would make all CPUs encrypt in turn. */
static unsigned int vti_link_queues(void)
{
	return num_possible_cpus();
}

struct rtnl_link_ops vti_link_ops __read_mostly = {
	.kind = KBUILD_MODNAME,
	.priv_size = sizeof(struct vti_dev),
	.setup = vti_link_setup,
	.newlink = vti_link_new,
	.get_num_tx_queues = vti_link_queues,
	.get_link_net = vti_link_net,
};

/**
 * vti_dev_is() - is this one of ours?
 * @dev: any device
 */
bool vti_dev_is(const struct net_device *dev)
{
	return dev->rtnl_link_ops == &vti_link_ops;
}

static int __net_init vti_net_init(struct net *net)
{
	struct vti_net *vn = vti_net(net);

	mutex_init(&vn->lock);
	vn->net = net;
	xa_init_flags(&vn->devices, XA_FLAGS_ALLOC1);
	xa_init_flags(&vn->sas, XA_FLAGS_ALLOC1);
	return 0;
}

/*
 * The outer namespace goes, but a device may live on in another one. It loses
 * its SAs and its routes, and every packet is counted as outer_gone. RCU
 * readers have left before the namespace's memory is touched.
 */
static void __net_exit vti_net_pre_exit(struct net *net)
{
	struct vti_net *vn = vti_net(net);
	struct vti_dev *vd;
	unsigned long id;

	mutex_lock(&vti_devices_lock);
	mutex_lock(&vn->lock);
	xa_for_each(&vn->devices, id, vd) {
		xa_erase(&vn->devices, id);
		RCU_INIT_POINTER(vd->outer, NULL);
		vti_sa_kill_all(vn, vd);
		vti_spi_release_all(vd);
		vti_dev_set_endpoint(vd, NULL);
		vti_dev_update_carrier(vd);
	}
	mutex_unlock(&vn->lock);
	mutex_unlock(&vti_devices_lock);
	/* Nobody sets a device of a namespace that goes. */
	if (vn->watching)
		vti_icmp_unwatch(net);
}

static void __net_exit vti_net_exit(struct net *net)
{
	struct vti_net *vn = vti_net(net);

	WARN_ON_ONCE(!xa_empty(&vn->devices));
	WARN_ON_ONCE(!xa_empty(&vn->sas));
	xa_destroy(&vn->devices);
	xa_destroy(&vn->sas);
}

static struct pernet_operations vti_net_ops = {
	.init = vti_net_init,
	.pre_exit = vti_net_pre_exit,
	.exit = vti_net_exit,
	.id = &net_id,
	.size = sizeof(struct vti_net),
};

/*
 * This machine's memory now exists twice, or is an older one than what was
 * last sent from: the sequence numbers of every outbound SA, and with them the
 * nonces of its cipher, may have been used. No outbound SA may send again.
 */
static void kill_outbound_of(struct vti_dev *vd, struct net *net)
{
	struct vti_sa *sa;

	list_for_each_entry(sa, &vd->sas, list)
		if (sa->dir == IPSECVTI_DIR_OUT)
			WRITE_ONCE(sa->dead, true);
}

static void tell_of_fork(struct vti_dev *vd, struct net *net)
{
	vd->forked++;
	vti_net(net)->gen++;
	vti_dev_update_carrier(vd);
	vti_netlink_dev_event(vd, net, IPSECVTI_EVENT_TYPE_VM_FORK);
}

static void visit_devices(void (*fn)(struct vti_dev *vd, struct net *net))
{
	struct vti_dev *vd;

	lockdep_assert_held(&vti_devices_lock);
	list_for_each_entry(vd, &vti_devices, all) {
		struct net *net = rcu_dereference_protected(vd->outer,
							    lockdep_is_held(&vti_devices_lock));

		if (!net)
			continue;
		mutex_lock(&vti_net(net)->lock);
		fn(vd, net);
		mutex_unlock(&vti_net(net)->lock);
	}
}

static void kill_outbound(void)
{
	mutex_lock(&vti_devices_lock);
	/* All of them before the first is told about: each may be sending meanwhile. */
	visit_devices(kill_outbound_of);
	visit_devices(tell_of_fork);
	mutex_unlock(&vti_devices_lock);
}

static int vm_forked(struct notifier_block *nb, unsigned long action, void *data)
{
	kill_outbound();
	return NOTIFY_DONE;
}

static struct notifier_block vm_fork_notifier = { .notifier_call = vm_forked };

/*
 * A restored image is a fork too: packets are sent after it was taken, while it
 * is written. So the SAs are dead in the image already, and no new one gets in.
 */
static int power_changed(struct notifier_block *nb, unsigned long action, void *data)
{
	switch (action) {
	case PM_HIBERNATION_PREPARE:
		WRITE_ONCE(vti_hibernating, true);
		kill_outbound();
		break;
	case PM_POST_HIBERNATION:
		WRITE_ONCE(vti_hibernating, false);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block power_notifier = { .notifier_call = power_changed };

int __init vti_device_init(void)
{
	int err;

	err = register_random_vmfork_notifier(&vm_fork_notifier);
	if (err)
		return err;
	err = register_pm_notifier(&power_notifier);
	if (err)
		goto no_pm;
	err = register_netdevice_notifier(&leaving_notifier);
	if (err)
		goto no_leaving;
	err = register_pernet_subsys(&vti_net_ops);
	if (err)
		goto no_pernet;
	err = rtnl_link_register(&vti_link_ops);
	if (err)
		goto no_link;
	return 0;

no_link:
	unregister_pernet_subsys(&vti_net_ops);
no_pernet:
	unregister_netdevice_notifier(&leaving_notifier);
no_leaving:
	unregister_pm_notifier(&power_notifier);
no_pm:
	unregister_random_vmfork_notifier(&vm_fork_notifier);
	return err;
}

void vti_device_exit(void)
{
	rtnl_link_unregister(&vti_link_ops);
	unregister_pernet_subsys(&vti_net_ops);
	unregister_netdevice_notifier(&leaving_notifier);
	unregister_pm_notifier(&power_notifier);
	unregister_random_vmfork_notifier(&vm_fork_notifier);
}
