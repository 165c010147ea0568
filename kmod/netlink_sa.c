// SPDX-License-Identifier: GPL-2.0
/* Commands about SAs and the outbound set. */
#include <linux/ktime.h>

#include "compat/compat.h"
#include "esp.h"
#include "lane.h"
#include "netlink_policy.h"
#include "request.h"
#include "sa.h"

#define WINDOW_DEFAULT 4096
/* At five million packets a second a rekey has 3 s. */
#define SOFT_PACKETS BIT(24)
#define SOFT_SECONDS 30

static int put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, IPSECVTI_A_SA_PAD);
}

static int put_sa_stats(struct sk_buff *skb, const struct vti_sa *sa, u64 packets, u64 bytes)
{
	bool out = sa->dir == IPSECVTI_DIR_OUT;
	struct nlattr *nest = nla_nest_start(skb, IPSECVTI_A_SA_STATS);

	if (!nest)
		return -EMSGSIZE;
	if (vti_put_stat(skb, out ? IPSECVTI_A_STATS_TX_PACKETS : IPSECVTI_A_STATS_RX_PACKETS,
			 packets) ||
	    vti_put_stat(skb, out ? IPSECVTI_A_STATS_TX_BYTES : IPSECVTI_A_STATS_RX_BYTES,
			 bytes) ||
	    vti_put_drops(skb, &sa->drops))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int put_limits(struct sk_buff *skb, const struct vti_limits *l)
{
	if (nla_put_u32(skb, IPSECVTI_A_SA_SOFT_SECONDS, l->soft_seconds) ||
	    nla_put_u32(skb, IPSECVTI_A_SA_HARD_SECONDS, l->hard_seconds) ||
	    put_u64(skb, IPSECVTI_A_SA_SOFT_BYTES, l->soft_bytes) ||
	    put_u64(skb, IPSECVTI_A_SA_HARD_BYTES, l->hard_bytes) ||
	    put_u64(skb, IPSECVTI_A_SA_SOFT_PACKETS, l->soft_packets) ||
	    put_u64(skb, IPSECVTI_A_SA_HARD_PACKETS, l->hard_packets))
		return -EMSGSIZE;
	return 0;
}

static int put_selectors(struct sk_buff *skb, const struct vti_selectors *s)
{
	return nla_put(skb, IPSECVTI_A_SA_LOCAL_TS, s->local_len, s->ts) ?:
	       nla_put(skb, IPSECVTI_A_SA_REMOTE_TS, s->remote_len, s->ts + s->local_len);
}

static int put_sa(struct sk_buff *skb, const struct vti_sa *sa, struct vti_net *vn, bool stats)
{
	bool in = sa->dir == IPSECVTI_DIR_IN;
	u64 seq = atomic64_read(in ? &sa->replay->top : &sa->seq), packets, bytes;
	int lane = READ_ONCE(sa->lane);
	unsigned long used;
	long idle;

	vti_sa_sum(sa, &packets, &bytes, &used);
	/* @used is never 0, so it may be a tick ahead. */
	idle = max_t(long, jiffies - used, 0);
	if (vti_put_handle(skb, sa->vd, vn->net, 0) ||
	    nla_put_u32(skb, IPSECVTI_A_SA_SA_ID, sa->id) ||
	    nla_put_u32(skb, IPSECVTI_A_SA_DIR, sa->dir) ||
	    nla_put_be32(skb, IPSECVTI_A_SA_SPI, sa->spi) ||
	    nla_put_u32(skb, IPSECVTI_A_SA_SUITE, sa->suite->id) ||
	    nla_put_u8(skb, IPSECVTI_A_SA_ESN, sa->esn) ||
	    (in && nla_put_u32(skb, IPSECVTI_A_SA_WINDOW, sa->window)) ||
	    nla_put_u32(skb, IPSECVTI_A_SA_CHILD_ID, sa->child_id) ||
	    put_limits(skb, &sa->limits) ||
	    nla_put_u32(skb, IPSECVTI_A_SA_MODE,
			sa->transport ? IPSECVTI_MODE_TRANSPORT : IPSECVTI_MODE_TUNNEL) ||
	    (sa->selectors && put_selectors(skb, sa->selectors)) ||
	    (sa->cookie_len &&
	     nla_put(skb, IPSECVTI_A_SA_COOKIE, sa->cookie_len, sa->cookie)) ||
	    put_u64(skb, IPSECVTI_A_SA_AGE, ktime_get_boottime_seconds() - sa->created) ||
	    put_u64(skb, IPSECVTI_A_SA_SEQ, seq) ||
	    (used && put_u64(skb, IPSECVTI_A_SA_LAST_USED, jiffies_to_msecs(idle))) ||
	    nla_put_u8(skb, IPSECVTI_A_SA_CURRENT, sa->current_out) ||
	    nla_put_u32(skb, IPSECVTI_A_SA_EVENTS, READ_ONCE(sa->events)) ||
	    nla_put_u8(skb, IPSECVTI_A_SA_DEAD, READ_ONCE(sa->dead)) ||
	    (lane != VTI_LANE_HOME && nla_put_u32(skb, IPSECVTI_A_SA_LANE, lane)))
		return -EMSGSIZE;
	return stats ? put_sa_stats(skb, sa, packets, bytes) : 0;
}

static u32 get_u32(const struct nlattr *attr, u32 absent)
{
	return attr ? nla_get_u32(attr) : absent;
}

static u64 get_u64(const struct nlattr *attr, u64 absent)
{
	return attr ? nla_get_u64(attr) : absent;
}

static const u8 *get_bytes(const struct nlattr *attr, unsigned int *len)
{
	*len = attr ? nla_len(attr) : 0;
	return attr ? nla_data(attr) : NULL;
}

/* The soft limit of those who don't say: so far before the hard one, or an eighth. */
static u64 soft_limit(u64 hard, u64 before)
{
	return hard - min(before, hard / 8);
}

static int parse_sa(struct vti_sa_params *p, struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	static const int required[] = {
		IPSECVTI_A_SA_DIR, IPSECVTI_A_SA_SPI, IPSECVTI_A_SA_SUITE, IPSECVTI_A_SA_KEY,
	};
	struct vti_limits *l = &p->limits;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(required); i++) {
		if (!attrs[required[i]]) {
			NL_SET_ERR_MSG(extack, "an SA needs direction, SPI, suite and key");
			return -EINVAL;
		}
	}
	*p = (struct vti_sa_params) {
		.dir = nla_get_u32(attrs[IPSECVTI_A_SA_DIR]),
		.spi = nla_get_be32(attrs[IPSECVTI_A_SA_SPI]),
		.suite = nla_get_u32(attrs[IPSECVTI_A_SA_SUITE]),
		.window = get_u32(attrs[IPSECVTI_A_SA_WINDOW], WINDOW_DEFAULT),
		.child_id = get_u32(attrs[IPSECVTI_A_SA_CHILD_ID], 0),
		.esn = attrs[IPSECVTI_A_SA_ESN] ? nla_get_u8(attrs[IPSECVTI_A_SA_ESN]) : 1,
		.mode = get_u32(attrs[IPSECVTI_A_SA_MODE], IPSECVTI_MODE_TUNNEL),
		.limits = {
			.hard_seconds = get_u32(attrs[IPSECVTI_A_SA_HARD_SECONDS], 0),
			.hard_bytes = get_u64(attrs[IPSECVTI_A_SA_HARD_BYTES], 0),
			.hard_packets = get_u64(attrs[IPSECVTI_A_SA_HARD_PACKETS], 0),
		},
	};
	l->soft_seconds = get_u32(attrs[IPSECVTI_A_SA_SOFT_SECONDS],
				  soft_limit(l->hard_seconds, SOFT_SECONDS));
	l->soft_bytes = get_u64(attrs[IPSECVTI_A_SA_SOFT_BYTES],
				soft_limit(l->hard_bytes, U64_MAX));
	/* Without extended numbers the end of the sequence space is a limit too. */
	l->soft_packets = get_u64(attrs[IPSECVTI_A_SA_SOFT_PACKETS],
				  soft_limit(l->hard_packets ?: p->esn ? 0 : U32_MAX,
					     SOFT_PACKETS));
	p->cookie = get_bytes(attrs[IPSECVTI_A_SA_COOKIE], &p->cookie_len);
	p->local_ts = get_bytes(attrs[IPSECVTI_A_SA_LOCAL_TS], &p->local_ts_len);
	p->remote_ts = get_bytes(attrs[IPSECVTI_A_SA_REMOTE_TS], &p->remote_ts_len);
	return 0;
}

