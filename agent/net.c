// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ipsecvti-net: the process that parses what strangers send. It has no
 * capability, no file and no long-term key; all it is given comes through the
 * door, and the keeper starts it again when it dies.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "impair.h"
#include "log.h"
#include "peer.h"
#include "wire.h"

#define REPLY_MS	10000	/* a keeper that does not answer for so long is lost */
#define STOP_MS		2000
#define BATCH		64	/* datagrams of one socket before the others get their turn */
#define QUEUE_MAX	8192	/* orders that arrive while we wait for a reply */

/* The kernel's name of a bit that glibc knows by an older one. */
#ifndef MSG_PROBE
#define MSG_PROBE	MSG_PROXY
#endif

struct net_sock {
	struct loop_fd watch;
	struct net *net;
	int fd;
	struct addr local;
	bool marker;
};

struct order {
	struct order *next;
	uint16_t type;
	uint32_t len;
	_Alignas(16) uint8_t body[];
};

struct net {
	struct loop *loop;
	struct ike *ike;
	struct loop_fd door;
	struct loop_timer later;	/* queued orders */
	struct loop_timer stop;
	uint64_t stop_at;
	struct order *first, **last;
	unsigned int queued;
	uint32_t tag;
	unsigned int n_socks;
	struct net_sock sock[DOOR_SOCKETS_MAX];
	struct door_buf in;
	uint8_t datagram[65536];
};

static struct net net;

__attribute__((noreturn)) static void end(int status)
{
	_exit(status);	/* no handlers: what must survive lies in the store */
}

/* --- the door --- */

static int wait_door(short events, int ms)
{
	struct pollfd p = { .fd = DOOR_FD, .events = events };
	int n;

	do {
		n = poll(&p, 1, ms);
	} while (n < 0 && errno == EINTR);
	return n > 0 ? 0 : -ETIMEDOUT;
}

static void broken(int err)
{
	if (err != -EPIPE)
		log_err("the door is broken", KV_ERR("error", err));
	end(err == -EPIPE ? 0 : 1);
}

static void tell(uint16_t type, uint32_t tag, const void *body, size_t len)
{
	int err;

	while ((err = door_send(DOOR_FD, type, tag, 0, body, len, NULL, 0)) == -EAGAIN) {
		err = wait_door(POLLOUT, REPLY_MS);
		if (err)
			break;
	}
	if (err)
		broken(err);
}

static void enqueue(const struct door_msg *m)
{
	struct order *o;

	if (net.queued >= QUEUE_MAX)
		broken(-ENOBUFS);
	o = malloc(sizeof(*o) + m->head.len);
	if (!o)
		broken(-ENOMEM);
	o->next = NULL;
	o->type = m->head.type;
	o->len = m->head.len;
	memcpy(o->body, m->body, m->head.len);
	*net.last = o;
	net.last = &o->next;
	net.queued++;
	loop_timer_in(net.loop, &net.later, 0);
}

/* A request and its reply; orders that come in between keep their turn. */
static int call(uint16_t type, const void *body, size_t len, void *reply, size_t reply_len)
{
	static struct door_buf buf;
	uint32_t tag = ++net.tag;
	struct door_msg m;
	int err;

	tell(type, tag, body, len);
	for (;;) {
		err = door_recv(DOOR_FD, &buf, &m);
		if (err == -EAGAIN) {
			err = wait_door(POLLIN, REPLY_MS);
			if (err)
				broken(err);
			continue;
		}
		if (err)
			broken(err);
		if (m.head.type != DOOR_REPLY) {
			enqueue(&m);
			continue;
		}
		if (m.head.tag != tag)
			continue;
		break;
	}
	err = m.head.err;
	if (!err && m.head.len != reply_len)
		err = -EPROTO;
	if (!err && reply_len)
		memcpy(reply, m.body, reply_len);
	explicit_bzero(buf.raw, m.head.len + sizeof(m.head));
	return err > 0 ? -EPROTO : err;
}

