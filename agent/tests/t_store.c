// SPDX-License-Identifier: GPL-2.0-or-later
/* The state store: what survives which death. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"
#include "tap.h"

static uint8_t *map_again(int fd, size_t *len)
{
	*len = (size_t)lseek(fd, 0, SEEK_END);
	return mmap(NULL, *len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* Where in the file this text lies, for the nth time; NULL: nowhere. */
static uint8_t *find(uint8_t *map, size_t len, const char *text, unsigned int nth)
{
	for (uint8_t *at = map; (at = memmem(at, len - (size_t)(at - map), text, strlen(text))); at++)
		if (!nth--)
			return at;
	return NULL;
}

static void mark(struct ike_record *r, const char *text)
{
	memcpy(r->peer_id.data, text, strlen(text));
	r->req.len = 100;
	memset(r->req_msg, text[0], 100);
}

static struct ike_record rec, got;

static void t_torn(void)
{
	int fd = memfd_create("store", MFD_CLOEXEC);
	struct store *st;
	uint8_t *map, *at;
	size_t len;
	bool fresh;

	st = store_open(fd, &fresh);
	ok(st && fresh, "an empty file is a fresh store");
	mark(&rec, "state one");
	ok(!store_put(st, &rec) && rec.slot == 1, "the first record takes slot 1");
	mark(&rec, "state two");
	store_put(st, &rec);
	store_close(st);

	st = store_open(fd, &fresh);
	ok(!fresh, "the next process finds it");
	ok(store_get(st, 1, &got) && !memcmp(got.peer_id.data, "state two", 9), "the newest state");
	ok(got.req.len == 100 && got.req_msg[99] == 's', "with its message");
	map = map_again(fd, &len);
	at = find(map, len, "state two", 0);
	at[3] ^= 1;
	ok(store_get(st, 1, &got) && !memcmp(got.peer_id.data, "state one", 9),
	   "a write that was torn: the state before it");
	at = find(map, len, "state one", 0);
	at[3] ^= 1;
	ok(!store_get(st, 1, &got), "both torn: none");
	mark(&rec, "state six");
	store_put(st, &rec);
	ok(store_get(st, 1, &got) && !memcmp(got.peer_id.data, "state six", 9), "written again");
	store_drop(st, &rec);
	ok(!rec.slot && !store_get(st, 1, &got), "dropped: gone");
	ok(!find(map, len, "state", 0), "and wiped");
	store_close(st);
	st = store_open(fd, &fresh);
	ok(!fresh && !store_get(st, 1, &got), "for the next process too");
	munmap(map, len);
	store_close(st);
	close(fd);
}

static void t_version(void)
{
	int fd = memfd_create("store", MFD_CLOEXEC);
	struct store *st;
	uint8_t *map;
	size_t len;
	bool fresh;

	st = store_open(fd, &fresh);
	rec.slot = 0;
	mark(&rec, "old build");
	store_put(st, &rec);
	store_close(st);
	map = map_again(fd, &len);
	map[8]++;	/* the version behind the magic */
	st = store_open(fd, &fresh);
	ok(fresh && !store_get(st, 1, &got), "another version: wiped, a cold start");
	ok(!find(map, len, "old build", 0), "nothing of it is left");
	munmap(map, len);
	store_close(st);
	close(fd);
}

static void t_full(void)
{
	static struct ike_record small;
	int fd = memfd_create("store", MFD_CLOEXEC);
	struct store *st;
	struct stat sb;
	unsigned int n = 0;
	bool fresh;

	st = store_open(fd, &fresh);
	do {
		memset(&small, 0, sizeof(small));
	} while (!store_put(st, &small) && ++n < STORE_SLOTS + 1);
	ok(n == STORE_SLOTS, "%u slots, then it is full", n);
	small.slot = 17;
	store_drop(st, &small);
	ok(!store_put(st, &small) && small.slot == 17, "a slot that was given back is taken again");
	ok(store_unique(st) == 1 && store_unique(st) == 2, "unique numbers count up");
	store_close(st);
	st = store_open(fd, &fresh);
	ok(store_unique(st) == 3, "over processes");
	store_close(st);
	close(fd);
	fd = memfd_create("store", MFD_CLOEXEC);
	st = store_open(fd, &fresh);
	memset(&small, 0, sizeof(small));
	store_put(st, &small);
	store_close(st);
	st = store_open(fd, &fresh);
	ok(!fstat(fd, &sb) && !fresh, "opened again");
	ok(sb.st_blocks && sb.st_blocks < 256, "an unused slot costs nothing: %llu KiB",
	   (unsigned long long)sb.st_blocks / 2);
	store_close(st);
	close(fd);
}

static void t_poison(void)
{
	int fd = memfd_create("store", MFD_CLOEXEC);
	struct store *st;
	uint64_t hash;
	bool fresh;

	st = store_open(fd, &fresh);
	rec.slot = 0;
	store_put(st, &rec);
	ok(!store_poisoned(st, 1, 1000, &hash), "no mark: nobody died of it");
	for (uint64_t i = 1; i <= 3; i++) {
		store_mark(st, &rec, 0x1234, i * 10000);
		ok(store_poisoned(st, 1, i * 10000, &hash) == (i == 3) && hash == 0x1234,
		   "death %u", (unsigned int)i);
	}
	store_mark(st, &rec, 5, 200000);
	ok(!store_poisoned(st, 1, 200000, &hash), "long after, the count starts anew");
	store_mark(st, &rec, 5, 200001);
	store_clear(st, &rec);
	ok(!store_poisoned(st, 1, 200002, &hash), "handled: no mark");
	store_close(st);
	close(fd);
}

int main(void)
{
	t_torn();
	t_version();
	t_full();
	t_poison();
	return done();
}
