/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protection of IKE messages: the Encrypted payload (RFC 7296 3.14, RFC 5282)
 * between wire.h, which lays it out, and crypto.h, which has the ciphers.
 */
#ifndef AGENT_SK_H
#define AGENT_SK_H

#include <stdint.h>

#include "crypto.h"
#include "wire.h"

/* Keys of one direction. Plain data: it goes to the state store as it is. Secret: wipe it. */
struct sk_key {
	uint16_t encr, encr_bits;	/* IANA ENCR id and Key Length */
	uint16_t integ;			/* IANA INTEG id; INTEG_NONE with an AEAD */
	uint8_t e_len, a_len;
	uint8_t e[AEAD_KEY_MAX];	/* SK_e (key | salt for AEADs) */
	uint8_t a[HASH_MAX];		/* SK_a; empty with an AEAD */
};

/* Opens SK in a message under construction; the payloads written next will be protected. */
int sk_begin(struct wire_out *o, const struct sk_key *k);

/* The same for a fragment (RFC 7383): see wire_open_skf(). */
int sk_begin_fragment(struct wire_out *o, const struct sk_key *k, uint16_t num, uint16_t total,
		      uint8_t first);
/* Bytes of text in a fragment, or a whole message, of len bytes; 0: none. */
size_t sk_text_max(const struct sk_key *k, size_t len, bool fragment);

/*
 * sk_seal() - Pads, encrypts and authenticates; the message is complete.
 * @counter: AEADs: the IV, never used twice with this key (store the next value before calling).
 *	CBC: ignored, the IV is random.
 *
 * Return: length of the message, -EMSGSIZE, or an error of crypto.h (the text is wiped then).
 */
int sk_seal(struct wire_out *o, const struct sk_key *k, uint64_t counter);

/*
 * sk_open() - Checks and decrypts the SK payload of a parsed message, then parses what is inside.
 * @m: from wire_parse(), with sk_type PAYLOAD_SK; its views move to the inner payloads
 * @buf: the datagram that @m was parsed from; SK is decrypted in place
 *
 * Return: 0. -ENOENT no SK payload, or a fragment. -EBADMSG with m->inner false: not authentic,
 * or too short; drop it silently, and @buf is unchanged but for what was not authentic anyway.
 * With m->inner true the peer itself sent nonsense: -EBADMSG, -EOPNOTSUPP, -E2BIG as in wire.h.
 */
int sk_open(struct msg *m, uint8_t *buf, const struct sk_key *k);

/* The same for a fragment: what it holds, in @text; nothing is parsed. -EBADMSG: as above. */
int sk_open_fragment(struct msg *m, uint8_t *buf, const struct sk_key *k, struct view *text);

#endif
