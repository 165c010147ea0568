// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Key derivation against NIST's IKEv2 samples (ACVP and CAVS), and Python's
 * hmac where there are none.
 */
#include <errno.h>

#include "../kdf.h"
#include "tap.h"

#define MAX 256

struct nist {
	const char *what;
	uint16_t prf;
	const char *ni, *nr, *gir, *gir_new, *spis;
	const char *seed, *dkm, *child, *child_dh, *seed_rekey;
};

static const struct nist nist[] = {
	{
		.what = "SHA-1", .prf = PRF_HMAC_SHA1,
		.ni = "32b50d5f4a3763f3", .nr = "9206a04b26564cb1",
		.gir = "4b2c1f971981a8ad8d0abeafabf38cf75fc8349c148142465ed9c8b516b8be52",
		.gir_new = "863f3c9d06efd39d2b907b97f8699e5dd5251ef64a2a176f36ee40c87d4f9330",
		.spis = "34c9e7c188868785 3ff77d760d2b2199",
		.seed = "a9a7b222b59f8f48645f28a1db5b5f5d7479cba7",
		.dkm = "a14293677cc80ff8f9cc0eee30d895da9d8f405666e30ef0dfcb63c634a46002"
		       "a2a63080e514a062768b76606f9fa5e992204fc5a670bde3f10d6b027113936a"
		       "5c55b648a194ae587b0088d52204b702c979fa280870d2ed41efa9c549fd1119"
		       "8af1670b143d384bd275c5f594cf266b05ebadca855e4249520a441a81157435"
		       "a7a56cc4",
		.child = "8059e3ee8810e6c3a91bc8bcd2a7a41151b8d0e6ae239c7b38093ad85ef4c581"
			 "1a8e7b5d1cdabd9560b2d5e092d1f24e2d4b85eccdf0ad0dc9abd94b51ee7181"
			 "4ca6dbc8bb51b630",
		.child_dh = "bb43244c1860ad65ee1e211ffe8bb3661750c8f89cb9f547df7f4fa61d373016"
			    "28190e38c66232eab4b3ab14c400a5197dd3730ed4820a8a10394d51e1c04000"
			    "52f63ebd36b0e7ef",
		.seed_rekey = "63e81194946ebd05df7df5ebf5d8750056bf1f1d",
	}, {
		.what = "SHA-256", .prf = PRF_HMAC_SHA2_256,
		.ni = "3f302be1abcb28e1", .nr = "8c332ee006064c9b",
		.gir = "0f4d257d7a58fc4545c7d7a88119eee5d5c9690c5b4c989171d3abbfd99d1d29",
		.gir_new = "25f3b12d6f282739256e39bf54eda53b60ffcf379bb7bcc90c27b4c4c578616c",
		.spis = "40dac39e1e1a8640 8619a1cf9a6e4c07",
		.seed = "5f00d1bd2c58ec224b1e6b71fa0f19a1faa7a193952c444411b47c1a9d8ba6fe",
		.dkm = "0b137d669b0947d7d026d593f0305ad401ff0c471357d695778a9c7f4b4869ec"
		       "e98aca531188d16041b3bb936d2dbb3b4993a6e768a809160de45d0283f273a6"
		       "cdf6854379e31be72b8d3d1fa990cf9c5b015ca9f918a7df6253c958114a09d4"
		       "e1c19bdcd4db14b29d98db1a74ad405c588662c14a04d0d36aa4ab55e90f8986"
		       "d12d4aad",
		.seed_rekey = "2d63f6debc92048b4fef3889c4c99ca67d6496e0fac14a2bca9a2d6566ff2398",
	}, {
		.what = "SHA-384", .prf = PRF_HMAC_SHA2_384,
		.ni = "fd1b572a8e735591", .nr = "6013b0ef88dacd3d",
		.gir = "d3288cd87565101e88fe3bad918f31939d8dd26ff1071f8b2d7f447524e58d7c",
		.gir_new = "3358f620539473aee8d07e779764c4c6a9aabddc79a28e136b3bac021dbde44a",
		.spis = "2116ad07ce61f749 24880e55f11a65b7",
		.seed = "69fe7a1ac94adaeb711295f5fe004b1a8d6a0b65d05692758ce8ad2f7a45f59d"
			"7d0b596f51f7dfcf3330061888f6a94f",
		.dkm = "4f904c2025c90c817ea5ff9b662a6fdb445a73b57cdf09eacd379b95e1f03cac"
		       "b04cd6deeda4f952191dd9bc1f7a9502471a648d74dc06d38112de48a42501f6"
		       "b1a3ad55c2099cd9a648e5f17e5bf3e34bf9b5953decb768a34f875fe2b78dca"
		       "0c2fcca81ec1a412006dfaed38fa06882e61f4c148105fb8e231fdb33c4d484c"
		       "001721d4",
		.seed_rekey = "e0548c1682e13bce454026b3b1bdf42985b24e4e7408095a7c529de38c3d1fcb"
			      "04c9fe6868042a34c9614c6c99e3fcea",
	}, {
		.what = "SHA-512, by Python", .prf = PRF_HMAC_SHA2_512,
		.ni = "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f",
		.nr = "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
		.gir = "030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc",
		.gir_new = "05101b26313c47525d68737e89949faab5c0cbd6e1ecf7020d18232e39444f5a",
		.spis = "0011223344556677 8899aabbccddeeff",
		.seed = "a3d231247183f01e7e7aefadbc4b332566f05133125ecd58e8d4f1dead4d5483"
			"cd363aeaad034c41525bf91787124c24652e5bdbdc6f73b24c7519e1c7751d70",
		.dkm = "96cfadfd39118305b3ea4653542c71fc61ddc8bf16d10af3d400cc2f45c7b7c1"
		       "f554de3316ad8c301885c168ada77a69cddc46f8c16f1ca020ebd0bbfac302b6"
		       "570dc3cd080b56312dab2fb1af545a566a4cdb2ade7906947883342cc6571e27"
		       "b492eb968a4c282b74d0a72b70661e6dbcba8abaaeec8a6491a5633957f02bbf"
		       "61f4a817",
		.child = "4b762461de6002fac84209ed0ccace10e37f1f575e12053e7e5266a88acd4745"
			 "e091822092ac50e5a10177e0dd5328a211bf5736b28dddb8ccc9e3eb943d1ddf"
			 "e0d251ddd3ff1067",
		.child_dh = "05a4a36516801a75983712f3acd724835243e362d000d336cfd8f1f2f51e74cc"
			    "c9d53542480fa61d95e7d742c9392190c82cc012d522892f3f924a9cfe52f122"
			    "d3e31141578002b6",
		.seed_rekey = "14abd857b64aaa2db18f1cc4a9cb57c8278ec2f296a796e065a0aeb3d369d981"
			      "6bed90a47f3cfcbed85856954f7912bc2b83a94479b4a5e1cf8e1d6d57048d36",
	},
};

