// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * MODP groups (RFC 7296 appendix B, RFC 3526): x is a short random exponent,
 * the public value 2^x mod p. All p are safe primes, so that a value strictly
 * between 1 and p - 1 is a good one (RFC 6989 2.1).
 */
#include <errno.h>
#include <string.h>

#include <mbedtls/bignum.h>
#include <mbedtls/dhm.h>

#include "crypto.h"
#include "ke.h"

/* Bits of the random factor that splits the exponent. */
#define SPLIT_BYTES	8

static const uint8_t modp1024[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x0f, 0xda, 0xa2, 0x21, 0x68,
	0xc2, 0x34, 0xc4, 0xc6, 0x62, 0x8b, 0x80, 0xdc, 0x1c, 0xd1, 0x29, 0x02, 0x4e, 0x08,
	0x8a, 0x67, 0xcc, 0x74, 0x02, 0x0b, 0xbe, 0xa6, 0x3b, 0x13, 0x9b, 0x22, 0x51, 0x4a,
	0x08, 0x79, 0x8e, 0x34, 0x04, 0xdd, 0xef, 0x95, 0x19, 0xb3, 0xcd, 0x3a, 0x43, 0x1b,
	0x30, 0x2b, 0x0a, 0x6d, 0xf2, 0x5f, 0x14, 0x37, 0x4f, 0xe1, 0x35, 0x6d, 0x6d, 0x51,
	0xc2, 0x45, 0xe4, 0x85, 0xb5, 0x76, 0x62, 0x5e, 0x7e, 0xc6, 0xf4, 0x4c, 0x42, 0xe9,
	0xa6, 0x37, 0xed, 0x6b, 0x0b, 0xff, 0x5c, 0xb6, 0xf4, 0x06, 0xb7, 0xed, 0xee, 0x38,
	0x6b, 0xfb, 0x5a, 0x89, 0x9f, 0xa5, 0xae, 0x9f, 0x24, 0x11, 0x7c, 0x4b, 0x1f, 0xe6,
	0x49, 0x28, 0x66, 0x51, 0xec, 0xe6, 0x53, 0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff,
};

