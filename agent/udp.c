// SPDX-License-Identifier: GPL-2.0-or-later
/* The IKE sockets. */
#include "udp.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/xfrm.h>

#include "addr.h"
#include "log.h"

#ifndef UDP_NO_CHECK6_RX
#define UDP_NO_CHECK6_RX 102
#endif

#define BUFFER		(4 << 20)
#define HOLDER_INODES	64

/* ---- who holds a port ---- */

/* Inodes of the sockets on a port, from /proc/net/udp or udp6. */
static size_t port_inodes(const char *table, uint16_t port, unsigned long *list, size_t max)
{
	FILE *f = fopen(table, "re");
	char line[512];
	size_t n = 0;

	while (f && n < max && fgets(line, sizeof(line), f)) {
		unsigned int local;
		unsigned long inode;

		/* sl local:port remote:port st tx:rx tr:when retransmit uid timeout inode */
		if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %*s %lu", &local,
			   &inode) == 2 && local == port)
			list[n++] = inode;
	}
	if (f)
		fclose(f);
	return n;
}

static bool fd_is(int dir, const char *name, const unsigned long *inodes, size_t n)
{
	unsigned long inode;
	char target[64];
	ssize_t len = readlinkat(dir, name, target, sizeof(target) - 1);
	size_t i;

	if (len <= 0)
		return false;
	target[len] = 0;
	if (sscanf(target, "socket:[%lu]", &inode) != 1)
		return false;
	for (i = 0; i < n; i++)
		if (inodes[i] == inode)
			return true;
	return false;
}

static bool process_has(const char *pid, const unsigned long *inodes, size_t n)
{
	char path[300];
	struct dirent *d;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir && !found && (d = readdir(dir)))
		found = fd_is(dirfd(dir), d->d_name, inodes, n);
	if (dir)
		closedir(dir);
	return found;
}

static void process_name(const char *pid, char *out, size_t size)
{
	char path[300], comm[32] = "", text[96];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f) {
		if (!fgets(comm, sizeof(comm), f))
			comm[0] = 0;
		fclose(f);
	}
	comm[strcspn(comm, "\n")] = 0;
	snprintf(out, size, "%s (pid %s)", log_escape(text, sizeof(text), comm, strlen(comm)), pid);
}

bool udp_holder(uint16_t port, char *out, size_t size)
{
	unsigned long inodes[HOLDER_INODES];
	size_t n = port_inodes("/proc/net/udp", port, inodes, HOLDER_INODES);
	bool found = false;
	struct dirent *d;
	DIR *proc;

	n += port_inodes("/proc/net/udp6", port, inodes + n, HOLDER_INODES - n);
	proc = n ? opendir("/proc") : NULL;
	while (proc && !found && (d = readdir(proc))) {
		if (!isdigit((unsigned char)d->d_name[0]) || !process_has(d->d_name, inodes, n))
			continue;
		process_name(d->d_name, out, size);
		found = true;
	}
	if (proc)
		closedir(proc);
	return found;
}

/* ---- options ---- */

static void option(int fd, int level, int name, int value, const char *what)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		log_warn("socket option failed", KV_S("option", what), KV_ERR("error", errno));
}

static int set_bypass(int fd, bool v6, uint8_t dir)
{
	const struct xfrm_userpolicy_info p = {
		.dir = dir,
		.action = XFRM_POLICY_ALLOW,
		.sel.family = v6 ? AF_INET6 : AF_INET,
	};

	return setsockopt(fd, v6 ? SOL_IPV6 : SOL_IP, v6 ? IPV6_XFRM_POLICY : IP_XFRM_POLICY, &p,
			  sizeof(p)) ? -errno : 0;
}

/*
 * IKE must never meet a policy of the kernel's own IPsec: it would be caught
 * by the very policies of another tunnel, or blocked. The module that reads
 * such a policy comes with the first netlink socket of its kind; a kernel that
 * has it not, or no xfrm at all, has no policies to meet.
 */
