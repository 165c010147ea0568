/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the supported kernels and can't be said by a fallback
 * header (compat/fallback, last on the include path, found only where the
 * kernel has no header of that name). Kbuild probes the kernel's headers and
 * defines VTI_HAVE_*; version numbers say little about distribution kernels.
 */
#ifndef _IPSECVTI_COMPAT_H
#define _IPSECVTI_COMPAT_H

#include <linux/crypto.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/rtnetlink.h>

/* A new device's namespaces and attributes: two arguments or a structure. */
#ifdef VTI_HAVE_NEWLINK_PARAMS
#define VTI_NEWLINK(name)						\
	static int name(struct net_device *dev,				\
			struct rtnl_newlink_params *params,		\
			struct netlink_ext_ack *extack)
#define VTI_NEWLINK_NET rtnl_newlink_link_net(params)
#else
#define VTI_NEWLINK(name)						\
	static int name(struct net *src_net, struct net_device *dev,	\
			struct nlattr *tb[], struct nlattr *data[],	\
			struct netlink_ext_ack *extack)
#define VTI_NEWLINK_NET src_net
#endif

/* Transmission without a lock of the stack's: a feature bit became a member. */
static inline void vti_set_lltx(struct net_device *dev)
{
#ifdef VTI_HAVE_LLTX
	dev->lltx = true;
#else
	dev->features |= NETIF_F_LLTX;
#endif
}

/* A cipher's completion gets its caller's pointer, or a request that has it. */
#ifdef VTI_HAVE_COMPLETION_DATA
#define vti_completion_arg void

static inline void *vti_completion_data(void *arg)
{
	return arg;
}
#else
#define vti_completion_arg struct crypto_async_request

static inline void *vti_completion_data(struct crypto_async_request *arg)
{
	return arg->data;
}
#endif

/* Which clock a delivery time is of: one bit became an enumeration. */
static inline void vti_copy_tstamp_type(struct sk_buff *to, const struct sk_buff *from)
{
#ifdef VTI_HAVE_TSTAMP_TYPE
	to->tstamp_type = from->tstamp_type;
#else
	to->mono_delivery_time = from->mono_delivery_time;
#endif
}

/* Attributes of a dump request. */
static inline struct nlattr **vti_dump_attrs(struct netlink_callback *cb)
{
#ifdef VTI_HAVE_INFO_DUMP
	return genl_info_dump(cb)->attrs;
#else
	return genl_dumpit_info(cb)->attrs;
#endif
}

/* A device that exists only to carry NAPI contexts. */
static inline struct net_device *vti_alloc_dummy(void)
{
#ifdef VTI_HAVE_ALLOC_DUMMY
	return alloc_netdev_dummy(0);
#else
	struct net_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (dev)
		init_dummy_netdev(dev);
	return dev;
#endif
}

static inline void vti_free_dummy(struct net_device *dev)
{
#ifdef VTI_HAVE_ALLOC_DUMMY
	free_netdev(dev);
#else
	kfree(dev);
#endif
}

/*
 * Formatted refusals. Before 6.2 an extack has no room of its own for text, so
 * the text stays in one of a few static buffers until the answer has
 * copied it. Should that many refusals overtake it, a wrong text is the worst.
 */
#ifndef NL_SET_ERR_MSG_FMT
#define VTI_NEED_EXTACK_BUFFER
char *vti_extack_buffer(size_t *size);

#define NL_SET_ERR_MSG_FMT(extack, fmt, args...) do {			\
	struct netlink_ext_ack *__extack = (extack);			\
	size_t __size;							\
	char *__text;							\
									\
	if (__extack) {							\
		__text = vti_extack_buffer(&__size);			\
		snprintf(__text, __size, fmt, ##args);			\
		__extack->_msg = __text;				\
	}								\
} while (0)
#endif

#endif
