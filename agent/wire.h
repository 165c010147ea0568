/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IKE message: header and payload chain (RFC 7296 section 3). Reading
 * checks every length once and gives views into the datagram; writing goes
 * through one builder that fills in the chain and the lengths.
 *
 * Errors of all wire_* readers:
 *	-EBADMSG	malformed: INVALID_SYNTAX if it was authenticated, else silence
 *	-EPROTONOSUPPORT major version above 2: INVALID_MAJOR_VERSION
 *	-EOPNOTSUPP	an unknown payload has the critical bit: UNSUPPORTED_CRITICAL_PAYLOAD
 *			with msg.critical as its one byte of data
 *	-E2BIG		more payloads than MSG_PAYLOADS
 */
#ifndef AGENT_WIRE_H
#define AGENT_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "tunnel.h"

#define IKE_HDR_LEN		28
#define IKE_PAYLOAD_HDR_LEN	4
#define IKE_VERSION		0x20
#define IKE_MSG_MAX		(16 * 1024)	/* longest message read or written */
#define MSG_PAYLOADS		64
#define NONCE_MIN		16	/* RFC 7296 3.9 */
#define NONCE_MAX		256
#define COOKIE_MAX		64	/* RFC 7296 2.6 */
#define DELETE_SPIS		64	/* SPIs of one Delete payload that are looked at */

#define IKE_FLAG_INITIATOR	0x08	/* sent by the original initiator of this IKE SA */
#define IKE_FLAG_VERSION	0x10	/* the sender speaks a higher major version */
#define IKE_FLAG_RESPONSE	0x20

/* Each list is X(identifier, number); names for logs come from the same lists (wire_names.c). */
#define WIRE_EXCHANGES(X)			\
	X(IKE_SA_INIT, 34)			\
	X(IKE_AUTH, 35)				\
	X(CREATE_CHILD_SA, 36)			\
	X(INFORMATIONAL, 37)			\
	X(IKE_SESSION_RESUME, 38)		\
	X(IKE_INTERMEDIATE, 43)			\
	X(IKE_FOLLOWUP_KE, 44)

#define WIRE_PAYLOADS(X)			\
	X(NONE, 0)				\
	X(SA, 33)				\
	X(KE, 34)				\
	X(IDi, 35)				\
	X(IDr, 36)				\
	X(CERT, 37)				\
	X(CERTREQ, 38)				\
	X(AUTH, 39)				\
	X(NONCE, 40)				\
	X(NOTIFY, 41)				\
	X(DELETE, 42)				\
	X(VENDOR, 43)				\
	X(TSi, 44)				\
	X(TSr, 45)				\
	X(SK, 46)				\
	X(CP, 47)				\
	X(EAP, 48)				\
	X(SKF, 53)

