/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Identities (RFC 7296 3.5): text, matching, safe printing.
 */
#ifndef AGENT_ID_H
#define AGENT_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tunnel.h"

#define ID_ANY		0	/* not on the wire */
#define ID_IPV4_ADDR	1
#define ID_FQDN		2
#define ID_RFC822_ADDR	3
#define ID_IPV6_ADDR	5
#define ID_DER_ASN1_DN	9
#define ID_KEY_ID	11

#define ID_TEXT_MAX	(4 * IDENT_MAX + 16)	/* always enough for id_format() */

/*
 * id_parse() - From text. "any" or "%any" is ID_ANY; an address, user@host and else a name are told
 * apart by their form; "fqdn:", "email:", "ipv4:", "ipv6:", "keyid:" and "asn1dn:" say it.
 * keyid: and asn1dn: take hexadecimal after "0x" ("keyid:0x0102"); keyid: otherwise the characters
 * themselves.
 * Return: 0, or -EINVAL with *why set to a static sentence.
 */
int id_parse(struct ident *out, const char *text, const char **why);

/* Back to text that id_parse() reads; bytes that could harm a log come as \xNN. Returns buf. */
char *id_format(const struct ident *id, char *buf, size_t len);

/* The identity that an address has by default. */
struct ident id_from_addr(const struct addr *a);

/* Same type, same bytes; names and the host part of mail addresses without regard to case. */
bool id_equal(const struct ident *a, const struct ident *b);

/*
 * id_match() - Whether a peer's identity fits a configured one: ID_ANY fits all; "*.example.org"
 * and "*@example.org" fit by their tail, one label or more.
 */
bool id_match(const struct ident *want, const struct ident *got);

#endif
