/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The door between keeper and net: typed, bounded messages over one
 * SOCK_SEQPACKET pair. It is the security border of the product: net parses
 * what strangers send and may be taken over; keeper believes nothing of what
 * comes through here, checks every length and every handle, and never waits
 * for net.
 *
 * net -> keeper: requests, each answered at once by one DOOR_REPLY with the
 *	same tag (net waits for it; what arrives meanwhile is queued), and
 *	DOOR_STATUS, which has no reply.
 * keeper -> net: orders and events, never answered (but DOOR_STATUS_GET).
 *
 * Both ends are built together, so structures go as they lie in memory; the
 * version in DOOR_HELLO guards against a net of another build.
 */
#ifndef AGENT_DOOR_H
#define AGENT_DOOR_H

#include <stddef.h>
#include <stdint.h>

#include "tunnel.h"

#define DOOR_VERSION		4
#define DOOR_FD			3	/* net finds its end here after exec */
#define DOOR_MSG_MAX		(48 * 1024)
#define DOOR_OCTETS_MAX		(16 * 1024)	/* longest octets to sign: a whole IKE_SA_INIT */
#define DOOR_KEY_MAX		128
#define DOOR_SOCKETS_MAX	16
#define DOOR_TEXT_MAX		256
#define DOOR_SAS_MAX		128	/* SAs in one answer to DOOR_SA_LIST */

enum door_type {
	/* keeper -> net */
	DOOR_HELLO = 1,		/* struct door_hello + descriptors by SCM_RIGHTS */
	DOOR_TUNNEL,		/* struct tunnel: new, or changed under the same id */
	DOOR_TUNNEL_GONE,	/* struct door_id */
	DOOR_GO,		/* all tunnels are told; adopt what the store has, then start */
	DOOR_UP,		/* struct door_id: start now, forget backoff */
	DOOR_DOWN,		/* struct door_id: delete the SAs, tell the peer, stay down */
	DOOR_RECONNECT,		/* struct door_id: new IKE SA beside the old, then delete that */
	DOOR_REKEY,		/* struct door_rekey */
	DOOR_EVENT,		/* struct door_event, from the kernel */
	DOOR_STATUS_GET,	/* struct door_id (0: all); net answers with DOOR_STATUS ... DOOR_STATUS_END */
	DOOR_STOP,		/* delete all SAs, tell peers, exit 0 when done or after 2 s */

	/* net -> keeper, answered by DOOR_REPLY */
	DOOR_AUTH_MAC = 32,	/* struct door_auth; reply: struct door_mac */
	DOOR_AUTH_VERIFY,	/* struct door_auth; reply: struct door_key, or err -EACCES */
	DOOR_SPI_ALLOC,		/* struct door_id (tunnel); reply: struct door_spi */
	DOOR_SA_NEW,		/* struct door_sa_new; reply: struct door_sa_id */
	DOOR_SA_DEL,		/* struct door_sa_del */
	DOOR_OUT_SET,		/* struct door_out_set: replaces the outbound set whole */
	DOOR_SA_LIST,		/* struct door_id (tunnel); reply: struct door_sa_list */
	DOOR_ENDPOINT,		/* struct door_endpoint: outer addresses, encapsulation */

	/* net -> keeper, no reply */
	DOOR_READY = 64,	/* after DOOR_GO: sandboxed, adopted, serving */
	DOOR_STATUS,		/* struct door_status, one for each tunnel; see DOOR_STATUS_LEN() */
	DOOR_STATUS_END,	/* head only */
	DOOR_NOTE,		/* struct door_note: what the last attempt of a tunnel came to */

	DOOR_REPLY = 127,
};

struct door_head {
	uint16_t type;		/* enum door_type */
	uint16_t reserved;	/* 0 */
	uint32_t tag;		/* of the request; copied to the reply */
	int32_t err;		/* in replies: 0 or a negative errno */
	uint32_t len;		/* bytes behind this head */
};

struct door_id {
	uint32_t tunnel;
};

/*
 * Descriptors come in this order: the state store's memfd, the seccomp
 * program (raw struct sock_filter[] in a memfd, to be loaded with prctl), then
 * one UDP socket for each entry of socks.
 */
struct door_hello {
	uint32_t version;
	uint32_t n_socks;
	struct {
		struct addr local;	/* bound address (wildcard allowed) and port */
		uint8_t marker;		/* 1: NAT-T socket, IKE carries the 4-byte non-ESP marker */
		uint8_t pad[3];
	} socks[DOOR_SOCKETS_MAX];
};

struct door_rekey {
	uint32_t tunnel;
	uint32_t what;		/* 0 child, 1 IKE SA */
};

struct door_event {
	uint32_t type;		/* enum ipsecvti_event_type */
	uint32_t tunnel;	/* 0 where it concerns all (vm-fork) */
	uint32_t dev_id;
	uint32_t sa_id;
	uint32_t spi;		/* host order */
	uint32_t dir;		/* enum ipsecvti_dir */
	struct addr from;	/* peer-moved: where the peer was seen; port 0 for native ESP */
};

/*
 * PSK authentication (RFC 7296 2.15). octets is what is signed: the sender's
 * IKE_SA_INIT message | the other side's nonce | prf(SK_p, ID'). Keeper
 * answers prf(prf(psk, "Key Pad for IKEv2"), octets) or compares with mac, in
 * constant time.
 */
struct door_auth {
	uint32_t tunnel;
	uint16_t prf;		/* IKEv2 transform ID of the PRF */
	uint16_t mac_len;	/* DOOR_AUTH_VERIFY only */
	uint32_t key;		/* DOOR_AUTH_MAC only: which of the secrets, modulo their number */
	uint8_t mac[64];
	uint32_t octets_len;
	uint8_t octets[];
};

