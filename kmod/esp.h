/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ESP transform (RFC 4303): suites, cipher requests, header and
 * trailer. It works in place, on packets whose memory is the caller's alone
 * and in one piece; see vti_esp_own().
 */
#ifndef _IPSECVTI_ESP_H
#define _IPSECVTI_ESP_H

#include <linux/skbuff.h>
#include <net/inet_ecn.h>

#include "sa.h"

/* SPI and the lower half of the sequence number. */
#define VTI_ESP_HEADER 8
/* Pad length and next header. */
#define VTI_ESP_TRAILER 2

/**
 * struct vti_suite - one row of the table of ESP transforms
 * @id: enum ipsecvti_suite
 * @name: as user space spells it
 * @cipher: the kernel's name of the AEAD, or of the cipher of a pair
 * @hash: a pair's HMAC; NULL for an AEAD
 * @key: bytes of the cipher's key
 * @extra: bytes behind it: the salt of an AEAD, the HMAC's key of a pair
 * @iv: bytes of the explicit IV
 * @icv: bytes of the ICV
 * @align: multiple that the ciphertext's length must have
 */
struct vti_suite {
	u32 id;
	const char *name;
	const char *cipher;
	const char *hash;
	u8 key;
	u8 extra;
	u8 iv;
	u8 icv;
	u8 align;
};

/**
 * struct vti_cb - what a packet carries in skb->cb while it is ours
 * @sa: whose packet it is
 * @seq: full sequence number
 * @tos: outer DSCP and ECN (of the other side when receiving)
 * @df: outer DF, 0 or IP_DF
 * @err: the cipher's result
 * @inner_len: bytes of the inner packet, when sending
 * @depth: tunnels in tunnels that the packet is in, when sending
 * @from: where it came from if that is not where ours go to, when receiving
 * @decrypted: @err is valid
 * @outbound: on a lane, an inner packet that waits to be sent
 */
struct vti_cb {
	struct vti_sa *sa;
	u64 seq;
	int err;
	union {
		struct {
			unsigned int inner_len;
			u8 depth;
		};
		struct vti_source from;
	};
	__be16 df;
	u8 tos;
	bool decrypted : 1;
	bool outbound : 1;
};

#define VTI_CB(skb) ((struct vti_cb *)(skb)->cb)

const struct vti_suite *vti_suite_find(u32 id);

struct crypto_aead *vti_esp_cipher(const struct vti_suite *suite, bool esn, const u8 *key,
				   struct netlink_ext_ack *extack);
struct sk_buff *vti_esp_own(struct sk_buff *skb, unsigned int headroom, unsigned int tailroom);
int vti_esp_encrypt(struct vti_sa *sa, struct sk_buff *skb, u64 seq, u8 next_header);
int vti_esp_decrypt(struct vti_sa *sa, struct sk_buff *skb);
int vti_esp_trailer(const struct vti_sa *sa, struct sk_buff *skb, u8 *next_header);

/**
 * vti_suite_paired() - a cipher and an HMAC, rather than an AEAD
 * @suite: suite
 */
static inline bool vti_suite_paired(const struct vti_suite *suite)
{
	return suite->hash;
}

/**
 * vti_esp_overhead() - bytes before and behind the padded plaintext
 * @suite: suite
 */
static inline unsigned int vti_esp_overhead(const struct vti_suite *suite)
{
	return VTI_ESP_HEADER + suite->iv + suite->icv;
}

/**
 * vti_esp_mtu() - the largest inner packet that fits
 * @suite: suite
 * @path: path MTU
 * @outer: bytes of the outer headers, UDP included
 *
 * Return: bytes, 0 if nothing fits.
 */
static inline unsigned int vti_esp_mtu(const struct vti_suite *suite, unsigned int path,
				       unsigned int outer)
{
	unsigned int room = outer + vti_esp_overhead(suite);

	if (path < room + suite->align)
		return 0;
	return ((path - room) & ~(suite->align - 1U)) - VTI_ESP_TRAILER;
}

int vti_esp_init(void);
void vti_esp_exit(void);

#endif