#define WIRE_NOTIFIES(X)			\
	X(UNSUPPORTED_CRITICAL_PAYLOAD, 1)	\
	X(INVALID_IKE_SPI, 4)			\
	X(INVALID_MAJOR_VERSION, 5)		\
	X(INVALID_SYNTAX, 7)			\
	X(INVALID_MESSAGE_ID, 9)		\
	X(INVALID_SPI, 11)			\
	X(NO_PROPOSAL_CHOSEN, 14)		\
	X(INVALID_KE_PAYLOAD, 17)		\
	X(AUTHENTICATION_FAILED, 24)		\
	X(SINGLE_PAIR_REQUIRED, 34)		\
	X(NO_ADDITIONAL_SAS, 35)		\
	X(INTERNAL_ADDRESS_FAILURE, 36)		\
	X(FAILED_CP_REQUIRED, 37)		\
	X(TS_UNACCEPTABLE, 38)			\
	X(INVALID_SELECTORS, 39)		\
	X(UNACCEPTABLE_ADDRESSES, 40)		\
	X(UNEXPECTED_NAT_DETECTED, 41)		\
	X(TEMPORARY_FAILURE, 43)		\
	X(CHILD_SA_NOT_FOUND, 44)		\
	X(STATE_NOT_FOUND, 47)			\
	X(TS_MAX_QUEUE, 48)			\
	X(INITIAL_CONTACT, 16384)		\
	X(SET_WINDOW_SIZE, 16385)		\
	X(ADDITIONAL_TS_POSSIBLE, 16386)	\
	X(IPCOMP_SUPPORTED, 16387)		\
	X(NAT_DETECTION_SOURCE_IP, 16388)	\
	X(NAT_DETECTION_DESTINATION_IP, 16389)	\
	X(COOKIE, 16390)			\
	X(USE_TRANSPORT_MODE, 16391)		\
	X(HTTP_CERT_LOOKUP_SUPPORTED, 16392)	\
	X(REKEY_SA, 16393)			\
	X(ESP_TFC_PADDING_NOT_SUPPORTED, 16394)	\
	X(NON_FIRST_FRAGMENTS_ALSO, 16395)	\
	X(MOBIKE_SUPPORTED, 16396)		\
	X(ADDITIONAL_IP4_ADDRESS, 16397)	\
	X(ADDITIONAL_IP6_ADDRESS, 16398)	\
	X(NO_ADDITIONAL_ADDRESSES, 16399)	\
	X(UPDATE_SA_ADDRESSES, 16400)		\
	X(COOKIE2, 16401)			\
	X(NO_NATS_ALLOWED, 16402)		\
	X(AUTH_LIFETIME, 16403)			\
	X(MULTIPLE_AUTH_SUPPORTED, 16404)	\
	X(ANOTHER_AUTH_FOLLOWS, 16405)		\
	X(REDIRECT_SUPPORTED, 16406)		\
	X(REDIRECT, 16407)			\
	X(REDIRECTED_FROM, 16408)		\
	X(TICKET_LT_OPAQUE, 16409)		\
	X(TICKET_REQUEST, 16410)		\
	X(TICKET_ACK, 16411)			\
	X(TICKET_NACK, 16412)			\
	X(TICKET_OPAQUE, 16413)			\
	X(EAP_ONLY_AUTHENTICATION, 16417)	\
	X(CHILDLESS_IKEV2_SUPPORTED, 16418)	\
	X(QUICK_CRASH_DETECTION, 16419)		\
	X(IKEV2_MESSAGE_ID_SYNC_SUPPORTED, 16420)	\
	X(IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED, 16421)	\
	X(IKEV2_MESSAGE_ID_SYNC, 16422)		\
	X(IPSEC_REPLAY_COUNTER_SYNC, 16423)	\
	X(IKEV2_FRAGMENTATION_SUPPORTED, 16430)	\
	X(SIGNATURE_HASH_ALGORITHMS, 16431)	\
	X(USE_PPK, 16435)			\
	X(PPK_IDENTITY, 16436)			\
	X(NO_PPK_AUTH, 16437)			\
	X(INTERMEDIATE_EXCHANGE_SUPPORTED, 16438)	\
	X(IP4_ALLOWED, 16439)			\
	X(IP6_ALLOWED, 16440)			\
	X(ADDITIONAL_KEY_EXCHANGE, 16441)	\
	X(USE_AGGFRAG, 16442)			\
	X(SUPPORTED_AUTH_METHODS, 16443)	\
	X(SA_RESOURCE_INFO, 16444)		\
	X(USE_PPK_INT, 16445)			\
	X(PPK_IDENTITY_KEY, 16446)

#define WIRE_AUTH_METHODS(X)			\
	X(RSA, 1)				\
	X(PSK, 2)				\
	X(ECDSA_256, 9)				\
	X(ECDSA_384, 10)			\
	X(ECDSA_521, 11)			\
	X(NULL, 13)				\
	X(SIGNATURE, 14)

#define X(name, n) EXCHANGE_##name = n,
enum wire_exchange { WIRE_EXCHANGES(X) };
#undef X
#define X(name, n) PAYLOAD_##name = n,
enum wire_payload { WIRE_PAYLOADS(X) };
#undef X
#define X(name, n) NOTIFY_##name = n,
enum wire_notify { WIRE_NOTIFIES(X) };
#undef X
#define X(name, n) AUTH_METHOD_##name = n,
enum wire_auth_method { WIRE_AUTH_METHODS(X) };
#undef X

