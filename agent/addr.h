/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transport addresses: struct addr of tunnel.h to and from sockets and text.
 */
#ifndef AGENT_ADDR_H
#define AGENT_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "tunnel.h"

#define ADDR_TEXT_MAX	64	/* "[" IPv6 "]:65535" and the zero */

/* Bytes of ip[] in use: 4, 16, or 0 for AF_UNSPEC. */
unsigned int addr_ip_len(const struct addr *a);

/* Length for bind() and sendto(), 0 for AF_UNSPEC. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);
/* -EAFNOSUPPORT for other families. IPv4-mapped IPv6 becomes IPv4. */
int addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t len);

/* ip of 4 or 16 bytes. */
struct addr addr_make(uint16_t family, const void *ip, uint16_t port);

bool addr_ip_equal(const struct addr *a, const struct addr *b);
bool addr_equal(const struct addr *a, const struct addr *b);	/* with the port */
/* AF_UNSPEC, or all zeros. */
bool addr_is_any(const struct addr *a);

/*
 * addr_parse() - "192.0.2.1", "2001:db8::1", "any"; with a port "192.0.2.1:500",
 * "[2001:db8::1]:500". No names: they are resolved by the keeper. Return: 0 or -EINVAL.
 */
int addr_parse(struct addr *a, const char *text);

/* Without and with the port (left out when 0). "any" for AF_UNSPEC. Return buf. */
char *addr_format_ip(const struct addr *a, char *buf, size_t len);
char *addr_format(const struct addr *a, char *buf, size_t len);

#endif
