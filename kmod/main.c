// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <net/genetlink.h>
#include <net/rtnetlink.h>

#include "compat/compat.h"
#include "device.h"
#include "esp.h"
#include "lane.h"
#include "netlink.h"
#include "receive.h"
#include "sa.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#ifndef IPSECVTI_VERSION
#define IPSECVTI_VERSION "in-tree"
#endif

static int __init vti_init(void)
{
	int err;

	err = vti_esp_init();
	if (err)
		return err;
	err = vti_sa_init();
	if (err)
		goto no_sa;
	err = vti_lane_init();
	if (err)
		goto no_lane;
	err = vti_device_init();
	if (err)
		goto no_device;
	err = vti_netlink_init();
	if (err)
		goto no_netlink;
	err = vti_receive_init();
	if (err)
		goto no_receive;
	return 0;

no_receive:
	vti_netlink_exit();
no_netlink:
	vti_device_exit();
no_device:
	vti_lane_exit();
no_lane:
	vti_sa_exit();
no_sa:
	vti_esp_exit();
	return err;
}

/*
 * With the devices go their SAs, and each device is waited for until its last
 * SA has let go of it. The worker that freed that one ends in vti_sa_exit().
 */
static void __exit vti_exit(void)
{
	vti_receive_exit();
	vti_netlink_exit();
	vti_device_exit();
	vti_sa_exit();
	vti_lane_exit();
	vti_esp_exit();
}

module_init(vti_init);
module_exit(vti_exit);

MODULE_DESCRIPTION("Route-based IPsec tunnel devices");
MODULE_AUTHOR("The ipsecvti authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(IPSECVTI_VERSION);
MODULE_ALIAS_RTNL_LINK(KBUILD_MODNAME);
MODULE_ALIAS_NET_PF_PROTO_NAME(PF_NETLINK, NETLINK_GENERIC, "-family-" IPSECVTI_FAMILY_NAME);
