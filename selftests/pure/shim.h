/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The little of the kernel that the module's pure files use, for user space.
 * Every <header> of theirs is a line that includes this file; the Makefile
 * makes those.
 *
 * Two macros break it on purpose, so that the tests can show that they notice:
 * SHIM_TORN_CMPXCHG makes the compare-and-swap two steps, SHIM_SMALL_RING
 * halves what is rounded up.
 */
#ifndef SHIM_H
#define SHIM_H

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16, __be16;
typedef uint32_t u32, __be32;
typedef int32_t s32;
typedef unsigned long long u64;
typedef long long s64;

#define U64_MAX (~0ULL)
#define BIT_ULL(n) (1ULL << (n))
#define ALIGN(n, to) (((n) + (to) - 1) / (to) * (to))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))
#define likely(x) (x)
#define unlikely(x) (x)
#define swap(a, b) do { typeof(a) swapped = (a); (a) = (b); (b) = swapped; } while (0)
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define sizeof_field(type, member) sizeof(((type *)0)->member)
#define BUILD_BUG_ON(x) _Static_assert(!(x), #x)
#define __init
#define __rcu
#define __percpu
#define ____cacheline_aligned_in_smp

#define ERR_PTR(error) ((void *)(long)(error))
#define IS_ERR(p) ((unsigned long)(p) >= (unsigned long)-4095)
#define PTR_ERR(p) ((long)(p))

/* Atomics */

typedef struct {
	s64 counter;
} atomic64_t;

typedef struct {
	long counter;
} atomic_long_t;

static inline s64 atomic64_read(const atomic64_t *v)
{
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);
}

static inline void atomic64_set(atomic64_t *v, s64 value)
{
	__atomic_store_n(&v->counter, value, __ATOMIC_RELAXED);
}

static inline bool atomic64_try_cmpxchg(atomic64_t *v, s64 *old, s64 new)
{
#ifdef SHIM_TORN_CMPXCHG
	s64 now = atomic64_read(v);

	if (now != *old) {
		*old = now;
		return false;
	}
	if (now % 7 == 0)
		sched_yield();
	atomic64_set(v, new);
	return true;
#else
	return __atomic_compare_exchange_n(&v->counter, old, new, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
#endif
}

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	unsigned long power = 1;

	while (power < n)
		power <<= 1;
#ifdef SHIM_SMALL_RING
	power >>= 1;
#endif
	return power;
}

/* Bytes */

#define memzero_explicit(p, n) memset((p), 0, (n))
#define put_unaligned(value, p) memcpy((p), &(typeof(*(p))){ (value) }, sizeof(*(p)))

static inline void put_unaligned_be32(u32 value, void *p)
{
	value = __builtin_bswap32(value);
	memcpy(p, &value, sizeof(value));
}

/* Only explicit IVs are written with it, and a vector brings its own. */
extern const u8 *shim_iv;

static inline void put_unaligned_be64(u64 value, void *p)
{
	value = __builtin_bswap64(value);
	memcpy(p, shim_iv ? shim_iv : (const u8 *)&value, sizeof(value));
}

/* One CPU, one slab */

#define NET_SKB_PAD 64
#define GFP_ATOMIC 0
#define GFP_KERNEL 0
#define __GFP_NOWARN 0
#define SLAB_HWCACHE_ALIGN 0
#define DEFINE_PER_CPU(type, name) type name
#define per_cpu(name, cpu) (name)
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < 1; (cpu)++)
#define this_cpu_inc(name) ((name)++)
#define this_cpu_xchg(name, value) \
	({ typeof(name) taken = (name); (name) = (value); taken; })
#define this_cpu_cmpxchg(name, old, new) \
	({ typeof(name) found = (name); if (found == (old)) (name) = (new); found; })
#define local_bh_disable() do { } while (0)
#define local_bh_enable() do { } while (0)

struct kmem_cache {
	size_t size;
	long objects;
};

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align, int flags, void *ctor);
void *kmem_cache_alloc(struct kmem_cache *cache, int flags);
void kmem_cache_free(struct kmem_cache *cache, void *object);
void kmem_cache_destroy(struct kmem_cache *cache);

/* Packets: one piece, each byte of it really there, so that the sanitizer sees one too many. */

struct sock;

struct sk_buff {
	u8 *head, *data, *tail, *end;
	unsigned int len;
	_Alignas(8) char cb[48];
	void *dev;
	u16 protocol, queue_mapping;
	u32 priority, mark, hash;
	int skb_iif, tstamp_type;
	s64 tstamp;
	bool ooo_okay, cloned, nonlinear;
	struct sock *sk;
	void (*destructor)(struct sk_buff *skb);
	unsigned int truesize;
	u8 *network;
};

struct sk_buff *alloc_skb(unsigned int size, int flags);
void kfree_skb(struct sk_buff *skb);
#define consume_skb kfree_skb

static inline u8 *skb_tail_pointer(const struct sk_buff *skb)
{
	return skb->tail;
}

static inline unsigned int skb_headroom(const struct sk_buff *skb)
{
	return skb->data - skb->head;
}

static inline unsigned int skb_tailroom(const struct sk_buff *skb)
{
	return skb->end - skb->tail;
}

