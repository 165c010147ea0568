/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Choosing among proposals (RFC 7296 2.7, 3.3): what we offer, what a responder
 * picks, whether an initiator may accept the answer.
 */
#ifndef AGENT_PROP_H
#define AGENT_PROP_H

#include <stdbool.h>
#include <stdint.h>

#include "tunnel.h"
#include "wire_sa.h"

enum prop_flags {
	PROP_NO_KE = 1,		/* child in IKE_AUTH: KE is neither sent nor looked at */
	PROP_ESN_ONLY = 2,	/* tunnel.esn_only: without ESN there is no agreement */
	PROP_KE_ANY = 4,	/* child rekey as responder: agree with and without a KE */
};

/* An agreement: one transform of each type; type 0 in those that the protocol has not. */
struct chosen {
	uint8_t protocol;	/* PROTO_IKE or PROTO_ESP */
	uint8_t num;		/* number of the peer's proposal (responder), of ours (initiator) */
	uint8_t spi_len;	/* the peer's SPI */
	uint8_t spi[SA_SPI_MAX];
	struct transform encr, prf, integ, ke, esn;	/* ke.id KE_NONE: without a KE */
};

/*
 * prop_offer() - Our proposals as an SA payload.
 * @spi: put into each; 4 bytes ESP, 8 in an IKE rekey, none in IKE_SA_INIT
 */
void prop_offer(const struct proposal *ours, unsigned int n, struct view spi, unsigned int flags,
		struct sa_list *out);

/*
 * prop_select() - The responder's choice: our first proposal that fits any of theirs, and in it our
 * first transform of each type.
 * @spi_len: what each of theirs must carry (0, 4 or 8); others are passed over
 *
 * A missing ESN transform in theirs means ESN_NO (RFC 7296 3.3.3 allows no absence; peers do).
 * Return: 0 or -ENOENT: NO_PROPOSAL_CHOSEN.
 */
int prop_select(const struct proposal *ours, unsigned int n, const struct sa_list *theirs,
		unsigned int spi_len, unsigned int flags, struct chosen *out);

/*
 * prop_accept() - The initiator's check of an answer: one proposal, one transform of each type, all
 * of them offered by us in the proposal of that number.
 * Return: 0 or -EBADMSG.
 */
int prop_accept(const struct proposal *ours, unsigned int n, const struct sa_list *answer,
		unsigned int spi_len, unsigned int flags, struct chosen *out);

/* The responder's answer: exactly what was chosen, with our SPI. */
void prop_answer(const struct chosen *c, struct view spi, struct sa_list *out);

/* The group to put into the first KE payload: our first, or KE_NONE. */
uint16_t prop_guess_ke(const struct proposal *ours, unsigned int n);
/* Whether we offer this group (after INVALID_KE_PAYLOAD). */
bool prop_has_ke(const struct proposal *ours, unsigned int n, uint16_t group);
/* Whether it may be used where no group is configured and the peer wants one. */
bool prop_sound_ke(uint16_t group);

/* Whether all its ciphers are AEADs and yet it asks for a hash: void (RFC 5282 8). */
bool prop_void(const struct sa_prop *p);

/* Texts for the log, always terminated; they return buf. Ours, as they are configured: */
char *prop_format(const struct proposal *ours, unsigned int n, char *buf, size_t len);
/* Theirs, of another protocol than this with its name: */
char *sa_list_format(const struct sa_list *l, uint8_t protocol, char *buf, size_t len);
/*
 * prop_difference() - What keeps the two that are nearest to each other from an agreement, such as
 * "group: ours ecp384, theirs modp2048/ecp256"; for an answer give the one that it chose.
 */
char *prop_difference(const struct proposal *ours, unsigned int n, const struct sa_list *theirs,
		      unsigned int spi_len, unsigned int flags, char *buf, size_t len);
/* The text of an agreement: "aes256gcm16-prfsha384-ecp384". Always terminated; returns buf. */
char *prop_chosen_format(const struct chosen *c, char *buf, size_t len);

#endif
