// SPDX-License-Identifier: GPL-2.0-or-later
/* A look into the simulator's messages. */
#include <string.h>

#include "sim.h"
#include "sk.h"

static const struct sk_key *sender_key(struct sim *s, int from, const struct ike_hdr *h)
{
	struct ike *ike = s->side[from].ike;
	const struct sa *sa = ike ? sa_find(ike, h->flags & IKE_FLAG_INITIATOR ? h->spi_i :
								h->spi_r) : NULL;

	if (!sa)
		return NULL;
	return sa->r.initiator ? &sa->r.keys.i : &sa->r.keys.r;
}

bool sim_read(struct sim *s, int from, const uint8_t *msg, size_t len, uint8_t *copy,
	      struct msg *m)
{
	const struct sk_key *key;

	memcpy(copy, msg, len);
	if (wire_parse(m, copy, len))
		return false;
	if (m->hdr.exchange == EXCHANGE_IKE_SA_INIT)
		return true;
	key = sender_key(s, from, &m->hdr);
	return key && m->sk_type == PAYLOAD_SK && !sk_open(m, copy, key);
}
