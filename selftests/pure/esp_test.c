// SPDX-License-Identifier: GPL-2.0
/*
 * The ESP transform and its arithmetic: published vectors, every length and
 * alignment, every wrong trailer, and that a packet whose memory is not ours
 * alone is left as it was. The cipher behind the kernel's interface is mbedTLS.
 *
 *	esp_test VECTORS	../vectors.txt
 */
#include "cipher.h"
#include "esp.h"
#include "tap.h"

/* The kernel's interface */

static int answer_later;		/* the next requests are answered by finish_late() */
static struct aead_request *late;
static int late_result;
static struct kmem_cache cache;
static int freed_uncharged;

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align, int flags, void *ctor)
{
	cache.size = size;
	return &cache;
}

void *kmem_cache_alloc(struct kmem_cache *from, int flags)
{
	from->objects++;
	return malloc(from->size);
}

void kmem_cache_free(struct kmem_cache *to, void *object)
{
	to->objects--;
	free(object);
}

void kmem_cache_destroy(struct kmem_cache *gone)
{
}

struct sk_buff *alloc_skb(unsigned int size, int flags)
{
	struct sk_buff *skb = calloc(1, sizeof(*skb));

	skb->head = malloc(size);
	memset(skb->head, 0xee, size);
	skb->data = skb->head;
	skb->tail = skb->head;
	skb->end = skb->head + size;
	skb->truesize = size + 256;
	return skb;
}

void kfree_skb(struct sk_buff *skb)
{
	if (skb->destructor)
		skb->destructor(skb);
	free(skb->head);
	free(skb);
}

void sock_wfree(struct sk_buff *skb)
{
	skb->sk->charged -= skb->truesize;
}

static void some_destructor(struct sk_buff *skb)
{
	freed_uncharged++;
}

const u8 *shim_iv;

void get_random_bytes(void *to, size_t n)
{
	if (shim_iv)
		memcpy(to, shim_iv, n);
	else
		memset(to, 0x5a, n);
}

static int maybe_later(struct aead_request *req, int result)
{
	if (!answer_later)
		return result;
	late = req;
	late_result = result;
	return -EINPROGRESS;
}

int crypto_aead_encrypt(struct aead_request *req)
{
	return maybe_later(req, cipher_crypt(req, true));
}

int crypto_aead_decrypt(struct aead_request *req)
{
	return maybe_later(req, cipher_crypt(req, false));
}

static struct sk_buff *sent_late, *received_late;
static int sent_error;

void vti_send_encrypted(struct vti_sa *sa, struct sk_buff *skb, int err)
{
	sent_late = skb;
	sent_error = err;
}

void vti_receive_decrypted(struct sk_buff *skb)
{
	received_late = skb;
}

/* What the tests share */

static u8 *hex(const char *text, size_t *len)
{
	size_t n = strlen(text) / 2, i;
	u8 *bytes = malloc(n + 1);

	for (i = 0; i < n; i++)
		sscanf(text + 2 * i, "%2hhx", &bytes[i]);
	*len = n;
	return bytes;
}

static void open_sa(struct vti_sa *sa, u32 suite, u32 spi, bool esn, const u8 *key)
{
	memset(sa, 0, sizeof(*sa));
	sa->suite = vti_suite_find(suite);
	sa->spi = __builtin_bswap32(spi);
	sa->esn = esn;
	sa->tfm = vti_esp_cipher(sa->suite, esn, key, NULL);
	if (IS_ERR(sa->tfm))
		abort();
}

/* A packet in memory of exactly this size. */
static struct sk_buff *packet(unsigned int headroom, const u8 *data, unsigned int len, unsigned int tailroom)
{
	struct sk_buff *skb = alloc_skb(headroom + len + tailroom, 0);

	skb_reserve(skb, headroom);
	memcpy(skb_put(skb, len), data, len);
	return skb;
}

/* The file of vectors: a word and hex, which may go on in indented lines. */

struct bytes {
	u8 *data;
	size_t len;
};

struct vector {
	char name[128], suite[128];
	struct bytes number, key, text, esp;
};

static struct bytes *vector_part(struct vector *vector, const char *word)
{
	return !strcmp(word, "number") ? &vector->number : !strcmp(word, "key") ? &vector->key :
	       !strcmp(word, "text") ? &vector->text : !strcmp(word, "esp") ? &vector->esp : NULL;
}