static int call_auth(uint16_t type, const struct door_auth *head, const uint8_t *octets, size_t len,
		     void *out, size_t out_len)
{
	static struct {
		struct door_auth a;
		uint8_t octets[DOOR_OCTETS_MAX];
	} msg;

	if (len > sizeof(msg.octets))
		return -EMSGSIZE;
	msg.a = *head;
	msg.a.octets_len = (uint32_t)len;
	memcpy(msg.octets, octets, len);
	return call(type, &msg, sizeof(msg.a) + len, out, out_len);
}

static int do_auth_mac(void *ctx, uint32_t tunnel, uint32_t key, uint16_t prf,
		       const uint8_t *octets, size_t len, struct door_mac *mac)
{
	const struct door_auth head = { .tunnel = tunnel, .prf = prf, .key = key };

	return call_auth(DOOR_AUTH_MAC, &head, octets, len, mac, sizeof(*mac));
}

static int do_auth_verify(void *ctx, uint32_t tunnel, uint16_t prf, const uint8_t *octets,
			  size_t len, const uint8_t *mac, size_t mac_len, uint32_t *key)
{
	struct door_auth head = { .tunnel = tunnel, .prf = prf, .mac_len = (uint16_t)mac_len };
	struct door_key reply;
	int err;

	if (mac_len > sizeof(head.mac))
		return -EMSGSIZE;
	memcpy(head.mac, mac, mac_len);
	err = call_auth(DOOR_AUTH_VERIFY, &head, octets, len, &reply, sizeof(reply));
	*key = err ? 0 : reply.key;
	return err;
}

static int do_spi_alloc(void *ctx, uint32_t tunnel, uint32_t *spi)
{
	struct door_id id = { tunnel };
	struct door_spi reply;
	int err = call(DOOR_SPI_ALLOC, &id, sizeof(id), &reply, sizeof(reply));

	*spi = err ? 0 : reply.spi;
	return err;
}

static int do_sa_new(void *ctx, const struct door_sa_new *sa, uint32_t *sa_id)
{
	struct door_sa_id reply;
	int err = call(DOOR_SA_NEW, sa, sizeof(*sa), &reply, sizeof(reply));

	*sa_id = err ? 0 : reply.sa_id;
	return err;
}

static int do_sa_del(void *ctx, uint32_t tunnel, uint32_t sa_id)
{
	struct door_sa_del del = { tunnel, sa_id };

	return call(DOOR_SA_DEL, &del, sizeof(del), NULL, 0);
}

static int do_out_set(void *ctx, const struct door_out_set *set)
{
	return call(DOOR_OUT_SET, set, sizeof(*set), NULL, 0);
}

static int do_sa_list(void *ctx, uint32_t tunnel, struct door_sa_list *list)
{
	struct door_id id = { tunnel };
	int err = call(DOOR_SA_LIST, &id, sizeof(id), list, sizeof(*list));

	return !err && list->n > DOOR_SAS_MAX ? -EPROTO : err;
}

static int do_endpoint(void *ctx, const struct door_endpoint *ep)
{
	return call(DOOR_ENDPOINT, ep, sizeof(*ep), NULL, 0);
}

static void do_note(void *ctx, uint32_t tunnel, const char *text)
{
	struct door_note note = { .tunnel = tunnel };

	snprintf(note.text, sizeof(note.text), "%s", text);
	tell(DOOR_NOTE, 0, &note, sizeof(note));
}

/* --- datagrams --- */

