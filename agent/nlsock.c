// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink requests and their answers. */
#include "nlsock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>

/* Not in the headers of every supported distribution under these names. */
#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

int nls_open(struct nlsock *n, int bus)
{
	struct timeval patience = { .tv_sec = 10 };
	int on = 1;

	memset(n, 0, sizeof(*n));
	n->s = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!n->s)
		return -errno;
	if (mnl_socket_bind(n->s, 0, MNL_SOCKET_AUTOPID) < 0) {
		int err = -errno;

		nls_close(n);
		return err;
	}
	/* The first keeps keys out of error replies; without the others only texts are lost. */
	mnl_socket_setsockopt(n->s, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(n->s, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(n->s, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	setsockopt(mnl_socket_get_fd(n->s), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return 0;
}

void nls_close(struct nlsock *n)
{
	if (n->s)
		mnl_socket_close(n->s);
	n->s = NULL;
}

struct nlmsghdr *nls_start(struct nlsock *n, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(n->tx.raw);

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
		h->nlmsg_flags |= NLM_F_ACK;
	h->nlmsg_seq = ++n->seq;
	n->text[0] = 0;
	return h;
}

struct nlmsghdr *nls_start_genl(struct nlsock *n, uint16_t family, uint16_t flags, uint8_t cmd,
				uint8_t version)
{
	struct nlmsghdr *h = nls_start(n, family, flags);
	struct genlmsghdr *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	g->cmd = cmd;
	g->version = version;
	return h;
}

/* The length 0 marks a message that has overflowed. */
static bool room(struct nlsock *n, size_t len)
{
	if (n->tx.h.nlmsg_len &&
	    n->tx.h.nlmsg_len + MNL_ALIGN(sizeof(struct nlattr) + len) <= sizeof(n->tx.raw))
		return true;
	n->tx.h.nlmsg_len = 0;
	return false;
}

void nls_put(struct nlsock *n, uint16_t type, const void *data, size_t len)
{
	if (room(n, len))
		mnl_attr_put(&n->tx.h, type, len, data);
}

void nls_put_u8(struct nlsock *n, uint16_t type, uint8_t v)
{
	nls_put(n, type, &v, sizeof(v));
}

void nls_put_u16(struct nlsock *n, uint16_t type, uint16_t v)
{
	nls_put(n, type, &v, sizeof(v));
}

void nls_put_u32(struct nlsock *n, uint16_t type, uint32_t v)
{
	nls_put(n, type, &v, sizeof(v));
}

void nls_put_u64(struct nlsock *n, uint16_t type, uint64_t v)
{
	nls_put(n, type, &v, sizeof(v));
}

void nls_put_str(struct nlsock *n, uint16_t type, const char *s)
{
	nls_put(n, type, s, strlen(s) + 1);
}

struct nlattr *nls_nest(struct nlsock *n, uint16_t type)
{
	return room(n, 0) ? mnl_attr_nest_start(&n->tx.h, type) : NULL;
}

void nls_nest_end(struct nlsock *n, struct nlattr *nest)
{
	if (nest && n->tx.h.nlmsg_len)
		mnl_attr_nest_end(&n->tx.h, nest);
}

static void keep_text(struct nlsock *n, const struct nlmsghdr *h, size_t skip)
{
	const struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	size_t len = mnl_nlmsg_get_payload_len(h);

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || skip > len)
		return;
	nls_parse(tb, NLMSGERR_ATTR_MAX, (const char *)mnl_nlmsg_get_payload(h) + skip, len - skip);
	nls_str(tb[NLMSGERR_ATTR_MSG], n->text, sizeof(n->text));
}

/* 1: go on; 0 or a negative errno: the end of the answer. */
static int take(struct nlsock *n, const struct nlmsghdr *h,
		void (*each)(void *arg, const struct nlmsghdr *h), void *arg, bool *inconsistent)
{
	const struct nlmsgerr *e;
	size_t skip = sizeof(*e);

	if (h->nlmsg_seq != n->seq)
		return 1;	/* left over from a request that was given up */
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		*inconsistent = true;
	switch (h->nlmsg_type) {
	case NLMSG_ERROR:
		if (mnl_nlmsg_get_payload_len(h) < sizeof(*e))
			return -EBADMSG;
		e = mnl_nlmsg_get_payload(h);
		if (!(h->nlmsg_flags & NLM_F_CAPPED))
			skip += MNL_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
		if (e->error)
			keep_text(n, h, skip);
		return e->error;
	case NLMSG_DONE:
		if (mnl_nlmsg_get_payload_len(h) < sizeof(int))
			return 0;
		keep_text(n, h, sizeof(int));
		return *(const int *)mnl_nlmsg_get_payload(h);
	case NLMSG_NOOP:
		return 1;
	case NLMSG_OVERRUN:
		return -ENOBUFS;
	}
	if (each)
		each(arg, h);
	return 1;
}

static int collect(struct nlsock *n, void (*each)(void *arg, const struct nlmsghdr *h), void *arg)
{
	bool inconsistent = false;
	int err = 1;

	while (err > 0) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		const struct nlmsghdr *h = &n->rx.h;
		ssize_t got;
		int left;

		got = recvfrom(mnl_socket_get_fd(n->s), n->rx.raw, sizeof(n->rx.raw), MSG_TRUNC,
			       (struct sockaddr *)&from, &from_len);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		}
		if ((size_t)got > sizeof(n->rx.raw))
			return -EMSGSIZE;
		if (from.nl_pid)
			continue;	/* not from the kernel */
		for (left = (int)got; err > 0 && mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left))
			err = take(n, h, each, arg, &inconsistent);
	}
	return !err && inconsistent ? -EAGAIN : err;
}