static void vector_append(struct bytes *to, const char *text)
{
	size_t n;
	u8 *bytes = hex(text, &n);

	to->data = realloc(to->data, to->len + n);
	memcpy(to->data + to->len, bytes, n);
	to->len += n;
	free(bytes);
}

/* Returns false at the end. */
static bool vector_read(FILE *file, struct vector *vector)
{
	char line[256], word[16], value[128];
	struct bytes *part = NULL;

	memset(vector, 0, sizeof(*vector));
	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '\n' && vector->name[0])
			return true;
		if (line[0] == '\n' || line[0] == '#')
			continue;
		if (line[0] != ' ') {
			if (sscanf(line, "%15s %127s", word, value) != 2)
				abort();
			part = vector_part(vector, word);
			if (!strcmp(word, "vector"))
				strscpy(vector->name, value, sizeof(vector->name));
			else if (!strcmp(word, "suite"))
				strscpy(vector->suite, value, sizeof(vector->suite));
			else if (!part)
				abort();
		} else if (sscanf(line, "%127s", value) != 1 || !part) {
			abort();
		}
		if (part)
			vector_append(part, value);
	}
	return vector->name[0];
}

static const struct vti_suite *suite_named(const char *name)
{
	const struct vti_suite *suite;
	u32 id;

	for (id = 1; id < 64; id++) {
		suite = vti_suite_find(id);
		if (suite && !strcmp(suite->name, name))
			return suite;
	}
	return NULL;
}

static void test_vector(const struct vector *v)
{
	const struct vti_suite *suite = suite_named(v->suite);
	bool esn = v->number.len == 8, good;
	unsigned int pad = v->text.data[v->text.len - 2], accepted = 0, i;
	unsigned int inner_len = v->text.len - VTI_ESP_TRAILER - pad;
	u8 wanted = v->text.data[v->text.len - 1], next_header = ~wanted;
	struct sk_buff *skb;
	struct vti_sa sa;
	u64 seq = 0;
	u32 spi;

	memcpy(&spi, v->esp.data, 4);
	for (i = 0; i < v->number.len; i++)
		seq = seq << 8 | v->number.data[i];
	if (v->key.len != suite->key + suite->extra ||
	    v->esp.len != vti_esp_overhead(suite) + v->text.len)
		abort();
	open_sa(&sa, suite->id, __builtin_bswap32(spi), esn, v->key.data);

	shim_iv = v->esp.data + VTI_ESP_HEADER;
	skb = packet(VTI_ESP_HEADER + suite->iv + 4, v->text.data, inner_len,
		     v->text.len - inner_len + suite->icv);
	good = !vti_esp_encrypt(&sa, skb, seq, wanted) && skb->len == v->esp.len &&
	       !memcmp(skb->data, v->esp.data, v->esp.len);
	tap(good, "%s, %s: encrypted, byte for byte", v->name, v->suite);
	kfree_skb(skb);
	shim_iv = NULL;

	skb = packet(4, v->esp.data, v->esp.len, 0);
	VTI_CB(skb)->seq = seq;
	good = !vti_esp_decrypt(&sa, skb) && VTI_CB(skb)->decrypted && !VTI_CB(skb)->err &&
	       !vti_esp_trailer(&sa, skb, &next_header);
	tap(good && next_header == wanted && skb->len == inner_len &&
	    !memcmp(skb->data, v->text.data, inner_len), "%s, %s: decrypted", v->name, v->suite);
	kfree_skb(skb);

	/* The number is not read from the packet: the SA's idea of it is what is authenticated. */
	for (i = 0; i < (v->esp.len - VTI_ESP_HEADER) * 8 + v->number.len * 8; i++) {
		skb = packet(4, v->esp.data, v->esp.len, 0);
		VTI_CB(skb)->seq = seq;
		if (i < v->number.len * 8) {
			VTI_CB(skb)->seq ^= BIT_ULL(i);
			put_unaligned_be32(VTI_CB(skb)->seq, skb->data + 4);
		} else {
			skb->data[VTI_ESP_HEADER + i / 8 - v->number.len] ^= 1 << i % 8;
		}
		accepted += vti_esp_decrypt(&sa, skb) != -EBADMSG || VTI_CB(skb)->err != -EBADMSG;
		kfree_skb(skb);
	}
	tap(!accepted, "%s, %s: each of %u bits is authenticated", v->name, v->suite, i);
	crypto_free_aead(sa.tfm);
}