union control {
	struct cmsghdr h;
	uint8_t raw[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
};

/* Answers leave from the address that was asked. */
static void put_source(struct msghdr *msg, union control *c, const struct addr *local)
{
	struct in_pktinfo v4 = { 0 };
	struct in6_pktinfo v6 = { 0 };
	bool is6 = local->family == AF_INET6;
	size_t len = is6 ? sizeof(v6) : sizeof(v4);

	memset(c, 0, sizeof(*c));
	msg->msg_control = c;
	msg->msg_controllen = CMSG_SPACE(len);
	c->h.cmsg_level = is6 ? IPPROTO_IPV6 : IPPROTO_IP;
	c->h.cmsg_type = is6 ? IPV6_PKTINFO : IP_PKTINFO;
	c->h.cmsg_len = CMSG_LEN(len);
	memcpy(&v4.ipi_spec_dst, local->ip, sizeof(v4.ipi_spec_dst));
	memcpy(&v6.ipi6_addr, local->ip, sizeof(v6.ipi6_addr));
	memcpy(CMSG_DATA(&c->h), is6 ? (void *)&v6 : (void *)&v4, len);
}

/* What the route would give: a connected socket knows. */
static int route_source(int fd, const struct sockaddr_storage *to, socklen_t len,
			struct addr *local)
{
	struct sockaddr_storage ss;

	if (connect(fd, (const struct sockaddr *)to, len))
		return -errno;
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len))
		return -errno;
	return addr_from_sockaddr(local, (struct sockaddr *)&ss, len);
}

/* Whether the address is ours and leads there: all that is done for a datagram but the sending. */
static int probe(int fd, struct sockaddr_storage *to, socklen_t len, const struct addr *local)
{
	struct iovec iov = { NULL, 0 };
	struct msghdr h = { .msg_name = to, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1 };
	union control c;

	put_source(&h, &c, local);
	return sendmsg(fd, &h, MSG_PROBE | MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int do_source(void *ctx, const struct addr *remote, struct addr *local)
{
	struct sockaddr_storage ss;
	struct addr to = *remote;
	socklen_t len;
	int fd, err;

	to.port = to.port ? to.port : 500;
	len = addr_to_sockaddr(&to, &ss);
	if (!len)
		return -EAFNOSUPPORT;
	fd = socket(to.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = local->family ? probe(fd, &ss, len, local) : route_source(fd, &ss, len, local);
	close(fd);
	return err;
}

static struct net_sock *sock_for(const struct addr *local)
{
	struct net_sock *any = NULL;

	for (unsigned int i = 0; i < net.n_socks; i++) {
		struct net_sock *s = &net.sock[i];

		if (s->local.family != local->family || s->local.port != local->port)
			continue;
		if (addr_ip_equal(&s->local, local))
			return s;
		if (addr_is_any(&s->local))
			any = s;
	}
	return any;
}

static void do_send(void *ctx, const struct addr *local, const struct addr *remote, bool marker,
		    const uint8_t *msg, size_t len)
{
	static const uint8_t zeros[4];
	struct net_sock *s = sock_for(local);
	struct sockaddr_storage ss;
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)zeros, marker ? sizeof(zeros) : 0 },
		{ (void *)(uintptr_t)msg, len },
	};
	struct msghdr h = {
		.msg_name = &ss, .msg_namelen = addr_to_sockaddr(remote, &ss),
		.msg_iov = iov, .msg_iovlen = 2,
	};
	union control c;
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];

	if (!s) {
		log_ratelimited(LOG_WARNING, "no socket to send from",
				KV_S("local", addr_format(local, from, sizeof(from))));
		return;
	}
	put_source(&h, &c, local);
	if (sendmsg(s->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_ratelimited(LOG_NOTICE, "datagram not sent", KV_ERR("error", errno),
				KV_S("from", addr_format(local, from, sizeof(from))),
				KV_S("to", addr_format(remote, to, sizeof(to))));
}

/* Which of our addresses was it sent to? */
static bool get_local(struct msghdr *msg, const struct net_sock *s, struct addr *local)
{
	*local = s->local;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&v4, CMSG_DATA(c), sizeof(v4));
			memcpy(local->ip, &v4.ipi_addr, sizeof(v4.ipi_addr));
			return true;
		}
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&v6, CMSG_DATA(c), sizeof(v6));
			memcpy(local->ip, &v6.ipi6_addr, sizeof(v6.ipi6_addr));
			return true;
		}
	}
	return !addr_is_any(local);
}

