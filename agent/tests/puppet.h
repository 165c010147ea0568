/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A peer that does what a script says, in place of one of the simulator's
 * engines: it has the keys, so whatever it sends is authentic, in whatever
 * order. A message is made first and sent when the script wants it, once,
 * twice, late or never. Its kernel is the simulator's, so that numbered packets
 * and comparisons of keys go on.
 */
#ifndef AGENT_TESTS_PUPPET_H
#define AGENT_TESTS_PUPPET_H

#include "sim.h"
#include "ts.h"

#define PUPPET_INBOX	64
#define PUPPET_MSG	4096

/* What stands where in a message, in the order of the peer that is played. */
enum part {
	END,
	SA, KE, NONCE, NATD, FRAG, VENDOR, IDi, IDr, AUTH, TSi, TSr, CPRQ, REKEY,
	CONTACT,	/* INITIAL_CONTACT */
	WINDOW,		/* SET_WINDOW_SIZE */
	NO_TFC,		/* ESP_TFC_PADDING_NOT_SUPPORTED */
	FIRST_ONLY,	/* NON_FIRST_FRAGMENTS_ALSO */
	MOBIKE,		/* MOBIKE_SUPPORTED */
};

#define PARTS_MAX	16

struct style {
	const char *name;
	enum part init[PARTS_MAX], auth[PARTS_MAX], child[PARTS_MAX];
};

extern const struct style style_plain, style_cisco, style_windows, style_mikrotik, style_paloalto;

struct puppet_msg {
	size_t len;
	uint8_t b[PUPPET_MSG];
};

struct puppet_child {
	bool initiator;			/* of the exchange */
	uint32_t rekeys;		/* SPI of the old one, on which the puppet receives; 0: none */
	uint32_t spi_in, spi_out, sa_in, sa_out;
	uint16_t group;			/* of the KE payload, KE_NONE: none is sent */
	uint8_t nonce[IKE_NONCE];
	struct ke ke;
	struct chosen chosen;
	unsigned int n_local, n_remote;
	struct ts local[TUNNEL_SELECTORS], remote[TUNNEL_SELECTORS];
};

struct puppet {
	struct sim *s;
	int side;			/* the one it plays */
	const struct style *style;
	bool initiator;
	bool marker;
	struct addr local, remote;
	struct tunnel t;		/* proposals, identities, selectors */
	uint64_t spi_i, spi_r;
	uint64_t next_spi;		/* of the IKE SA that is asked for */
	struct chosen suite;
	struct ike_keys keys;
	struct ke ke;
	uint8_t ni[NONCE_MAX], nr[NONCE_MAX];
	size_t ni_len, nr_len;
	struct puppet_msg init[2];	/* both IKE_SA_INIT messages, the initiator's first */
	uint64_t iv;
	uint32_t mid;			/* of its next request */
	uint8_t cookie[64];
	size_t cookie_len;
	/* what has come */
	unsigned int n;
	struct {
		struct puppet_msg msg;
		struct addr to, from;
		bool marker;
	} box[PUPPET_INBOX];
	/* the message at hand */
	struct msg m;
	struct addr from, to;
	bool with_marker;
	uint8_t plain[PUPPET_MSG];
	size_t raw_len;
};

/* In place of an engine that was not begun; proposals as the simulator's default. */
struct puppet *puppet_new(struct sim *s, int side, const struct style *style);
void puppet_free(struct puppet *p);
void puppet_suites(struct puppet *p, const char *ike, const char *esp);

/* The next message of that kind, within ms: it is at hand then, what came before it stays. */
bool puppet_wait(struct puppet *p, uint8_t exchange, bool response, uint64_t ms);
/* Whether none of that kind comes for so long. */
bool puppet_quiet(struct puppet *p, uint8_t exchange, bool response, uint64_t ms);
/* The notify in the message at hand, 0 for none. */
uint16_t puppet_error(const struct puppet *p);

/* To where the engine is, from where the puppet is. */
void puppet_send(struct puppet *p, const struct puppet_msg *msg);

/* The first exchanges, whole. false: the engine did not do its part. */
bool puppet_connect(struct puppet *p, struct puppet_child *c);	/* the puppet begins */
bool puppet_accept(struct puppet *p, struct puppet_child *c);	/* the engine begins */
/* Parts of these. */
void puppet_init_ask(struct puppet *p, struct puppet_msg *out);
bool puppet_init_take(struct puppet *p);
bool puppet_init_answer(struct puppet *p, struct puppet_msg *out);
void puppet_auth_ask(struct puppet *p, struct puppet_child *c, struct puppet_msg *out);
bool puppet_auth_answer(struct puppet *p, struct puppet_child *c, struct puppet_msg *out);

/* Messages: begun, filled by wire_put_*(), ended. A response is to the message at hand. */
void puppet_begin(struct puppet *p, struct wire_out *o, uint8_t exchange, bool response,
		  struct puppet_msg *out);
void puppet_end(struct puppet *p, struct wire_out *o, struct puppet_msg *out);
void puppet_notify(struct puppet *p, uint8_t exchange, uint16_t type, const void *data, size_t len,
		   struct puppet_msg *out);			/* a response of it alone */
void puppet_empty(struct puppet *p, uint8_t exchange, bool response, struct puppet_msg *out);

/*
 * Children. ask: rekeys, group and selectors are set; the rest is made. take:
 * the response at hand. answer: to the request at hand, choosing what it asks
 * for; c->group KE_NONE is without a key exchange even if it has one.
 */
void puppet_child_ask(struct puppet *p, struct puppet_child *c, struct puppet_msg *out);
bool puppet_child_take(struct puppet *p, struct puppet_child *c);
bool puppet_child_answer(struct puppet *p, struct puppet_child *c, struct puppet_msg *out);
struct puppet_child puppet_child_after(const struct puppet_child *old);
void puppet_child_use(struct puppet *p, const struct puppet_child *c);	/* sends through it */
void puppet_child_gone(struct puppet *p, struct puppet_child *c);	/* out of its kernel */
void puppet_delete(struct puppet *p, uint32_t spi, struct puppet_msg *out);
/* The SPI that the REKEY_SA, or DELETE, at hand is about; 0: none. */
uint32_t puppet_spi(const struct puppet *p);

/* IKE rekeys: take and answer leave the puppet on the new IKE SA, the old one is in old. */
void puppet_ike_ask(struct puppet *p, struct puppet_msg *out);
bool puppet_ike_take(struct puppet *p, struct puppet *old);
bool puppet_ike_answer(struct puppet *p, struct puppet *old, struct puppet_msg *out);
void puppet_ike_delete(struct puppet *p, struct puppet_msg *out);

struct ts puppet_ts(const char *text);

#endif