static void test_vectors(const char *name)
{
	FILE *file = fopen(name, "r");
	struct vector v;
	unsigned int n = 0, known = 0;
	bool seen[64] = { false };
	u32 id;

	while (file && vector_read(file, &v)) {
		if (suite_named(v.suite)) {
			test_vector(&v);
			seen[suite_named(v.suite)->id] = true;
			n++;
		} else {
			printf("# %s: %s is not built\n", v.name, v.suite);
		}
		free(v.number.data);
		free(v.key.data);
		free(v.text.data);
		free(v.esp.data);
	}
	for (id = 0; id < ARRAY_SIZE(seen); id++)
		known += !vti_suite_find(id) != seen[id];
	tap(n && known == ARRAY_SIZE(seen), "%u vectors, at least one for each suite", n);
	if (file)
		fclose(file);
}

/* What the vectors of pairs stand on: RFC 3602 section 4 cases 1 to 4. */
static const struct {
	const char *key, *iv, *text, *cipher;
} cbc_vectors[] = {
	{ "06a9214036b8a15b512e03d534120006", "3dafba429d9eb430b422da802c9fac41",
	  "53696e676c6520626c6f636b206d7367", "e353779c1079aeb82708942dbe77181a" },
	{ "c286696d887c9aa0611bbb3e2025a45a", "562e17996d093d28ddb3ba695a2e6f58",
	  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	  "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1" },
	{ "6c3ea0477630ce21a2ce334aa746c2cd", "c782dc4c098c66cbd9cd27d825682c81",
	  "5468697320697320612034382d62797465206d657373616765202865786163746c7920332041455320626c6f"
	  "636b7329",
	  "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5021c19216bad525c8579695d"
	  "83ba2684" },
	{ "56e47a38c5598974bc46903dba290349", "8ce82eefbea0da3c44699ed7db51b7d9",
	  "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacb"
	  "cccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
	  "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b2"
	  "9d3d46ad83ce9f9a102ee99d49a53e87f4c3da55" },
};

/*
 * HMAC: RFC 2202 section 3 for SHA-1, RFC 4868 section 2.7.2 for the others, with keys as long as
 * ESP's. A key is a text so many times; the ICV is as long as RFC 2404 and RFC 4868 2.3 have it.
 */
