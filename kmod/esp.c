// SPDX-License-Identifier: GPL-2.0
#include "esp.h"

#include <crypto/aead.h>
#include <crypto/authenc.h>
#include <linux/netlink.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/scatterlist.h>
#include <linux/unaligned.h>
#include <net/sock.h>

#include "compat/compat.h"
#include "receive.h"
#include "send.h"

#define GCM "rfc4106(gcm(aes))"
#define GMAC "rfc4543(gcm(aes))"
#define CHACHA "rfc7539esp(chacha20,poly1305)"
#define CBC "cbc(aes)"
#define NONE "ecb(cipher_null)"

static const struct vti_suite suites[] = {
	/* id, name, cipher, hash; bytes of key, salt or HMAC's key, IV, ICV; alignment */
	{ IPSECVTI_SUITE_AES128GCM16, "aes128gcm16", GCM, NULL, 16, 4, 8, 16, 4 },
	{ IPSECVTI_SUITE_AES192GCM16, "aes192gcm16", GCM, NULL, 24, 4, 8, 16, 4 },
	{ IPSECVTI_SUITE_AES256GCM16, "aes256gcm16", GCM, NULL, 32, 4, 8, 16, 4 },
	{ IPSECVTI_SUITE_CHACHA20POLY1305, "chacha20poly1305", CHACHA, NULL, 32, 4, 8, 16, 4 },
	{ IPSECVTI_SUITE_AES128_SHA1, "aes128-sha1", CBC, "sha1", 16, 20, 16, 12, 16 },
	{ IPSECVTI_SUITE_AES128_SHA256, "aes128-sha256", CBC, "sha256", 16, 32, 16, 16, 16 },
	{ IPSECVTI_SUITE_AES128_SHA384, "aes128-sha384", CBC, "sha384", 16, 48, 16, 24, 16 },
	{ IPSECVTI_SUITE_AES128_SHA512, "aes128-sha512", CBC, "sha512", 16, 64, 16, 32, 16 },
	{ IPSECVTI_SUITE_AES256_SHA1, "aes256-sha1", CBC, "sha1", 32, 20, 16, 12, 16 },
	{ IPSECVTI_SUITE_AES256_SHA256, "aes256-sha256", CBC, "sha256", 32, 32, 16, 16, 16 },
	{ IPSECVTI_SUITE_AES256_SHA384, "aes256-sha384", CBC, "sha384", 32, 48, 16, 24, 16 },
	{ IPSECVTI_SUITE_AES256_SHA512, "aes256-sha512", CBC, "sha512", 32, 64, 16, 32, 16 },
#ifdef CONFIG_IPSECVTI_TEST_SUITES
	{ IPSECVTI_SUITE_AES128GMAC, "aes128gmac", GMAC, NULL, 16, 4, 8, 16, 4 },
	{ IPSECVTI_SUITE_AES256GMAC, "aes256gmac", GMAC, NULL, 32, 4, 8, 16, 4 },
	{ IPSECVTI_SUITE_NULL_SHA256, "null-sha256", NONE, "sha256", 0, 32, 0, 16, 4 },
#endif
};

/*
 * A cipher request with all that must live as long as it does. On two of the
 * three kernels the fast AES-GCM may answer later, so a request can't be on
 * the stack; but it hardly ever does, so each CPU keeps one at hand. Whoever
 * takes it out of the slot owns it: nesting (a tunnel in a tunnel) and
 * preemption find the slot empty and take another from the slab.
 */
struct request {
	struct sk_buff *skb;
	struct vti_sa *sa;
	struct scatterlist sg;
	u8 iv[16];
	struct aead_request aead;	/* and behind it the cipher's own context */
};

#define REQUEST_SIZE 2048
#define CONTEXT_MAX (REQUEST_SIZE - sizeof(struct request))

static struct kmem_cache *requests;
static DEFINE_PER_CPU(struct request *, request_slot);

static struct request *request_new(void)
{
	struct request *req = kmem_cache_alloc(requests, GFP_ATOMIC);

	if (req)
		sg_init_table(&req->sg, 1);
	return req;
}

static struct request *request_get(void)
{
	return this_cpu_xchg(request_slot, NULL) ?: request_new();
}

/* A cipher's context may hold pieces of the key. */
static void request_free(struct request *req)
{
	memzero_explicit(req, REQUEST_SIZE);
	kmem_cache_free(requests, req);
}

static void request_put(struct request *req)
{
	if (this_cpu_cmpxchg(request_slot, NULL, req))
		request_free(req);
}