static struct view bytes(uint8_t *out, const char *hex)
{
	return view(out, unhex(out, MAX, hex));
}

/* Appends, so that the order of keys is compared with DKM in one piece. */
static void put(struct wr *w, const uint8_t *p, size_t len)
{
	wr_bytes(w, p, len);
}

static void test_ike(const struct nist *v, const struct chosen *c, size_t dkm_len)
{
	uint8_t a[MAX], b[MAX], d[MAX], seed[MAX], all[2 * MAX], want[MAX];
	struct wr w = wr_init(all, sizeof(all));
	struct rd spis;
	struct ike_keys k;
	uint64_t spi_i, spi_r;
	struct view s;

	s = bytes(seed, v->seed);
	bytes(d, v->spis);
	spis = rd_init(d, 16);
	spi_i = rd_u64(&spis);
	spi_r = rd_u64(&spis);
	ok(!kdf_ike(c, s, bytes(a, v->ni), bytes(b, v->nr), spi_i, spi_r, &k), "%s: IKE keys",
	   v->what);
	put(&w, k.d, k.prf_len);
	put(&w, k.i.a, k.i.a_len);
	put(&w, k.r.a, k.r.a_len);
	put(&w, k.i.e, k.i.e_len);
	put(&w, k.r.e, k.r.e_len);
	put(&w, k.pi, k.prf_len);
	put(&w, k.pr, k.prf_len);
	unhex(want, sizeof(want), v->dkm);
	if (dkm_len > w.len)
		dkm_len = w.len;
	ok(dkm_len >= 100 && !memcmp(all, want, dkm_len), "%s: in the order of RFC 7296 2.14",
	   v->what);
}

static void test_child(const struct nist *v, const struct ike_keys *ike, struct view gir,
		       const char *want)
{
	struct chosen c = { .encr = { TRANSFORM_ENCR, ENCR_AES_GCM_16, 256 } };
	uint8_t ni[MAX], nr[MAX], all[MAX];
	struct wr w = wr_init(all, sizeof(all));
	struct child_keys k;

	ok(!kdf_child(ike, &c, gir, bytes(ni, v->ni), bytes(nr, v->nr), &k) && k.len == 36,
	   "%s: child keys%s", v->what, gir.len ? " with a key exchange" : "");
	put(&w, k.i, k.len);
	put(&w, k.r, k.len);
	is_bytes(all, w.len, want, "key and salt of the initiator, then of the responder");
}