static const struct {
	const char *source, *hash, *key;
	unsigned int times;
	const char *data, *mac;
	unsigned int icv;
} hmac_vectors[] = {
	{ "RFC 2202 case 1", "sha1", "0b", 20, "4869205468657265",
	  "b617318655057264e28bc0b6fb378c8ef146be00", 12 },
	{ "RFC 2202 case 2", "sha1", "4a656665", 1,
	  "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	  "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", 12 },
	{ "RFC 2202 case 5", "sha1", "0c", 20, "546573742057697468205472756e636174696f6e",
	  "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04", 12 },
	{ "RFC 4868 AUTH256-1", "sha256", "0b", 32, "4869205468657265",
	  "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7", 16 },
	{ "RFC 4868 AUTH256-2", "sha256", "4a656665", 8,
	  "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	  "167f928588c5cc2eef8e3093caa0e87c9ff566a14794aa61648d81621a2a40c6", 16 },
	{ "RFC 4868 AUTH384-1", "sha384", "0b", 48, "4869205468657265",
	  "b6a8d5636f5c6a7224f9977dcf7ee6c7fb6d0c48cbdee9737a959796489bddbc4c5df61d5b3297b4fb68dab9"
	  "f1b582c2", 24 },
	{ "RFC 4868 AUTH384-2", "sha384", "4a656665", 12,
	  "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	  "2c7353974f1842fd66d53c452ca42122b28c0b594cfb184da86a368e9b8e16f5349524ca4e82400cbde0686d"
	  "403371c9", 24 },
	{ "RFC 4868 AUTH512-1", "sha512", "0b", 64, "4869205468657265",
	  "637edc6e01dce7e6742a99451aae82df23da3e92439e590e43e761b33e910fb8ac2878ebd5803f6f0b61dbce"
	  "5e251ff8789a4722c1be65aea45fd464e89f8f5b", 32 },
	{ "RFC 4868 AUTH512-2", "sha512", "4a656665", 16,
	  "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	  "cb370917ae8a7ce28cfd1d8f4705d6141c173b2a9362c15df235dfb251b154546aa334ae9fb9afc2184932d8"
	  "695e397bfa0ffb93466cfcceaae38c833b7dba38", 32 },
};

static void test_cbc(size_t i)
{
	size_t key_len, iv_len, len, cipher_len;
	u8 *key = hex(cbc_vectors[i].key, &key_len), *iv = hex(cbc_vectors[i].iv, &iv_len);
	u8 *text = hex(cbc_vectors[i].text, &len), *cipher = hex(cbc_vectors[i].cipher, &cipher_len);
	u8 *copy = hex(cbc_vectors[i].text, &len);

	cipher_cbc(key, key_len, iv, copy, len, true);
	tap(len == cipher_len && !memcmp(copy, cipher, len), "RFC 3602 case %zu: encrypted", i + 1);
	cipher_cbc(key, key_len, iv, copy, len, false);
	tap(!memcmp(copy, text, len), "RFC 3602 case %zu: decrypted", i + 1);
	free(key);
	free(iv);
	free(text);
	free(cipher);
	free(copy);
}

static void test_hmac(size_t i)
{
	u8 key[CIPHER_HASH_MAX], out[CIPHER_HASH_MAX];
	size_t part, len, mac_len;
	u8 *piece = hex(hmac_vectors[i].key, &part), *data = hex(hmac_vectors[i].data, &len);
	u8 *mac = hex(hmac_vectors[i].mac, &mac_len);
	unsigned int times = hmac_vectors[i].times, size, n = 0, wrong = 0, pairs = 0;
	u32 id;

	for (n = 0; n < times; n++)
		memcpy(key + n * part, piece, part);
	size = cipher_hmac(hmac_vectors[i].hash, key, part * times, data, len, out);
	tap(size == mac_len && !memcmp(out, mac, mac_len), "%s: HMAC of %s", hmac_vectors[i].source,
	    hmac_vectors[i].hash);
	/* Keys as long as the hash, and what is left of its result. */
	for (id = 1; id < 64; id++) {
		const struct vti_suite *suite = vti_suite_find(id);

		if (!suite || !suite->hash || strcmp(suite->hash, hmac_vectors[i].hash))
			continue;
		pairs++;
		wrong += suite->extra != size || suite->icv != hmac_vectors[i].icv;
	}
	tap(pairs && !wrong, "%s: %u suites have a key of %u bytes and an ICV of %u", hmac_vectors[i].source,
	    pairs, size, hmac_vectors[i].icv);
	free(piece);
	free(data);
	free(mac);
}

static void test_primitives(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cbc_vectors); i++)
		test_cbc(i);
	for (i = 0; i < ARRAY_SIZE(hmac_vectors); i++)
		test_hmac(i);
}

/* RFC 4303, 4106, 7634, 3602 and 4868 once more, by another hand: what must be on the wire. */
static unsigned int wire(const struct vti_sa *sa, const u8 *key, u64 seq, const u8 *inner, unsigned int len,
			 u8 next_header, u8 *out)
{
	const struct vti_suite *suite = sa->suite;
	unsigned int n = 8 + suite->iv, pad = 0;
	u8 aad[12], nonce[12], mac[CIPHER_HASH_MAX];

	memcpy(out, &sa->spi, 4);
	put_unaligned_be32(seq, out + 4);
	if (suite->hash)
		get_random_bytes(out + 8, suite->iv);
	else
		put_unaligned_be64(seq, out + 8);
	memcpy(out + n, inner, len);
	n += len;
	while ((n + 2 - 8 - suite->iv) % suite->align)
		out[n++] = ++pad;
	out[n++] = pad;
	out[n++] = next_header;

	if (suite->hash) {
		cipher_cbc(key, suite->key, out + 8, out + 24, n - 24, true);
		put_unaligned_be32(seq >> 32, out + n);
		cipher_hmac(suite->hash, key + suite->key, suite->extra, out, n + (sa->esn ? 4 : 0), mac);
		memcpy(out + n, mac, suite->icv);
		return n + suite->icv;
	}
	memcpy(aad, &sa->spi, 4);
	put_unaligned_be32(seq >> 32, aad + 4);
	put_unaligned_be32(seq, aad + (sa->esn ? 8 : 4));
	memcpy(nonce, key + suite->key, 4);
	memcpy(nonce + 4, out + 8, 8);
	cipher_seal(suite->id == IPSECVTI_SUITE_CHACHA20POLY1305, key, suite->key, nonce, aad,
		    sa->esn ? 12 : 8, out + 16, n - 16, out + n);
	return n + 16;
}