/**
 * vti_suite_find() - a suite by its number
 * @id: enum ipsecvti_suite, unchecked
 */
const struct vti_suite *vti_suite_find(u32 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(suites); i++)
		if (suites[i].id == id)
			return &suites[i];
	return NULL;
}

/* A pair's template wants the keys the other way round, and told apart. */
static int set_pair(struct crypto_aead *tfm, const struct vti_suite *suite, const u8 *key)
{
	struct {
		struct rtattr attr;
		struct crypto_authenc_key_param param;
		u8 keys[IPSECVTI_KEY_MAX];
	} __packed blob = {
		.attr.rta_len = RTA_LENGTH(sizeof(blob.param)),
		.attr.rta_type = CRYPTO_AUTHENC_KEYA_PARAM,
		.param.enckeylen = cpu_to_be32(suite->key),
	};
	int err;

	memcpy(blob.keys, key + suite->key, suite->extra);
	memcpy(blob.keys + suite->extra, key, suite->key);
	err = crypto_aead_setkey(tfm, (u8 *)&blob, offsetof(typeof(blob), keys) + suite->key +
						   suite->extra);
	memzero_explicit(&blob, sizeof(blob));
	return err;
}

/**
 * vti_esp_cipher() - a cipher with its key
 * @suite: suite
 * @esn: extended sequence numbers
 * @key: of the suite's length
 * @extack: for the refusal
 *
 * May sleep, and may load modules: not to be called under a lock.
 *
 * Return: the cipher or ERR_PTR().
 */
struct crypto_aead *vti_esp_cipher(const struct vti_suite *suite, bool esn, const u8 *key,
				   struct netlink_ext_ack *extack)
{
	char template[CRYPTO_MAX_ALG_NAME];
	struct crypto_aead *tfm;
	int err;

	if (vti_suite_paired(suite))
		snprintf(template, sizeof(template), "authenc%s(hmac(%s),%s)", esn ? "esn" : "",
			 suite->hash, suite->cipher);
	else
		strscpy(template, suite->cipher, sizeof(template));
	tfm = crypto_alloc_aead(template, 0, 0);
	if (IS_ERR(tfm)) {
		NL_SET_ERR_MSG_FMT(extack, "the kernel has no cipher %s", template);
		return tfm;
	}
	err = vti_suite_paired(suite) ? set_pair(tfm, suite, key) :
					crypto_aead_setkey(tfm, key, suite->key + suite->extra);
	if (!err)
		err = crypto_aead_setauthsize(tfm, suite->icv);
	if (err) {
		NL_SET_ERR_MSG(extack, "the cipher refused the key");
		goto free;
	}
	if (crypto_aead_reqsize(tfm) > CONTEXT_MAX) {
		NL_SET_ERR_MSG_FMT(extack, "the cipher's driver wants requests of %u bytes",
				   crypto_aead_reqsize(tfm));
		err = -EOPNOTSUPP;
		goto free;
	}
	return tfm;

free:
	crypto_free_aead(tfm);
	return ERR_PTR(err);
}

/*
 * TCP small queues and SO_SNDBUF go on counting the packet until the link has
 * sent it: the owner moves to the copy, with what was charged for it. Only
 * owners whose destructor looks at nothing but sk and truesize may move.
 */
static void move_owner(struct sk_buff *to, struct sk_buff *from)
{
	struct sock *sk = from->sk;

	if (!from->destructor || !sk || !sk_fullsock(sk))
		return;
	if (from->destructor != sock_wfree && !sk_is_tcp(sk))
		return;
	swap(to->sk, from->sk);
	swap(to->destructor, from->destructor);
	swap(to->truesize, from->truesize);
	to->ooo_okay = from->ooo_okay;
}

/**
 * vti_esp_own() - a packet in memory that is ours alone and in one piece
 * @skb: packet; consumed if it is replaced
 * @headroom: bytes wanted before skb->data
 * @tailroom: bytes wanted behind the last one
 *
 * What is written may be shared with a page cache, a tap or another clone, so
 * a packet that is not plainly private is copied. Any context, no sleeping.
 *
 * Return: @skb itself, a copy, or NULL (and @skb untouched).
 */
struct sk_buff *vti_esp_own(struct sk_buff *skb, unsigned int headroom, unsigned int tailroom)
{
	struct sk_buff *copy;

	if (likely(!skb_cloned(skb) && !skb_is_nonlinear(skb) &&
		   skb_headroom(skb) >= headroom && skb_tailroom(skb) >= tailroom))
		return skb;