int nls_talk(struct nlsock *n, void (*each)(void *arg, const struct nlmsghdr *h), void *arg)
{
	size_t len = n->tx.h.nlmsg_len;
	ssize_t sent;
	int err = 0;

	if (!len) {
		err = -EMSGSIZE;
	} else {
		sent = mnl_socket_sendto(n->s, n->tx.raw, len);
		if (sent < 0)
			err = -errno;
	}
	/* It may have carried a key. */
	explicit_bzero(&n->tx, sizeof(n->tx));
	return err ? err : collect(n, each, arg);
}

/* ---- answers ---- */

void nls_parse(const struct nlattr **tb, unsigned int max, const void *p, size_t len)
{
	const struct nlattr *attr;	/* the macro's own name for it */

	memset(tb, 0, sizeof(*tb) * (max + 1));
	mnl_attr_for_each_payload(p, len) {
		unsigned int type = mnl_attr_get_type(attr);

		if (type <= max)
			tb[type] = attr;
	}
}

void nls_parse_genl(const struct nlattr **tb, unsigned int max, const struct nlmsghdr *h)
{
	size_t len = mnl_nlmsg_get_payload_len(h);

	if (len < GENL_HDRLEN)
		nls_parse(tb, max, NULL, 0);
	else
		nls_parse(tb, max, mnl_nlmsg_get_payload_offset(h, GENL_HDRLEN), len - GENL_HDRLEN);
}

void nls_parse_nest(const struct nlattr **tb, unsigned int max, const struct nlattr *nest)
{
	if (nest)
		nls_parse(tb, max, mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest));
	else
		nls_parse(tb, max, NULL, 0);
}

uint64_t nls_uint(const struct nlattr *a, uint64_t fallback)
{
	uint64_t v;

	if (!a)
		return fallback;
	switch (mnl_attr_get_payload_len(a)) {
	case 1:
		return mnl_attr_get_u8(a);
	case 2:
		return mnl_attr_get_u16(a);
	case 4:
		return mnl_attr_get_u32(a);
	case 8:
		memcpy(&v, mnl_attr_get_payload(a), sizeof(v));
		return v;
	}
	return fallback;
}

void nls_str(const struct nlattr *a, char *out, size_t size)
{
	size_t len;

	out[0] = 0;
	if (!a)
		return;
	len = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	if (len >= size)
		len = size - 1;
	memcpy(out, mnl_attr_get_payload(a), len);
	out[len] = 0;
}