static void test_lengths(u32 suite, bool esn)
{
	static const u64 numbers[] = { 1, 0xffffffff, 0x100000000, 0x123456789abcdef };
	u8 key[IPSECVTI_KEY_MAX], inner[1600], wanted[1700];
	bool sent = true, received = true;
	unsigned int len, header, i;
	struct vti_sa sa;

	for (i = 0; i < sizeof(key); i++)
		key[i] = 7 * i + 1;
	for (i = 0; i < sizeof(inner); i++)
		inner[i] = i * 3;
	open_sa(&sa, suite, 0xc0ffee01, esn, key);
	header = 8 + sa.suite->iv;
	for (len = 0; len < sizeof(inner); len += len < 200 ? 1 : 53) {
		u64 seq = esn ? numbers[len % 4] : numbers[len % 2];
		unsigned int size = wire(&sa, key, seq, inner, len, 41, wanted);
		/* Not one byte more room than the header asks for. */
		struct sk_buff *skb = packet(header + 4, inner, len, size - header - len);
		u8 next_header = 0;

		sent &= !vti_esp_encrypt(&sa, skb, seq, 41) && skb->len == size &&
			!memcmp(skb->data, wanted, size);
		VTI_CB(skb)->seq = seq;
		received &= !vti_esp_decrypt(&sa, skb) && !vti_esp_trailer(&sa, skb, &next_header) &&
			    next_header == 41 && skb->len == len && !memcmp(skb->data, inner, len);
		kfree_skb(skb);
	}
	tap(sent, "%s%s: every length as it must be on the wire", sa.suite->name, esn ? ", ESN" : "");
	tap(received, "%s%s: and back", sa.suite->name, esn ? ", ESN" : "");
	crypto_free_aead(sa.tfm);
}

/* Text of a decrypted packet, as hex, and what must come out; -1 is refused. */
static const struct {
	const char *text;
	int len;
	u8 next_header;
} trailers[] = {
	{ "4500000001020204", 4, 4 },
	{ "450000000102030405060629", 4, 41 },
	{ "000000000000003b", 6, 59 },
	{ "01020229", 0, 41 },		/* all of it is padding */
	{ "0102033b", -1, 0 },		/* more padding than there is */
	{ "0000ff04", -1, 0 },
	{ "0000fe04", -1, 0 },
	{ "4500000000000204", -1, 0 },	/* zeros */
	{ "4500000002010204", -1, 0 },	/* the wrong way round */
	{ "4500000002030204", -1, 0 },	/* from 2 */
	{ "4500000001010204", -1, 0 },
	{ "45010203040506070706", 1, 6 },
	{ "45010203040506080706", -1, 0 },
	{ "00000004", 2, 4 },
};

static void test_trailers(void)
{
	u8 key[20] = { 1 };
	struct vti_sa sa;
	size_t i;

	open_sa(&sa, IPSECVTI_SUITE_AES128GCM16, 0x1000, true, key);
	for (i = 0; i < ARRAY_SIZE(trailers); i++) {
		size_t n;
		u8 *text = hex(trailers[i].text, &n), next_header = 0;
		struct sk_buff *skb = alloc_skb(16 + n + 16, 0);
		int err;

		memset(skb_put(skb, 16), 0xaa, 16);
		memcpy(skb_put(skb, n), text, n);
		memset(skb_put(skb, 16), 0xbb, 16);
		err = vti_esp_trailer(&sa, skb, &next_header);
		if (trailers[i].len < 0)
			tap(err == -EINVAL, "trailer %s is refused", trailers[i].text);
		else
			tap(!err && (int)skb->len == trailers[i].len && next_header == trailers[i].next_header &&
			    !memcmp(skb->data, text, skb->len), "trailer %s", trailers[i].text);
		kfree_skb(skb);
		free(text);
	}
	crypto_free_aead(sa.tfm);
}

