// SPDX-License-Identifier: GPL-2.0
#include "request.h"

#include <linux/capability.h>

#include "compat/compat.h"

/* Every attribute set that names a device does so with the same numbers. */
#define SAME_ATTR(one, other) static_assert((int)(one) == (int)(other))

SAME_ATTR(IPSECVTI_A_SA_IFINDEX, IPSECVTI_A_DEV_IFINDEX);
SAME_ATTR(IPSECVTI_A_SA_IFNAME, IPSECVTI_A_DEV_IFNAME);
SAME_ATTR(IPSECVTI_A_SA_DEV_ID, IPSECVTI_A_DEV_DEV_ID);
SAME_ATTR(IPSECVTI_A_OUT_IFINDEX, IPSECVTI_A_DEV_IFINDEX);
SAME_ATTR(IPSECVTI_A_OUT_IFNAME, IPSECVTI_A_DEV_IFNAME);
SAME_ATTR(IPSECVTI_A_OUT_DEV_ID, IPSECVTI_A_DEV_DEV_ID);
SAME_ATTR(IPSECVTI_A_SPI_IFINDEX, IPSECVTI_A_DEV_IFINDEX);
SAME_ATTR(IPSECVTI_A_SPI_IFNAME, IPSECVTI_A_DEV_IFNAME);
SAME_ATTR(IPSECVTI_A_SPI_DEV_ID, IPSECVTI_A_DEV_DEV_ID);

/**
 * vti_request_has_handle() - does a request name a device?
 * @attrs: of any command
 */
bool vti_request_has_handle(struct nlattr **attrs)
{
	return attrs[IPSECVTI_A_DEV_DEV_ID] || attrs[IPSECVTI_A_DEV_IFINDEX] ||
	       attrs[IPSECVTI_A_DEV_IFNAME];
}

/**
 * vti_request_find_dev() - a device by its handle
 * @net: the caller's namespace
 * @attrs: of any command
 * @extack: for the refusal
 *
 * Return: a device of ours, held, or ERR_PTR().
 */
struct net_device *vti_request_find_dev(struct net *net, struct nlattr **attrs,
					struct netlink_ext_ack *extack)
{
	struct net_device *dev = NULL;
	char name[IFNAMSIZ];

	if (attrs[IPSECVTI_A_DEV_DEV_ID]) {
		struct vti_net *vn = vti_net(net);
		struct vti_dev *vd;

		mutex_lock(&vn->lock);
		vd = xa_load(&vn->devices, nla_get_u32(attrs[IPSECVTI_A_DEV_DEV_ID]));
		if (vd) {
			dev = vd->dev;
			dev_hold(dev);
		}
		mutex_unlock(&vn->lock);
	} else if (attrs[IPSECVTI_A_DEV_IFINDEX]) {
		dev = dev_get_by_index(net, nla_get_u32(attrs[IPSECVTI_A_DEV_IFINDEX]));
	} else if (attrs[IPSECVTI_A_DEV_IFNAME]) {
		if (nla_strscpy(name, attrs[IPSECVTI_A_DEV_IFNAME], sizeof(name)) > 0)
			dev = dev_get_by_name(net, name);
	} else {
		NL_SET_ERR_MSG(extack, "no device was named (ifindex, ifname or dev-id)");
		return ERR_PTR(-EINVAL);
	}
	if (!dev) {
		NL_SET_ERR_MSG(extack, "no such device");
		return ERR_PTR(-ENODEV);
	}
	if (!vti_dev_is(dev)) {
		NL_SET_ERR_MSG_FMT(extack, "%s is not an ipsecvti device", dev->name);
		dev_put(dev);
		return ERR_PTR(-EOPNOTSUPP);
	}
	return dev;
}

/**
 * vti_request_put() - let go of what a request was about
 * @req: from vti_request_get()
 */
void vti_request_put(struct vti_request *req)
{
	put_net(req->net);
	dev_put(req->vd->dev);
}

/**
 * vti_request_get() - what is a request about, and may the caller say so?
 * @skb: request
 * @info: request
 * @req: to be filled, but for @msg; to be given to vti_request_put()
 *
 * May sleep.
 */