#define NOTIFY_IS_ERROR(type)	((type) < 16384)

/* Names for logs and JSON; never NULL: "unknown" for what is not in the lists. */
const char *wire_exchange_name(unsigned int exchange);
const char *wire_payload_name(unsigned int payload);
const char *wire_notify_name(unsigned int notify);
const char *wire_auth_method_name(unsigned int method);

struct ike_hdr {
	uint64_t spi_i, spi_r;	/* the first byte on the wire is the highest */
	uint8_t next;		/* type of the first payload */
	uint8_t version;	/* major << 4 | minor */
	uint8_t exchange;	/* enum wire_exchange, or what the peer sent */
	uint8_t flags;		/* IKE_FLAG_* */
	uint32_t id;		/* message ID */
	uint32_t len;		/* of the whole message */
};

struct payload {
	uint8_t type;		/* enum wire_payload; unknown types are not kept */
	struct view body;	/* behind the generic header */
};

/*
 * A parsed message. The views point into the datagram (outer payloads) or
 * into the decrypted text (inner ones), which must both outlive it.
 */
struct msg {
	struct ike_hdr hdr;
	struct view raw;	/* the whole message, as received */
	uint8_t n;
	struct payload p[MSG_PAYLOADS];
	uint8_t critical;	/* with -EOPNOTSUPP: type of the payload */
	uint8_t unknown;	/* unknown payloads that were skipped (saturates) */
	bool inner;		/* p[] is what was inside SK, authenticated */

	/* The encrypted payload, if there is one; it is not in p[]. */
	uint8_t sk_type;	/* 0, PAYLOAD_SK or PAYLOAD_SKF */
	uint8_t sk_first;	/* type of the first payload inside */
	uint16_t frag_num, frag_total;	/* SKF (RFC 7383 2.5), both checked >= 1, num <= total */
	size_t sk_aad;		/* raw.data[0 .. sk_aad) is authenticated but not encrypted */
	struct view sk;		/* IV | encrypted | ICV */
};

/*
 * wire_peek_hdr() - The header alone, for dispatch by SPI before anything else is believed.
 * Needs 28 bytes and a length field equal to len. -EBADMSG or 0; any version is accepted.
 */
int wire_peek_hdr(struct ike_hdr *h, const void *buf, size_t len);

/*
 * wire_parse() - Header and outer payload chain of one datagram (without the non-ESP marker).
 * SK/SKF must be the last payload (RFC 7296 3.14). The sizes of fixed parts of known payloads
 * are checked here, so the wire_get_* functions can fail only on what the chain cannot see.
 * Return: 0 or an error above; m->hdr is valid unless the header itself was too short.
 */
int wire_parse(struct msg *m, const void *buf, size_t len);

/*
 * wire_parse_inner() - The chain inside SK, after decryption and with the padding removed.
 * Replaces m->p by the inner payloads and sets m->inner: what was outside SK is forgotten.
 */
int wire_parse_inner(struct msg *m, uint8_t first, const void *text, size_t len);

/* The nth (from 0) payload of a type, or NULL. */
const struct payload *msg_find(const struct msg *m, uint8_t type, unsigned int nth);
unsigned int msg_count(const struct msg *m, uint8_t type);

struct notify {
	uint8_t protocol;	/* 0, 1 IKE, 2 AH, 3 ESP */
	uint16_t type;		/* enum wire_notify, or what the peer sent */
	struct view spi;	/* of any length: check before use */
	struct view data;
};

struct delete_pl {
	uint8_t protocol;
	uint8_t spi_len;	/* 0 for IKE, 4 for ESP and AH */
	uint16_t n;		/* SPIs, all of them present */
	struct view spis;
};

struct ke_pl {
	uint16_t group;
	struct view data;
};

struct auth_pl {
	uint8_t method;		/* enum wire_auth_method, or what the peer sent */
	struct view data;
};