/* The cipher answers later: who owns what. */
static void test_late(void)
{
	u8 key[20] = { 1 }, inner[40] = { 0x45 }, wanted[128];
	struct vti_sa sa;
	struct sk_buff *skb;
	unsigned int size;

	open_sa(&sa, IPSECVTI_SUITE_AES128GCM16, 0x1000, true, key);
	sa.async = true;
	size = wire(&sa, key, 9, inner, sizeof(inner), 4, wanted);
	skb = packet(20, inner, sizeof(inner), size - 16 - sizeof(inner));
	answer_later = 1;
	tap(vti_esp_encrypt(&sa, skb, 9, 4) == -EINPROGRESS && sa.ref.count == 1,
	    "late: the SA is held while the cipher works");
	late->done(late->data, -EINPROGRESS);
	tap(!sent_late && sa.ref.count == 1, "late: a notice is not an answer");
	late->done(late->data, late_result);
	tap(sent_late == skb && !sent_error && !sa.ref.count && !memcmp(skb->data, wanted, size),
	    "late: encrypted");

	VTI_CB(skb)->seq = 9;
	tap(vti_esp_decrypt(&sa, skb) == -EINPROGRESS && sa.ref.count == 1, "late: decrypting");
	late->done(late->data, late_result);
	tap(received_late == skb && VTI_CB(skb)->decrypted && !VTI_CB(skb)->err && !sa.ref.count,
	    "late: decrypted");
	answer_later = 0;
	kfree_skb(skb);

	/* A second packet while the first is with the cipher takes a request of its own. */
	answer_later = 1;
	skb = packet(20, inner, sizeof(inner), 64);
	vti_esp_encrypt(&sa, skb, 10, 4);
	answer_later = 0;
	{
		struct aead_request *first = late;
		struct sk_buff *other = packet(20, inner, sizeof(inner), 64);

		size = wire(&sa, key, 11, inner, sizeof(inner), 4, wanted);
		tap(!vti_esp_encrypt(&sa, other, 11, 4) && !memcmp(other->data, wanted, size),
		    "late: another packet meanwhile");
		first->done(first->data, 0);
		tap(sent_late == skb && !sa.ref.count, "late: and the first one after it");
		kfree_skb(other);
	}
	kfree_skb(skb);
	tap(cache.objects == 1, "one request is kept at hand");
	crypto_free_aead(sa.tfm);
}

static void test_own(void)
{
	struct sock tcp = { .full = true, .tcp = true, .charged = 1000 }, raw = { .full = true };
	u8 inner[100];
	struct sk_buff *skb, *own;
	unsigned int i, truesize;

	for (i = 0; i < sizeof(inner); i++)
		inner[i] = i;
	skb = packet(32, inner, sizeof(inner), 32);
	tap(vti_esp_own(skb, 32, 32) == skb, "private and with room: taken as it is");
	kfree_skb(skb);

	for (i = 0; i < 4; i++) {
		static const char *const names[] = { "cloned", "in pieces", "no headroom", "no tailroom" };

		skb = packet(i == 2 ? 31 : 32, inner, sizeof(inner), i == 3 ? 31 : 32);
		skb->cloned = i == 0;
		skb->nonlinear = i == 1;
		skb->hash = 77;
		skb->mark = 5;
		skb->priority = 6;
		skb->sk = &tcp;
		skb->destructor = sock_wfree;
		tcp.charged = truesize = skb->truesize;
		own = vti_esp_own(skb, 32, 32);
		/* The original is gone; its owner was charged for nothing twice and let go of nothing. */
		tap(own != skb && own->len == sizeof(inner) && !memcmp(own->data, inner, sizeof(inner)) &&
		    skb_headroom(own) >= 32 && skb_tailroom(own) >= 32 && own->hash == 77 && own->mark == 5 &&
		    own->priority == 6 && own->sk == &tcp && own->destructor == sock_wfree &&
		    own->truesize == truesize && tcp.charged == (int)truesize && own->network == own->data,
		    "%s: copied, owner and all", names[i]);
		kfree_skb(own);
		tap(!tcp.charged, "%s: the owner is let go with the copy", names[i]);
	}

	skb = packet(0, inner, sizeof(inner), 0);
	skb->sk = &raw;
	skb->destructor = some_destructor;
	own = vti_esp_own(skb, 32, 32);
	tap(!own->sk && !own->destructor && freed_uncharged == 1,
	    "an owner whose destructor looks at more stays with the original");
	kfree_skb(own);
}