static const uint8_t modp1536[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc9, 0x0f, 0xda, 0xa2, 0x21, 0x68,
	0xc2, 0x34, 0xc4, 0xc6, 0x62, 0x8b, 0x80, 0xdc, 0x1c, 0xd1, 0x29, 0x02, 0x4e, 0x08,
	0x8a, 0x67, 0xcc, 0x74, 0x02, 0x0b, 0xbe, 0xa6, 0x3b, 0x13, 0x9b, 0x22, 0x51, 0x4a,
	0x08, 0x79, 0x8e, 0x34, 0x04, 0xdd, 0xef, 0x95, 0x19, 0xb3, 0xcd, 0x3a, 0x43, 0x1b,
	0x30, 0x2b, 0x0a, 0x6d, 0xf2, 0x5f, 0x14, 0x37, 0x4f, 0xe1, 0x35, 0x6d, 0x6d, 0x51,
	0xc2, 0x45, 0xe4, 0x85, 0xb5, 0x76, 0x62, 0x5e, 0x7e, 0xc6, 0xf4, 0x4c, 0x42, 0xe9,
	0xa6, 0x37, 0xed, 0x6b, 0x0b, 0xff, 0x5c, 0xb6, 0xf4, 0x06, 0xb7, 0xed, 0xee, 0x38,
	0x6b, 0xfb, 0x5a, 0x89, 0x9f, 0xa5, 0xae, 0x9f, 0x24, 0x11, 0x7c, 0x4b, 0x1f, 0xe6,
	0x49, 0x28, 0x66, 0x51, 0xec, 0xe4, 0x5b, 0x3d, 0xc2, 0x00, 0x7c, 0xb8, 0xa1, 0x63,
	0xbf, 0x05, 0x98, 0xda, 0x48, 0x36, 0x1c, 0x55, 0xd3, 0x9a, 0x69, 0x16, 0x3f, 0xa8,
	0xfd, 0x24, 0xcf, 0x5f, 0x83, 0x65, 0x5d, 0x23, 0xdc, 0xa3, 0xad, 0x96, 0x1c, 0x62,
	0xf3, 0x56, 0x20, 0x85, 0x52, 0xbb, 0x9e, 0xd5, 0x29, 0x07, 0x70, 0x96, 0x96, 0x6d,
	0x67, 0x0c, 0x35, 0x4e, 0x4a, 0xbc, 0x98, 0x04, 0xf1, 0x74, 0x6c, 0x08, 0xca, 0x23,
	0x73, 0x27, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

static const uint8_t modp2048[] = MBEDTLS_DHM_RFC3526_MODP_2048_P_BIN;
static const uint8_t modp3072[] = MBEDTLS_DHM_RFC3526_MODP_3072_P_BIN;
static const uint8_t modp4096[] = MBEDTLS_DHM_RFC3526_MODP_4096_P_BIN;

/* x has at least twice the bits of the group's strength, by the higher estimate of RFC 3526 8. */
static const struct modp {
	uint16_t group;
	uint16_t priv_len;
	struct view p;
} groups[] = {
	{ KE_MODP_1024, 40, { modp1024, sizeof(modp1024) } },
	{ KE_MODP_1536, 40, { modp1536, sizeof(modp1536) } },
	{ KE_MODP_2048, 40, { modp2048, sizeof(modp2048) } },
	{ KE_MODP_3072, 53, { modp3072, sizeof(modp3072) } },
	{ KE_MODP_4096, 60, { modp4096, sizeof(modp4096) } },
};

static const struct modp *modp_find(uint16_t group)
{
	for (unsigned int i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (groups[i].group == group)
			return &groups[i];
	return NULL;
}

bool ke_modp_known(uint16_t group)
{
	return modp_find(group);
}

/* The numbers of one operation, freed (and so wiped) together. */
struct modp_job {
	mbedtls_mpi p, x, y, z;
	mbedtls_mpi rr;		/* mbedtls_mpi_exp_mod() keeps its constant of p here */
	mbedtls_mpi k, q, r;	/* x = q * k + r */
};

static void job_init(struct modp_job *j)
{
	mbedtls_mpi_init(&j->p);
	mbedtls_mpi_init(&j->x);
	mbedtls_mpi_init(&j->y);
	mbedtls_mpi_init(&j->z);
	mbedtls_mpi_init(&j->rr);
	mbedtls_mpi_init(&j->k);
	mbedtls_mpi_init(&j->q);
	mbedtls_mpi_init(&j->r);
}

static void job_free(struct modp_job *j)
{
	mbedtls_mpi_free(&j->p);
	mbedtls_mpi_free(&j->x);
	mbedtls_mpi_free(&j->y);
	mbedtls_mpi_free(&j->z);
	mbedtls_mpi_free(&j->rr);
	mbedtls_mpi_free(&j->k);
	mbedtls_mpi_free(&j->q);
	mbedtls_mpi_free(&j->r);
}

/*
 * z = y^x mod p. mbedtls_mpi_exp_mod() does not hide its exponent from who
 * measures time or caches, so it never gets x itself: with a random k,
 * y^x = (y^k)^(x div k) * y^(x mod k), for a fifth more work.
 */
static int power(struct modp_job *j)
{
	uint8_t k[SPLIT_BYTES];
	int err;

	crypto_random(k, sizeof(k));
	k[0] |= 0x80;
	err = mbedtls_mpi_read_binary(&j->k, k, sizeof(k));
	secret_wipe_object(k);
	if (!err)
		err = mbedtls_mpi_div_mpi(&j->q, &j->r, &j->x, &j->k);
	if (!err)
		err = mbedtls_mpi_exp_mod(&j->z, &j->y, &j->k, &j->p, &j->rr);
	if (!err)
		err = mbedtls_mpi_exp_mod(&j->z, &j->z, &j->q, &j->p, &j->rr);
	if (!err)
		err = mbedtls_mpi_exp_mod(&j->y, &j->y, &j->r, &j->p, &j->rr);
	if (!err)
		err = mbedtls_mpi_mul_mpi(&j->z, &j->z, &j->y);
	if (!err)
		err = mbedtls_mpi_mod_mpi(&j->z, &j->z, &j->p);
	return err;
}

static int generate(struct modp_job *j, const struct modp *m, struct ke *ke)
{
	crypto_random(ke->priv, m->priv_len);
	/* The top bit keeps x div k from being short. */
	ke->priv[0] |= 0x80;
	ke->priv_len = m->priv_len;
	ke->pub_len = (uint16_t)m->p.len;
	if (mbedtls_mpi_read_binary(&j->p, m->p.data, m->p.len) ||
	    mbedtls_mpi_read_binary(&j->x, ke->priv, ke->priv_len) ||
	    mbedtls_mpi_lset(&j->y, 2) || power(j))
		return -EIO;
	return mbedtls_mpi_write_binary(&j->z, ke->pub, ke->pub_len) ? -EIO : 0;
}

int ke_modp_generate(struct ke *ke)
{
	const struct modp *m = modp_find(ke->group);
	struct modp_job j;
	int err;

	if (!m)
		return -ENOTSUP;
	job_init(&j);
	err = generate(&j, m, ke);
	job_free(&j);
	return err;
}

/* 1 < y < p - 1; z serves as the bound. */
static int check_peer(struct modp_job *j)
{
	if (mbedtls_mpi_sub_int(&j->z, &j->p, 1))
		return -EIO;
	if (mbedtls_mpi_cmp_int(&j->y, 1) <= 0 || mbedtls_mpi_cmp_mpi(&j->y, &j->z) >= 0)
		return -EBADMSG;
	return 0;
}

static int derive(struct modp_job *j, const struct modp *m, const struct ke *ke, struct view peer,
		  struct secret *out)
{
	int err;

	if (mbedtls_mpi_read_binary(&j->p, m->p.data, m->p.len) ||
	    mbedtls_mpi_read_binary(&j->x, ke->priv, ke->priv_len) ||
	    mbedtls_mpi_read_binary(&j->y, peer.data, peer.len))
		return -EIO;
	err = check_peer(j);
	if (err)
		return err;
	/* Written with leading zeros to the length of p (RFC 7296 2.14). */
	if (power(j) || mbedtls_mpi_write_binary(&j->z, out->data, m->p.len))
		return -EIO;
	out->len = (uint16_t)m->p.len;
	return 0;
}

int ke_modp_derive(const struct ke *ke, struct view peer, struct secret *out)
{
	const struct modp *m = modp_find(ke->group);
	struct modp_job j;
	int err;

	if (!m || ke->priv_len != m->priv_len)
		return -EIO;
	if (peer.len != m->p.len)
		return -EBADMSG;
	job_init(&j);
	err = derive(&j, m, ke, peer, out);
	job_free(&j);
	if (err)
		secret_clear(out);
	return err;
}
