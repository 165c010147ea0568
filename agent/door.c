// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages over the door, for both of its sides. */
#include "door.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>


/*
 * Lengths of the bodies. A type that is not here does not exist (max is one
 * more than it can be, so that 0 marks the gaps).
 */
static const struct {
	uint16_t min, max;
} lengths[DOOR_REPLY + 1] = {
#define LEN(type, low, high)	[type] = { (low), (high) + 1 }
	LEN(DOOR_HELLO, sizeof(struct door_hello), sizeof(struct door_hello)),
	LEN(DOOR_TUNNEL, sizeof(struct tunnel), sizeof(struct tunnel)),
	LEN(DOOR_TUNNEL_GONE, sizeof(struct door_id), sizeof(struct door_id)),
	LEN(DOOR_GO, 0, 0),
	LEN(DOOR_UP, sizeof(struct door_id), sizeof(struct door_id)),
	LEN(DOOR_DOWN, sizeof(struct door_id), sizeof(struct door_id)),
	LEN(DOOR_RECONNECT, sizeof(struct door_id), sizeof(struct door_id)),
	LEN(DOOR_REKEY, sizeof(struct door_rekey), sizeof(struct door_rekey)),
	LEN(DOOR_EVENT, sizeof(struct door_event), sizeof(struct door_event)),
	LEN(DOOR_STATUS_GET, sizeof(struct door_id), sizeof(struct door_id)),
	LEN(DOOR_STOP, 0, 0),
	LEN(DOOR_AUTH_MAC, sizeof(struct door_auth), sizeof(struct door_auth) + DOOR_OCTETS_MAX),
	LEN(DOOR_AUTH_VERIFY, sizeof(struct door_auth),
	    sizeof(struct door_auth) + DOOR_OCTETS_MAX),
	LEN(DOOR_SPI_ALLOC, sizeof(struct door_id), sizeof(struct door_id)),
	LEN(DOOR_SA_NEW, sizeof(struct door_sa_new), sizeof(struct door_sa_new)),
	LEN(DOOR_SA_DEL, sizeof(struct door_sa_del), sizeof(struct door_sa_del)),
	LEN(DOOR_OUT_SET, sizeof(struct door_out_set), sizeof(struct door_out_set)),
	LEN(DOOR_SA_LIST, sizeof(struct door_id), sizeof(struct door_id)),
	LEN(DOOR_ENDPOINT, sizeof(struct door_endpoint), sizeof(struct door_endpoint)),
	LEN(DOOR_READY, 0, 0),
	LEN(DOOR_STATUS, DOOR_STATUS_LEN(0), sizeof(struct door_status)),
	LEN(DOOR_STATUS_END, 0, 0),
	LEN(DOOR_NOTE, sizeof(struct door_note), sizeof(struct door_note)),
	LEN(DOOR_REPLY, 0, sizeof(struct door_sa_list)),
};

_Static_assert(sizeof(struct door_head) % 16 == 0, "bodies are aligned as their buffer is");
_Static_assert(sizeof(struct door_head) + sizeof(struct door_auth) + DOOR_OCTETS_MAX <=
	       DOOR_MSG_MAX, "the longest request fits");
_Static_assert(sizeof(struct door_head) + sizeof(struct door_status) <= DOOR_MSG_MAX,
	       "the longest status fits");
_Static_assert(sizeof(struct door_head) + sizeof(struct door_sa_list) <= DOOR_MSG_MAX &&
	       sizeof(struct door_sa_list) < UINT16_MAX, "the longest answer fits");

_Bool door_len_ok(uint16_t type, const void *body, size_t len, int32_t err)
{
	const struct door_status *s = body;
	const struct door_auth *a = body;

	if (type > DOOR_REPLY || !lengths[type].max || len < lengths[type].min ||
	    len >= lengths[type].max)
		return false;
	if (type == DOOR_AUTH_MAC || type == DOOR_AUTH_VERIFY)
		return a->octets_len == len - sizeof(*a);
	if (type == DOOR_STATUS)
		return s->n_children <= TUNNEL_PAIRS && len == DOOR_STATUS_LEN(s->n_children);
	if (type == DOOR_REPLY && err)
		return len == 0;
	return true;
}

int door_send(int fd, uint16_t type, uint32_t tag, int32_t err, const void *body, size_t len,
	      const int *fds, unsigned int n_fds)
{
	struct door_head head = { .type = type, .tag = tag, .err = err, .len = (uint32_t)len };
	struct iovec iov[2] = {
		{ &head, sizeof(head) },
		{ (void *)(uintptr_t)body, len },
	};
	union {
		struct cmsghdr h;
		char raw[CMSG_SPACE(sizeof(int) * DOOR_FDS_MAX)];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = len ? 2 : 1 };

	if (len > DOOR_MSG_MAX - sizeof(head) || n_fds > DOOR_FDS_MAX)
		return -EMSGSIZE;
	if (n_fds) {
		struct cmsghdr *c = &control.h;

		msg.msg_control = control.raw;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	while (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		return errno == ECONNRESET ? -EPIPE : -errno;
	}
	return 0;
}

/* Takes the descriptors of a message; false when there were more than fit. */
static bool take_fds(struct msghdr *msg, struct door_msg *m)
{
	bool whole = !(msg->msg_flags & MSG_CTRUNC);
	struct cmsghdr *c;

	m->n_fds = 0;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t i, n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (m->n_fds < DOOR_FDS_MAX) {
				m->fds[m->n_fds++] = fd;
			} else {
				close(fd);
				whole = false;
			}
		}
	}
	return whole;
}

int door_recv(int fd, struct door_buf *buf, struct door_msg *m)
{
	struct iovec iov = { buf->raw, sizeof(buf->raw) };
	union {
		struct cmsghdr h;
		char raw[CMSG_SPACE(sizeof(int) * DOOR_FDS_MAX)];
	} control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.raw,
		.msg_controllen = sizeof(control.raw),
	};
	ssize_t got;
	bool good;

	do {
		got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	good = take_fds(&msg, m) && !(msg.msg_flags & MSG_TRUNC);
	if (!got && !m->n_fds)
		return -EPIPE;
	good = good && (size_t)got >= sizeof(m->head);
	if (good) {
		memcpy(&m->head, buf->raw, sizeof(m->head));
		m->body = buf->raw + sizeof(m->head);
		good = m->head.len == (size_t)got - sizeof(m->head) && !m->head.reserved &&
		       (!m->n_fds || m->head.type == DOOR_HELLO) &&
		       door_len_ok(m->head.type, m->body, m->head.len, m->head.err);
	}
	if (good)
		return 0;
	while (m->n_fds)
		close(m->fds[--m->n_fds]);
	return -EBADMSG;
}
