// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Traffic Selector payloads (RFC 7296 3.13).
 */
#include <errno.h>
#include <string.h>

#include "ts.h"

int wire_get_ts(struct view body, struct ts_set *out)
{
	struct rd r = rd_view(body);
	uint8_t n = rd_u8(&r);

	memset(out, 0, sizeof(*out));
	rd_bytes(&r, 3);
	for (unsigned int i = 0; i < n; i++) {
		struct ts t;

		if (ts_get(&r, &t))
			return -EBADMSG;
		if (t.type != TS_IPV4 && t.type != TS_IPV6)
			continue;
		/* Ports of any protocol: 3.13.1 has no such thing. */
		if (!t.proto && (t.port_lo || t.port_hi != UINT16_MAX))
			continue;
		if (out->n < TS_WIRE_MAX)
			out->t[out->n++] = t;
		else
			out->truncated = true;
	}
	return rd_done(&r) ? 0 : -EBADMSG;
}

void wire_put_ts(struct wire_out *o, uint8_t type, const struct ts *ts, unsigned int n)
{
	wire_open(o, type);
	wr_u8(&o->w, (uint8_t)n);
	wr_zero(&o->w, 3);
	for (unsigned int i = 0; i < n; i++)
		ts_put(&o->w, &ts[i]);
	wire_close(o);
}
