// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "addr.h"
#include "log.h"
#include "nat.h"
#include "peer.h"
#include "xchg.h"

#define NEVER	UINT64_MAX

const char *task_name(enum task task)
{
	static const char * const names[TASK_MAX] = {
		[TASK_NONE] = "none",
		[TASK_INIT] = "IKE_SA_INIT",
		[TASK_AUTH] = "IKE_AUTH",
		[TASK_IKE_DELETE] = "delete of the IKE SA",
		[TASK_CHILD_DELETE] = "delete of a child SA",
		[TASK_CHILD_NEW] = "new child SA",
		[TASK_CHILD_REKEY] = "child rekey",
		[TASK_IKE_REKEY] = "IKE rekey",
		[TASK_DPD] = "liveness check",
	};

	return task < TASK_MAX ? names[task] : "?";
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Deadlines in records are 0 when they are not set. */
static uint64_t deadline(uint64_t t)
{
	return t ? t : NEVER;
}

static uint64_t due_ike_delete(const struct sa *sa)
{
	if (sa->r.state == SA_CLOSING)
		return 0;
	return sa->r.state == SA_REPLACED ? deadline(sa->r.delete_at) : NEVER;
}

static uint64_t due_child_delete(const struct sa *sa)
{
	uint64_t due = NEVER;

	for (int i = 0; i < IKE_CHILDREN; i++)
		if (sa->r.child[i].state == CHILD_OLD)
			due = earlier(due, deadline(sa->r.child[i].delete_at));
	return sa->r.state == SA_UP ? due : NEVER;
}

static uint64_t due_child_new(const struct sa *sa)
{
	uint64_t due = NEVER;

	if (sa->r.state != SA_UP || sa->r.superseded)
		return NEVER;
	for (int i = 0; i < TUNNEL_PAIRS; i++)
		due = earlier(due, deadline(sa->r.want_at[i]));
	return due;
}

static uint64_t due_child_rekey(const struct sa *sa)
{
	uint64_t due = NEVER;

	if (sa->r.state != SA_UP || sa->r.superseded)
		return NEVER;
	for (int i = 0; i < IKE_CHILDREN; i++)
		if (sa->r.child[i].state == CHILD_CURRENT && sa->r.child[i].rekey_at)
			due = earlier(due, later(sa->r.child[i].rekey_at,
						 sa->r.child[i].retry_at));
	return due;
}

static uint64_t due_ike_rekey(const struct sa *sa)
{
	if (sa->r.state != SA_UP || sa->r.superseded || !sa->r.rekey_at)
		return NEVER;
	return later(sa->r.rekey_at, sa->r.retry_at);
}

static uint64_t due_dpd(const struct sa *sa)
{
	return sa->r.state == SA_UP ? deadline(sa->r.dpd_at) : NEVER;
}

/* In the order of priority; IKE_SA_INIT and IKE_AUTH are started by hand. */
static const struct {
	enum task task;
	uint64_t (*due)(const struct sa *sa);
	void (*start)(struct sa *sa);
} tasks[] = {
	{ TASK_IKE_DELETE, due_ike_delete, ike_delete_start },
	{ TASK_CHILD_DELETE, due_child_delete, child_delete_start },
	{ TASK_CHILD_NEW, due_child_new, child_new_start },
	{ TASK_CHILD_REKEY, due_child_rekey, child_rekey_start },
	{ TASK_IKE_REKEY, due_ike_rekey, ike_rekey_start },
	{ TASK_DPD, due_dpd, dpd_start },
};

/*
 * Where no rekey has worked the last resort is a new IKE SA, a little before
 * the hard limit. Who was to rekey comes first.
 */
static uint64_t last_call(uint64_t hard_at, uint32_t life, bool first)
{
	return hard_at ? hard_at - life * 1000ull / (first ? 16 : 25) : NEVER;
}

/* When a new IKE SA is to be put beside this one. */
static uint64_t renew_due(const struct sa *sa)
{
	const struct tunnel *t = sa->peer ? &sa->peer->t : NULL;
	uint64_t due;

	if (sa->r.state != SA_UP || !t || sa->r.superseded || !peer_reachable(sa->peer))
		return NEVER;
	/* RFC 7296 2.25: after several minutes of TEMPORARY_FAILURE the two are out of step. */
	due = earlier(deadline(sa->r.reauth_at), sa->r.busy_since ?
		      sa->r.busy_since + sa->ike->times.busy_max_ms : NEVER);
	due = earlier(due,
		      last_call(sa->r.hard_at, t->ike_seconds, sa->r.initiator));
	for (const struct ike_child *c = sa->r.child; c < sa->r.child + IKE_CHILDREN; c++)
		if (c->state == CHILD_CURRENT)
			due = earlier(due, last_call(c->hard_at, t->child_seconds, c->initiator));
	return due == NEVER ? NEVER : later(due, sa->renew_at);
}

static void renew(struct sa *sa, uint64_t now)
{
	struct peer *p = sa->peer;

	if (renew_due(sa) > now)
		return;
	sa->renew_at = now + ike_jitter(p->t.retry_seconds * 1000ull);
	if (sa->ike->initiating >= sa->ike->times.initiate_max)
		return;
	log_info("time for a new IKE SA beside this one", KV_S("tunnel", p->t.name),
		 KV_U("unique", sa->r.unique));
	peer_reconnect(p);
}

#define TASKS	(sizeof(tasks) / sizeof(tasks[0]))

enum window_place window_place(const struct sa *sa, bool response, uint32_t mid,
			       const uint8_t hash[32])
{
	if (response)
		return sa->r.req.task && mid == sa->r.req.mid ? WINDOW_ANSWER : WINDOW_STALE;
	if (mid == sa->r.mid_in)
		return WINDOW_NEXT;
	if (sa->r.resp.valid && mid == sa->r.resp.mid && !memcmp(hash, sa->r.resp.hash, 32))
		return WINDOW_AGAIN;
	return WINDOW_STALE;
}

static void transmit_to(struct ike *ike, const struct addr *local, const struct addr *remote,
			bool marker, const uint8_t *msg, size_t len)
{
	size_t n;

	for (; len; msg += n, len -= n) {
		n = frag_next(msg, len);
		ike->n.out++;
		ike->ops->send(ike->ctx, local, remote, marker, msg, n);
	}
}

static void transmit(struct sa *sa, const uint8_t *msg, size_t len)
{
	transmit_to(sa->ike, &sa->r.local, &sa->r.remote, sa->r.marker, msg, len);
}

/* 1.8 to the power of the tries so far, times the first pause. */
static uint64_t pause_after(const struct ike *ike, unsigned int tries)
{
	uint64_t ms = ike->times.retransmit_ms;

	while (--tries > 0 && ms < 600000)
		ms = ms * 9 / 5;
	return ms;
}

void window_request(struct sa *sa, enum task task, uint32_t len)
{
	struct ike_request *req = &sa->r.req;

	req->task = task;
	req->mid = sa->r.mid_out++;
	req->len = len;
	req->tries = 1;
	req->next_at = ike_now(sa->ike) + pause_after(sa->ike, 1);
	sa_store(sa);
	transmit(sa, sa->r.req_msg, req->len);
}

void window_resend(struct sa *sa)
{
	if (sa->r.req.task)
		transmit(sa, sa->r.req_msg, sa->r.req.len);
}

void window_done(struct sa *sa)
{
	secret_wipe_object(sa->r.req);
	sa->queued = true;
}

void window_response(struct sa *sa, const struct incoming *in, uint32_t len)
{
	sa->r.resp.valid = true;
	sa->r.resp.mid = in->m.hdr.id;
	sa->r.resp.len = len;
	memcpy(sa->r.resp.hash, in->hash, sizeof(sa->r.resp.hash));
	sa->r.mid_in = in->m.hdr.id + 1;
	sa_store(sa);
	transmit_to(sa->ike, in->local, in->remote, in->marker, sa->r.resp_msg, len);
}

void window_repeat(struct sa *sa, const struct incoming *in)
{
	/* It proves nothing new, so the SA stays where it is. */
	sa->ike->n.repeated++;
	transmit_to(sa->ike, in->local, in->remote, in->marker, sa->r.resp_msg, sa->r.resp.len);
}

static void give_up(struct sa *sa)
{
	char who[ADDR_TEXT_MAX], why[DOOR_TEXT_MAX];
	enum task task = sa->r.req.task;

	if (task == TASK_DPD) {
		sa->ike->n.dpd_timeouts++;
		if (sa->peer)
			sa->peer->dpd_timeouts++;
	}
	snprintf(why, sizeof(why), "no answer from %s to %s (%u datagrams)%s%s",
		 addr_format(&sa->r.remote, who, sizeof(who)), task_name(task), sa->r.req.tries,
		 sa->init_error ? "; an unauthenticated refusal came: " : "",
		 sa->init_error ? wire_notify_name(sa->init_error) : "");
	log_notice("peer is silent", KV_S("tunnel", sa->peer ? sa->peer->t.name : NULL),
		   KV_X("spi", sa_spi(sa)), KV_S("exchange", task_name(task)), KV_S("peer", who),
		   KV_S("refusal", sa->init_error ? wire_notify_name(sa->init_error) : NULL));
	if (sa->r.state == SA_CLOSING || sa->r.state == SA_REPLACED) {
		child_drop_all(sa);
		sa_kill(sa);
	} else {
		sa_fail(sa, why);
	}
}

static void retransmit(struct sa *sa, uint64_t now)
{
	struct ike_request *req = &sa->r.req;

	if (req->tries >= sa->ike->times.retransmit_tries) {
		give_up(sa);
		return;
	}
	req->tries++;
	if (sa->r.state == SA_INIT_SENT && req->tries >= sa->ike->times.initiate_tries) {
		sa->hopeless = true;
		sa_state(sa, SA_INIT_SENT);
	}
	req->next_at = now + pause_after(sa->ike, req->tries);
	sa->ike->n.retransmits++;
	if (sa->peer)
		sa->peer->retransmits++;
	window_resend(sa);
}

/* Half-open, failed and replaced SAs end by themselves. */
static bool expired(struct sa *sa, uint64_t now)
{
	if (sa->fail_at && sa->fail_at <= now && sa->r.state == SA_INIT_SENT) {
		give_up(sa);
		return true;
	}
	if (sa->r.hard_at && sa->r.hard_at <= now && sa->r.state == SA_UP) {
		log_notice("IKE SA reached its hard limit",
			   KV_S("tunnel", sa->peer ? sa->peer->t.name : NULL),
			   KV_X("spi", sa_spi(sa)));
		sa_close(sa);
		if (sa->peer && !sa->r.superseded)
			peer_failed(sa->peer, "the IKE SA reached its hard limit");
		return sa->dead;
	}
	if (sa->r.close_at && sa->r.close_at <= now && sa->r.state == SA_UP)
		sa_close(sa);
	if (!sa->r.expire_at || sa->r.expire_at > now)
		return false;
	if (sa->r.state == SA_INIT_DONE)
		log_ratelimited(LOG_INFO, "half-open IKE SA timed out", KV_X("spi", sa_spi(sa)));
	child_drop_all(sa);
	sa_kill(sa);
	return true;
}

static void run_one(struct sa *sa, uint64_t now)
{
	for (size_t i = 0; i < TASKS; i++) {
		if (tasks[i].due(sa) > now)
			continue;
		tasks[i].start(sa);
		return;
	}
}

static uint64_t next_due(const struct sa *sa)
{
	uint64_t due = earlier(deadline(sa->r.expire_at), child_due(sa));

	due = earlier(due, deadline(sa->fail_at));
	if (sa->r.state == SA_UP) {
		due = earlier(due, deadline(sa->r.hard_at));
		due = earlier(due, deadline(sa->r.close_at));
		due = earlier(due, deadline(sa->keepalive_at));
		due = earlier(due, renew_due(sa));
	}
	if (sa->r.req.task)
		return earlier(due, sa->r.req.next_at);
	for (size_t i = 0; i < TASKS; i++)
		due = earlier(due, tasks[i].due(sa));
	return due;
}

void window_run(struct sa *sa)
{
	uint64_t now = ike_now(sa->ike), due;

	/* A task may end at once (nothing to do after all); a few rounds are enough. */
	for (int round = 0; round < 8 && !sa->dead; round++) {
		sa->queued = false;
		if (expired(sa, now))
			break;
		child_tick(sa, now);
		nat_tick(sa, now);
		renew(sa, now);
		if (sa->r.req.task && sa->r.req.next_at <= now)
			retransmit(sa, now);
		else if (!sa->r.req.task)
			run_one(sa, now);
		if (sa->dead || next_due(sa) > now)
			break;
	}
	if (sa->dead)
		return;
	due = next_due(sa);
	if (due == NEVER)
		loop_timer_stop(sa->ike->loop, &sa->timer);
	else
		loop_timer_at(sa->ike->loop, &sa->timer, due > now ? due : now + 1);
}

void window_fire(void *arg)
{
	struct sa *sa = arg;
	struct ike *ike = sa->ike;

	window_run(sa);
	sa_reap(ike);
}
