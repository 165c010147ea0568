// SPDX-License-Identifier: GPL-2.0-or-later
/* The keeper's store of long-term secrets. */
#include "keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kdf.h"

struct entry {
	uint32_t tunnel;	/* 0: free */
	uint32_t n;
	struct secret psk[KEYS_PER_TUNNEL];
};

#define SLAB_SIZE	65536
#define SLAB_ENTRIES	((SLAB_SIZE - sizeof(void *)) / sizeof(struct entry))

struct slab {
	struct slab *next;
	struct entry e[SLAB_ENTRIES];
};

_Static_assert(sizeof(struct slab) <= SLAB_SIZE, "a slab is whole pages");

struct keys {
	struct slab *slabs;
	bool locked;
};

static struct slab *slab_new(struct keys *k)
{
	struct slab *s = mmap(NULL, SLAB_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		return NULL;
	if (mlock(s, SLAB_SIZE))
		k->locked = false;
	madvise(s, SLAB_SIZE, MADV_DONTDUMP);
	/* Helpers that we fork, such as the resolver, find zeros. */
	madvise(s, SLAB_SIZE, MADV_WIPEONFORK);
	s->next = k->slabs;
	k->slabs = s;
	return s;
}

struct keys *keys_new(void)
{
	struct keys *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->locked = true;
	if (!slab_new(k)) {
		free(k);
		return NULL;
	}
	return k;
}

void keys_free(struct keys *k)
{
	struct slab *s, *next;

	for (s = k ? k->slabs : NULL; s; s = next) {
		next = s->next;
		secret_wipe(s, SLAB_SIZE);
		munmap(s, SLAB_SIZE);
	}
	free(k);
}

bool keys_locked(const struct keys *k)
{
	return k->locked;
}

static struct entry *find(const struct keys *k, uint32_t tunnel)
{
	struct slab *s;
	size_t i;

	for (s = k->slabs; s; s = s->next)
		for (i = 0; i < SLAB_ENTRIES; i++)
			if (s->e[i].tunnel == tunnel)
				return &s->e[i];
	return NULL;
}

int keys_set(struct keys *k, uint32_t tunnel, const struct secret *list, unsigned int n)
{
	struct entry *e;
	unsigned int i;

	if (!tunnel || n > KEYS_PER_TUNNEL)
		return -EINVAL;
	e = find(k, tunnel);
	if (!n) {
		if (e)
			secret_wipe(e, sizeof(*e));
		return 0;
	}
	if (!e)
		e = find(k, 0);
	if (!e) {
		struct slab *s = slab_new(k);

		if (!s)
			return -ENOMEM;
		e = &s->e[0];
	}
	secret_wipe(e, sizeof(*e));
	e->tunnel = tunnel;
	e->n = n;
	for (i = 0; i < n; i++)
		secret_set(&e->psk[i], list[i].data, list[i].len);
	return 0;
}

int keys_mac(const struct keys *k, uint32_t tunnel, uint32_t key, uint16_t prf,
	     const uint8_t *octets, size_t len, struct door_mac *out)
{
	const struct entry *e = tunnel ? find(k, tunnel) : NULL;
	unsigned int mac_len = kdf_prf_len(prf);
	const struct secret *psk;

	memset(out, 0, sizeof(*out));
	if (!e)
		return -ENOENT;
	if (!mac_len || mac_len > sizeof(out->mac))
		return -EINVAL;
	out->len = mac_len;
	psk = &e->psk[key % e->n];
	return kdf_psk_auth(prf, view(psk->data, psk->len), view(octets, len), out->mac);
}

int keys_verify(const struct keys *k, uint32_t tunnel, uint16_t prf, const uint8_t *octets,
		size_t len, const uint8_t *mac, size_t mac_len, uint32_t *key)
{
	const struct entry *e = tunnel ? find(k, tunnel) : NULL;
	unsigned int want = kdf_prf_len(prf), i;
	uint8_t own[HASH_MAX];
	bool good = false;
	int err = 0;

	*key = 0;
	if (!e)
		return -ENOENT;
	if (!want)
		return -EINVAL;
	if (mac_len != want)
		return -EACCES;
	for (i = 0; i < e->n && !err; i++) {
		struct view psk = view(e->psk[i].data, e->psk[i].len);

		err = kdf_psk_auth(prf, psk, view(octets, len), own);
		if (err || !secret_equal(own, mac, mac_len))
			continue;
		good = true;
		*key = i;
	}
	secret_wipe(own, sizeof(own));
	return err ? err : good ? 0 : -EACCES;
}
