/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configured tunnels: what to keep up, when to try again, what the
 * administrator wants. A peer owns its IKE SAs; at most one of them carries
 * the traffic, the others are on their way in or out.
 */
#ifndef AGENT_PEER_H
#define AGENT_PEER_H

#include "log.h"
#include "sa.h"

#define PEER_DOOMED	16

struct peer {
	struct tunnel t;
	struct ike *ike;
	struct peer *next;
	struct sa *sas;
	struct loop_timer timer;
	uint32_t attempts;	/* failed in a row */
	uint64_t retry_at;
	uint8_t turn;		/* which pair of addresses is next in this round; see peer_pair() */
	uint8_t key;		/* which of the secrets signs when we begin; counts on and on */
	uint32_t last_child;	/* highest child-id given out */
	uint32_t current[TUNNEL_PAIRS];	/* child-ids in the outbound set, 0 for none */
	bool acquired;		/* START_DEMAND: traffic asked for it */
	bool asked;		/* the administrator said "up" */
	bool settled;		/* traffic went through since the last failure */
	bool gone;		/* freed when its last IKE SA is */
	bool failing;		/* the last attempt failed; note says why */
	struct door_endpoint endpoint;	/* as the kernel has it; tunnel 0: unknown */
	struct door_endpoint lost;	/* of kernel SAs whose IKE SA is lost; tunnel 0: none */
	uint64_t contact_at;	/* they are about to end: INITIAL_CONTACT costs little more */
	bool refused;		/* the last answer to IKE_AUTH was AUTHENTICATION_FAILED */
	bool out_again;		/* the kernel refused the outbound set */
	uint8_t n_doomed;
	uint32_t doomed[PEER_DOOMED];	/* SAs that it refused to delete */
	uint64_t sweep_at;
	struct log_rate rate;	/* of lines about failed negotiations */
	uint32_t retransmits, dpd_timeouts;
	char note[DOOR_TEXT_MAX];
};

/* The keeper's orders. */
struct peer *peer_set(struct ike *ike, const struct tunnel *t);
void peer_gone(struct peer *p);
void peer_up(struct peer *p);
void peer_down(struct peer *p);
void peer_reconnect(struct peer *p);	/* a new IKE SA beside the one that is up, for its place */
void peer_rekey(struct peer *p, bool ike_sa);
void peer_event(struct ike *ike, const struct door_event *ev);
void peer_status(struct peer *p, struct door_status *out);

/* Delete everything and tell the peers; idle when that is done. */
void ike_stop(struct ike *ike);
bool ike_idle(const struct ike *ike);

struct peer *peer_by_id(struct ike *ike, uint32_t tunnel);
bool peer_takes(const struct peer *p, const struct addr *local, const struct addr *remote);
/*
 * For a responder: the tunnels between these addresses in turn, those that name the peer's before
 * those for any; NULL at the end.
 */
struct peer *peer_by_addr(struct ike *ike, const struct addr *local, const struct addr *remote,
			  struct peer *after);

/*
 * The tunnel's pairs of addresses in the order of preference: each remote one with each local one
 * of its family, or with what the route gives where none is configured. Returns the first from the
 * given number on whose local address is here, and its number; PEER_NO_PAIR when there is none.
 */
#define PEER_NO_PAIR	255
uint8_t peer_pair(struct peer *p, unsigned int from, struct addr *local,
		  struct addr *remote);

/* Looks at what should be and is, and starts what is missing. */
void peer_check(struct peer *p);
void peer_failed(struct peer *p, const char *why);	/* an attempt ended: back off */
void peer_note(struct peer *p, const char *text);
/* Its timer fires then at the latest. */
void peer_wake(struct peer *p, uint64_t at);
/* Traffic goes through this IKE SA now: the others are superseded. */
void peer_carries(struct peer *p, struct sa *sa);
/* We know where it is, and so may start. */
bool peer_reachable(const struct peer *p);
/* The IKE SA that new children belong to; NULL for none. */
struct sa *peer_main(struct peer *p);
/* A new IKE SA is bound: a peer that leaves ever more behind it loses the oldest that are over. */
void peer_trim(struct peer *p);
/* An IKE SA came up by IKE_AUTH: what becomes of the others? alone: the peer has no other. */
void peer_resolve(struct peer *p, struct sa *fresh, bool alone);

void peer_reap(struct ike *ike);

/*
 * A new process takes over (adopt.c): reads the store after all tunnels are
 * known, compares it with the kernel, goes on where the old one died.
 */
void adopt(struct ike *ike);
/* Kernel SAs that nobody owns: removed when they are dead, or were made and never announced. */
void adopt_sweep(struct peer *p);

#endif
