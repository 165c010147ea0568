/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One netlink socket for requests that are answered at once: sends a message,
 * collects the answers up to the acknowledgement, keeps the kernel's words.
 */
#ifndef AGENT_NLSOCK_H
#define AGENT_NLSOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#define NLS_TX_MAX	8192
#define NLS_RX_MAX	32768

struct nlsock {
	struct mnl_socket *s;
	uint32_t seq;
	char text[256];		/* extack of the last refusal */
	union {
		struct nlmsghdr h;
		char raw[NLS_TX_MAX];
	} tx;
	union {
		struct nlmsghdr h;
		char raw[NLS_RX_MAX];
	} rx;
};

int nls_open(struct nlsock *n, int bus);
void nls_close(struct nlsock *n);

/* A new message in n->tx; NLM_F_REQUEST is added, and NLM_F_ACK unless it is a dump. */
struct nlmsghdr *nls_start(struct nlsock *n, uint16_t type, uint16_t flags);
struct nlmsghdr *nls_start_genl(struct nlsock *n, uint16_t family, uint16_t flags, uint8_t cmd,
				uint8_t version);

/* Attributes; a message that would overflow turns nls_talk() into -EMSGSIZE. */
void nls_put(struct nlsock *n, uint16_t type, const void *data, size_t len);
void nls_put_u8(struct nlsock *n, uint16_t type, uint8_t v);
void nls_put_u16(struct nlsock *n, uint16_t type, uint16_t v);
void nls_put_u32(struct nlsock *n, uint16_t type, uint32_t v);
void nls_put_u64(struct nlsock *n, uint16_t type, uint64_t v);
void nls_put_str(struct nlsock *n, uint16_t type, const char *s);
struct nlattr *nls_nest(struct nlsock *n, uint16_t type);
void nls_nest_end(struct nlsock *n, struct nlattr *nest);

/*
 * Sends n->tx, wipes it, and hands every answer to each. 0 or a negative
 * errno; -EAGAIN: a dump that the kernel calls inconsistent, to be asked again.
 */
int nls_talk(struct nlsock *n, void (*each)(void *arg, const struct nlmsghdr *h), void *arg);

/* Fills tb (of max + 1 entries) with the attributes at p; unknown ones are left out. */
void nls_parse(const struct nlattr **tb, unsigned int max, const void *p, size_t len);
void nls_parse_genl(const struct nlattr **tb, unsigned int max, const struct nlmsghdr *h);
void nls_parse_nest(const struct nlattr **tb, unsigned int max, const struct nlattr *nest);

/* Integers whose length is checked; fallback when the attribute is missing or of another size. */
uint64_t nls_uint(const struct nlattr *a, uint64_t fallback);
void nls_str(const struct nlattr *a, char *out, size_t size);

#endif
