/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counters of devices and SAs by name: one table, in the order of the
 * netlink attributes, that every output (text, JSON, metrics) goes by. The
 * names are those of uapi/ipsecvti.yaml; t_nl checks that none is missing.
 */
#ifndef AGENT_COUNTERS_H
#define AGENT_COUNTERS_H

#include <stdint.h>

#include <linux/ipsecvti.h>

#define COUNTERS	IPSECVTI_A_STATS_PAD	/* indices 1 to COUNTERS - 1 */

struct counters {
	uint64_t v[COUNTERS];
};

extern const char *const counter_names[COUNTERS];

#endif