struct door_mac {
	uint32_t len;
	uint8_t mac[64];
};

struct door_key {
	uint32_t key;		/* the one that fits, from 0 */
};

struct door_spi {
	uint32_t spi;		/* host order */
};

struct door_sa_new {
	uint32_t tunnel;
	uint32_t dir;		/* enum ipsecvti_dir */
	uint32_t spi;		/* host order */
	uint32_t suite;		/* enum ipsecvti_suite */
	uint32_t child_id;
	uint32_t window;
	uint32_t soft_seconds, hard_seconds;
	uint64_t soft_bytes, hard_bytes, soft_packets, hard_packets;
	uint8_t esn;
	uint8_t key_len;
	uint8_t cookie[16];	/* IKE SPIs: adoption finds the owner by it */
	uint8_t key[DOOR_KEY_MAX];	/* as the kernel's suite lays it out */
	struct ts_bytes local_ts, remote_ts;
};

struct door_sa_id {
	uint32_t sa_id;
};

struct door_sa_del {
	uint32_t tunnel;
	uint32_t sa_id;
};

/* The outbound set of a tunnel: an SA for each pair, or none at all (n 0: hold). */
struct door_out_set {
	uint32_t tunnel;
	uint32_t n;
	struct {
		uint32_t child_id;
		uint32_t sa_id;
	} sa[TUNNEL_PAIRS];	/* the first whose selectors fit a packet takes it */
};

struct door_sa {
	uint32_t sa_id, spi, dir, suite, child_id;
	uint8_t esn, current, dead, pad;
	uint32_t events;	/* latched, 1 << enum ipsecvti_event_type */
	uint32_t life;		/* its hard limit in seconds, 0 for none */
	uint64_t age;		/* seconds */
	uint64_t used_ms;	/* since the last packet; UINT64_MAX: never */
	uint64_t seq;
	uint64_t packets, bytes;
	uint8_t cookie[16];
};

struct door_endpoint {
	uint32_t tunnel;
	uint32_t encap;		/* enum ipsecvti_encap; ports in the addresses when UDP */
	struct addr local, remote;
};

struct door_sa_list {
	struct door_endpoint endpoint;	/* what the device has; remote AF_UNSPEC: nothing yet */
	uint32_t n;
	struct door_sa sa[DOOR_SAS_MAX];
};

enum tunnel_state {
	TUNNEL_DOWN,		/* by the administrator */
	TUNNEL_IDLE,		/* waits: for the peer, for traffic, for the device */
	TUNNEL_CONNECTING,
	TUNNEL_UP,
	TUNNEL_BACKOFF,		/* the last attempt failed; note says why */
};

/* A child SA that is sent through. */
struct door_child {
	uint32_t id, pair;
	uint32_t spi_in, spi_out;
	struct transform esp[4];	/* ENCR, INTEG, KE, ESN */
	uint32_t age, rekey_in;		/* seconds */
	uint8_t n_local_ts, n_remote_ts;
	struct ts local_ts[TUNNEL_SELECTORS], remote_ts[TUNNEL_SELECTORS];
};

struct door_status {
	uint32_t tunnel;
	uint32_t state;		/* enum tunnel_state */
	uint8_t initiator;
	uint8_t nat_local, nat_remote, encap;
	uint64_t spi_i, spi_r;
	struct addr local, remote;
	struct ident remote_id;
	struct transform ike[4];	/* ENCR, PRF, INTEG, KE as agreed; type 0: none */
	uint32_t ike_age, ike_rekey_in;	/* seconds */
	uint32_t ike_rekeys, child_rekeys, retransmits, dpd_timeouts;
	uint32_t unique_id;	/* of the IKE SA; survives net, changes with rekey */
	char note[DOOR_TEXT_MAX];	/* why it is not up, in plain words */
	uint32_t n_pairs;		/* children that there should be */
	uint32_t n_children;		/* those that follow; the message ends with them */
	struct door_child child[TUNNEL_PAIRS];
};

/* Length of a status with so many children. */
#define DOOR_STATUS_LEN(n) \
	(offsetof(struct door_status, child) + (n) * sizeof(struct door_child))

struct door_note {
	uint32_t tunnel;
	char text[DOOR_TEXT_MAX];
};

/*
 * One message as door_recv() leaves it. body is aligned for every structure
 * above and lies in the caller's buffer; head.len and the length rules of
 * door_len_ok() have been checked.
 */
#define DOOR_FDS_MAX	(2 + DOOR_SOCKETS_MAX)

struct door_buf {
	_Alignas(16) uint8_t raw[DOOR_MSG_MAX];
};

struct door_msg {
	struct door_head head;
	const void *body;
	unsigned int n_fds;
	int fds[DOOR_FDS_MAX];	/* the receiver's now, close-on-exec */
};

/*
 * One message in one system call. 0; -EAGAIN: the other side does not read
 * (descriptor or flags say not to wait); -EPIPE: it is gone; -EMSGSIZE.
 */
int door_send(int fd, uint16_t type, uint32_t tag, int32_t err, const void *body, size_t len,
	      const int *fds, unsigned int n_fds);

/*
 * 0: *m is filled. -EAGAIN: nothing there. -EPIPE: the other side is gone.
 * -EBADMSG: a message whose length is a lie, whose type is unknown, or which
 * carries descriptors where none belong; it has been discarded.
 */
int door_recv(int fd, struct door_buf *buf, struct door_msg *m);

/* Whether a body of len bytes can be of this type. Handles in it are another matter. */
_Bool door_len_ok(uint16_t type, const void *body, size_t len, int32_t err);

#endif
