// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Key exchange: published vectors, both sides of each group, and public values
 * that must be refused (RFC 6989).
 */
#include <errno.h>

#include "../crypto.h"
#include "../ke.h"
#include "tap.h"

static uint16_t groups[] = {
	KE_MODP_1024, KE_MODP_1536, KE_MODP_2048, KE_MODP_3072, KE_MODP_4096,
	KE_ECP_256, KE_ECP_384, KE_ECP_521, KE_CURVE25519,
};

#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

static const struct {
	const char *what;
	uint16_t group;
	const char *priv_i, *pub_i, *priv_r, *pub_r, *shared;
} ecp[] = {
	{ "RFC 5903 8.1", KE_ECP_256,
	  "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
	  "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180"
	  "5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
	  "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
	  "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"
	  "56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
	  "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de" },
	{ "RFC 5903 8.2", KE_ECP_384,
	  "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655"
	  "e35b538041e649ee3faef896783ab194",
	  "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6"
	  "de3ac808acb4bdb4c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f"
	  "65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
	  "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942"
	  "e0308312916b8ed2960e4bd55a7448fc",
	  "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d"
	  "0d1ac43a0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f"
	  "66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
	  "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4"
	  "d603135569b9e9d09cf5d4a270f59746" },
	{ "RFC 5903 8.3", KE_ECP_521,
	  "0037ade9319a89f4dabdb3ef411aaccca5123c61acab57b5393dce47608172a0"
	  "95aa85a30fe1c2952c6771d937ba9777f5957b2639bab072462f68c27a57382d"
	  "4a52",
	  "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbe"
	  "e1e3bf42e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176c"
	  "ed3e017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4"
	  "a10ad8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3"
	  "926f9582",
	  "0145ba99a847af43793fdd0e872e7cdfa16be30fdc780f97bccc3f078380201e"
	  "9c677d600b343757a3bdbf2a3163e4c2f869cca7458aa4a4effc311f5cb15168"
	  "5eb9",
	  "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a21"
	  "9b97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9"
	  "460f015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d985207"
	  "7b87220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd1"
	  "7f0fc56a",
	  "01144c7d79ae6956bc8edb8e7c787c4521cb086fa64407f97894e5e6b2d79b04"
	  "d1427e73ca4baa240a34786859810c06b3c715a3a8cc3151f2bee417996d19f3"
	  "ddea" },
	{ "RFC 5114 A.6", KE_ECP_256,
	  "814264145f2f56f2e96a8e337a1284993faf432a5abce59e867b7291d507a3af",
	  "2af502f3be8952f2c9b5a8d4160d09e97165be50bc42ae4a5e8d3b4ba83aeb15"
	  "eb0faf4ca986c4d38681a0f9872d79d56795bd4bff6e6de3c0f5015ece5efd85",
	  "2ce1788ec197e096db95a200cc0ab26a19ce6bccad562b8eee1b593761cf7f41",
	  "b120de4aa36492795346e8de6c2c8646ae06aaea279fa775b3ab0715f6ce51b0"
	  "9f1b7eece20d7b5ed8ec685fa3f071d83727027092a8411385c34dde5708b2b6",
	  "dd0f5396219d1ea393310412d19a08f1f5811e9dc8ec8eea7f80d21c820c2788" },
	{ "RFC 5114 A.7", KE_ECP_384,
	  "d27335ea71664af244dd14e9fd1260715dfd8a7965571c48d709ee7a7962a156"
	  "d706a90cbcb5df2986f05feadb9376f1",
	  "793148f1787634d5da4c6d9074417d05e057ab62f82054d10ee6b0403d627954"
	  "7e6a8ea9d1fd77427d016fe27a8b8c66c6c41294331d23e6f480f4fb4cd40504"
	  "c947392e94f4c3f06b8f398bb29e42368f7a685923de3b67baced214a1a1d128",
	  "52d1791fdb4b70f89c0f00d456c2f7023b6125262c36a7df1f80231121cce3d3"
	  "9be52e00c194a4132c4a6c768bcd94d2",
	  "5cd42ab9c41b5347f74b8d4efb708b3d5b36db65915359b44abc17647b6b9999"
	  "789d72a84865ae2f223f12b5a1abc120e171458feaa939aaa3a8bfac46b404bd"
	  "8f6d5b348c0fa4d80ceca16356ca933240bde8723415a8ece035b0edf36755de",
	  "5ea1fc4af7256d2055981b110575e0a8cae53160137d904c59d926eb1b8456e4"
	  "27aa8a4540884c37de159a58028abc0e" },
	{ "RFC 5114 A.8", KE_ECP_521,
	  "0113f82da825735e3d97276683b2b74277bad27335ea71664af2430cc4f33459"
	  "b9669ee78b3ffb9b8683015d344dcbfef6fb9af4c6c470be254516cd3c1a1fb4"
	  "7362",
	  "01ebb34dd75721abf8adc9dbed17889cbb9765d90a7c60f2cef007bb0f2b26e1"
	  "4881fd4442e689d61cb2dd046ee30e3ffd20f9a45bbdf6413d583a2dbf59924f"
	  "d35c00f6b632d194c0388e22d8437e558c552ae195adfd153f92d74908351b2f"
	  "8c4eda94edb0916d1b53c020b5eecaed1a5fc38a233e4830587bb2ee3489b3b4"
	  "2a5a86a4",
	  "00cee3480d8645a17d249f2776d28bae616952d1791fdb4b70f7c3378732aa1b"
	  "22928448bcd1dc2496d435b01048066ebe4f72903c361b1a9dc1193dc2c9d089"
	  "1b96",
	  "010ebfafc6e85e08d24bfffcc1a4511db0e634beeb1b6dec8c5939ae44766201"
	  "af6200430ba97c8ac6a0e9f08b33ce7e9feeb5ba4ee5e0d81510c24295b8a08d"
	  "023500a4a6ec300df9e257b0372b5e7abfef093436719a77887ebb0b18cf8099"
	  "b9f4212b6e30a1419c18e029d36863cc9d448f4dba4d2a0e60711be572915fbd"
	  "4fef2695",
	  "00cdea89621cfa46b132f9e4cfe2261cde2d4368eb5656634c7cc98c7a00cde5"
	  "4ed1866a0dd3e6126c9d2f845daff82ceb1da08f5d87521bb0ebeca77911169c"
	  "20cc" },
};