/* The request has been wiped of its key by now, and the SA has been made without the lock. */
struct sa_request {
	struct vti_request req;
	struct vti_sa *sa;
};

static int sa_insert(struct vti_request *req)
{
	struct vti_sa *sa = container_of(req, struct sa_request, req)->sa;
	int err;

	err = vti_request_check_owner(req, IPSECVTI_A_SA_OWNER, IPSECVTI_A_SA_FORCE) ?:
	      vti_sa_insert(req->vn, sa, req->extack);
	if (!err)
		nla_put_u32(req->msg, IPSECVTI_A_SA_SA_ID, sa->id);
	return err;
}

static int sa_new(struct sk_buff *skb, struct genl_info *info, const struct vti_sa_params *p)
{
	struct sa_request s;
	void *hdr;
	int err = vti_request_get(skb, info, &s.req);

	if (err)
		return err;
	err = -ENOMEM;
	s.req.msg = vti_reply_new(info, &hdr);
	if (!s.req.msg)
		goto put;
	s.sa = vti_sa_new(s.req.vd, p, info->extack);
	err = PTR_ERR_OR_ZERO(s.sa);
	if (err)
		goto free;
	err = vti_request_run(&s.req, sa_insert);
	if (err) {
		vti_sa_discard(s.sa);
		goto free;
	}
	vti_request_put(&s.req);
	return vti_reply_send(s.req.msg, hdr, info);

free:
	nlmsg_free(s.req.msg);
put:
	vti_request_put(&s.req);
	return err;
}

