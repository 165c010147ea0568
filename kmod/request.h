/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A netlink request: the device that it names, who may say so, and the answer.
 */
#ifndef _IPSECVTI_REQUEST_H
#define _IPSECVTI_REQUEST_H

#include <net/genetlink.h>

#include "device.h"
#include "stats.h"

extern struct genl_family vti_genl_family;

/**
 * struct vti_request - a request about one device
 * @vd: device
 * @net: its outer namespace
 * @vn: our part of that, locked
 * @info: the request
 * @attrs: its attributes
 * @extack: for the refusal
 * @msg: the answer, for commands that have one
 */
struct vti_request {
	struct vti_dev *vd;
	struct net *net;
	struct vti_net *vn;
	struct genl_info *info;
	struct nlattr **attrs;
	struct netlink_ext_ack *extack;
	struct sk_buff *msg;
};

bool vti_request_has_handle(struct nlattr **attrs);
struct net_device *vti_request_find_dev(struct net *net, struct nlattr **attrs,
					struct netlink_ext_ack *extack);
int vti_request_get(struct sk_buff *skb, struct genl_info *info, struct vti_request *req);
void vti_request_put(struct vti_request *req);
int vti_request_run(struct vti_request *req, int (*fn)(struct vti_request *req));
int vti_request_do(struct sk_buff *skb, struct genl_info *info,
		   int (*fn)(struct vti_request *req));
int vti_request_answer(struct sk_buff *skb, struct genl_info *info,
		       int (*fn)(struct vti_request *req));
int vti_request_check_owner(const struct vti_request *req, int owner_attr, int force_attr);

struct sk_buff *vti_reply_new(struct genl_info *info, void **hdr);
int vti_reply_send(struct sk_buff *msg, void *hdr, struct genl_info *info);
int vti_put_stat(struct sk_buff *skb, int attr, u64 value);
int vti_put_drops(struct sk_buff *skb, const struct vti_drops *drops);
int vti_put_handle(struct sk_buff *skb, struct vti_dev *vd, struct net *outer, int netnsid_attr);

int vti_netlink_dev_get(struct sk_buff *skb, struct genl_info *info);
int vti_netlink_dev_dump(struct sk_buff *skb, struct netlink_callback *cb);
int vti_netlink_dev_set(struct sk_buff *skb, struct genl_info *info);
int vti_netlink_spi_alloc(struct sk_buff *skb, struct genl_info *info);
int vti_netlink_sa_new(struct sk_buff *skb, struct genl_info *info);
int vti_netlink_sa_del(struct sk_buff *skb, struct genl_info *info);
int vti_netlink_sa_get(struct sk_buff *skb, struct genl_info *info);
int vti_netlink_sa_dump(struct sk_buff *skb, struct netlink_callback *cb);
int vti_netlink_out_set(struct sk_buff *skb, struct genl_info *info);

#endif