static void load(struct ke *ke, uint16_t group, const char *priv)
{
	memset(ke, 0, sizeof(*ke));
	ke->group = group;
	ke->priv_len = (uint16_t)unhex(ke->priv, sizeof(ke->priv), priv);
}

static void test_ecp(void)
{
	uint8_t pub[KE_PUB_MAX];
	struct secret s;
	struct ke ke;

	for (unsigned int i = 0; i < sizeof(ecp) / sizeof(ecp[0]); i++) {
		load(&ke, ecp[i].group, ecp[i].priv_i);
		ok(!ke_derive(&ke, view(pub, unhex(pub, sizeof(pub), ecp[i].pub_r)), &s),
		   "%s: initiator", ecp[i].what);
		is_bytes(s.data, s.len, ecp[i].shared, ecp[i].what);
		load(&ke, ecp[i].group, ecp[i].priv_r);
		ok(!ke_derive(&ke, view(pub, unhex(pub, sizeof(pub), ecp[i].pub_i)), &s),
		   "%s: responder", ecp[i].what);
		is_bytes(s.data, s.len, ecp[i].shared, ecp[i].what);
	}
}

/* RFC 7748 6.1. Its private keys are little-endian and not yet clamped; ours are numbers. */
static void load_x25519(struct ke *ke, const char *hex)
{
	uint8_t k[32];

	unhex(k, sizeof(k), hex);
	k[0] &= 248;
	k[31] = (k[31] & 127) | 64;
	memset(ke, 0, sizeof(*ke));
	ke->group = KE_CURVE25519;
	ke->priv_len = 32;
	for (unsigned int i = 0; i < 32; i++)
		ke->priv[i] = k[31 - i];
}

#define ALICE "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define BOB   "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
#define BOB_PUB	"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
#define ALICE_PUB "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define AB_SHARED "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"