int vti_netlink_sa_new(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *key_attr = info->attrs[IPSECVTI_A_SA_KEY];
	u8 key[IPSECVTI_KEY_MAX];
	struct vti_sa_params p;
	int err;

	/* Before anything may refuse the request, whose text goes back to the sender. */
	if (key_attr) {
		memcpy(key, nla_data(key_attr), nla_len(key_attr));
		memzero_explicit(nla_data(key_attr), nla_len(key_attr));
	}
	err = parse_sa(&p, info->attrs, info->extack);
	if (!err) {
		p.key = key;
		p.key_len = nla_len(key_attr);
		err = sa_new(skb, info, &p);
	}
	memzero_explicit(key, sizeof(key));
	return err;
}

static int sa_del(struct vti_request *req)
{
	const struct nlattr *force = req->attrs[IPSECVTI_A_SA_FORCE];
	struct vti_sa *sa;
	int err;

	err = vti_request_check_owner(req, IPSECVTI_A_SA_OWNER, IPSECVTI_A_SA_FORCE);
	if (err)
		return err;
	if (!req->attrs[IPSECVTI_A_SA_SA_ID]) {
		if (rcu_access_pointer(req->vd->out) && !force) {
			NL_SET_ERR_MSG(req->extack, "the outbound set is not empty; use force");
			return -EBUSY;
		}
		vti_sa_kill_all(req->vn, req->vd);
		return 0;
	}
	sa = xa_load(&req->vn->sas, nla_get_u32(req->attrs[IPSECVTI_A_SA_SA_ID]));
	if (!sa || sa->vd != req->vd) {
		NL_SET_ERR_MSG(req->extack, "the device has no such SA");
		return -ENOENT;
	}
	if (sa->current_out && !force) {
		NL_SET_ERR_MSG(req->extack, "the outbound set points to this SA; use force");
		return -EBUSY;
	}
	vti_sa_kill(req->vn, sa);
	return 0;
}

int vti_netlink_sa_del(struct sk_buff *skb, struct genl_info *info)
{
	return vti_request_do(skb, info, sa_del);
}