static int bypass_xfrm(int fd, bool v6)
{
	int err = set_bypass(fd, v6, XFRM_POLICY_IN), nl;

	if (err == -EINVAL) {
		nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
		if (nl >= 0)
			close(nl);
		err = set_bypass(fd, v6, XFRM_POLICY_IN);
	}
	if (!err)
		err = set_bypass(fd, v6, XFRM_POLICY_OUT);
	return err == -EINVAL || err == -ENOPROTOOPT || err == -EOPNOTSUPP ? 0 : err;
}

static void buffers(int fd)
{
	int size = BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int configure(int fd, bool v6, bool marker)
{
	int encap = UDP_ENCAP_ESPINUDP;

	if (v6) {
		option(fd, SOL_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
		option(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO");
		option(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT, "IPV6_MTU_DISCOVER");
		/* RFC 3948 2.1 lets peers send zero checksums. */
		if (marker)
			option(fd, SOL_UDP, UDP_NO_CHECK6_RX, 1, "UDP_NO_CHECK6_RX");
	} else {
		option(fd, SOL_IP, IP_PKTINFO, 1, "IP_PKTINFO");
		/* IKE would rather be fragmented than lost on a path with a smaller MTU. */
		option(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, "IP_MTU_DISCOVER");
	}
	buffers(fd);
	if (marker && setsockopt(fd, SOL_UDP, UDP_ENCAP, &encap, sizeof(encap)))
		return -errno;
	return bypass_xfrm(fd, v6);
}

/* ---- opening ---- */

static int open_one(struct udp *u, const struct addr *at, uint16_t port, bool marker, char *why,
		    size_t size)
{
	bool v6 = at->family == AF_INET6;
	char holder[128], text[ADDR_TEXT_MAX];
	struct sockaddr_storage ss;
	struct udp_sock *s = &u->sock[u->n];
	struct addr local = *at;
	socklen_t len;
	int err;

	local.port = port;
	len = addr_to_sockaddr(&local, &ss);
	addr_format(&local, text, sizeof(text));
	s->fd = socket(at->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0) {
		err = -errno;
		snprintf(why, size, "no UDP socket for %s: %s", text, strerror(-err));
		return err;
	}
	/* Options first: from bind() on the socket receives. */
	err = configure(s->fd, v6, marker);
	if (err)
		snprintf(why, size, "UDP %s cannot be set up for IPsec: %s", text, strerror(-err));
	else if (bind(s->fd, (struct sockaddr *)&ss, len))
		err = -errno;
	if (err == -EADDRINUSE && udp_holder(port, holder, sizeof(holder)))
		snprintf(why, size, "UDP port %u is held by %s (address %s); stop it, or use "
			 "listen, port and nat-port in [agent]", port, holder, text);
	else if (err == -EADDRINUSE)
		snprintf(why, size, "UDP port %u is held by another process (address %s)", port,
			 text);
	else if (err && !*why)
		snprintf(why, size, "cannot bind UDP %s: %s", text, strerror(-err));
	if (err) {
		close(s->fd);
		return err;
	}
	s->local = local;
	s->marker = marker;
	u->n++;
	return 0;
}

static int open_pair(struct udp *u, const struct addr *at, uint16_t port, uint16_t nat_port,
		     char *why, size_t size)
{
	int err = open_one(u, at, port, false, why, size);

	return err ? err : open_one(u, at, nat_port, true, why, size);
}

int udp_open(struct udp *u, const struct addr *listen, unsigned int n, uint16_t port,
	     uint16_t nat_port, char *why, size_t size)
{
	const struct addr any4 = { .family = AF_INET }, any6 = { .family = AF_INET6 };
	unsigned int i;
	int err = 0;

	u->n = 0;
	*why = 0;
	for (i = 0; i < n && !err; i++)
		err = open_pair(u, &listen[i], port, nat_port, why, size);
	if (!n) {
		err = open_pair(u, &any4, port, nat_port, why, size);
		if (!err)
			err = open_pair(u, &any6, port, nat_port, why, size);
		if (u->n == 2 && (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL)) {
			err = 0;
			*why = 0;
		}
	}
	if (err)
		udp_close(u);
	return err;
}

void udp_close(struct udp *u)
{
	while (u->n)
		close(u->sock[--u->n].fd);
}
