// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of messages and the window: every state, exchange, direction and payload set. */
#include "tap.h"
#include "xchg.h"

static struct msg m;

static const struct xchg_row *look(enum sa_state state, enum task task, uint16_t *notify)
{
	*notify = 0;
	return xchg_find(&m, state, task, notify);
}

static void payloads(uint32_t bits)
{
	m.n = 0;
	for (unsigned int t = 33; t < 64; t++)
		if (bits & xchg_bit(t))
			m.p[m.n++].type = (uint8_t)t;
}

static void t_rows(void)
{
	uint16_t notify;
	size_t n, bad = 0;
	const struct xchg_row *rows = xchg_rows(&n);

	for (size_t i = 0; i < n; i++) {
		const struct xchg_row *r = &rows[i], *got;

		m.hdr.exchange = r->exchange;
		m.hdr.flags = r->response ? IKE_FLAG_RESPONSE : 0;
		for (int state = 0; state < SA_STATES; state++) {
			for (int task = 0; task < TASK_MAX; task++) {
				bool fits = r->states & 1 << state &&
					    (!r->response || r->tasks & 1 << task);

				payloads(r->required);
				got = look((enum sa_state)state, (enum task)task, &notify);
				bad += fits != (got == r);
				payloads(r->required | r->allowed);
				m.p[m.n++].type = PAYLOAD_NOTIFY;
				m.p[m.n++].type = PAYLOAD_NOTIFY;
				m.p[m.n++].type = PAYLOAD_VENDOR;
				got = look((enum sa_state)state, (enum task)task, &notify);
				bad += fits && !got;
				/* Nothing but what the row knows. */
				payloads(r->required);
				m.p[m.n++].type = PAYLOAD_EAP;
				bad += look((enum sa_state)state, (enum task)task, &notify) != NULL;
				payloads(r->required);
				if (m.n && r->required & ~xchg_bit(PAYLOAD_NOTIFY)) {
					m.p[m.n] = m.p[0];
					m.n++;
					bad += look((enum sa_state)state, (enum task)task, &notify) != NULL;
				}
			}
		}
	}
	ok(!bad, "%zu rows in every state and for every task: %zu wrong", n, bad);
}

static void t_unknown(void)
{
	size_t rows = 0, silent = 0, syntax = 0;
	uint16_t notify;

	payloads(0);
	for (int ex = 0; ex < 256; ex++) {
		for (int state = 0; state < SA_STATES; state++) {
			m.hdr.exchange = (uint8_t)ex;
			m.hdr.flags = 0;
			if (look((enum sa_state)state, TASK_NONE, &notify))
				rows++;
			else if (!notify)
				silent++;
			else
				syntax += notify == NOTIFY_INVALID_SYNTAX;
		}
	}
	ok(rows == 3, "an empty request fits INFORMATIONAL on a living SA only (%zu)", rows);
	ok(rows + silent + syntax == 256u * SA_STATES, "else INVALID_SYNTAX (%zu) or silence (%zu)",
	   syntax, silent);
}

static void t_window(void)
{
	static struct sa sa;
	uint8_t hash[32] = { 1 }, other[32] = { 2 };

	sa.r.mid_in = 5;
	sa.r.resp.valid = true;
	sa.r.resp.mid = 4;
	memcpy(sa.r.resp.hash, hash, 32);
	ok(window_place(&sa, false, 5, other) == WINDOW_NEXT, "the next request");
	ok(window_place(&sa, false, 4, hash) == WINDOW_AGAIN, "the last one again");
	ok(window_place(&sa, false, 4, other) == WINDOW_STALE, "another one under its number");
	ok(window_place(&sa, false, 3, hash) == WINDOW_STALE, "an older one");
	ok(window_place(&sa, false, 6, hash) == WINDOW_STALE, "one beyond the window");
	ok(window_place(&sa, true, 0, hash) == WINDOW_STALE, "an answer to nothing");
	sa.r.req.task = TASK_DPD;
	sa.r.req.mid = 7;
	ok(window_place(&sa, true, 7, hash) == WINDOW_ANSWER, "the answer");
	ok(window_place(&sa, true, 6, hash) == WINDOW_STALE, "an older answer");
	sa.r.resp.valid = false;
	ok(window_place(&sa, false, 4, hash) == WINDOW_STALE, "an answer that was never whole");
}

int main(void)
{
	t_rows();
	t_unknown();
	t_window();
	return done();
}
