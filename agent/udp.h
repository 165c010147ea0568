/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IKE sockets, opened by keeper and used by net. One owner for each
 * address and port: never SO_REUSEADDR or SO_REUSEPORT, under which the last
 * one to bind would silently take every datagram.
 */
#ifndef AGENT_UDP_H
#define AGENT_UDP_H

#include <stdbool.h>
#include <stddef.h>

#include "door.h"

struct udp_sock {
	int fd;
	struct addr local;
	bool marker;		/* NAT-T: carries ESP too, and IKE behind four zero bytes */
};

struct udp {
	unsigned int n;
	struct udp_sock sock[DOOR_SOCKETS_MAX];
};

/*
 * On each address port and nat_port; no address: the wildcard ones, IPv6 only
 * where the host has it. 0, or a negative errno and a sentence in why, with
 * nothing left open.
 */
int udp_open(struct udp *u, const struct addr *listen, unsigned int n, uint16_t port,
	     uint16_t nat_port, char *why, size_t size);
void udp_close(struct udp *u);

/* "charon (pid 123)" for whoever has this UDP port in our network namespace; false: unknown. */
bool udp_holder(uint16_t port, char *out, size_t size);

#endif