int vti_request_get(struct sk_buff *skb, struct genl_info *info, struct vti_request *req)
{
	struct net_device *dev = vti_request_find_dev(genl_info_net(info), info->attrs,
						      info->extack);
	int err = -ENODEV;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	*req = (struct vti_request) {
		.vd = netdev_priv(dev), .info = info,
		.attrs = info->attrs, .extack = info->extack,
	};
	req->net = vti_dev_outer_get(req->vd);
	if (!req->net) {
		NL_SET_ERR_MSG(info->extack, "the device's outer namespace is gone");
		goto put_dev;
	}
	/* Root of the namespace that a device was moved to does not command its outer side. */
	if (!net_eq(req->net, genl_info_net(info)) &&
	    !netlink_ns_capable(skb, req->net->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(info->extack, "no CAP_NET_ADMIN over the device's outer namespace");
		err = -EPERM;
		goto put_net;
	}
	req->vn = vti_net(req->net);
	return 0;

put_net:
	put_net(req->net);
put_dev:
	dev_put(dev);
	return err;
}

/**
 * vti_request_run() - do what was asked for, under the lock
 * @req: from vti_request_get()
 * @fn: does it
 *
 * May sleep; takes RTNL.
 */
int vti_request_run(struct vti_request *req, int (*fn)(struct vti_request *req))
{
	int err;

	mutex_lock(&req->vn->lock);
	if (xa_load(&req->vn->devices, req->vd->id) == req->vd) {
		err = fn(req);
	} else {
		NL_SET_ERR_MSG(req->extack, "the device is being deleted");
		err = -ENODEV;
	}
	mutex_unlock(&req->vn->lock);
	vti_dev_activate(req->vd);
	return err;
}

/**
 * vti_request_do() - a command that has no answer
 * @skb: request
 * @info: request
 * @fn: does it
 */
int vti_request_do(struct sk_buff *skb, struct genl_info *info,
		   int (*fn)(struct vti_request *req))
{
	struct vti_request req;
	int err = vti_request_get(skb, info, &req);

	if (err)
		return err;
	err = vti_request_run(&req, fn);
	vti_request_put(&req);
	return err;
}

/**
 * vti_request_answer() - a command that has an answer
 * @skb: request
 * @info: request
 * @fn: does it, and writes the answer
 *
 * The answer's memory is there before anything is done.
 */
int vti_request_answer(struct sk_buff *skb, struct genl_info *info,
		       int (*fn)(struct vti_request *req))
{
	struct vti_request req;
	void *hdr;
	int err = vti_request_get(skb, info, &req);

	if (err)
		return err;
	req.msg = vti_reply_new(info, &hdr);
	err = req.msg ? vti_request_run(&req, fn) : -ENOMEM;
	vti_request_put(&req);
	if (!err)
		return vti_reply_send(req.msg, hdr, info);
	nlmsg_free(req.msg);
	return err;
}

/**
 * vti_request_check_owner() - may this caller write?
 * @req: request
 * @owner_attr: attribute with the caller's name
 * @force_attr: flag that overrules
 */
int vti_request_check_owner(const struct vti_request *req, int owner_attr, int force_attr)
{
	const struct nlattr *owner = req->attrs[owner_attr];

	if (owner && nla_len(owner) > IPSECVTI_OWNER_MAX + 1) {
		NL_SET_ERR_MSG_FMT(req->extack, "owner name longer than %u bytes",
				   IPSECVTI_OWNER_MAX);
		return -EINVAL;
	}
	if (!req->vd->owner[0] || req->attrs[force_attr] ||
	    (owner && !nla_strcmp(owner, req->vd->owner)))
		return 0;
	NL_SET_ERR_MSG_FMT(req->extack, "the device is held by %s", req->vd->owner);
	return -EBUSY;
}

/**
 * vti_put_stat() - one counter
 * @skb: message, in a nest of the set stats
 * @attr: its number
 * @value: its value
 */
int vti_put_stat(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, IPSECVTI_A_STATS_PAD);
}

/**
 * vti_put_drops() - all named drops
 * @skb: message, in a nest of the set stats
 * @drops: counters
 */
int vti_put_drops(struct sk_buff *skb, const struct vti_drops *drops)
{
	unsigned int i;

	for (i = 0; i < VTI_DROP_MAX; i++)
		if (vti_put_stat(skb, vti_drop_info[i].attr, atomic_long_read(&drops->n[i])))
			return -EMSGSIZE;
	return vti_put_stat(skb, IPSECVTI_A_STATS_RX_DUMMY, atomic_long_read(&drops->rx_dummy)) ?:
	       vti_put_stat(skb, IPSECVTI_A_STATS_RX_REDIRECT,
			    atomic_long_read(&drops->rx_redirect));
}

/**
 * vti_put_handle() - name a device as its own namespace knows it
 * @skb: message
 * @vd: device
 * @outer: its outer namespace
 * @netnsid_attr: attribute for its own one as the outer one knows it; 0 for none
 */
int vti_put_handle(struct sk_buff *skb, struct vti_dev *vd, struct net *outer, int netnsid_attr)
{
	struct net *net = dev_net(vd->dev);

	if (nla_put_u32(skb, IPSECVTI_A_DEV_IFINDEX, vd->dev->ifindex) ||
	    nla_put_string(skb, IPSECVTI_A_DEV_IFNAME, vd->dev->name) ||
	    nla_put_u32(skb, IPSECVTI_A_DEV_DEV_ID, vd->id))
		return -EMSGSIZE;
	if (netnsid_attr && !net_eq(net, outer) &&
	    nla_put_s32(skb, netnsid_attr, peernet2id(outer, net)))
		return -EMSGSIZE;
	return 0;
}

/**
 * vti_reply_new() - an answer with one header
 * @info: request
 * @hdr: the header
 *
 * Return: for vti_reply_send() or nlmsg_free(); NULL without memory.
 */
struct sk_buff *vti_reply_new(struct genl_info *info, void **hdr)
{
	struct sk_buff *msg = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);

	if (!msg)
		return NULL;
	*hdr = genlmsg_put_reply(msg, info, &vti_genl_family, 0, info->genlhdr->cmd);
	if (*hdr)
		return msg;
	nlmsg_free(msg);
	return NULL;
}

/**
 * vti_reply_send() - send an answer
 * @msg: from vti_reply_new()
 * @hdr: likewise
 * @info: request
 */
int vti_reply_send(struct sk_buff *msg, void *hdr, struct genl_info *info)
{
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}
