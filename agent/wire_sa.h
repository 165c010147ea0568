/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Security Association payload (RFC 7296 3.3): proposals, transforms and
 * attributes, between the wire and bounded plain data. It knows the syntax
 * only; what a transform means is suite.h, which one wins is prop.h.
 */
#ifndef AGENT_WIRE_SA_H
#define AGENT_WIRE_SA_H

#include <stdbool.h>
#include <stdint.h>

#include "tunnel.h"
#include "wire.h"

#define SA_PROPOSALS	32	/* more of the peer's are ignored */
#define SA_TRANSFORMS	64	/* of one proposal, likewise */
#define SA_SPI_MAX	8

#define PROTO_IKE	1
#define PROTO_AH	2
#define PROTO_ESP	3

struct sa_prop {
	uint8_t num;		/* as numbered on the wire, from 1 */
	uint8_t protocol;	/* PROTO_*, or what the peer sent */
	uint8_t spi_len;	/* 0, 4 or 8 */
	uint8_t spi[SA_SPI_MAX];
	bool foreign;		/* has a transform type above ESN: unacceptable (3.3.6) */
	uint8_t n;
	struct transform t[SA_TRANSFORMS]; /* without those of unknown attributes (3.3.6) */
};

struct sa_list {
	uint8_t n;
	bool truncated;		/* the peer sent more than fits here */
	struct sa_prop p[SA_PROPOSALS];
};

/* Reads an SA payload's body. Return: 0 or -EBADMSG. */
int wire_get_sa(struct view body, struct sa_list *out);

/* Writes an SA payload with all proposals of the list as they are numbered. */
void wire_put_sa(struct wire_out *o, const struct sa_list *list);

#endif
