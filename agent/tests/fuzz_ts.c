// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: traffic selectors. Two payloads, one narrowed by the
 * other: the result lies in both. Or a text, which means the same when it is
 * written again.
 */
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void text(const uint8_t *data, size_t len)
{
	char in[200], out[TS_TEXT_MAX];
	struct ts t, again;
	const char *why;

	if (len >= sizeof(in))
		return;
	memcpy(in, data, len);
	in[len] = 0;
	if (ts_parse(&t, in, &why))
		return;
	if (ts_parse(&again, ts_format(&t, out, sizeof(out)), &why) ||
	    memcmp(&t, &again, sizeof(t)))
		abort();
}

static void narrow(const struct ts_set *a, const struct ts_set *b)
{
	struct ts out[TUNNEL_SELECTORS];
	struct ts_bytes bytes;
	struct ts_set again;
	struct rd r;
	bool narrowed;
	unsigned int n = ts_narrow(a->t, a->n, b->t, b->n, out, TUNNEL_SELECTORS, &narrowed);

	if (n > TUNNEL_SELECTORS || !ts_subset(out, n, a->t, a->n) ||
	    !ts_subset(out, n, b->t, b->n))
		abort();
	if (!narrowed && !ts_subset(b->t, b->n, out, n))
		abort();
	ts_pack(&bytes, out, n);
	r = rd_init(bytes.data, bytes.len);
	for (again.n = 0; r.left && again.n < n; again.n++)
		if (ts_get(&r, &again.t[again.n]))
			abort();
	if (again.n != n || r.left || !ts_set_equal(out, n, again.t, n))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct ts_set a, b;
	size_t half;

	if (len < 2)
		return 0;
	if (data[0] == 0xff) {
		text(data + 1, len - 1);
		return 0;
	}
	half = data[0] < len - 1 ? data[0] : len - 1;
	walk_ts(view(data + 1, half));
	walk_ts(view(data + 1 + half, len - 1 - half));
	if (!wire_get_ts(view(data + 1, half), &a) &&
	    !wire_get_ts(view(data + 1 + half, len - 1 - half), &b))
		narrow(&a, &b);
	return 0;
}
