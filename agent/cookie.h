/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stateless cookies against floods of IKE_SA_INIT (RFC 7296 2.6). */
#ifndef AGENT_COOKIE_H
#define AGENT_COOKIE_H

#include "sa.h"
#include "wire.h"

#define COOKIE_LEN	36	/* version of the secret | SHA-256 */

void cookie_make(struct ike *ike, const struct msg *m, const struct addr *remote,
		 uint8_t out[COOKIE_LEN]);
bool cookie_good(struct ike *ike, const struct msg *m, const struct addr *remote);

#endif