int vti_netlink_sa_get(struct sk_buff *skb, struct genl_info *info)
{
	struct vti_net *vn = vti_net(genl_info_net(info));
	struct sk_buff *msg;
	struct vti_sa *sa;
	void *hdr;
	int err;

	if (!info->attrs[IPSECVTI_A_SA_SA_ID]) {
		NL_SET_ERR_MSG(info->extack, "no SA was named (sa-id)");
		return -EINVAL;
	}
	msg = vti_reply_new(info, &hdr);
	if (!msg)
		return -ENOMEM;
	mutex_lock(&vn->lock);
	sa = xa_load(&vn->sas, nla_get_u32(info->attrs[IPSECVTI_A_SA_SA_ID]));
	if (sa) {
		err = put_sa(msg, sa, vn, info->attrs[IPSECVTI_A_SA_GET_STATS]);
	} else {
		NL_SET_ERR_MSG(info->extack, "no such SA");
		err = -ENOENT;
	}
	mutex_unlock(&vn->lock);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	return vti_reply_send(msg, hdr, info);
}

/* args: 0 next sa-id, 1 dev-id of the filter, 2 whether the filter was looked up */
int vti_netlink_sa_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct net *net = sock_net(skb->sk);
	struct vti_net *vn = vti_net(net);
	struct nlattr **attrs = vti_dump_attrs(cb);
	unsigned long id = cb->args[0];
	struct vti_sa *sa;
	void *hdr;

	if (vti_request_has_handle(attrs) && !cb->args[2]) {
		struct net_device *dev = vti_request_find_dev(net, attrs, cb->extack);
		struct vti_dev *vd;

		if (IS_ERR(dev))
			return PTR_ERR(dev);
		vd = netdev_priv(dev);
		/* The SAs of a device that was moved here are not here: none is listed. */
		cb->args[1] = rcu_access_pointer(vd->outer) == net ? vd->id : -1;
		dev_put(dev);
	}
	cb->args[2] = 1;

	mutex_lock(&vn->lock);
	cb->seq = vn->gen;
	xa_for_each_start(&vn->sas, id, sa, cb->args[0]) {
		if (cb->args[1] && sa->vd->id != cb->args[1])
			continue;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				  &vti_genl_family, NLM_F_MULTI, IPSECVTI_CMD_SA_GET);
		if (!hdr)
			break;
		if (put_sa(skb, sa, vn, attrs[IPSECVTI_A_SA_GET_STATS])) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genl_dump_check_consistent(cb, hdr);
		genlmsg_end(skb, hdr);
		cb->args[0] = id + 1;
	}
	mutex_unlock(&vn->lock);
	return skb->len;
}

/* Count groups and slots of a request. */
static void count_groups(const struct nlattr *first, int len, unsigned int *n_groups,
			 unsigned int *n_slots)
{
	const struct nlattr *group, *slot;
	int rem, rem2;

	*n_groups = 0;
	*n_slots = 0;
	nla_for_each_attr(group, first, len, rem) {
		if (nla_type(group) != IPSECVTI_A_OUT_GROUP)
			continue;
		(*n_groups)++;
		nla_for_each_nested(slot, group, rem2)
			if (nla_type(slot) == IPSECVTI_A_OUT_GROUP_SLOT)
				(*n_slots)++;
	}
}

static int parse_slot(struct vti_request *req, struct vti_outset *set,
		      struct vti_out_group *group, const struct nlattr *attr)
{
	struct nlattr *tb[IPSECVTI_A_OUT_SLOT_MAX + 1];
	struct vti_out_slot *slot = &set->slots[set->n_slots];
	struct netlink_ext_ack *extack = req->extack;
	const struct vti_sa *first;
	unsigned int i;
	int err;