static bool receive_one(struct net_sock *s)
{
	static const uint8_t zeros[4];
	struct sockaddr_storage ss;
	struct iovec iov = { net.datagram, sizeof(net.datagram) };
	union control c;
	struct msghdr h = {
		.msg_name = &ss, .msg_namelen = sizeof(ss), .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &c, .msg_controllen = sizeof(c),
	};
	ssize_t got = recvmsg(s->fd, &h, MSG_DONTWAIT);
	struct addr local, remote;
	size_t skip = 0;

	/* Errors of earlier sends (ICMP) come out here too: they say nothing trustworthy. */
	if (got < 0)
		return errno != EAGAIN && errno != EWOULDBLOCK;
	if (h.msg_flags & MSG_TRUNC || addr_from_sockaddr(&remote, (struct sockaddr *)&ss,
							  h.msg_namelen) ||
	    !get_local(&h, s, &local))
		return true;
	if (s->marker) {
		if (got < 4 || memcmp(net.datagram, zeros, sizeof(zeros)))
			return true;	/* ESP that the kernel did not want, keepalives */
		skip = sizeof(zeros);
	}
	ike_input(net.ike, &local, &remote, s->marker, net.datagram + skip, (size_t)got - skip);
	return true;
}

static void readable(void *arg, uint32_t events)
{
	struct net_sock *s = arg;

	for (int i = 0; i < BATCH && receive_one(s); i++)
		;
}

/* --- orders --- */

static void statuses(uint32_t only)
{
	static struct door_status st;

	for (struct peer *p = net.ike->peers; p; p = p->next) {
		if (p->gone || (only && p->t.id != only))
			continue;
		peer_status(p, &st);
		tell(DOOR_STATUS, 0, &st, DOOR_STATUS_LEN(st.n_children));
	}
	tell(DOOR_STATUS_END, 0, NULL, 0);
}

static void stopping(void *arg)
{
	if (ike_idle(net.ike) || ike_now(net.ike) >= net.stop_at)
		end(0);
	loop_timer_in(net.loop, &net.stop, 20);
}

static void go(void)
{
	adopt(net.ike);
	for (unsigned int i = 0; i < net.n_socks; i++)
		if (!net.sock[i].watch.watched &&
		    loop_fd_add(net.loop, &net.sock[i].watch, net.sock[i].fd, EPOLLIN))
			end(1);
	tell(DOOR_READY, 0, NULL, 0);
}

static void order(uint16_t type, const void *body)
{
	const struct door_id *id = body;
	const struct door_rekey *rekey = body;
	struct peer *p;

	switch (type) {
	case DOOR_TUNNEL:
		if (!peer_set(net.ike, body))
			broken(-ENOMEM);	/* the next one is told all tunnels again */
		return;
	case DOOR_GO:
		if (!net.ike->started)
			go();
		return;
	case DOOR_EVENT:
		peer_event(net.ike, body);
		return;
	case DOOR_STATUS_GET:
		statuses(id->tunnel);
		return;
	case DOOR_STOP:
		ike_stop(net.ike);
		net.stop_at = ike_now(net.ike) + STOP_MS;
		loop_timer_in(net.loop, &net.stop, 0);
		return;
	default:
		break;
	}
	if (type == DOOR_REKEY)
		p = peer_by_id(net.ike, rekey->tunnel);
	else if (type == DOOR_UP || type == DOOR_DOWN || type == DOOR_RECONNECT ||
		 type == DOOR_TUNNEL_GONE)
		p = peer_by_id(net.ike, id->tunnel);
	else
		return;
	if (!p)
		return;
	if (type == DOOR_REKEY)
		peer_rekey(p, rekey->what == 1);
	else if (type == DOOR_UP)
		peer_up(p);
	else if (type == DOOR_DOWN)
		peer_down(p);
	else if (type == DOOR_RECONNECT)
		peer_reconnect(p);
	else
		peer_gone(p);
}

