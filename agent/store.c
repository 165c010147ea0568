// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "impair.h"
#include "store.h"

#define STORE_MAGIC	0x6970737674693031ull
#define STORE_VERSION	4
#define DEATH_WINDOW_MS	60000

struct store_head {
	uint64_t magic;
	uint32_t version, record_size, slots;
	_Atomic uint32_t unique;
	/*
	 * Which slots count: cleared first in a drop, so that no older copy comes
	 * back. Here, because looking into an unused slot would make it cost a page.
	 */
	_Atomic uint8_t live[STORE_SLOTS];
};

struct store_copy {
	uint64_t seq;		/* 0: never written */
	uint64_t sum;		/* of seq and the record's used bytes */
	struct ike_record rec;
};

struct store_slot {
	uint32_t deaths;
	uint64_t first_death_ms;
	_Atomic uint64_t mark;	/* hash of the message being handled, 0 for none */
	struct store_copy copy[2];
};

struct store {
	struct store_head *head;
	struct store_slot *slot;
	size_t size;
	uint8_t used[STORE_SLOTS + 1];
	uint32_t hint;
};

static void wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}

static uint64_t mix(uint64_t sum, const void *p, size_t len)
{
	const uint8_t *b = p;
	uint64_t word;

	for (; len >= 8; b += 8, len -= 8) {
		memcpy(&word, b, 8);
		sum = (sum ^ word) * 0x9e3779b97f4a7c15ull;
		sum ^= sum >> 29;
	}
	while (len--)
		sum = (sum ^ *b++) * 0x100000001b3ull;
	return sum ^ sum >> 32;
}

static uint64_t record_sum(uint64_t seq, const struct ike_record *rec)
{
	uint64_t sum = mix(seq, rec, offsetof(struct ike_record, req_msg));

	if (rec->req.len > RECORD_MSG || rec->resp.len > RECORD_MSG ||
	    rec->init_len > RECORD_MSG)
		return ~sum;
	sum = mix(sum, rec->req_msg, rec->req.len > rec->init_len ? rec->req.len : rec->init_len);
	return mix(sum, rec->resp_msg,
		   rec->resp.len > rec->init_len ? rec->resp.len : rec->init_len);
}

static void record_copy(struct ike_record *to, const struct ike_record *from)
{
	memcpy(to, from, offsetof(struct ike_record, req_msg));
	memcpy(to->req_msg, from->req_msg,
	       from->req.len > from->init_len ? from->req.len : from->init_len);
	memcpy(to->resp_msg, from->resp_msg,
	       from->resp.len > from->init_len ? from->resp.len : from->init_len);
}

struct store *store_open(int fd, bool *fresh)
{
	size_t slots_at = (sizeof(struct store_head) + 63) & ~(size_t)63;
	size_t size = slots_at + (size_t)STORE_SLOTS * sizeof(struct store_slot);
	struct store *st = calloc(1, sizeof(*st));
	struct stat sb;
	void *map;

	if (!st)
		return NULL;
	if (fstat(fd, &sb))
		goto fail;
	*fresh = (size_t)sb.st_size != size;
	if (*fresh && (ftruncate(fd, 0) || ftruncate(fd, (off_t)size)))
		goto fail;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		goto fail;
	madvise(map, size, MADV_DONTDUMP);
	st->size = size;
	st->head = map;
	st->slot = (struct store_slot *)((uint8_t *)map + slots_at);
	if (st->head->magic != STORE_MAGIC || st->head->version != STORE_VERSION ||
	    st->head->record_size != sizeof(struct ike_record) ||
	    st->head->slots != STORE_SLOTS) {
		if (!*fresh)
			wipe(map, size);
		*fresh = true;
		st->head->version = STORE_VERSION;
		st->head->record_size = sizeof(struct ike_record);
		st->head->slots = STORE_SLOTS;
		st->head->magic = STORE_MAGIC;
	}
	for (unsigned int n = 1; !*fresh && n <= STORE_SLOTS; n++)
		st->used[n] = st->head->live[n - 1] != 0;
	return st;
fail:
	free(st);
	return NULL;
}

void store_close(struct store *st)
{
	if (!st)
		return;
	munmap(st->head, st->size);
	free(st);
}