static inline bool skb_cloned(const struct sk_buff *skb)
{
	return skb->cloned;
}

static inline bool skb_is_nonlinear(const struct sk_buff *skb)
{
	return skb->nonlinear;
}

static inline void skb_reserve(struct sk_buff *skb, unsigned int n)
{
	skb->data += n;
	skb->tail += n;
}

static inline void *__skb_put(struct sk_buff *skb, unsigned int n)
{
	u8 *tail = skb->tail;

	skb->tail += n;
	skb->len += n;
	return tail;
}

#define skb_put __skb_put

static inline void *__skb_push(struct sk_buff *skb, unsigned int n)
{
	skb->len += n;
	return skb->data -= n;
}

static inline void __skb_pull(struct sk_buff *skb, unsigned int n)
{
	skb->len -= n;
	skb->data += n;
}

static inline void __skb_trim(struct sk_buff *skb, unsigned int len)
{
	skb->len = len;
	skb->tail = skb->data + len;
}

static inline int skb_copy_bits(const struct sk_buff *skb, int at, void *to, int n)
{
	memcpy(to, skb->data + at, n);
	return 0;
}

static inline void skb_copy_hash(struct sk_buff *to, const struct sk_buff *from)
{
	to->hash = from->hash;
}

static inline void skb_reset_network_header(struct sk_buff *skb)
{
	skb->network = skb->data;
}

static inline void vti_copy_tstamp_type(struct sk_buff *to, const struct sk_buff *from)
{
	to->tstamp_type = from->tstamp_type;
}

struct sock {
	bool full, tcp;
	int charged;
};

#define sk_fullsock(sk) ((sk)->full)
#define sk_is_tcp(sk) ((sk)->tcp)
void sock_wfree(struct sk_buff *skb);

/* Ciphers: one, which the test brings. */

#define vti_completion_arg void
#define vti_completion_data(arg) (arg)

typedef void (*crypto_completion_t)(void *data, int err);

struct scatterlist {
	u8 *data;
	unsigned int length;
};

struct crypto_aead;

struct aead_request {
	struct crypto_aead *tfm;
	struct scatterlist *src, *dst;
	unsigned int assoclen, cryptlen;
	u8 *iv;
	crypto_completion_t done;
	void *data;
};

#define sg_init_table(sg, n) memset(sg, 0, (n) * sizeof(*(sg)))
#define sg_set_buf(sg, p, n) (*(sg) = (struct scatterlist){ (p), (n) })
#define aead_request_set_tfm(req, cipher) ((req)->tfm = (cipher))
#define aead_request_set_callback(req, flags, call, arg) ((req)->done = (call), (req)->data = (arg))
#define aead_request_set_ad(req, n) ((req)->assoclen = (n))
#define aead_request_set_crypt(req, from, to, n, nonce) \
	((req)->src = (from), (req)->dst = (to), (req)->cryptlen = (n), (req)->iv = (nonce))

struct crypto_aead *crypto_alloc_aead(const char *name, u32 type, u32 mask);
void crypto_free_aead(struct crypto_aead *tfm);
int crypto_aead_setkey(struct crypto_aead *tfm, const u8 *key, unsigned int len);
int crypto_aead_setauthsize(struct crypto_aead *tfm, unsigned int size);
unsigned int crypto_aead_reqsize(struct crypto_aead *tfm);
int crypto_aead_encrypt(struct aead_request *req);
int crypto_aead_decrypt(struct aead_request *req);

struct rtattr {
	unsigned short rta_len, rta_type;
};

struct crypto_authenc_key_param {
	__be32 enckeylen;
};

#define CRYPTO_AUTHENC_KEYA_PARAM 1
#define CRYPTO_MAX_ALG_NAME 128
#define RTA_LENGTH(n) (sizeof(struct rtattr) + (n))
#define cpu_to_be32 __builtin_bswap32
#define __packed __attribute__((packed))
#define strscpy(to, from, n) snprintf(to, n, "%s", from)
void get_random_bytes(void *to, size_t n);

/* What is only named */

#define NL_SET_ERR_MSG(extack, text) ((void)(extack))
#define NL_SET_ERR_MSG_FMT(extack, ...) ((void)(extack))

typedef u64 u64_stats_t;
typedef struct { int unused; } netdevice_tracker, netdev_tracker;
struct rcu_head { int unused; };
struct rcu_work { int unused; };
struct work_struct { int unused; };
struct delayed_work { int unused; };
struct hlist_node { int unused; };
struct list_head { int unused; };
struct mutex { int unused; };
typedef struct { int unused; } spinlock_t;
enum skb_drop_reason { SKB_DROP_REASON_NOT_SPECIFIED };
struct xarray { int unused; };
struct dst_cache { int unused; };
struct u64_stats_sync { int unused; };
typedef union {
	__be32 a4, a6[4];
} xfrm_address_t;
struct percpu_ref { long count; };
struct napi_struct;
struct net;
struct net_device;
struct netlink_ext_ack;
struct rtnl_link_ops { int unused; };
typedef int netdev_tx_t;

#define percpu_ref_get(ref) ((ref)->count++)
#define percpu_ref_put(ref) ((ref)->count--)

#endif
