/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Message IDs and the one request in flight each way (window of 1):
 * retransmission, the cached answer, and which exchange comes next.
 *
 * There is no queue that could be lost: what is to be done follows from the
 * record, and a table in the order of priority asks each kind of exchange when
 * it is due. So a new process knows what the old one was about to do.
 */
#ifndef AGENT_WINDOW_H
#define AGENT_WINDOW_H

#include "sa.h"

struct incoming;

enum window_place {
	WINDOW_NEXT,		/* the expected request */
	WINDOW_AGAIN,		/* the last one once more: repeat the answer */
	WINDOW_ANSWER,		/* the answer to our outstanding request */
	WINDOW_STALE,		/* anything else: silence */
};

/* Where does this message belong? hash is that of the whole of it as received. */
enum window_place window_place(const struct sa *sa, bool response, uint32_t mid,
			       const uint8_t hash[32]);

/* A request of len bytes that was built and sealed in r.req_msg: store, send, time it. */
void window_request(struct sa *sa, enum task task, uint32_t len);
/* Its answer came (or it is void): free for the next. */
void window_done(struct sa *sa);
/*
 * An answer that was built and sealed in r.resp_msg: store, send to where the request came from
 * (RFC 7296 2.11), which some peers do from another port than they began with.
 */
void window_response(struct sa *sa, const struct incoming *in, uint32_t len);
/* The cached answer, to where the request comes from this time. */
void window_repeat(struct sa *sa, const struct incoming *in);
void window_resend(struct sa *sa);	/* the outstanding request, as it is */

/* Does what is due, and arms the SA's timer for what is due next. */
void window_run(struct sa *sa);
void window_fire(void *sa);		/* the timer */

const char *task_name(enum task task);

#endif