	copy = alloc_skb(NET_SKB_PAD + headroom + skb->len + tailroom, GFP_ATOMIC | __GFP_NOWARN);
	if (!copy)
		return NULL;
	skb_reserve(copy, NET_SKB_PAD + headroom);
	if (skb_copy_bits(skb, 0, skb_put(copy, skb->len), skb->len)) {
		kfree_skb(copy);
		return NULL;
	}
	copy->dev = skb->dev;
	copy->protocol = skb->protocol;
	copy->priority = skb->priority;
	copy->mark = skb->mark;
	copy->skb_iif = skb->skb_iif;
	copy->queue_mapping = skb->queue_mapping;
	copy->tstamp = skb->tstamp;
	vti_copy_tstamp_type(copy, skb);
	skb_copy_hash(copy, skb);
	memcpy(copy->cb, skb->cb, sizeof(copy->cb));
	skb_reset_network_header(copy);
	move_owner(copy, skb);
	consume_skb(skb);
	return copy;
}

/*
 * The additional data is the ESP header, with the upper half of an extended
 * number between SPI and lower half. Four bytes before the header are ours (the
 * end of an outer header, or headroom), so the whole lies in one piece with IV
 * and text, and the cipher takes its shortest path. What stood there is lost.
 */
static u8 *write_aad(const struct vti_sa *sa, u8 *esp, u64 seq)
{
	if (!sa->esn)
		return esp;
	esp -= 4;
	put_unaligned(sa->spi, (__be32 *)esp);
	put_unaligned_be32(seq >> 32, esp + 4);
	return esp;
}

static void encrypted(struct vti_sa *sa, struct sk_buff *skb)
{
	/* Where the upper half of the number stood for the cipher, the SPI goes back. */
	put_unaligned(sa->spi, (__be32 *)skb->data);
}

static void drop_reference(struct vti_sa *sa)
{
	if (sa->async)
		percpu_ref_put(&sa->ref);
}

static void encrypt_done(vti_completion_arg *arg, int err)
{
	struct request *req = vti_completion_data(arg);
	struct sk_buff *skb = req->skb;
	struct vti_sa *sa = req->sa;

	/* A backlogged request has started; it was never ours to backlog. */
	if (err == -EINPROGRESS)
		return;
	local_bh_disable();
	request_put(req);
	encrypted(sa, skb);
	vti_send_encrypted(sa, skb, err);
	drop_reference(sa);
	local_bh_enable();
}

static void decrypt_done(vti_completion_arg *arg, int err)
{
	struct request *req = vti_completion_data(arg);
	struct sk_buff *skb = req->skb;
	struct vti_sa *sa = req->sa;

	if (err == -EINPROGRESS)
		return;
	local_bh_disable();
	request_put(req);
	VTI_CB(skb)->err = err;
	VTI_CB(skb)->decrypted = true;
	vti_receive_decrypted(skb);
	drop_reference(sa);
	local_bh_enable();
}

static struct request *request_make(struct vti_sa *sa, struct sk_buff *skb, u8 *esp, u64 seq,
				    unsigned int text, crypto_completion_t done)
{
	unsigned int header = VTI_ESP_HEADER + (sa->esn ? 4 : 0) + sa->suite->iv;
	struct request *req = request_get();
	u8 *aad;

	if (unlikely(!req))
		return NULL;
	req->skb = skb;
	req->sa = sa;
	memcpy(req->iv, esp + VTI_ESP_HEADER, sa->suite->iv);
	aad = write_aad(sa, esp, seq);
	sg_set_buf(&req->sg, aad, skb_tail_pointer(skb) - aad);
	aead_request_set_tfm(&req->aead, sa->tfm);
	aead_request_set_callback(&req->aead, 0, done, req);
	aead_request_set_ad(&req->aead, header);
	aead_request_set_crypt(&req->aead, &req->sg, &req->sg, text, req->iv);
	/* Counted before the cipher sees it: the answer may come before it returns. */
	if (sa->async)
		percpu_ref_get(&sa->ref);
	return req;
}

/* Only -EINPROGRESS means that request and packet are no longer ours. */
static int request_finish(struct request *req, struct vti_sa *sa, int err)
{
	if (err == -EINPROGRESS)
		return err;
	request_put(req);
	drop_reference(sa);
	return err;
}