/* Points of order 1, 2, 4, 8, and the same not reduced: all give zero (RFC 7748 6.1). */
static const char *const x25519_bad[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

static void test_x25519(void)
{
	uint8_t pub[33];
	struct secret s;
	struct ke ke;

	load_x25519(&ke, ALICE);
	unhex(pub, sizeof(pub), BOB_PUB);
	ok(!ke_derive(&ke, view(pub, 32), &s), "X25519: Alice");
	is_bytes(s.data, s.len, AB_SHARED, "RFC 7748 6.1");
	pub[31] |= 0x80;
	ok(!ke_derive(&ke, view(pub, 32), &s), "X25519: the top bit is ignored");
	is_bytes(s.data, s.len, AB_SHARED, "RFC 7748 5");
	load_x25519(&ke, BOB);
	unhex(pub, sizeof(pub), ALICE_PUB);
	ok(!ke_derive(&ke, view(pub, 32), &s), "X25519: Bob");
	is_bytes(s.data, s.len, AB_SHARED, "RFC 7748 6.1");
	for (unsigned int i = 0; i < sizeof(x25519_bad) / sizeof(x25519_bad[0]); i++) {
		unhex(pub, sizeof(pub), x25519_bad[i]);
		ok(ke_derive(&ke, view(pub, 32), &s) == -EBADMSG && !s.len,
		   "X25519: small order point %u is refused", i);
	}
}

/* RFC 7748 5.2: the result is the next scalar, the scalar the next point. */
static void test_x25519_often(void)
{
	uint8_t k[32] = { 9 }, u[32] = { 9 };
	unsigned int bad = 0;
	struct secret s;
	char hex[65];
	struct ke ke;

	for (unsigned int i = 1; i <= 1000; i++) {
		for (unsigned int j = 0; j < 32; j++)
			snprintf(hex + 2 * j, 3, "%02x", k[j]);
		load_x25519(&ke, hex);
		bad += ke_derive(&ke, view(u, 32), &s) != 0;
		memcpy(u, k, 32);
		memcpy(k, s.data, 32);
		if (i == 1)
			is_bytes(k, 32, "422c8e7a6227d7bca1350b3e2bb7279f"
				 "7897b87bb6854b783c60e80311ae3079", "RFC 7748 5.2, once");
	}
	is_bytes(k, 32, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51",
		 "RFC 7748 5.2, a thousand times");
	ok(!bad, "none of them refused");
}

/* SHA-256 of 3^x mod p, computed by Python from the formulas of RFC 2409 and 3526. */
static const struct {
	uint16_t group, priv_len;
	uint8_t base;
	const char *hash;
} modp[] = {
	{ KE_MODP_1024, 40, 3,
	  "ec4924a1bb77f32b689422fe67f25b289e6a9677d857bcd869bec32c49bdf069" },
	{ KE_MODP_1536, 40, 3,
	  "4f5e98b7566b4895413a1ab07057b7e0b8d60de549755762a91cdea33b1bf950" },
	{ KE_MODP_2048, 40, 3,
	  "3010b148777298255ef184bcfb5c8e9903092854afd04eb48ee5c57a6f380f3e" },
	/* The secret begins with a zero byte. */
	{ KE_MODP_2048, 40, 242,
	  "3a1b4677caa3df4ca3306602b6b5d7f724fc9535b0c28c8931a5cc8a610e2ac4" },
	{ KE_MODP_3072, 53, 3,
	  "43ba98c245e56e967e902b18170f65e4044db271df5d3ff2a09f18ae61403a06" },
	{ KE_MODP_4096, 60, 3,
	  "3af174fb4acc82abe8ca669e3cb59e65f14d48444355f496ba2b5c631d6e5cd0" },
};

static void test_modp(void)
{
	uint8_t pub[KE_PUB_MAX], hash[32];
	struct secret s;
	struct view v;
	struct ke ke;

	for (unsigned int i = 0; i < sizeof(modp) / sizeof(modp[0]); i++) {
		unsigned int len = ke_pub_len(modp[i].group);

		memset(&ke, 0, sizeof(ke));
		ke.group = modp[i].group;
		ke.priv_len = modp[i].priv_len;
		for (unsigned int j = 0; j < ke.priv_len; j++)
			ke.priv[j] = (uint8_t)(0x80 + j);
		memset(pub, 0, sizeof(pub));
		pub[len - 1] = modp[i].base;
		ok(!ke_derive(&ke, view(pub, len), &s) && s.len == len, "MODP %u: derived",
		   8 * len);
		v = view(s.data, s.len);
		crypto_sha256(&v, 1, hash);
		is_bytes(hash, 32, modp[i].hash, "as computed elsewhere");
		if (modp[i].base != 3)
			ok(!s.data[0], "a leading zero is kept (RFC 7296 2.14)");
	}
}

/* p - 1 and p of any MODP group end in these bytes, and begin as 2^n - 2^(n-64). */
static void test_modp_bad(uint16_t group, const struct ke *ke)
{
	unsigned int len = ke_pub_len(group);
	uint8_t pub[KE_PUB_MAX] = { 0 };
	struct secret s;

	ok(ke_derive(ke, view(pub, len), &s) == -EBADMSG, "MODP %u: 0 is refused", 8 * len);
	pub[len - 1] = 1;
	ok(ke_derive(ke, view(pub, len), &s) == -EBADMSG, "MODP %u: 1 is refused", 8 * len);
	pub[len - 1] = 2;
	ok(!ke_derive(ke, view(pub, len), &s), "MODP %u: 2 is taken", 8 * len);
	memset(pub, 0xff, sizeof(pub));
	ok(ke_derive(ke, view(pub, len), &s) == -EBADMSG, "MODP %u: above p is refused", 8 * len);
}

static void test_modp_p(void)
{
	static const char *const tail[] = { "fe", "ff", "fd" };
	static const int want[] = { -EBADMSG, -EBADMSG, 0 };
	uint8_t p[128];
	struct secret s;
	struct ke ke;

	ke_generate(&ke, KE_MODP_1024);
	unhex(p, sizeof(p),
	      "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
	      "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
	      "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
	      "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381ffffffffffffffff");
	for (unsigned int i = 0; i < 3; i++) {
		unhex(p + 127, 1, tail[i]);
		ok(ke_derive(&ke, view(p, 128), &s) == want[i], "MODP 1024: p - 1, p, p - 2 (%s)",
		   tail[i]);
	}
	ke_clear(&ke);
}

static void test_group(uint16_t group)
{
	unsigned int len = ke_pub_len(group);
	uint8_t pub[KE_PUB_MAX + 1] = { 0 };
	struct secret sa, sb;
	struct ke a, b, again;
	bool modp_group = ke_modp_known(group);

	ok(ke_known(group) && !ke_generate(&a, group) && !ke_generate(&b, group) &&
	   a.pub_len == len, "group %u: generated", group);
	ok(a.priv_len != b.priv_len || memcmp(a.priv, b.priv, a.priv_len), "group %u: twice",
	   group);
	/* The state is plain data: a copy goes on where the original was. */
	memcpy(&again, &a, sizeof(a));
	ke_clear(&a);
	ok(!ke_derive(&again, view(b.pub, b.pub_len), &sa) &&
	   !ke_derive(&b, view(again.pub, again.pub_len), &sb) && sa.len == sb.len && sa.len &&
	   !memcmp(sa.data, sb.data, sa.len), "group %u: both sides agree", group);
	ok(sa.len == suite_find(TRANSFORM_KE, group, 0)->out_len, "group %u: length", group);

	memcpy(pub, b.pub, len);
	ok(ke_derive(&again, view(pub, 0), &sa) == -EBADMSG &&
	   ke_derive(&again, view(pub, 1), &sa) == -EBADMSG &&
	   ke_derive(&again, view(pub, len - 1), &sa) == -EBADMSG &&
	   ke_derive(&again, view(pub, len + 1), &sa) == -EBADMSG && !sa.len,
	   "group %u: wrong lengths are refused", group);
	if (modp_group) {
		test_modp_bad(group, &again);
	} else if (group != KE_CURVE25519) {
		pub[len - 1] ^= 1;
		ok(ke_derive(&again, view(pub, len), &sa) == -EBADMSG,
		   "group %u: off the curve is refused", group);
		memset(pub, 0, len);
		ok(ke_derive(&again, view(pub, len), &sa) == -EBADMSG,
		   "group %u: (0, 0) is refused", group);
		memset(pub, 0xff, len);
		ok(ke_derive(&again, view(pub, len), &sa) == -EBADMSG,
		   "group %u: not reduced is refused", group);
	}
	ke_clear(&again);
	ke_clear(&b);
}

int main(void)
{
	struct secret s;
	struct ke ke;

	test_ecp();
	test_x25519();
	test_x25519_often();
	test_modp();
	test_modp_p();
	for (unsigned int i = 0; i < N_GROUPS; i++)
		test_group(groups[i]);
	ok(ke_generate(&ke, 99) == -ENOTSUP && !ke.group && !ke_known(99) && !ke_known(0),
	   "an unknown group is refused");
	ok(ke_derive(&ke, view("x", 1), &s) == -EIO, "an empty state derives nothing");
	return done();
}
