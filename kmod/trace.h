/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints ipsecvti:*. What CPU it was on is in every event's head. An SPI
 * of 0 says that there is no SA, a number of 0 that none was given yet.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ipsecvti

#if !defined(_IPSECVTI_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _IPSECVTI_TRACE_H

#include <linux/tracepoint.h>

#include "sa.h"

DECLARE_EVENT_CLASS(ipsecvti_packet,
	TP_PROTO(const struct vti_sa *sa, u64 seq, unsigned int len),
	TP_ARGS(sa, seq, len),
	TP_STRUCT__entry(
		__array(char, dev, IFNAMSIZ)
		__field(u32, spi)
		__field(u64, seq)
		__field(unsigned int, len)
	),
	TP_fast_assign(
		memcpy(__entry->dev, sa->vd->dev->name, IFNAMSIZ);
		__entry->spi = ntohl(sa->spi);
		__entry->seq = seq;
		__entry->len = len;
	),
	TP_printk("dev=%s spi=0x%08x seq=%llu len=%u", __entry->dev, __entry->spi, __entry->seq,
		  __entry->len)
);

/* An inner packet has got its number; next it is encrypted. */
DEFINE_EVENT(ipsecvti_packet, ipsecvti_send,
	TP_PROTO(const struct vti_sa *sa, u64 seq, unsigned int len),
	TP_ARGS(sa, seq, len)
);

/* An inner packet was found good; next it is delivered. */
DEFINE_EVENT(ipsecvti_packet, ipsecvti_receive,
	TP_PROTO(const struct vti_sa *sa, u64 seq, unsigned int len),
	TP_ARGS(sa, seq, len)
);

/* A packet is dropped; the reason is named as the counter that counts it. */
TRACE_EVENT(ipsecvti_drop,
	TP_PROTO(const struct vti_dev *vd, const struct vti_sa *sa, u64 seq, enum vti_drop drop),
	TP_ARGS(vd, sa, seq, drop),
	TP_STRUCT__entry(
		__array(char, dev, IFNAMSIZ)
		__field(u32, spi)
		__field(u64, seq)
		__array(char, reason, VTI_DROP_NAME_MAX)
	),
	TP_fast_assign(
		memcpy(__entry->dev, vd->dev->name, IFNAMSIZ);
		__entry->spi = sa ? ntohl(sa->spi) : 0;
		__entry->seq = seq;
		strscpy(__entry->reason, vti_drop_info[drop].name, VTI_DROP_NAME_MAX);
	),
	TP_printk("dev=%s spi=0x%08x seq=%llu reason=%s", __entry->dev, __entry->spi, __entry->seq,
		  __entry->reason)
);

/* An SA is worked on by the lane of a CPU from now on, or, -1, of whichever a packet is on. */
TRACE_EVENT(ipsecvti_lane,
	TP_PROTO(const struct vti_sa *sa, int lane),
	TP_ARGS(sa, lane),
	TP_STRUCT__entry(
		__array(char, dev, IFNAMSIZ)
		__field(u32, spi)
		__field(u8, dir)
		__field(int, lane)
	),
	TP_fast_assign(
		memcpy(__entry->dev, sa->vd->dev->name, IFNAMSIZ);
		__entry->spi = ntohl(sa->spi);
		__entry->dir = sa->dir;
		__entry->lane = lane;
	),
	TP_printk("dev=%s spi=0x%08x dir=%s lane=%d", __entry->dev, __entry->spi,
		  __entry->dir == IPSECVTI_DIR_IN ? "in" : "out", __entry->lane)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
