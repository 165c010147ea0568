/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAT detection and its consequences: ports, encapsulation, keepalives (RFC 7296 2.23). */
#ifndef AGENT_NAT_H
#define AGENT_NAT_H

#include "sa.h"
#include "wire.h"

/* NAT_DETECTION_* of a message from local to remote; lie: a source hash that fits nothing. */
void nat_put(struct wire_out *o, uint64_t spi_i, uint64_t spi_r, const struct addr *local,
	     const struct addr *remote, bool lie);
/* What the peer's notifies say: fills natt, nat_local, nat_remote of the record. */
void nat_judge(struct sa *sa, const struct msg *m, const struct addr *local,
	       const struct addr *remote);
/* Initiator, before IKE_AUTH: to the NAT-T ports where they are needed. */
void nat_float(struct sa *sa);
/* The kernel's endpoint as this SA has it. */
int nat_endpoint(struct sa *sa);
/* An authenticated message came from there: follow a peer behind a NAT. */
void nat_follow(struct sa *sa, const struct addr *local, const struct addr *remote, bool marker);
/* The same by an authenticated ESP packet. */
void nat_seen(struct sa *sa, const struct addr *from);
void nat_tick(struct sa *sa, uint64_t now);

#endif
