/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IKE fragmentation (RFC 7383): messages that would be too long for one
 * datagram, as several. Only authentic fragments are kept, of one message for
 * each IKE SA, and no more than a message may have.
 */
#ifndef AGENT_FRAG_H
#define AGENT_FRAG_H

#include "sk.h"

#define FRAG_MAX	64	/* of one message */

struct frag;

/*
 * frag_count() - How many fragments a message under construction will be.
 * @len: longest message, in bytes of IKE
 *
 * Return: 1 if it fits as it is, 0 if it can't be sent.
 */
unsigned int frag_count(const struct wire_out *o, const struct sk_key *k, size_t len);

/*
 * frag_seal() - Makes n sealed fragments of a message under construction. They lie where it lay,
 * each a complete message, one behind the other (see frag_next()).
 * @n: from frag_count(), and so many values of the counter are used up
 *
 * Return: length of all, -EMSGSIZE, or an error of sk_seal().
 */
int frag_seal(struct wire_out *o, const struct sk_key *k, size_t len, unsigned int n,
	      uint64_t counter);

/* Length of the first of the messages that lie one behind the other in len bytes; never 0. */
size_t frag_next(const uint8_t *msg, size_t len);

/*
 * frag_take() - Keeps what a fragment holds.
 * @f: NULL at first; made, kept and given back here
 * @hash: of the datagram
 *
 * Return: 0, the message is whole. -EAGAIN: not yet, or it adds nothing. -E2BIG: too many or too
 * long, -EBADMSG: empty; it is as if it had not come. -ENOMEM.
 */
int frag_take(struct frag **f, const struct msg *m, const uint8_t hash[32], struct view text);
/* A whole one: its text, the type of its first payload, the hash of its first fragment. */
struct view frag_text(const struct frag *f, uint8_t *first, const uint8_t **hash);
/* Wipes and frees one that is whole, or whichever there is. */
void frag_done(struct frag **f);
void frag_free(struct frag **f);

#endif
