// SPDX-License-Identifier: GPL-2.0-or-later
/* The keeper's secrets: MACs, two of them during a rotation, what is refused. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kdf.h"
#include "keys.h"
#include "tap.h"

#define PRF256	5
#define PRF384	6

static struct secret secret_of(const char *text)
{
	struct secret s = { 0 };

	secret_set(&s, text, strlen(text));
	return s;
}

static void macs(void)
{
	static const uint8_t octets[] = "IKE_SA_INIT | nonce | prf(SK_p, ID')";
	struct secret two[2] = { secret_of("new secret"), secret_of("old secret") };
	struct secret other = secret_of("old secret");
	struct door_mac mac, mac2, again;
	uint8_t direct[HASH_MAX];
	struct keys *k = keys_new();
	uint32_t key = 9;

	ok(!keys_set(k, 1, two, 2) && !keys_set(k, 2, &other, 1), "two tunnels");
	ok(!keys_mac(k, 1, 0, PRF256, octets, sizeof(octets), &mac) && mac.len == 32, "a MAC");
	kdf_psk_auth(PRF256, view("new secret", 10), view(octets, sizeof(octets)), direct);
	ok(!memcmp(mac.mac, direct, 32), "it is the first secret's");
	ok(!keys_verify(k, 1, PRF256, octets, sizeof(octets), mac.mac, mac.len, &key) && !key,
	   "which verifies");
	ok(!keys_mac(k, 2, 0, PRF256, octets, sizeof(octets), &mac2) &&
	   !keys_verify(k, 1, PRF256, octets, sizeof(octets), mac2.mac, mac2.len, &key) && key == 1,
	   "so does the second, of the rotation, and is named");
	ok(!keys_mac(k, 1, key, PRF256, octets, sizeof(octets), &again) &&
	   !memcmp(again.mac, mac2.mac, 32), "and signs when it is asked for");
	ok(!keys_mac(k, 1, 2, PRF256, octets, sizeof(octets), &again) &&
	   !memcmp(again.mac, mac.mac, 32), "after the second comes the first again");
	ok(keys_verify(k, 2, PRF256, octets, sizeof(octets), mac.mac, mac.len, &key) == -EACCES,
	   "another tunnel's does not");
	mac.mac[31] ^= 1;
	ok(keys_verify(k, 1, PRF256, octets, sizeof(octets), mac.mac, mac.len, &key) == -EACCES,
	   "one wrong bit");
	mac.mac[31] ^= 1;
	ok(keys_verify(k, 1, PRF256, octets, sizeof(octets) - 1, mac.mac, mac.len, &key) ==
	   -EACCES, "other octets");
	ok(keys_verify(k, 1, PRF256, octets, sizeof(octets), mac.mac, 31, &key) == -EACCES &&
	   keys_verify(k, 1, PRF256, octets, sizeof(octets), mac.mac, 0, &key) == -EACCES,
	   "a MAC cut short");
	ok(keys_verify(k, 1, PRF384, octets, sizeof(octets), mac.mac, mac.len, &key) == -EACCES,
	   "another PRF");
	ok(keys_mac(k, 1, 0, 999, octets, sizeof(octets), &mac) == -EINVAL && !mac.len &&
	   keys_verify(k, 1, 999, octets, sizeof(octets), mac.mac, 32, &key) == -EINVAL,
	   "no such PRF");
	ok(keys_mac(k, 3, 0, PRF256, octets, sizeof(octets), &mac) == -ENOENT &&
	   keys_mac(k, 0, 0, PRF256, octets, sizeof(octets), &mac) == -ENOENT, "no such tunnel");
	keys_free(k);
}

static void changes(void)
{
	struct secret a = secret_of("a"), b = secret_of("b");
	struct keys *k = keys_new();
	struct door_mac before, after;
	unsigned int i, bad = 0;

	keys_set(k, 7, &a, 1);
	keys_mac(k, 7, 0, PRF256, (const uint8_t *)"x", 1, &before);
	ok(!keys_set(k, 7, &b, 1) && !keys_mac(k, 7, 0, PRF256, (const uint8_t *)"x", 1, &after) &&
	   memcmp(before.mac, after.mac, 32), "a secret is replaced");
	ok(keys_set(k, 7, &a, 3) == -EINVAL && keys_set(k, 0, &a, 1) == -EINVAL, "not three, not 0");
	ok(!keys_set(k, 7, NULL, 0) &&
	   keys_mac(k, 7, 0, PRF256, (const uint8_t *)"x", 1, &after) == -ENOENT, "dropped");
	ok(!keys_set(k, 7, NULL, 0), "twice");
	for (i = 1; i <= 1000; i++)
		bad += keys_set(k, i, &a, 1) != 0;
	for (i = 1; i <= 1000; i++)
		bad += keys_mac(k, i, 0, PRF256, (const uint8_t *)"x", 1, &after) != 0;
	ok(!bad, "a thousand tunnels");
	for (i = 1; i <= 1000; i += 2)
		keys_set(k, i, NULL, 0);
	for (i = 1; i <= 1000; i++)
		bad += (keys_mac(k, i, 0, PRF256, (const uint8_t *)"x", 1, &after) == 0) != !(i % 2);
	ok(!bad, "half of them dropped");
	keys_free(k);
}

static void forked(void)
{
	struct secret a = secret_of("a");
	struct keys *k = keys_new();
	struct door_mac mac;
	int status = -1;
	pid_t pid;

	keys_set(k, 1, &a, 1);
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(keys_mac(k, 1, 0, PRF256, (const uint8_t *)"x", 1, &mac) == -ENOENT ? 0 : 1);
	waitpid(pid, &status, 0);
	ok(!status, "a forked child has no secret");
	ok(!keys_mac(k, 1, 0, PRF256, (const uint8_t *)"x", 1, &mac), "the parent still has it");
	keys_free(k);
}

int main(void)
{
	macs();
	changes();
	forked();
	return done();
}