static uint32_t take_slot(struct store *st)
{
	for (uint32_t i = 0; i < STORE_SLOTS; i++) {
		uint32_t n = (st->hint + i) % STORE_SLOTS + 1;

		if (!st->used[n]) {
			st->used[n] = 1;
			st->hint = n;
			return n;
		}
	}
	return 0;
}

static struct store_copy *newest(struct store_slot *slot)
{
	struct store_copy *best = NULL;

	for (int i = 0; i < 2; i++) {
		struct store_copy *c = &slot->copy[i];

		if (!c->seq || c->sum != record_sum(c->seq, &c->rec))
			continue;
		if (!best || c->seq > best->seq)
			best = c;
	}
	return best;
}

int store_put(struct store *st, struct ike_record *rec)
{
	struct store_slot *slot;
	struct store_copy *to;
	uint64_t seq;

	if (!rec->slot)
		rec->slot = take_slot(st);
	if (!rec->slot || rec->slot > STORE_SLOTS)
		return -ENOSPC;
	slot = &st->slot[rec->slot - 1];
	to = &slot->copy[slot->copy[0].seq > slot->copy[1].seq];
	seq = slot->copy[0].seq > slot->copy[1].seq ? slot->copy[0].seq : slot->copy[1].seq;

	/*
	 * A kill is the only reader that could come between, and it sees
	 * memory in program order: the compiler alone must be held back.
	 */
	impair_point("before-store");
	to->seq = 0;
	atomic_signal_fence(memory_order_seq_cst);
	record_copy(&to->rec, rec);
	impair_point("in-store");
	to->sum = record_sum(seq + 1, &to->rec);
	atomic_signal_fence(memory_order_seq_cst);
	to->seq = seq + 1;
	atomic_signal_fence(memory_order_seq_cst);
	st->head->live[rec->slot - 1] = 1;
	impair_point("after-store");
	return 0;
}

void store_drop(struct store *st, struct ike_record *rec)
{
	struct store_slot *slot;

	if (!rec->slot || rec->slot > STORE_SLOTS)
		return;
	slot = &st->slot[rec->slot - 1];
	impair_point("before-drop");
	st->head->live[rec->slot - 1] = 0;
	atomic_signal_fence(memory_order_seq_cst);
	impair_point("in-drop");
	wipe(slot->copy, sizeof(slot->copy));
	slot->mark = 0;
	slot->deaths = 0;
	slot->first_death_ms = 0;
	st->used[rec->slot] = 0;
	rec->slot = 0;
	impair_point("after-drop");
}

bool store_used(const struct store *st, unsigned int n)
{
	return n && n <= STORE_SLOTS && st->used[n];
}

bool store_get(struct store *st, unsigned int n, struct ike_record *rec)
{
	struct store_copy *from;

	if (!store_used(st, n))
		return false;
	from = st->head->live[n - 1] ? newest(&st->slot[n - 1]) : NULL;
	if (!from)
		return false;
	record_copy(rec, &from->rec);
	rec->slot = n;
	return true;
}

uint32_t store_unique(struct store *st)
{
	uint32_t n = ++st->head->unique;

	return n ? n : ++st->head->unique;
}

void store_mark(struct store *st, const struct ike_record *rec, uint64_t hash, uint64_t now_ms)
{
	struct store_slot *slot;

	if (!rec->slot || rec->slot > STORE_SLOTS)
		return;
	slot = &st->slot[rec->slot - 1];
	if (slot->deaths && now_ms - slot->first_death_ms > DEATH_WINDOW_MS)
		slot->deaths = 0;
	impair_point("before-mark");
	slot->mark = hash ? hash : 1;
	impair_point("after-mark");
}

void store_clear(struct store *st, const struct ike_record *rec)
{
	if (!rec->slot || rec->slot > STORE_SLOTS)
		return;
	impair_point("before-unmark");
	st->slot[rec->slot - 1].mark = 0;
	impair_point("after-unmark");
}

bool store_poisoned(struct store *st, unsigned int n, uint64_t now_ms, uint64_t *hash)
{
	struct store_slot *slot;

	if (!n || n > STORE_SLOTS)
		return false;
	slot = &st->slot[n - 1];
	*hash = slot->mark;
	if (!slot->mark)
		return false;
	slot->mark = 0;
	if (!slot->deaths || now_ms - slot->first_death_ms > DEATH_WINDOW_MS) {
		slot->deaths = 0;
		slot->first_death_ms = now_ms;
	}
	return ++slot->deaths >= STORE_DEATHS;
}
