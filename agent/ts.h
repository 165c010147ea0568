/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic selectors (RFC 7296 2.9, 3.13): payloads, narrowing, text.
 */
#ifndef AGENT_TS_H
#define AGENT_TS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel.h"
#include "wire.h"

#define TS_IPV4		7
#define TS_IPV6		8
#define TS_WIRE_MAX	64	/* selectors of one payload that are looked at */
#define TS_TEXT_MAX	128	/* always enough for ts_format() */

struct ts_set {
	uint8_t n;
	bool truncated;		/* the peer sent more than TS_WIRE_MAX */
	struct ts t[TS_WIRE_MAX];
};

/*
 * wire_get_ts() - Reads the body of TSi or TSr. Selectors of unknown type, and those with
 * ports but without a protocol, are skipped; an inverted
 * range is malformed, but for the OPAQUE ports 65535..0 of RFC 7296 3.13.1, which are kept.
 * Return: 0 (n may be 0) or -EBADMSG.
 */
int wire_get_ts(struct view body, struct ts_set *out);
/* Writes TSi or TSr (type is PAYLOAD_TSi or PAYLOAD_TSr); n at least 1. */
void wire_put_ts(struct wire_out *o, uint8_t type, const struct ts *ts, unsigned int n);

/*
 * ts_get() - Reads one selector (RFC 7296 3.13.1). Of an unknown type only the type is kept.
 * Return: 0 or -EBADMSG.
 */
int ts_get(struct rd *r, struct ts *out);
/* Writes one selector; TS_BYTES_MAX are enough. */
void ts_put(struct wr *w, const struct ts *ts);
/* At most TUNNEL_SELECTORS of them, as the kernel takes them. */
void ts_pack(struct ts_bytes *out, const struct ts *ts, unsigned int n);

/*
 * ts_narrow() - Intersection of two sets, in the order of theirs, so that the packet which caused
 * the request (their first selector, 2.9) comes first; what another one contains is left out.
 * @narrowed: set when the result is less than theirs; may be NULL
 * Return: number written to out (at most max); 0 means TS_UNACCEPTABLE.
 */
unsigned int ts_narrow(const struct ts *ours, unsigned int n_ours, const struct ts *theirs,
		       unsigned int n_theirs, struct ts *out, unsigned int max, bool *narrowed);

/* Whether every selector of a lies in one of b: what an initiator asks of the answer. */
bool ts_subset(const struct ts *a, unsigned int na, const struct ts *b, unsigned int nb);
bool ts_equal(const struct ts *a, const struct ts *b);
/* Same set whatever the order. */
bool ts_set_equal(const struct ts *a, unsigned int na, const struct ts *b, unsigned int nb);
bool ts_contains(const struct ts *outer, const struct ts *inner);
/* Whether some packet fits both. */
bool ts_overlap(const struct ts *a, const struct ts *b);
/* Whether the selector takes in this address, for any protocol and port. */
bool ts_has_addr(const struct ts *ts, const struct addr *a);
/* Everything of one family. */
struct ts ts_any(uint8_t type);
/* Whether a set takes in every packet of both families. */
bool ts_everything(const struct ts *ts, unsigned int n);
/* One host, any protocol. */
struct ts ts_host(const struct addr *a);

/*
 * ts_parse() - One selector from text: "10.0.0.0/8", "10.0.0.1", "10.0.0.1-10.0.0.9", "any" (IPv4),
 * "any6", each with an optional suffix "[tcp]", "[tcp/80]", "[17/1024-65535]".
 * Return: 0, or -EINVAL with *why set to a static sentence.
 */
int ts_parse(struct ts *out, const char *text, const char **why);
/* Back to text, as a prefix where it is one. Always terminated; returns buf. */
char *ts_format(const struct ts *ts, char *buf, size_t len);
/* "a, b, c". Always terminated; returns buf. */
char *ts_list_format(const struct ts *ts, unsigned int n, char *buf, size_t len);

#endif