static void test_mtu(void)
{
	static const struct {
		unsigned int path, outer, mtu;
	} known[] = {
		{ 1500, 20, 1446 }, { 1500, 28, 1438 }, { 9000, 20, 8946 }, { 9100, 20, 9046 },
		{ 1400, 20, 1346 }, { 1280, 20, 1226 }, { 55, 20, 0 }, { 56, 20, 2 }, { 0, 20, 0 },
	};
	const struct vti_suite *suite = vti_suite_find(IPSECVTI_SUITE_AES128GCM16);
	unsigned int path, outer, i;
	bool good = true;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		tap(vti_esp_mtu(suite, known[i].path, known[i].outer) == known[i].mtu, "MTU: path %u, %u outside: %u",
		    known[i].path, known[i].outer, known[i].mtu);
	/* The limit fits, and one byte more does not. */
	for (outer = 20; outer <= 48; outer += 4) {
		for (path = outer + 36; path < 9300; path++) {
			unsigned int mtu = vti_esp_mtu(suite, path, outer);

			good &= outer + 32 + ALIGN(mtu + 2, 4) <= path;
			good &= outer + 32 + ALIGN(mtu + 3, 4) > path;
		}
	}
	tap(good, "MTU: the largest that fits, for every path");
}

/* Bytes of key, salt or HMAC's key, IV and ICV; alignment (RFC 4106, 4868, 2404, 4543, 7634). */
static const u8 sizes[][5] = {
	[IPSECVTI_SUITE_AES128GCM16] = { 16, 4, 8, 16, 4 },
	[IPSECVTI_SUITE_AES192GCM16] = { 24, 4, 8, 16, 4 },
	[IPSECVTI_SUITE_AES256GCM16] = { 32, 4, 8, 16, 4 },
	[IPSECVTI_SUITE_CHACHA20POLY1305] = { 32, 4, 8, 16, 4 },
	[IPSECVTI_SUITE_AES128_SHA1] = { 16, 20, 16, 12, 16 },
	[IPSECVTI_SUITE_AES128_SHA256] = { 16, 32, 16, 16, 16 },
	[IPSECVTI_SUITE_AES128_SHA384] = { 16, 48, 16, 24, 16 },
	[IPSECVTI_SUITE_AES128_SHA512] = { 16, 64, 16, 32, 16 },
	[IPSECVTI_SUITE_AES256_SHA1] = { 32, 20, 16, 12, 16 },
	[IPSECVTI_SUITE_AES256_SHA256] = { 32, 32, 16, 16, 16 },
	[IPSECVTI_SUITE_AES256_SHA384] = { 32, 48, 16, 24, 16 },
	[IPSECVTI_SUITE_AES256_SHA512] = { 32, 64, 16, 32, 16 },
};

static void test_suites(void)
{
	u32 id;

	for (id = 1; id < ARRAY_SIZE(sizes); id++) {
		const struct vti_suite *suite = vti_suite_find(id);
		const u8 *n = sizes[id];

		tap(suite && suite->id == id && suite->key == n[0] && suite->extra == n[1] &&
		    suite->iv == n[2] && suite->icv == n[3] && suite->align == n[4] &&
		    vti_esp_overhead(suite) == 8 + n[2] + n[3] &&
		    n[0] + n[1] <= IPSECVTI_KEY_MAX, "suite %s", suite ? suite->name : "?");
	}
	tap(!vti_suite_find(0) && !vti_suite_find(~0U), "no other suite");
	tap(!vti_suite_find(IPSECVTI_SUITE_AES128GMAC) && !vti_suite_find(IPSECVTI_SUITE_NULL_SHA256),
	    "none without encryption, unless built for tests");
}

int main(int argc, char **argv)
{
	u32 suite;

	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("TAP version 13");
	if (vti_esp_init())
		abort();
	test_suites();
	test_mtu();
	test_primitives();
	test_vectors(argc > 1 ? argv[1] : "");
	for (suite = IPSECVTI_SUITE_AES128GCM16; vti_suite_find(suite); suite++) {
		test_lengths(suite, true);
		test_lengths(suite, false);
	}
	test_trailers();
	test_late();
	test_own();
	vti_esp_exit();
	tap(!cache.objects, "no request is left");
	return tap_end();
}