/**
 * vti_esp_encrypt() - from inner packet to ESP
 * @sa: outbound SA
 * @skb: inner packet, from vti_esp_own() with room for header and trailer
 * @seq: its sequence number, never used before
 * @next_header: IPPROTO_IPIP or IPPROTO_IPV6
 *
 * BH disabled, RCU held. Afterwards skb->data is the ESP header.
 *
 * Return: 0; -EINPROGRESS if vti_send_encrypted() will be called; another
 * error, with the packet still the caller's.
 */
int vti_esp_encrypt(struct vti_sa *sa, struct sk_buff *skb, u64 seq, u8 next_header)
{
	const struct vti_suite *suite = sa->suite;
	unsigned int text = ALIGN(skb->len + VTI_ESP_TRAILER, suite->align);
	unsigned int pad = text - VTI_ESP_TRAILER - skb->len, i;
	struct request *req;
	u8 *tail, *esp;
	int err;

	tail = __skb_put(skb, pad + VTI_ESP_TRAILER + suite->icv);
	for (i = 0; i < pad; i++)
		tail[i] = i + 1;
	tail[pad] = pad;
	tail[pad + 1] = next_header;

	esp = __skb_push(skb, VTI_ESP_HEADER + suite->iv);
	put_unaligned(sa->spi, (__be32 *)esp);
	put_unaligned_be32(seq, esp + 4);
	/* An AEAD asks for an IV unique for the key (RFC 4106 3.1), CBC for one nobody can tell. */
	if (vti_suite_paired(suite))
		get_random_bytes(esp + VTI_ESP_HEADER, suite->iv);
	else
		put_unaligned_be64(seq, esp + VTI_ESP_HEADER);

	req = request_make(sa, skb, esp, seq, text, encrypt_done);
	if (unlikely(!req))
		return -ENOMEM;
	err = request_finish(req, sa, crypto_aead_encrypt(&req->aead));
	if (likely(!err))
		encrypted(sa, skb);
	return err;
}

/**
 * vti_esp_decrypt() - check and decrypt
 * @sa: inbound SA
 * @skb: from vti_esp_own() with 4 bytes of headroom; skb->data is the ESP
 *	header, the length was checked, VTI_CB(skb)->seq is the full number
 *
 * BH disabled, RCU held. Sets VTI_CB(skb)->err unless it returns
 * -EINPROGRESS; then vti_receive_decrypted() will be called.
 */
int vti_esp_decrypt(struct vti_sa *sa, struct sk_buff *skb)
{
	unsigned int text = skb->len - VTI_ESP_HEADER - sa->suite->iv;
	struct request *req;
	int err;

	req = request_make(sa, skb, skb->data, VTI_CB(skb)->seq, text, decrypt_done);
	if (unlikely(!req)) {
		err = -ENOMEM;
	} else {
		err = request_finish(req, sa, crypto_aead_decrypt(&req->aead));
		if (err == -EINPROGRESS)
			return err;
	}
	VTI_CB(skb)->err = err;
	VTI_CB(skb)->decrypted = true;
	return err;
}

/**
 * vti_esp_trailer() - strip header and trailer
 * @sa: inbound SA
 * @skb: decrypted and authenticated, linear; skb->data is the ESP header
 * @next_header: what the trailer says
 *
 * Return: 0, or -EINVAL if the padding is not what RFC 4303 2.4 asks for.
 */
int vti_esp_trailer(const struct vti_sa *sa, struct sk_buff *skb, u8 *next_header)
{
	unsigned int header = VTI_ESP_HEADER + sa->suite->iv;
	unsigned int text = skb->len - header - sa->suite->icv, pad, i;
	const u8 *trailer = skb->data + header + text - VTI_ESP_TRAILER;

	pad = trailer[0];
	*next_header = trailer[1];
	if (pad + VTI_ESP_TRAILER > text)
		return -EINVAL;
	for (i = 0; i < pad; i++)
		if (trailer[(int)i - (int)pad] != i + 1)
			return -EINVAL;
	__skb_pull(skb, header);
	__skb_trim(skb, text - VTI_ESP_TRAILER - pad);
	return 0;
}

int __init vti_esp_init(void)
{
	BUILD_BUG_ON(sizeof(struct vti_cb) > sizeof_field(struct sk_buff, cb));
	requests = kmem_cache_create("ipsecvti_request", REQUEST_SIZE, 0, SLAB_HWCACHE_ALIGN,
				     NULL);
	return requests ? 0 : -ENOMEM;
}

void vti_esp_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		if (per_cpu(request_slot, cpu))
			request_free(per_cpu(request_slot, cpu));
	kmem_cache_destroy(requests);
}