static void run_queue(void *arg)
{
	while (net.first) {
		struct order *o = net.first;

		net.first = o->next;
		if (!net.first)
			net.last = &net.first;
		net.queued--;
		order(o->type, o->body);
		sa_reap(net.ike);
		free(o);
	}
}

static void knock(void *arg, uint32_t events)
{
	struct door_msg m;
	int err;

	/* Through the queue, always: what came while we waited for a reply is older. */
	for (int i = 0; i < BATCH; i++) {
		err = door_recv(DOOR_FD, &net.in, &m);
		if (err == -EAGAIN)
			break;
		if (err)
			broken(err);
		if (m.head.type != DOOR_REPLY)
			enqueue(&m);
		if (wait_door(POLLIN, 0))
			break;
	}
	run_queue(NULL);
}

/* --- birth --- */

static void lock_up(int fd)
{
	struct sock_fprog prog = { 0 };
	struct stat st;
	void *map;

	if (fstat(fd, &st) || st.st_size < 0 || st.st_size > 1 << 20)
		end(1);
	if (!st.st_size) {
		log_notice("not sandboxed");
		return;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	prog.len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	prog.filter = map;
	if (map == MAP_FAILED || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog)) {
		log_err("cannot load the seccomp program", KV_ERR("error", errno));
		end(1);
	}
	munmap(map, (size_t)st.st_size);
}

static void hello(void)
{
	static const struct ike_ops ops = {
		.send = do_send, .auth_mac = do_auth_mac, .auth_verify = do_auth_verify,
		.spi_alloc = do_spi_alloc, .sa_new = do_sa_new, .sa_del = do_sa_del,
		.out_set = do_out_set, .sa_list = do_sa_list, .endpoint = do_endpoint,
		.note = do_note, .source = do_source,
	};
	const struct door_hello *h;
	struct door_msg m;
	int err;

	do {
		err = wait_door(POLLIN, REPLY_MS);
		if (!err)
			err = door_recv(DOOR_FD, &net.in, &m);
	} while (err == -EAGAIN);
	if (err)
		broken(err);
	h = m.body;
	if (m.head.type != DOOR_HELLO || h->version != DOOR_VERSION ||
	    h->n_socks > DOOR_SOCKETS_MAX || m.n_fds != 2 + h->n_socks) {
		log_err("keeper and net are of different builds");
		end(1);
	}
	net.ike = ike_new(net.loop, &ops, NULL);
	if (!net.ike)
		end(1);
	net.ike->store = store_open(m.fds[0], &net.ike->store_fresh);
	if (!net.ike->store) {
		log_err("cannot map the state store", KV_ERR("error", errno));
		end(1);
	}
	close(m.fds[0]);
	net.n_socks = h->n_socks;
	for (unsigned int i = 0; i < h->n_socks; i++) {
		struct net_sock *s = &net.sock[i];

		s->fd = m.fds[2 + i];
		s->local = h->socks[i].local;
		s->marker = h->socks[i].marker;
		s->watch.ready = readable;
		s->watch.arg = s;
	}
	lock_up(m.fds[1]);
	close(m.fds[1]);
}

int main(int argc, char **argv)
{
	log_ident("ipsecvti-net");
	if (argc > 1 && !strncmp(argv[1], "-d", 2))
		log_level(LOG_DEBUG);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	impair_listen();
	net.loop = loop_new();
	if (!net.loop)
		return 1;
	net.last = &net.first;
	net.later.fire = run_queue;
	net.stop.fire = stopping;
	net.door.ready = knock;
	hello();
	if (loop_fd_add(net.loop, &net.door, DOOR_FD, EPOLLIN))
		return 1;
	return loop_run(net.loop) ? 1 : 0;
}
