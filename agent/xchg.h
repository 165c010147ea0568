/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exchanges: the table of messages that may come, and what all exchanges
 * share when they build theirs. A message reaches its handler only when its
 * row allows the SA's state, its direction and every payload in it.
 */
#ifndef AGENT_XCHG_H
#define AGENT_XCHG_H

#include "child.h"
#include "collide.h"
#include "peer.h"
#include "sa.h"
#include "window.h"
#include "wire.h"

/* A message on its way to a handler. */
struct incoming {
	struct msg m;
	const struct addr *local, *remote;
	bool marker;
	uint8_t hash[32];	/* of the datagram as it came */
};

struct xchg_row {
	uint8_t exchange;
	bool response;
	uint16_t states;	/* 1 << enum sa_state */
	uint16_t tasks;		/* responses: 1 << enum task that it may answer */
	uint32_t required, allowed;	/* xchg_bit() of each payload type */
	void (*handle)(struct sa *sa, struct incoming *in);
	const char *name;
};

static inline uint32_t xchg_bit(unsigned int payload)
{
	return payload >= 33 && payload < 64 ? 1u << (payload - 33) : 0;
}

/*
 * The first row that fits, or NULL with *notify: what a request is answered.
 * task is our outstanding one (responses), state that of the SA.
 */
const struct xchg_row *xchg_find(const struct msg *m, enum sa_state state, enum task task,
				 uint16_t *notify);
const struct xchg_row *xchg_rows(size_t *n);	/* for tests */

/* Requests: begin, add payloads, end (seals, stores, sends). end returns 0 or a negative errno. */
void xchg_request(struct sa *sa, struct wire_out *o, uint8_t exchange);
int xchg_request_end(struct sa *sa, struct wire_out *o, enum task task);
/* Answers to the request in hand, in the same way; end also counts the request as done. */
void xchg_answer(struct sa *sa, struct wire_out *o, const struct incoming *in);
int xchg_answer_end(struct sa *sa, struct wire_out *o, const struct incoming *in);
/* An answer that is one notify. */
void xchg_refuse(struct sa *sa, const struct incoming *in, uint16_t type, const void *data,
		 size_t len);

/* An answer without any SA: refusals of IKE_SA_INIT, cookies, INVALID_IKE_SPI and the like. */
void xchg_bare(struct ike *ike, const struct incoming *in, uint16_t type, const void *data,
	       size_t len);

/* What ike_input() gives on when no fault is ordered. */
void ike_receive(struct ike *ike, const struct addr *local, const struct addr *remote, bool marker,
		 uint8_t *msg, size_t len);

/* Handlers and starters, one file for each exchange. */
void init_start(struct peer *p, bool replace);			/* xchg_init.c */
void init_request(struct ike *ike, struct incoming *in);
void init_response(struct sa *sa, struct incoming *in);
void init_refused(struct sa *sa, struct incoming *in);

int auth_start(struct sa *sa);					/* xchg_auth.c */
void auth_request(struct sa *sa, struct incoming *in);
void auth_request_eap(struct sa *sa, struct incoming *in);
void auth_response(struct sa *sa, struct incoming *in);
void auth_response_childless(struct sa *sa, struct incoming *in);
void auth_refused(struct sa *sa, struct incoming *in);

void child_new_start(struct sa *sa);				/* xchg_child.c */
void child_rekey_start(struct sa *sa);
void child_request(struct sa *sa, struct incoming *in);
void child_response(struct sa *sa, struct incoming *in);
void child_refused(struct sa *sa, struct incoming *in);

void ike_rekey_start(struct sa *sa);				/* xchg_rekey.c */
void ike_rekey_request(struct sa *sa, struct incoming *in);
void ike_rekey_response(struct sa *sa, struct incoming *in);
void ike_rekey_refused(struct sa *sa, struct incoming *in);

void ike_delete_start(struct sa *sa);				/* xchg_info.c */
void child_delete_start(struct sa *sa);
void dpd_start(struct sa *sa);
void info_request(struct sa *sa, struct incoming *in);
void info_response(struct sa *sa, struct incoming *in);

/* A child in the making. */
struct child_terms {
	struct ike_child *old;	/* which one it is to follow, NULL: none */
	struct chosen chosen;
	unsigned int pair;
	struct ends ends;
	bool more;		/* the peer asked for more pairs than one */
	struct ike_child *c;
	uint16_t group;		/* with INVALID_KE_PAYLOAD: the one to use */
};

/* Responder: proposal and selectors. 0, or the notify to answer. */
uint16_t child_choose(struct sa *sa, const struct incoming *in, unsigned int flags,
		      struct child_terms *terms);
/* Then SPI and slot; the same, with nothing kept. */
uint16_t child_take(struct sa *sa, struct child_terms *terms);
/* SA, TSi and TSr of an answer; in between nonce and ke when they are not NULL. */
void child_put(struct wire_out *o, const struct child_terms *terms, const uint8_t *nonce,
	       const struct ke *ke);
/* Initiator: the answer against what was asked. A slot, or NULL: the peer is told if it can be. */
struct ike_child *child_accept(struct sa *sa, const struct incoming *in, uint32_t spi_in,
			       unsigned int flags, struct chosen *chosen);

/* The peer works on an IKE SA whose rival is still undecided: then it has decided. */
void ike_twin_settle(struct sa *sa);
/*
 * A child was made on sa by an exchange of ours. If sa was chosen before one
 * that we made at the same time, and has no child older than that, that one
 * has nothing left to wait for.
 */
void ike_rekey_proven(struct sa *sa);
/* Our rekey of this IKE SA is void; the peer's simultaneous one holds, if there is one. */
void ike_twin_wins(struct sa *old);

/*
 * What a request offers: in a rekey the suite in use, of which xchg_again() was told each part,
 * then what is configured. Peers refuse a rekey that asks for something else.
 */
#define XCHG_OFFERS	(TUNNEL_PROPOSALS + 1)
void xchg_again(struct sa *sa, const struct transform *t);
unsigned int xchg_offers(const struct sa *sa, uint8_t protocol, struct proposal list[XCHG_OFFERS]);

/* Shared pieces. */
enum collide_own xchg_own(const struct sa *sa, uint32_t child_id);
/* A responder's choice: the group that the peer sent a value for, if it will do. */
int xchg_choose(const struct proposal *ours, unsigned int n, const struct sa_list *theirs,
		uint16_t group, unsigned int spi_len, unsigned int flags, struct chosen *out);
/* Both sides rekeyed the same SA: the lowest of four nonces loses (RFC 7296 2.8.1). Is it ours? */
bool xchg_lost(const struct ike_request *req, struct view nr);
/* The peer says TEMPORARY_FAILURE: later, then. Or it has agreed to something: not busy any more. */
uint64_t xchg_busy(struct sa *sa);
void xchg_agreed(struct sa *sa);
/* The SA is up: what only its beginning needed goes, clocks start. */
void sa_established(struct sa *sa);
struct ident auth_local_id(const struct sa *sa, const struct peer *p);

#endif