/* Bodies of payloads. All return 0 or -EBADMSG. The payload's type is the caller's business. */
int wire_get_notify(struct view body, struct notify *out);
int wire_get_delete(struct view body, struct delete_pl *out);
int wire_get_ke(struct view body, struct ke_pl *out);
int wire_get_nonce(struct view body, struct view *out);	/* checks 16..256 */
int wire_get_id(struct view body, struct ident *out);	/* also -EBADMSG: empty or over 255 bytes */
int wire_get_auth(struct view body, struct auth_pl *out);
/* The nth SPI of a Delete payload for ESP or AH, host order; n must be below d->n. */
uint32_t wire_delete_spi(const struct delete_pl *d, unsigned int n);

/* The first notify of that type, or false (malformed ones never get here). */
bool msg_notify(const struct msg *m, uint16_t type, struct notify *out);
/* The first error notify (type < 16384), for responses. */
bool msg_error(const struct msg *m, struct notify *out);

/*
 * The builder. Payloads are opened, filled through o->w, and closed; or added
 * by wire_put_*. Errors stick in o->w.err and come out of wire_end().
 *
 *	wire_begin(&o, buf, sizeof(buf), &hdr);
 *	wire_put_nonce(&o, ni);
 *	len = wire_end(&o);			(or sk_seal(), see sk.h)
 */
struct wire_out {
	struct wr w;
	size_t next_at;		/* where the type of the next payload goes */
	size_t payload_at;	/* the open payload's start; 0: none is open */
	struct ike_hdr hdr;
	size_t sk_at;		/* the SK payload's start; 0: none */
	uint8_t sk_head;	/* bytes of SK before the IV */
	uint8_t sk_iv;		/* bytes left for the IV */
};

/* Starts a message. h->next and h->len are filled in; h->version 0 means IKE_VERSION. */
void wire_begin(struct wire_out *o, void *buf, size_t cap, const struct ike_hdr *h);
/* Opens a payload: its generic header. Its body is what is written to o->w until wire_close(). */
void wire_open(struct wire_out *o, uint8_t type);
void wire_close(struct wire_out *o);
/* Opens SK: payloads that follow are inside. iv_len bytes are left free for sk_seal(). */
void wire_open_sk(struct wire_out *o, unsigned int iv_len);
/* The same for one of total fragments, num from 1 on; first is the type of the first payload. */
void wire_open_skf(struct wire_out *o, unsigned int iv_len, uint16_t num, uint16_t total,
		   uint8_t first);
/* What stands inside SK so far, and the type of its first payload. */
struct view wire_sk_text(const struct wire_out *o, uint8_t *first);
/* Ends an unprotected message. Return: its length, or -EMSGSIZE. */
int wire_end(struct wire_out *o);

/* Where the parts of an SK payload lie, for sealing. */
struct sk_room {
	uint8_t *msg;		/* the whole message; the first aad_len bytes are the AAD */
	size_t aad_len;
	uint8_t *iv;
	uint8_t *text;		/* plaintext with padding and pad length */
	size_t text_len;
	uint8_t *icv;
	size_t len;		/* of the whole message */
};

/*
 * wire_end_sk() - Pads the text to a multiple of block (RFC 7296 3.14: pad bytes are zero, the
 * pad length is the least), leaves icv_len bytes, fills in all lengths.
 * Return: 0 or -EMSGSIZE.
 */
int wire_end_sk(struct wire_out *o, unsigned int block, unsigned int icv_len, struct sk_room *room);

void wire_put_notify(struct wire_out *o, uint8_t protocol, struct view spi, uint16_t type,
		     struct view data);
/* A status or error notify about the exchange as a whole: no protocol, no SPI. */
void wire_put_status(struct wire_out *o, uint16_t type, const void *data, size_t len);
void wire_put_delete_ike(struct wire_out *o);
void wire_put_delete_esp(struct wire_out *o, const uint32_t *spis, unsigned int n);
void wire_put_ke(struct wire_out *o, uint16_t group, struct view pub);
void wire_put_nonce(struct wire_out *o, struct view nonce);
void wire_put_id(struct wire_out *o, uint8_t type, const struct ident *id); /* PAYLOAD_IDi or IDr */
void wire_put_auth(struct wire_out *o, uint8_t method, struct view data);
void wire_put_vendor(struct wire_out *o, struct view id);

#endif
