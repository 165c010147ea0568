// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of the kernel's counters. */
#include "counters.h"

#define NAME(id, name) [IPSECVTI_A_STATS_##id] = (name)

const char *const counter_names[COUNTERS] = {
	NAME(RX_PACKETS, "rx-packets"),
	NAME(RX_BYTES, "rx-bytes"),
	NAME(TX_PACKETS, "tx-packets"),
	NAME(TX_BYTES, "tx-bytes"),
	NAME(RX_DUMMY, "rx-dummy"),
	NAME(NO_SA, "no-sa"),
	NAME(NO_ADDRESS, "no-address"),
	NAME(NO_ROUTE, "no-route"),
	NAME(LOOP, "loop"),
	NAME(TOO_BIG, "too-big"),
	NAME(OUTER_GONE, "outer-gone"),
	NAME(SA_EXPIRED, "sa-expired"),
	NAME(SEQ_EXHAUSTED, "seq-exhausted"),
	NAME(NO_MEMORY, "no-memory"),
	NAME(CRYPTO_ERROR, "crypto-error"),
	NAME(NOT_IP, "not-ip"),
	NAME(TRUNCATED, "truncated"),
	NAME(REPLAY, "replay"),
	NAME(REPLAY_OLD, "replay-old"),
	NAME(ICV_FAILED, "icv-failed"),
	NAME(BAD_PADDING, "bad-padding"),
	NAME(BAD_NEXT_HEADER, "bad-next-header"),
	NAME(BAD_INNER, "bad-inner"),
	NAME(BAD_ECN, "bad-ecn"),
	NAME(LANE_FULL, "lane-full"),
	NAME(DEVICE_DOWN, "device-down"),
	NAME(RX_NO_MEMORY, "rx-no-memory"),
	NAME(RX_CRYPTO_ERROR, "rx-crypto-error"),
	NAME(RX_EXPIRED, "rx-expired"),
	NAME(LARVAL, "larval"),
	NAME(OUTER_DROP, "outer-drop"),
	NAME(NO_SELECTOR, "no-selector"),
	NAME(RX_SELECTOR, "rx-selector"),
	NAME(RX_REDIRECT, "rx-redirect"),
	NAME(TX_LANE_FULL, "tx-lane-full"),
};