	err = nla_parse_nested(tb, ARRAY_SIZE(ipsecvti_out_slot_nl_policy) - 1, attr,
			       ipsecvti_out_slot_nl_policy, extack);
	if (err)
		return err;
	slot->sa = xa_load(&req->vn->sas, get_u32(tb[IPSECVTI_A_OUT_SLOT_SA_ID], 0));
	if (!slot->sa || slot->sa->vd != req->vd) {
		NL_SET_ERR_MSG(extack, "the device has no such SA");
		return -ENOENT;
	}
	if (slot->sa->dir != IPSECVTI_DIR_OUT) {
		NL_SET_ERR_MSG(extack, "an inbound SA can't send");
		return -EINVAL;
	}
	if (READ_ONCE(slot->sa->dead)) {
		NL_SET_ERR_MSG(extack, "the SA is past its hard limit, or the machine was cloned");
		return -EKEYEXPIRED;
	}
	slot->cpu = get_u32(tb[IPSECVTI_A_OUT_SLOT_CPU], IPSECVTI_CPU_ANY);
	if (slot->cpu != IPSECVTI_CPU_ANY &&
	    (slot->cpu >= nr_cpu_ids || !cpu_possible(slot->cpu))) {
		NL_SET_ERR_MSG_FMT(extack, "the machine has no CPU %u", slot->cpu);
		return -EINVAL;
	}
	for (i = group->first; i < set->n_slots; i++) {
		if (set->slots[i].cpu == slot->cpu) {
			NL_SET_ERR_MSG(extack, "two SAs for one CPU");
			return -EINVAL;
		}
	}
	set->n_slots++;
	group->n++;
	first = set->slots[group->first].sa;
	if (!vti_selectors_equal(first->selectors, slot->sa->selectors) ||
	    first->transport != slot->sa->transport) {
		NL_SET_ERR_MSG(extack, "the SAs of a group differ in traffic selectors or mode");
		return -EINVAL;
	}
	return 0;
}

static int parse_group(struct vti_request *req, struct vti_outset *set, const struct nlattr *attr)
{
	struct vti_out_group group = { .first = set->n_slots };
	bool any = false;
	const struct nlattr *a;
	unsigned int i;
	int rem, err;

	nla_for_each_nested(a, attr, rem) {
		switch (nla_type(a)) {
		case IPSECVTI_A_OUT_GROUP_CHILD_ID:
			group.child_id = nla_get_u32(a);
			break;
		case IPSECVTI_A_OUT_GROUP_PRIO:
			group.prio = nla_get_u32(a);
			break;
		case IPSECVTI_A_OUT_GROUP_SLOT:
			err = parse_slot(req, set, &group, a);
			if (err)
				return err;
			break;
		}
	}
	for (i = group.first; i < set->n_slots; i++)
		any |= set->slots[i].cpu == IPSECVTI_CPU_ANY;
	if (!any) {
		NL_SET_ERR_MSG(req->extack, "a group needs an SA for any CPU");
		return -EINVAL;
	}
	for (i = set->n_groups++; i && set->groups[i - 1].prio > group.prio; i--)
		set->groups[i] = set->groups[i - 1];
	set->groups[i] = group;
	return 0;
}

static int parse_groups(struct vti_request *req, const struct nlattr *first, int len,
			struct vti_outset *set)
{
	const struct nlattr *attr;
	int rem, err;

	nla_for_each_attr(attr, first, len, rem) {
		if (nla_type(attr) != IPSECVTI_A_OUT_GROUP)
			continue;
		err = parse_group(req, set, attr);
		if (err)
			return err;
	}
	return 0;
}

static int out_set(struct vti_request *req)
{
	const struct nlattr *expect = req->attrs[IPSECVTI_A_OUT_EXPECT_GEN];
	const struct nlattr *first = genlmsg_data(req->info->genlhdr);
	int len = genlmsg_len(req->info->genlhdr), err;
	struct vti_outset *set = NULL;
	unsigned int n_groups, n_slots;

	err = vti_request_check_owner(req, IPSECVTI_A_OUT_OWNER, IPSECVTI_A_OUT_FORCE);
	if (err)
		return err;
	if (expect && nla_get_u32(expect) != req->vd->gen) {
		NL_SET_ERR_MSG_FMT(req->extack, "the outbound set is at generation %u",
				   req->vd->gen);
		return -ESTALE;
	}
	count_groups(first, len, &n_groups, &n_slots);
	if (n_groups) {
		set = vti_outset_alloc(n_groups, n_slots);
		if (!set)
			return -ENOMEM;
		err = parse_groups(req, first, len, set);
		if (err) {
			vti_outset_free(set);
			return err;
		}
	}
	vti_outset_replace(req->vn, req->vd, set);
	return nla_put_u32(req->msg, IPSECVTI_A_OUT_GEN, req->vd->gen);
}

int vti_netlink_out_set(struct sk_buff *skb, struct genl_info *info)
{
	return vti_request_answer(skb, info, out_set);
}
