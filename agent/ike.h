/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The seams of the IKEv2 engine: what it asks of the world (struct ike_ops:
 * the door and the sockets in ipsecvti-net, a fake kernel and a lossy link in
 * the simulator), and what of an IKE SA must survive the process (struct
 * ike_record: flat, so that storing it is a copy).
 *
 * All times are milliseconds of CLOCK_BOOTTIME (the loop's clock), so that a
 * deadline means the same to the next process. 0 is "not set".
 */
#ifndef AGENT_IKE_H
#define AGENT_IKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "door.h"
#include "kdf.h"
#include "ke.h"
#include "loop.h"
#include "prop.h"
#include "tunnel.h"

#define RECORD_MSG		4096	/* longest message sent, and kept for its retransmission */
#define IKE_IV_BLOCK		64	/* IVs promised in the store at a time */
#define IKE_NONCE		32	/* ours; half of the longest PRF's key and more */
/* One for each pair, and some that are on their way in or out. */
#define IKE_CHILDREN		(TUNNEL_PAIRS + 8)
#define IKE_CHILDREN_ONE	6	/* of one pair: current, old, ours and theirs in a collision */
#define IKE_TS			(4 * TUNNEL_SELECTORS)	/* selectors of all children */
#define IKE_LINGER		TUNNEL_PAIRS	/* inbound SAs that stay a little after their DELETE */
#define IKE_STILLBORN		4

struct ike_ops {
	/* marker: with the 4 zero bytes of NAT-T in front. Errors are the link's affair. */
	void (*send)(void *ctx, const struct addr *local, const struct addr *remote, bool marker,
		     const uint8_t *msg, size_t len);
	/* the door: 0 or a negative errno; key: which of the tunnel's secrets */
	int (*auth_mac)(void *ctx, uint32_t tunnel, uint32_t key, uint16_t prf,
			const uint8_t *octets, size_t len, struct door_mac *mac);
	int (*auth_verify)(void *ctx, uint32_t tunnel, uint16_t prf, const uint8_t *octets,
			   size_t len, const uint8_t *mac, size_t mac_len, uint32_t *key);
	int (*spi_alloc)(void *ctx, uint32_t tunnel, uint32_t *spi);
	int (*sa_new)(void *ctx, const struct door_sa_new *sa, uint32_t *sa_id);
	int (*sa_del)(void *ctx, uint32_t tunnel, uint32_t sa_id);
	int (*out_set)(void *ctx, const struct door_out_set *set);
	int (*sa_list)(void *ctx, uint32_t tunnel, struct door_sa_list *list);
	int (*endpoint)(void *ctx, const struct door_endpoint *ep);
	void (*note)(void *ctx, uint32_t tunnel, const char *text);
	/* Our address towards remote; where one is given, only whether it is ours and leads there. */
	int (*source)(void *ctx, const struct addr *remote, struct addr *local);
};

enum sa_state {
	SA_FREE,
	SA_INIT_SENT,		/* initiator: IKE_SA_INIT is out */
	SA_INIT_DONE,		/* responder: IKE_SA_INIT is answered */
	SA_AUTH_SENT,		/* initiator: IKE_AUTH is out */
	SA_UP,
	SA_REPLACED,		/* rekeyed: the children live in the successor */
	SA_CLOSING,		/* our DELETE is due or out */
	SA_FAILED,		/* stays only to repeat its last answer */
	SA_STATES,
};

enum child_state {
	CHILD_FREE,
	CHILD_READY,		/* installed; not yet, or no more, the one we send through */
	CHILD_CURRENT,		/* we send through it */
	CHILD_OLD,		/* replaced */
};

/* Own exchanges in the order of their priority. */
enum task {
	TASK_NONE,
	TASK_INIT,
	TASK_AUTH,
	TASK_IKE_DELETE,
	TASK_CHILD_DELETE,
	TASK_CHILD_NEW,
	TASK_CHILD_REKEY,
	TASK_IKE_REKEY,
	TASK_DPD,
	TASK_MAX,
};

struct ike_child {
	uint32_t id;		/* child-id of the kernel; names the child on this host */
	uint8_t state;
	bool initiator;		/* we asked for it */
	bool unknown;		/* to the peer, it says; in use until a new one is there */
	bool esn;
	uint8_t pair;		/* which one of the tunnel's; see ends.h */
	uint8_t n_local, n_remote;
	uint16_t ts_at;		/* its selectors in the record, ours first */
	uint32_t spi_in, spi_out;	/* host order */
	uint32_t sa_in, sa_out;	/* kernel handles; 0: not installed */
	uint32_t replaces;	/* child-id of the one it follows, 0 for none */
	struct transform encr, integ;
	uint16_t ke;		/* group of its own exchange, 0 for none */
	uint64_t made, rekey_at, hard_at;
	/* CHILD_READY: send through it from then on, whatever comes; CHILD_OLD: rekey the current one */
	uint64_t switch_at;
	uint64_t delete_at;	/* CHILD_OLD: our DELETE is due; 0: the peer's is awaited */
	uint64_t retry_at;	/* a refused rekey is tried again then */
};

/* An inbound SA that outlives its child for packets still on their way. */
struct ike_linger {
	uint32_t sa_id;
	uint64_t until;
};

/* Our one outstanding request, with all that its answer will need. */
struct ike_request {
	uint8_t task;		/* TASK_NONE: none outstanding */
	uint8_t tries;
	uint8_t n_again;	/* rekey: the suite in use goes before what is configured */
	struct transform again[4];
	uint32_t mid;
	uint64_t next_at;	/* when it is sent again */
	uint32_t child;		/* child-id it is about */
	uint8_t pair;		/* of the new child */
	uint32_t spi;		/* inbound SPI of the new child */
	uint64_t ike_spi;	/* our SPI of the new IKE SA */
	uint8_t nonce[IKE_NONCE];
	struct ke ke;		/* private value; group 0: none */
	/* the peer's simultaneous rekey of the same SA, if there is one */
	uint32_t twin;		/* child-id */
	uint64_t twin_spi;	/* our SPI of the IKE SA */
	bool twin_settled;	/* it has the children already: the peer works on it */
	uint8_t n_stillborn;
	uint32_t stillborn[IKE_STILLBORN];	/* SPIs deleted by the peer that we have never seen */
	uint16_t twin_nonce_len;
	uint8_t twin_nonce[NONCE_MAX];	/* the lower of its two */
	uint32_t len;
};

/* The last answer we gave, and the request it belongs to. */
struct ike_response {
	bool valid;
	uint32_t mid;
	uint8_t hash[32];	/* SHA-256 of the request as it came */
	uint32_t len;
};

struct ike_record {
	uint32_t slot;		/* in the store; 0: not stored yet */
	uint32_t tunnel;
	uint32_t unique;
	uint8_t state;
	bool initiator;		/* of this IKE SA */
	bool nat_local, nat_remote, natt;	/* natt: both sent NAT_DETECTION */
	bool fragments;		/* both can take IKE messages in fragments */
	bool encap;		/* ESP in UDP */
	bool marker;		/* IKE travels over NAT-T ports */
	bool superseded;	/* another IKE SA of this tunnel carries the traffic */
	bool dpd_now;		/* ESP is no excuse for the next liveness check */
	bool auth_failed;	/* the last word is AUTHENTICATION_FAILED, not DELETE */
	bool abandoned;		/* closed while IKE_AUTH was out: the answer is followed by DELETE */
	uint64_t spi_i, spi_r;
	struct chosen suite;
	struct ike_keys keys;
	uint8_t nonce_i[NONCE_MAX], nonce_r[NONCE_MAX];	/* until it is up */
	uint16_t nonce_i_len, nonce_r_len;
	uint64_t iv;		/* next explicit IV of an AEAD */
	uint64_t iv_stored;	/* the IVs below this one are promised in the store */
	uint32_t mid_out;	/* of our next request */
	uint32_t mid_in;	/* of the peer's next request */
	struct addr local, remote;
	struct ident peer_id;
	uint64_t made, rekey_at, hard_at, dpd_at;
	uint64_t reauth_at;	/* a new one by IKE_AUTH is due; a rekey does not change it */
	uint64_t heard;		/* last authenticated message */
	uint64_t retry_at;	/* a refused rekey of its own is tried again then */
	uint64_t want_at[TUNNEL_PAIRS];	/* a child is to be made then; 0: it has one, or need not */
	uint64_t busy_since;	/* nothing but TEMPORARY_FAILURE from then on */
	uint8_t busy;		/* so often */
	uint16_t ke_asked;	/* group that INVALID_KE_PAYLOAD asked for in a child rekey */
	uint64_t delete_at;	/* SA_REPLACED: our DELETE is due; 0: the peer's is awaited */
	uint64_t close_at;	/* SA_UP and superseded: DELETE it then */
	uint64_t expire_at;	/* half-open, replaced and failed SAs end then without a word */
	uint64_t parent;	/* our SPI of the IKE SA that this one was made to replace */
	uint32_t ike_rekeys, child_rekeys;	/* of the tunnel, carried along */
	struct ike_child child[IKE_CHILDREN];
	struct ike_linger linger[IKE_LINGER];
	uint16_t n_ts;
	struct ts ts[IKE_TS];
	struct ike_request req;
	struct ike_response resp;
	/*
	 * Messages last: only their used bytes are copied to the store. Before
	 * an SA is up the buffer it does not need yet holds the peer's
	 * IKE_SA_INIT message, which AUTH covers: the initiator's resp_msg, the
	 * responder's req_msg; init_len says how long it is.
	 */
	uint32_t init_len;
	uint8_t req_msg[RECORD_MSG];
	uint8_t resp_msg[RECORD_MSG];
};

/* Numbers that tests change. */
struct ike_times {
	uint32_t retransmit_ms;		/* first pause; each next one is 1.8 times longer */
	uint32_t retransmit_tries;	/* datagrams in all */
	uint32_t half_open_ms;		/* a responder waits so long for IKE_AUTH */
	uint32_t linger_ms;		/* old child before its DELETE, inbound SA after it */
	uint32_t switch_ms;		/* both connected at once: then send through the winner */
	uint32_t busy_ms;		/* pause after TEMPORARY_FAILURE; from the third it doubles */
	uint32_t busy_max_ms;		/* after so long of it a new IKE SA is made */
	uint32_t replaced_ms;		/* so long for the peer's DELETE of a rekeyed IKE SA */
	uint32_t keepalive_ms;		/* NAT keepalives when we are behind one */
	uint32_t half_open_cookie;	/* so many half-open SAs: cookies from now on */
	uint32_t half_open_max;		/* so many: silence */
	uint32_t source_cookie;		/* the same for one address (IPv6: its /64) */
	uint32_t source_max;
	uint32_t initiate_max;		/* own IKE_SA_INITs at the same time, */
	uint32_t initiate_tries;	/* of those that may still be answered: sent less often */
};

#define IKE_TIMES_DEFAULT (struct ike_times){		\
	.retransmit_ms = 2000, .retransmit_tries = 6,	\
	.half_open_ms = 30000, .linger_ms = 3000,	\
	.switch_ms = 300, .busy_ms = 3000,		\
	.busy_max_ms = 300000,				\
	.replaced_ms = 90000,		\
	.keepalive_ms = 20000,				\
	.half_open_cookie = 32, .half_open_max = 512,	\
	.source_cookie = 3, .source_max = 64,		\
	.initiate_max = 50,				\
	.initiate_tries = 4,				\
}

struct ike_counters {
	uint64_t in, out, retransmits, repeated, malformed, unprotected, bad_icv;
	uint64_t cookies_sent, cookies_bad, half_open_refused, dpd_timeouts, auth_failed;
	uint64_t ike_up, ike_rekeys, child_rekeys, collisions, adopted, poisoned;
};

struct ike;

struct ike *ike_new(struct loop *loop, const struct ike_ops *ops, void *ctx);
void ike_free(struct ike *ike);

/* A UDP payload (without marker), from remote to local; it is decrypted where it lies. */
void ike_input(struct ike *ike, const struct addr *local, const struct addr *remote, bool marker,
	       uint8_t *msg, size_t len);

#endif
