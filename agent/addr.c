// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"

unsigned int addr_ip_len(const struct addr *a)
{
	return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}

socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	switch (a->family) {
	case AF_INET:
		in->sin_family = AF_INET;
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip, 4);
		return sizeof(*in);
	case AF_INET6:
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip, 16);
		return sizeof(*in6);
	default:
		return 0;
	}
}

int addr_from_sockaddr(struct addr *a, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	memset(a, 0, sizeof(*a));
	if (len >= sizeof(in) && sa->sa_family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		*a = addr_make(AF_INET, &in.sin_addr, ntohs(in.sin_port));
		return 0;
	}
	if (len >= sizeof(in6) && sa->sa_family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		/* A dual-stack socket must not make a second identity of an IPv4 peer. */
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
			*a = addr_make(AF_INET, in6.sin6_addr.s6_addr + 12,
				       ntohs(in6.sin6_port));
		else
			*a = addr_make(AF_INET6, &in6.sin6_addr, ntohs(in6.sin6_port));
		return 0;
	}
	return -EAFNOSUPPORT;
}

struct addr addr_make(uint16_t family, const void *ip, uint16_t port)
{
	struct addr a = { .family = family, .port = port };

	memcpy(a.ip, ip, addr_ip_len(&a));
	return a;
}

bool addr_ip_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && !memcmp(a->ip, b->ip, addr_ip_len(a));
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
	return addr_ip_equal(a, b) && a->port == b->port;
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return !memcmp(a->ip, zero, addr_ip_len(a));
}

static int parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long v;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	v = strtoul(text, &end, 10);
	if (*end || v < 1 || v > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)v;
	return 0;
}

int addr_parse(struct addr *a, const char *text)
{
	const char *end = NULL, *port = NULL;
	char host[INET6_ADDRSTRLEN];
	size_t len;

	memset(a, 0, sizeof(*a));
	if (!strcmp(text, "any") || !strcmp(text, "%any"))
		return 0;
	if (*text == '[') {
		end = strchr(++text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		port = end[1] ? end + 2 : NULL;
	} else {
		/* Two colons are IPv6, which takes a port in brackets only. */
		end = strchr(text, ':');
		if (end && strchr(end + 1, ':'))
			end = NULL;
		port = end ? end + 1 : NULL;
	}
	len = end ? (size_t)(end - text) : strlen(text);
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, a->ip) == 1)
		a->family = AF_INET;
	else if (inet_pton(AF_INET6, host, a->ip) == 1)
		a->family = AF_INET6;
	else
		return -EINVAL;
	return port ? parse_port(port, &a->port) : 0;
}

char *addr_format_ip(const struct addr *a, char *buf, size_t len)
{
	if (!addr_ip_len(a))
		snprintf(buf, len, "any");
	else if (!inet_ntop(a->family, a->ip, buf, (socklen_t)len) && len)
		*buf = '\0';
	return buf;
}

char *addr_format(const struct addr *a, char *buf, size_t len)
{
	char ip[INET6_ADDRSTRLEN];

	addr_format_ip(a, ip, sizeof(ip));
	if (!a->port)
		snprintf(buf, len, "%s", ip);
	else if (a->family == AF_INET6)
		snprintf(buf, len, "[%s]:%u", ip, a->port);
	else
		snprintf(buf, len, "%s:%u", ip, a->port);
	return buf;
}