static void test_nist(const struct nist *v)
{
	static const struct chosen shapes[] = {
		{ .encr = { TRANSFORM_ENCR, ENCR_AES_GCM_16, 128 } },
		{ .encr = { TRANSFORM_ENCR, ENCR_AES_CBC, 128 },
		  .integ = { TRANSFORM_INTEG, INTEG_HMAC_SHA2_256_128, 0 } },
	};
	uint8_t a[MAX], b[MAX], g[MAX], out[MAX], parts_buf[MAX];
	struct ike_keys old = { .prf = v->prf, .prf_len = (uint8_t)kdf_prf_len(v->prf) };
	struct view ni = bytes(a, v->ni), nr = bytes(b, v->nr);
	struct view parts[] = { ni, nr, { 0 } };
	size_t dkm_len = strlen(v->dkm) / 2;

	kdf_skeyseed(v->prf, ni, nr, bytes(g, v->gir), out);
	is_bytes(out, old.prf_len, v->seed, "SKEYSEED");
	parts[2] = bytes(parts_buf, v->spis);
	kdf_prf_plus(v->prf, view(out, old.prf_len), parts, 3, out + 64, dkm_len);
	is_bytes(out + 64, dkm_len, v->dkm, "DKM by prf+");
	memcpy(old.d, out + 64, old.prf_len);

	for (unsigned int i = 0; i < 2; i++) {
		struct chosen c = shapes[i];

		c.prf = (struct transform){ TRANSFORM_PRF, v->prf, 0 };
		test_ike(v, &c, dkm_len);
	}
	kdf_skeyseed_rekey(&old, bytes(g, v->gir_new), ni, nr, out);
	is_bytes(out, old.prf_len, v->seed_rekey, "SKEYSEED after a rekey");
	if (v->child) {
		test_child(v, &old, view(NULL, 0), v->child);
		test_child(v, &old, bytes(g, v->gir_new), v->child_dh);
	}
}

static void test_auth(void)
{
	struct ident id = { .type = 2, .len = 14 };
	struct ike_keys k = { .prf = PRF_HMAC_SHA2_256, .prf_len = 32 };
	uint8_t mac[HASH_MAX], other[HASH_MAX];

	kdf_psk_auth(PRF_HMAC_SHA2_256, view("secret", 6), view("octets to sign", 14), mac);
	is_bytes(mac, 32, "2529621d91beb202ebaa47ec463f0970473561ad50e27c90bf045b405709aeac",
		 "AUTH by PSK, SHA-256");
	kdf_psk_auth(PRF_HMAC_SHA2_512, view("secret", 6), view("octets to sign", 14), mac);
	is_bytes(mac, 64, "f793e587129f0ab4483b33c5f8845a1b3d8e7237abc96d86c20e6c22a8bc49dd"
		 "156d1e4e9586af51afa99ebf9febdf90126d10b1a02faeaf7771d620dd9b145b",
		 "AUTH by PSK, SHA-512");

	memcpy(id.data, "gw.example.org", 14);
	for (unsigned int i = 0; i < 32; i++)
		k.pi[i] = (uint8_t)i;
	kdf_mac_id(&k, true, &id, mac);
	is_bytes(mac, 32, "2da69d8ce910cd33d4332afa4cb54db2105fc77f458453713543915da19faefd",
		 "MAC of the initiator's identity");
	kdf_mac_id(&k, false, &id, other);
	ok(memcmp(mac, other, 32), "the responder's has another key");
}

static void test_limits(void)
{
	static uint8_t big[255 * 32 + 1];
	uint8_t out[HASH_MAX], nonce[300] = { 0 };
	struct chosen c = { .encr = { TRANSFORM_ENCR, ENCR_AES_CBC, 128 },
			    .prf = { TRANSFORM_PRF, PRF_HMAC_SHA2_256, 0 } };
	struct view v = view("x", 1);
	struct ike_keys k;

	ok(!kdf_prf_plus(PRF_HMAC_SHA2_256, v, &v, 1, big, sizeof(big) - 1),
	   "255 blocks of prf+ are had");
	ok(kdf_prf_plus(PRF_HMAC_SHA2_256, v, &v, 1, big, sizeof(big)) == -EINVAL,
	   "one more is refused");
	ok(kdf_prf(99, v, &v, 1, out) == -EINVAL && !kdf_prf_len(99), "an unknown PRF is refused");
	ok(kdf_skeyseed(PRF_HMAC_SHA2_256, view(nonce, 300), view(nonce, 300), v, out) == -EINVAL,
	   "nonces that are too long are refused");
	ok(kdf_ike(&c, v, v, v, 1, 2, &k) == -EINVAL, "a cipher without integrity is refused");
}

int main(void)
{
	for (unsigned int i = 0; i < sizeof(nist) / sizeof(nist[0]); i++)
		test_nist(&nist[i]);
	test_auth();
	test_limits();
	return done();
}
