// SPDX-License-Identifier: GPL-2.0-or-later
#ifdef IPSECVTI_IMPAIR
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"
#include "log.h"
#include "xchg.h"

#define RULES_MAX	16
#define DELAY_MS	1000
#define REORDER_MS	3000	/* nothing else goes that way: then it goes alone */

enum verb { DROP, DUPLICATE, DELAY, REORDER, CORRUPT, FAIL, VERBS };

static const char *const verbs[VERBS] = {
	"drop", "duplicate", "delay", "reorder", "corrupt", "fail",
};

struct rule {
	enum verb verb;
	char name[24];		/* exchange, or call */
	bool response, in;
	unsigned long nth, arg;	/* arg 0: the verb's default */
	unsigned int seen;
};

struct held {
	struct loop_timer timer;
	struct held *next;
	struct fault *f;
	bool in, marker, reorder;
	struct addr local, remote;
	size_t len;
	uint8_t msg[];
};

struct fault {
	struct ike *ike;
	const struct ike_ops *real;
	void *ctx;
	unsigned int n, hits;
	struct rule rule[RULES_MAX];
	struct held *held;
};

/* --- rules --- */

static struct rule *hit(struct fault *f, struct rule *r)
{
	r->seen++;
	if (r->nth && r->seen != r->nth)
		return NULL;
	f->hits++;
	log_notice("fault ordered", KV_S("verb", verbs[r->verb]), KV_S("at", r->name),
		   KV_S("kind", r->verb == FAIL ? NULL : r->response ? "response" : "request"),
		   KV_U("number", r->seen));
	return r;
}

/* The first rule for this message of those that are due. */
static struct rule *for_message(struct fault *f, bool in, const uint8_t *msg, size_t len)
{
	struct rule *due = NULL;
	struct ike_hdr h;

	if (wire_peek_hdr(&h, msg, len))
		return NULL;
	for (unsigned int i = 0; i < f->n; i++) {
		struct rule *r = &f->rule[i];

		if (r->verb == FAIL || r->in != in ||
		    r->response != !!(h.flags & IKE_FLAG_RESPONSE) ||
		    (strcmp(r->name, "any") && strcmp(r->name, wire_exchange_name(h.exchange))))
			continue;
		r = hit(f, r);
		due = due ? due : r;
	}
	return due;
}

static int failing(struct fault *f, const char *call)
{
	for (unsigned int i = 0; i < f->n; i++)
		if (f->rule[i].verb == FAIL && !strcmp(f->rule[i].name, call) &&
		    hit(f, &f->rule[i]))
			return -ENOMEM;
	return 0;
}

static bool word(struct rule *r, const char *w, unsigned int place)
{
	char *end;
	unsigned long v = strtoul(w, &end, 10);

	if (place == 0) {
		for (r->verb = DROP; r->verb < VERBS && strcmp(w, verbs[r->verb]); r->verb++)
			;
		return r->verb < VERBS;
	}
	if (place == 1) {
		snprintf(r->name, sizeof(r->name), "%s", w);
		return *w;
	}
	if (!strcmp(w, "request") || !strcmp(w, "response"))
		r->response = w[2] == 's';
	else if (!strcmp(w, "in"))
		r->in = true;
	else if (*end || !*w)
		return false;
	else if (r->nth == 1 && !r->seen++)	/* seen tells the numbers apart here */
		r->nth = v;
	else
		r->arg = v;
	return true;
}

static bool parse(struct rule *r, char *text)
{
	unsigned int place = 0;
	char *save = NULL;

	*r = (struct rule){ .nth = 1 };
	for (char *w = strtok_r(text, ":", &save); w; w = strtok_r(NULL, ":", &save))
		if (!word(r, w, place++))
			return false;
	r->seen = 0;
	return place >= (r->verb == FAIL ? 2 : 3);
}

static struct fault *of(const struct ike *ike)
{
	return ike->ctx;
}

int fault_set(struct ike *ike, const char *rules)
{
	struct fault *f = of(ike);
	char *copy = strdup(rules), *save = NULL;
	bool good = copy;

	f->n = f->hits = 0;
	for (char *w = copy ? strtok_r(copy, ",", &save) : NULL; w && good;
	     w = strtok_r(NULL, ",", &save))
		good = f->n < RULES_MAX && parse(&f->rule[f->n], w) && ++f->n;
	free(copy);
	if (!good)
		f->n = 0;
	return good ? (int)f->n : -1;
}

unsigned int fault_hits(const struct ike *ike)
{
	return of(ike)->hits;
}

/* --- messages that wait --- */

static void go(struct fault *f, bool in, const struct addr *local, const struct addr *remote,
	       bool marker, uint8_t *msg, size_t len)
{
	if (in)
		ike_receive(f->ike, local, remote, marker, msg, len);
	else
		f->real->send(f->ctx, local, remote, marker, msg, len);
}

static void release(struct held *h)
{
	struct held **at = &h->f->held;

	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	loop_timer_stop(h->f->ike->loop, &h->timer);
	go(h->f, h->in, &h->local, &h->remote, h->marker, h->msg, h->len);
	free(h);
}

static void due(void *arg)
{
	release(arg);
}

static void hold(struct fault *f, const struct rule *r, const struct addr *local,
		 const struct addr *remote, bool marker, const uint8_t *msg, size_t len)
{
	struct held *h = calloc(1, sizeof(*h) + len);

	if (!h)
		return;
	h->f = f;
	h->in = r->in;
	h->marker = marker;
	h->reorder = r->verb == REORDER;
	h->local = *local;
	h->remote = *remote;
	h->len = len;
	memcpy(h->msg, msg, len);
	h->next = f->held;
	f->held = h;
	h->timer = (struct loop_timer)LOOP_TIMER(due, h);
	loop_timer_in(f->ike->loop, &h->timer,
		      h->reorder ? REORDER_MS : r->arg ? r->arg : DELAY_MS);
}

