// SPDX-License-Identifier: GPL-2.0
#include "stats.h"

#include <linux/if_link.h>
#include <linux/ipsecvti.h>
#include <linux/stddef.h>

#define INFO(id, text, member, why)					\
	[VTI_DROP_##id] = {						\
		.name = text,						\
		.attr = IPSECVTI_A_STATS_##id,				\
		.field = offsetof(struct rtnl_link_stats64, member),	\
		.reason = SKB_DROP_REASON_##why,			\
	}

/* The nearest that all supported kernels know; none of them lets a module name its own. */
const struct vti_drop_info vti_drop_info[VTI_DROP_MAX] = {
	INFO(NO_SA, "no-sa", tx_carrier_errors, XFRM_POLICY),
	INFO(NO_ADDRESS, "no-address", tx_carrier_errors, DEV_READY),
	INFO(NO_ROUTE, "no-route", tx_carrier_errors, IP_OUTNOROUTES),
	INFO(LOOP, "loop", collisions, NOT_SPECIFIED),
	INFO(TOO_BIG, "too-big", tx_errors, PKT_TOO_BIG),
	INFO(OUTER_GONE, "outer-gone", tx_carrier_errors, DEV_READY),
	INFO(NO_SELECTOR, "no-selector", tx_errors, XFRM_POLICY),
	INFO(SA_EXPIRED, "sa-expired", tx_carrier_errors, XFRM_POLICY),
	INFO(SEQ_EXHAUSTED, "seq-exhausted", tx_carrier_errors, XFRM_POLICY),
	INFO(OUTER_DROP, "outer-drop", tx_dropped, NOT_SPECIFIED),
	INFO(NO_MEMORY, "no-memory", tx_dropped, NOMEM),
	INFO(CRYPTO_ERROR, "crypto-error", tx_errors, NOT_SPECIFIED),
	INFO(NOT_IP, "not-ip", tx_errors, INVALID_PROTO),
	INFO(TRUNCATED, "truncated", rx_length_errors, PKT_TOO_SMALL),
	INFO(REPLAY, "replay", rx_dropped, NOT_SPECIFIED),
	INFO(REPLAY_OLD, "replay-old", rx_dropped, NOT_SPECIFIED),
	INFO(ICV_FAILED, "icv-failed", rx_crc_errors, SKB_CSUM),
	INFO(BAD_PADDING, "bad-padding", rx_frame_errors, HDR_TRUNC),
	INFO(BAD_NEXT_HEADER, "bad-next-header", rx_frame_errors, IP_NOPROTO),
	INFO(BAD_INNER, "bad-inner", rx_frame_errors, IP_INHDR),
	INFO(RX_SELECTOR, "rx-selector", rx_frame_errors, XFRM_POLICY),
	INFO(BAD_ECN, "bad-ecn", rx_frame_errors, IP_INHDR),
	INFO(LANE_FULL, "lane-full", rx_fifo_errors, CPU_BACKLOG),
	INFO(DEVICE_DOWN, "device-down", rx_dropped, DEV_READY),
	INFO(RX_NO_MEMORY, "rx-no-memory", rx_dropped, NOMEM),
	INFO(RX_CRYPTO_ERROR, "rx-crypto-error", rx_errors, NOT_SPECIFIED),
	INFO(RX_EXPIRED, "rx-expired", rx_dropped, XFRM_POLICY),
	INFO(LARVAL, "larval", rx_dropped, XFRM_POLICY),
	INFO(TX_LANE_FULL, "tx-lane-full", tx_fifo_errors, CPU_BACKLOG),
};
