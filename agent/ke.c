// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Elliptic curves, and the door to the MODP groups. ECP groups: RFC 5903, a
 * public value is x | y, the shared secret is x. Curve25519: RFC 8031.
 */
#include <errno.h>
#include <string.h>

#include <mbedtls/bignum.h>
#include <mbedtls/ecdh.h>
#include <mbedtls/ecp.h>

#include "crypto.h"
#include "ke.h"
#include "suite.h"

#define POINT_MAX	(1 + 2 * 66)
#define UNCOMPRESSED	4

/* What one operation needs, freed (and so wiped) together. */
struct ecp_job {
	mbedtls_ecp_group grp;
	mbedtls_ecp_point point;
	mbedtls_mpi d, z;
};

static const struct suite *row_of(uint16_t group)
{
	return suite_find(TRANSFORM_KE, group, 0);
}

static bool little_endian(const struct suite *row)
{
	return row->id == KE_CURVE25519;
}

bool ke_known(uint16_t group)
{
	const struct suite *row = row_of(group);

	return row && (row->mbed || ke_modp_known(group));
}

unsigned int ke_pub_len(uint16_t group)
{
	const struct suite *row = row_of(group);

	return row ? row->pub_len : 0;
}

static int job_init(struct ecp_job *j, const struct suite *row)
{
	mbedtls_ecp_group_init(&j->grp);
	mbedtls_ecp_point_init(&j->point);
	mbedtls_mpi_init(&j->d);
	mbedtls_mpi_init(&j->z);
	return mbedtls_ecp_group_load(&j->grp, (mbedtls_ecp_group_id)row->mbed) ? -EIO : 0;
}

static void job_free(struct ecp_job *j)
{
	mbedtls_mpi_free(&j->z);
	mbedtls_mpi_free(&j->d);
	mbedtls_ecp_point_free(&j->point);
	mbedtls_ecp_group_free(&j->grp);
}

/* The library's form of a point has one more byte in front on ECP groups. */
static int write_point(struct ecp_job *j, const struct suite *row, uint8_t *out)
{
	unsigned int head = little_endian(row) ? 0 : 1;
	uint8_t buf[POINT_MAX];
	size_t len;

	if (mbedtls_ecp_point_write_binary(&j->grp, &j->point, MBEDTLS_ECP_PF_UNCOMPRESSED, &len,
					   buf, sizeof(buf)) || len != head + row->pub_len)
		return -EIO;
	memcpy(out, view_sub(view(buf, len), head, row->pub_len).data, row->pub_len);
	return 0;
}

static int read_point(struct ecp_job *j, const struct suite *row, struct view peer)
{
	uint8_t buf[POINT_MAX];
	struct wr w = wr_init(buf, sizeof(buf));

	if (!little_endian(row))
		wr_u8(&w, UNCOMPRESSED);
	wr_view(&w, peer);
	/* On the curve, in range, not of small order on Curve25519 (RFC 6989 2.3, RFC 8031 3.2). */
	if (w.err || mbedtls_ecp_point_read_binary(&j->grp, &j->point, buf, w.len) ||
	    mbedtls_ecp_check_pubkey(&j->grp, &j->point))
		return -EBADMSG;
	return 0;
}

static int ecp_generate(struct ecp_job *j, const struct suite *row, struct ke *ke)
{
	if (mbedtls_ecp_gen_keypair(&j->grp, &j->d, &j->point, crypto_random_cb, NULL) ||
	    mbedtls_mpi_write_binary(&j->d, ke->priv, row->out_len) ||
	    write_point(j, row, ke->pub))
		return -EIO;
	ke->priv_len = row->out_len;
	ke->pub_len = row->pub_len;
	return 0;
}

int ke_generate(struct ke *ke, uint16_t group)
{
	const struct suite *row = row_of(group);
	struct ecp_job j;
	int err;

	ke_clear(ke);
	if (!row)
		return -ENOTSUP;
	ke->group = group;
	if (!row->mbed) {
		err = ke_modp_generate(ke);
	} else {
		err = job_init(&j, row);
		if (!err)
			err = ecp_generate(&j, row, ke);
		job_free(&j);
	}
	if (err)
		ke_clear(ke);
	return err;
}

static int ecp_derive(struct ecp_job *j, const struct suite *row, const struct ke *ke,
		      struct view peer, struct secret *out)
{
	static const uint8_t zero[SECRET_MAX];
	int err = read_point(j, row, peer);

	if (err)
		return err;
	if (mbedtls_mpi_read_binary(&j->d, ke->priv, ke->priv_len))
		return -EIO;
	/* The library refuses a result at infinity, which only the peer's value can cause. */
	if (mbedtls_ecdh_compute_shared(&j->grp, &j->z, &j->point, &j->d, crypto_random_cb, NULL))
		return -EBADMSG;
	if (little_endian(row) ? mbedtls_mpi_write_binary_le(&j->z, out->data, row->out_len) :
				 mbedtls_mpi_write_binary(&j->z, out->data, row->out_len))
		return -EIO;
	out->len = row->out_len;
	/* The peer's doing on Curve25519 (RFC 8031 3.2); ECP groups have a point with x = 0. */
	return little_endian(row) && secret_equal(out->data, zero, out->len) ? -EBADMSG : 0;
}

int ke_derive(const struct ke *ke, struct view peer, struct secret *out)
{
	const struct suite *row = row_of(ke->group);
	struct ecp_job j;
	int err;

	secret_clear(out);
	if (!row || !ke->priv_len)
		return -EIO;
	if (!row->mbed)
		return ke_modp_derive(ke, peer, out);
	if (ke->priv_len != row->out_len)
		return -EIO;
	if (peer.len != row->pub_len)
		return -EBADMSG;
	err = job_init(&j, row);
	if (!err)
		err = ecp_derive(&j, row, ke, peer, out);
	job_free(&j);
	if (err)
		secret_clear(out);
	return err;
}

void ke_clear(struct ke *ke)
{
	secret_wipe(ke, sizeof(*ke));
}