/* Something went that way: what waited for it follows. */
static void follow(struct fault *f, bool in)
{
	struct held *h = f->held, *next;

	for (; h; h = next) {
		next = h->next;
		if (h->reorder && h->in == in)
			release(h);
	}
}

static void pass(struct fault *f, bool in, const struct addr *local, const struct addr *remote,
		 bool marker, uint8_t *msg, size_t len)
{
	struct rule *r = for_message(f, in, msg, len);

	if (!r || r->verb == DUPLICATE) {
		uint8_t *copy = r ? malloc(len) : NULL;

		/* A message that comes is decrypted where it lies. */
		if (copy)
			memcpy(copy, msg, len);
		go(f, in, local, remote, marker, msg, len);
		if (copy)
			go(f, in, local, remote, marker, copy, len);
		free(copy);
		follow(f, in);
		return;
	}
	if (r->verb == CORRUPT) {
		msg[r->arg && r->arg < len ? r->arg : len - 1] ^= 0x10;
		go(f, in, local, remote, marker, msg, len);
		follow(f, in);
	} else if (r->verb != DROP) {
		hold(f, r, local, remote, marker, msg, len);
	}
}

bool fault_input(struct ike *ike, const struct addr *local, const struct addr *remote, bool marker,
		 uint8_t *msg, size_t len)
{
	if (!of(ike)->n && !of(ike)->held)
		return false;
	pass(of(ike), true, local, remote, marker, msg, len);
	return true;
}

/* --- between engine and world --- */

static void do_send(void *ctx, const struct addr *local, const struct addr *remote, bool marker,
		    const uint8_t *msg, size_t len)
{
	uint8_t copy[65536];

	/* The original is kept for its retransmission. */
	memcpy(copy, msg, len < sizeof(copy) ? len : sizeof(copy));
	pass(ctx, false, local, remote, marker, copy, len);
}

static int do_auth_mac(void *ctx, uint32_t tunnel, uint32_t key, uint16_t prf,
		       const uint8_t *octets, size_t len, struct door_mac *mac)
{
	struct fault *f = ctx;
	int err = failing(f, "auth_mac");

	return err ? err : f->real->auth_mac(f->ctx, tunnel, key, prf, octets, len, mac);
}

static int do_auth_verify(void *ctx, uint32_t tunnel, uint16_t prf, const uint8_t *octets,
			  size_t len, const uint8_t *mac, size_t mac_len, uint32_t *key)
{
	struct fault *f = ctx;
	int err = failing(f, "auth_verify");

	return err ? err :
		     f->real->auth_verify(f->ctx, tunnel, prf, octets, len, mac, mac_len, key);
}

static int do_spi_alloc(void *ctx, uint32_t tunnel, uint32_t *spi)
{
	struct fault *f = ctx;
	int err = failing(f, "spi_alloc");

	return err ? err : f->real->spi_alloc(f->ctx, tunnel, spi);
}

static int do_sa_new(void *ctx, const struct door_sa_new *sa, uint32_t *sa_id)
{
	struct fault *f = ctx;
	int err = failing(f, "sa_new");

	return err ? err : f->real->sa_new(f->ctx, sa, sa_id);
}

static int do_sa_del(void *ctx, uint32_t tunnel, uint32_t sa_id)
{
	struct fault *f = ctx;
	int err = failing(f, "sa_del");

	return err ? err : f->real->sa_del(f->ctx, tunnel, sa_id);
}

static int do_out_set(void *ctx, const struct door_out_set *set)
{
	struct fault *f = ctx;
	int err = failing(f, "out_set");

	return err ? err : f->real->out_set(f->ctx, set);
}

static int do_sa_list(void *ctx, uint32_t tunnel, struct door_sa_list *list)
{
	struct fault *f = ctx;
	int err = failing(f, "sa_list");

	return err ? err : f->real->sa_list(f->ctx, tunnel, list);
}

static int do_endpoint(void *ctx, const struct door_endpoint *ep)
{
	struct fault *f = ctx;
	int err = failing(f, "endpoint");

	return err ? err : f->real->endpoint(f->ctx, ep);
}

static void do_note(void *ctx, uint32_t tunnel, const char *text)
{
	struct fault *f = ctx;

	f->real->note(f->ctx, tunnel, text);
}

static int do_source(void *ctx, const struct addr *remote, struct addr *local)
{
	struct fault *f = ctx;

	return f->real->source(f->ctx, remote, local);
}

void fault_wrap(struct ike *ike)
{
	static const struct ike_ops between = {
		.send = do_send, .auth_mac = do_auth_mac, .auth_verify = do_auth_verify,
		.spi_alloc = do_spi_alloc, .sa_new = do_sa_new, .sa_del = do_sa_del,
		.out_set = do_out_set, .sa_list = do_sa_list, .endpoint = do_endpoint,
		.note = do_note, .source = do_source,
	};
	const char *rules = getenv("IPSECVTI_IMPAIR");
	struct fault *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->ike = ike;
	f->real = ike->ops;
	f->ctx = ike->ctx;
	ike->ops = &between;
	ike->ctx = f;
	if (rules && fault_set(ike, rules) < 0)
		log_err("IPSECVTI_IMPAIR makes no sense", KV_S("rules", rules));
}

void fault_unwrap(struct ike *ike)
{
	struct fault *f = of(ike);

	while (f->held) {
		struct held *h = f->held;

		f->held = h->next;
		loop_timer_stop(ike->loop, &h->timer);
		free(h);
	}
	free(f);
}
#endif
