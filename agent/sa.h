/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine and its IKE SAs: lookup by our own SPI, life and death.
 *
 * Death: sa_kill() unlinks an SA from every list, wipes its record here and in
 * the store and stops its timer; the memory itself goes in sa_reap(), which
 * each entry point of the engine (input, timer, order) calls last. So a
 * handler may kill any SA, its own included, and go on reading it.
 */
#ifndef AGENT_SA_H
#define AGENT_SA_H

#include "frag.h"
#include "ike.h"
#include "store.h"

#define SA_HASH		1024	/* buckets */

struct peer;

struct sa {
	struct ike_record r;
	struct ike *ike;
	struct peer *peer;	/* NULL until IKE_AUTH tells a responder who it is */
	struct sa *next;	/* in the bucket, then in the graveyard */
	struct sa *peer_next;
	struct loop_timer timer;
	bool dead;
	bool half_open;		/* in the list of these */
	struct sa *half_next, *half_prev;
	bool initiating;	/* counted as such, until it is */
	bool hopeless;		/* nobody seems to be there: others need not wait for its end */
	bool queued;		/* something became due: look at the tasks before returning */
	/* An initiator before IKE_AUTH; lost with the process, which then starts over. */
	uint8_t restarts;	/* by cookie, group or error */
	uint16_t init_error;	/* an unauthenticated refusal: a last resort */
	uint64_t started;	/* its IKE_SA_INIT was sent or came */
	uint64_t fail_at;
	uint8_t cookie_len;
	uint8_t cookie[COOKIE_MAX];
	uint64_t keepalive_at;	/* NAT keepalive */
	uint64_t renew_at;	/* not before: the next try to put a new IKE SA beside it */
	struct frag *frag;	/* a message of which fragments have come, or NULL */
	bool replace;		/* made to replace the tunnel's other IKE SA (reconnect) */
};

struct ike {
	struct loop *loop;
	const struct ike_ops *ops;
	void *ctx;
	struct ike_times times;
	struct store *store;	/* NULL: nothing survives (tests) */
	bool store_fresh;	/* it was empty: a cold start */
	struct peer *peers;
	struct sa *hash[SA_HASH];
	struct sa *half;	/* half-open ones, a responder's */
	struct sa *grave;
	uint64_t hash_seed;
	uint32_t n_sas, half_open, initiating, unique;
	bool started;		/* told to go */
	bool peers_gone;	/* some await the end of their SAs */
	bool stopping;
	uint64_t quiet_until;	/* no INVALID_IKE_SPI: a peer may mean an SA that we have lost */
	uint64_t notified_at;
	uint64_t poison;	/* hash of a message that killed net; 0: none */
	struct ike_counters n;
	struct {
		uint8_t secret[2][32];	/* current and previous */
		uint32_t version;
		uint64_t since;
	} cookie;
};

uint64_t ike_now(const struct ike *ike);
/* value plus or minus ten percent */
uint64_t ike_jitter(uint64_t value);

struct sa *sa_new(struct ike *ike, bool initiator);
struct sa *sa_find(struct ike *ike, uint64_t our_spi);
uint64_t sa_spi(const struct sa *sa);		/* ours */
uint64_t sa_peer_spi(const struct sa *sa);
void sa_link(struct sa *sa);			/* into the hash, by the SPI in its record */
void sa_bind(struct sa *sa, struct peer *peer);
void sa_state(struct sa *sa, enum sa_state state);
void sa_kill(struct sa *sa);
void sa_reap(struct ike *ike);
/* The record to the store; nothing is done for an SA that is not yet worth it. */
void sa_store(struct sa *sa);
/* Half-open SAs of a source: of an address, or of a network where hosts choose among thousands. */
unsigned int sa_from(const struct ike *ike, const struct addr *remote);

/* Kernel SAs go too and the tunnel learns why; nothing is sent. */
void sa_fail(struct sa *sa, const char *why);
/* Ask for a DELETE; the SA ends when it is answered or given up. */
void sa_close(struct sa *sa);
/* It is over, but the last answer may have to be repeated for a while. */
void sa_fade(struct sa *sa);

#endif
