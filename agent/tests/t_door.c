// SPDX-License-Identifier: GPL-2.0-or-later
/* The door with a net that lies: in every length, every handle, every value. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "addr.h"
#include "keeper.h"
#include "keeper_kernel.h"
#include "log.h"
#include "tap.h"

#define MINE	5	/* dev-id of the tunnel's device */
#define OTHERS	6	/* another's */

/* ---- keeper, and the liar at the other end ---- */

static struct keeper k;
static struct ktunnel mine, idle;
static int net_end;
static uint32_t tag;

static void start_net(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		abort();
	k.net.door = pair[0];
	net_end = pair[1];
	fflush(stdout);
	k.net.pid = fork();
	if (!k.net.pid) {
		pause();
		_exit(0);
	}
	k.net.ready = true;
	loop_fd_add(k.loop, &k.net.door_watch, k.net.door, EPOLLIN);
}

/* Whether the keeper has ended it; starts another if so. */
static bool was_killed(void)
{
	int status;

	if (k.net.door_watch.watched) {
		return false;
	}
	waitpid(k.net.pid, &status, 0);
	close(k.net.door);
	close(net_end);
	start_net();
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void run(void)
{
	while (loop_once(k.loop, 0) == 0) {
		char c;

		if (!k.net.door_watch.watched || recv(k.net.door, &c, 1, MSG_PEEK) < 0)
			break;
	}
}

/* A request as net would send it; the reply's err, or 1 when none came. */
static int ask(uint16_t type, const void *body, size_t len, void *reply, size_t reply_len)
{
	static struct door_buf buf;
	struct door_msg m;

	if (door_send(net_end, type, ++tag, 0, body, len, NULL, 0))
		abort();
	run();
	if (door_recv(net_end, &buf, &m) || m.head.type != DOOR_REPLY || m.head.tag != tag)
		return 1;
	if (!m.head.err && m.head.len != reply_len)
		return 2;
	if (!m.head.err && reply_len)
		memcpy(reply, m.body, reply_len);
	return m.head.err;
}

static void setup(void)
{
	struct secret s = { .len = 6, .data = "secret" };

	k.opt = (struct keeper_options){ .net_path = "/bin/true", .owner = "test" };
	k.loop = loop_new();
	k.port = 500;
	k.nat_port = 4500;
	k.keys = keys_new();
	keys_set(k.keys, 1, &s, 1);
	keys_set(k.keys, 99, &s, 1);	/* a secret without a tunnel */
	mine = (struct ktunnel){ .k = &k, .next = &idle, .n_sas = DOOR_SAS_MAX };
	mine.t = (struct tunnel){ .id = 1, .dev_id = MINE, .name = "mine", .n_local = 1 };
	addr_parse(&mine.t.local[0], "192.0.2.1");
	idle = (struct ktunnel){ .k = &k, .t = { .id = 2, .name = "idle" } };
	k.tunnels = &mine;
	kernel.next_spi = 0x1000;
	kernel_sa(MINE, IPSECVTI_DIR_OUT, 0x500);		/* 1 */
	kernel_sa(OTHERS, IPSECVTI_DIR_OUT, 0x501);	/* 2 */
	kernel_sa(MINE, IPSECVTI_DIR_IN, 0x502);		/* 3 */
	if (net_prepare(&k))
		abort();
	start_net();
}

/* ---- lengths ---- */

static void raw(const void *data, size_t len)
{
	if (send(net_end, data, len, 0) < 0)
		abort();
	run();
}

static void lengths(void)
{
	static const struct {
		uint16_t type;
		size_t len;
	} types[] = {
		{ DOOR_SPI_ALLOC, sizeof(struct door_id) },
		{ DOOR_SA_NEW, sizeof(struct door_sa_new) },
		{ DOOR_SA_DEL, sizeof(struct door_sa_del) },
		{ DOOR_OUT_SET, sizeof(struct door_out_set) },
		{ DOOR_SA_LIST, sizeof(struct door_id) },
		{ DOOR_ENDPOINT, sizeof(struct door_endpoint) },
		{ DOOR_READY, 0 },
		{ DOOR_STATUS, DOOR_STATUS_LEN(0) },
		{ DOOR_STATUS_END, 0 },
		{ DOOR_NOTE, sizeof(struct door_note) },
	};
	static uint8_t zeros[sizeof(struct door_status) + 64];
	unsigned int i, before = kernel.calls;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		door_send(net_end, types[i].type, 1, 0, zeros, types[i].len + 1, NULL, 0);
		run();
		ok(was_killed(), "type %u: a byte more ends it", types[i].type);
		if (!types[i].len)
			continue;
		door_send(net_end, types[i].type, 1, 0, zeros, types[i].len - 1, NULL, 0);
		run();
		ok(was_killed(), "type %u: a byte less ends it", types[i].type);
		door_send(net_end, types[i].type, 1, 0, NULL, 0, NULL, 0);
		run();
		ok(was_killed(), "type %u: nothing ends it", types[i].type);
	}
	ok(kernel.calls == before, "nothing of that reached the kernel");
	for (i = 0; i < 3; i++) {
		static struct door_status s;

		s.n_children = i == 1 ? TUNNEL_PAIRS + 1 : 3;
		door_send(net_end, DOOR_STATUS, 1, 0, &s, DOOR_STATUS_LEN(i < 2 ? TUNNEL_PAIRS : 2),
			  NULL, 0);
		run();
		ok(was_killed(), "a status whose number of children is a lie, %u", i);
	}
}

static void heads(void)
{
	struct door_head h = { .type = DOOR_READY };
	int null = open("/dev/null", O_RDONLY), i, fds[3] = { null, null, null };
	struct door_id id = { 1 };
	uint8_t big[DOOR_MSG_MAX + 100] = { 0 };

	raw(&h, sizeof(h) - 1);
	ok(was_killed(), "half a head");
	h.len = 4;
	raw(&h, sizeof(h));
	ok(was_killed(), "a length without its bytes");
	h.len = UINT32_MAX;
	raw(&h, sizeof(h));
	ok(was_killed(), "the greatest length");
	h.len = 0;
	h.reserved = 1;
	raw(&h, sizeof(h));
	ok(was_killed(), "a reserved field in use");
	memcpy(big, &(struct door_head){ .type = DOOR_READY, .len = sizeof(big) - 16 }, 16);
	raw(big, sizeof(big));
	ok(was_killed(), "more than the longest message");
	for (i = 0; i < 200; i++) {
		if (door_len_ok((uint16_t)i, NULL, 0, 0) || i == DOOR_REPLY)
			continue;
		if (i == DOOR_AUTH_MAC || i == DOOR_AUTH_VERIFY)
			continue;
		door_send(net_end, (uint16_t)i, 1, 0, NULL, 0, NULL, 0);
	}
	run();
	ok(was_killed(), "types that do not exist");
	door_send(net_end, DOOR_SPI_ALLOC, 1, 0, &id, sizeof(id), fds, 3);
	run();
	ok(was_killed(), "descriptors where none belong");
	door_send(net_end, DOOR_HELLO, 1, 0, big, sizeof(struct door_hello), fds, 3);
	run();
	ok(was_killed(), "what only the keeper says");
	door_send(net_end, DOOR_REPLY, 1, 0, NULL, 0, NULL, 0);
	run();
	ok(was_killed(), "a reply to nothing");
	door_send(net_end, DOOR_READY, 1, 0, NULL, 0, NULL, 0);
	run();
	ok(was_killed(), "ready a second time");
	close(null);
}

/* The end of the door, and the message of no bytes that looks like it. */
static void shut(void)
{
	siginfo_t si = { 0 };
	uint64_t end = loop_now(k.loop) + 20000;

	raw("", 0);
	ok(!k.net.door_watch.watched && !kill(k.net.pid, 0), "nothing is read after a message of nothing");
	while (!si.si_pid && loop_now(k.loop) < end) {
		loop_once(k.loop, 50);
		waitid(P_PID, (id_t)k.net.pid, &si, WEXITED | WNOHANG | WNOWAIT);
	}
	ok(was_killed(), "and the process goes after its door");
}

/* ---- authentication ---- */

static void auth(void)
{
	union {
		struct door_auth a;
		uint8_t raw[sizeof(struct door_auth) + DOOR_OCTETS_MAX + 64];
	} u;
	struct door_key key = { 9 };
	struct door_mac mac;

	memset(&u, 0, sizeof(u));
	u.a.tunnel = 1;
	u.a.prf = 5;
	u.a.octets_len = 100;
	ok(!ask(DOOR_AUTH_MAC, &u, sizeof(u.a) + 100, &mac, sizeof(mac)) && mac.len == 32, "a MAC");
	memcpy(u.a.mac, mac.mac, 32);
	u.a.mac_len = 32;
	ok(!ask(DOOR_AUTH_VERIFY, &u, sizeof(u.a) + 100, &key, sizeof(key)) && !key.key,
	   "verified");
	u.a.mac[0] ^= 1;
	ok(ask(DOOR_AUTH_VERIFY, &u, sizeof(u.a) + 100, NULL, 0) == -EACCES, "a wrong one");
	u.a.mac_len = 65;
	ok(ask(DOOR_AUTH_VERIFY, &u, sizeof(u.a) + 100, NULL, 0) == -EINVAL, "a MAC of 65 bytes");
	u.a.mac_len = UINT16_MAX;
	ok(ask(DOOR_AUTH_VERIFY, &u, sizeof(u.a) + 100, NULL, 0) == -EINVAL, "of 65535");
	u.a.mac_len = 0;
	ok(ask(DOOR_AUTH_VERIFY, &u, sizeof(u.a) + 100, NULL, 0) == -EACCES, "of none");
	u.a.tunnel = 2;
	ok(ask(DOOR_AUTH_MAC, &u, sizeof(u.a) + 100, NULL, 0) == -ENOENT, "a tunnel without a secret");
	u.a.tunnel = 99;
	ok(ask(DOOR_AUTH_MAC, &u, sizeof(u.a) + 100, NULL, 0) == -ENOENT, "a secret without a tunnel");
	u.a.tunnel = 0;
	ok(ask(DOOR_AUTH_MAC, &u, sizeof(u.a) + 100, NULL, 0) == -ENOENT, "tunnel 0");
	u.a.tunnel = 1;
	u.a.prf = 77;
	ok(ask(DOOR_AUTH_MAC, &u, sizeof(u.a) + 100, NULL, 0) == -EINVAL, "no such PRF");
	u.a.prf = 5;
	u.a.octets_len = DOOR_OCTETS_MAX;
	ok(!ask(DOOR_AUTH_MAC, &u, sizeof(u.a) + DOOR_OCTETS_MAX, &mac, sizeof(mac)),
	   "the longest octets");
	u.a.octets_len = DOOR_OCTETS_MAX + 1;
	ask(DOOR_AUTH_MAC, &u, sizeof(u.a) + DOOR_OCTETS_MAX + 1, NULL, 0);
	ok(was_killed(), "a byte more than that");
	u.a.octets_len = 101;
	ask(DOOR_AUTH_MAC, &u, sizeof(u.a) + 100, NULL, 0);
	ok(was_killed(), "octets that are not there");
	u.a.octets_len = UINT32_MAX;
	ask(DOOR_AUTH_MAC, &u, sizeof(u.a) + 100, NULL, 0);
	ok(was_killed(), "and four thousand million of them");
}

/* ---- SPIs and SAs ---- */

static struct door_sa_new good_sa(uint32_t dir, uint32_t spi)
{
	struct door_sa_new s = {
		.tunnel = 1, .dir = dir, .spi = spi, .suite = IPSECVTI_SUITE_AES128GCM16,
		.window = 4096, .esn = 1, .key_len = 20,
	};

	memset(s.key, 0x42, sizeof(s.key));
	return s;
}

static int new_sa(const struct door_sa_new *s)
{
	struct door_sa_id id;

	return ask(DOOR_SA_NEW, s, sizeof(*s), &id, sizeof(id));
}

static uint32_t alloc(uint32_t tunnel, int *err)
{
	struct door_id id = { tunnel };
	struct door_spi spi = { 0 };

	*err = ask(DOOR_SPI_ALLOC, &id, sizeof(id), &spi, sizeof(spi));
	return spi.spi;
}

static void refuse_sa(const char *what, struct door_sa_new s, int want)
{
	unsigned int before = kernel.calls;

	ok(new_sa(&s) == want && kernel.calls == before, "refused: %s", what);
}

static void sas(void)
{
	struct door_sa_new s;
	uint32_t spi;
	int err, i;

	spi = alloc(1, &err);
	ok(!err && spi == 0x1000 && kernel.touched == MINE, "an SPI");
	refuse_sa("an SPI that was not reserved", good_sa(IPSECVTI_DIR_IN, 0x2000), -EPERM);
	refuse_sa("SPI 0", good_sa(IPSECVTI_DIR_IN, 0), -EINVAL);
	refuse_sa("SPI 255", good_sa(IPSECVTI_DIR_OUT, 255), -EINVAL);
	refuse_sa("a third direction", good_sa(2, 0x2000), -EINVAL);
	s = good_sa(IPSECVTI_DIR_IN, spi);
	s.tunnel = 2;
	refuse_sa("a tunnel without its device", s, -ENODEV);
	s.tunnel = 3;
	refuse_sa("no such tunnel", s, -ENOENT);
	s = good_sa(IPSECVTI_DIR_IN, spi);
	s.key_len = 19;
	refuse_sa("a key too short", s, -EINVAL);
	s.key_len = 255;
	refuse_sa("a key longer than its field", s, -EINVAL);
	s.key_len = 0;
	refuse_sa("no key", s, -EINVAL);
	s = good_sa(IPSECVTI_DIR_IN, spi);
	s.suite = 0;
	refuse_sa("suite 0", s, -EINVAL);
	s.suite = 1000;
	refuse_sa("suite 1000", s, -EINVAL);
	s = good_sa(IPSECVTI_DIR_IN, spi);
	s.window = 31;
	refuse_sa("a window of 31", s, -EINVAL);
	s.window = 65537;
	refuse_sa("a window of 65537", s, -EINVAL);
	s = good_sa(IPSECVTI_DIR_IN, spi);
	s.esn = 2;
	refuse_sa("ESN 2", s, -EINVAL);
	s = good_sa(IPSECVTI_DIR_IN, spi);
	s.local_ts.len = sizeof(s.local_ts.data) + 1;
	refuse_sa("more selectors of ours than their field holds", s, -EINVAL);
	s = good_sa(IPSECVTI_DIR_IN, spi);
	s.remote_ts.len = UINT16_MAX;
	refuse_sa("more selectors of the peer's", s, -EINVAL);
	s = good_sa(IPSECVTI_DIR_IN, spi);
	s.local_ts = (struct ts_bytes){ 3, "abc" };
	s.remote_ts = (struct ts_bytes){ sizeof(s.remote_ts.data), "xyz" };
	ok(!new_sa(&s) && kernel.touched == MINE && !kernel.forced &&
	   kernel.last.key_len == 20 && kernel.last.key[19] == 0x42, "a good one");
	ok(!memcmp(&kernel.last.local_ts, &s.local_ts, sizeof(s.local_ts)) &&
	   !memcmp(&kernel.last.remote_ts, &s.remote_ts, sizeof(s.remote_ts)),
	   "its selectors as they came, whatever they are");
	refuse_sa("the same SPI again: there it is", s, -EEXIST);
	kernel_sa(OTHERS, IPSECVTI_DIR_IN, 0x2000);
	refuse_sa("one of another's device", good_sa(IPSECVTI_DIR_IN, 0x2000), -EPERM);
	for (i = 0, err = 0; i < SPIS_MAX && !err; i++)
		alloc(1, &err);
	ok(!err, "%d reservations", SPIS_MAX);
	alloc(1, &err);
	ok(err == -EBUSY, "and no more");
	alloc(2, &err);
	ok(err == -ENODEV, "none without a device");
	alloc(77, &err);
	ok(err == -ENOENT, "none without a tunnel");
	for (i = 0, err = 0; i < 2 * DOOR_SAS_MAX && !err; i++) {
		s = good_sa(IPSECVTI_DIR_OUT, 0x3000 + (uint32_t)i);
		err = new_sa(&s);
	}
	ok(err == -ENOSPC && i < DOOR_SAS_MAX, "the kernel cannot be filled: stopped after %d", i - 1);
}

static void other_devices(void)
{
	struct door_sa_del d = { 1, 2 };
	struct door_out_set o = { .tunnel = 1, .n = 1, .sa = { { 0, 2 } } };
	struct door_id id = { 1 };
	static struct door_sa_list list;
	unsigned int before = kernel.calls, i, strange = 0;

	ok(ask(DOOR_SA_DEL, &d, sizeof(d), NULL, 0) == -EPERM, "another device's SA: no delete");
	d.sa_id = 0;
	ok(ask(DOOR_SA_DEL, &d, sizeof(d), NULL, 0) == -ENOENT, "SA 0, which would be all");
	d.sa_id = UINT32_MAX;
	ok(ask(DOOR_SA_DEL, &d, sizeof(d), NULL, 0) == -ENOENT, "no such SA");
	ok(ask(DOOR_OUT_SET, &o, sizeof(o), NULL, 0) == -EPERM, "another device's SA: no sending");
	o.sa[0].sa_id = 3;
	ok(ask(DOOR_OUT_SET, &o, sizeof(o), NULL, 0) == -EINVAL, "an inbound SA: no sending");
	o.n = 9;
	ok(ask(DOOR_OUT_SET, &o, sizeof(o), NULL, 0) == -EINVAL, "nine SAs where eight fit");
	o.n = UINT32_MAX;
	ok(ask(DOOR_OUT_SET, &o, sizeof(o), NULL, 0) == -EINVAL, "and the greatest number");
	ok(kernel.calls == before, "nothing of that reached the kernel");
	o.n = 1;
	o.sa[0].sa_id = 1;
	ok(!ask(DOOR_OUT_SET, &o, sizeof(o), NULL, 0) && kernel.out_sets == 1, "an own one is set");
	o.n = 0;
	ok(!ask(DOOR_OUT_SET, &o, sizeof(o), NULL, 0) && kernel.out_sets == 2, "none: traffic waits");
	ok(!ask(DOOR_SA_LIST, &id, sizeof(id), &list, sizeof(list)) && list.n &&
	   list.n <= DOOR_SAS_MAX, "the list of SAs");
	for (i = 0; i < list.n; i++)
		strange += list.sa[i].spi == 0x501;
	ok(!strange, "has no other device's");
	d.sa_id = 1;
	ok(!ask(DOOR_SA_DEL, &d, sizeof(d), NULL, 0), "an own one is deleted");
}

/* ---- endpoints ---- */

static void point(const char *what, uint32_t encap, const char *local, const char *remote, int want)
{
	struct door_endpoint e = { .tunnel = 1, .encap = encap };
	unsigned int before = kernel.dev_sets;
	int err;

	addr_parse(&e.local, local);
	addr_parse(&e.remote, remote);
	err = ask(DOOR_ENDPOINT, &e, sizeof(e), NULL, 0);
	ok(err == want && kernel.dev_sets == before + !want, "endpoint: %s (%d)", what, err);
}

static void endpoints(void)
{
	struct door_endpoint e = { .tunnel = 1 };

	point("native", IPSECVTI_ENCAP_NONE, "192.0.2.1", "198.51.100.1", 0);
	ok(kernel.touched == MINE && !kernel.forced && kernel.patch.set_addrs, "on its own device");
	point("in UDP", IPSECVTI_ENCAP_UDP, "192.0.2.1:4500", "198.51.100.1:60000", 0);
	ok(kernel.patch.sport == 4500 && kernel.patch.dport == 60000, "with its ports");
	point("not our address", IPSECVTI_ENCAP_NONE, "192.0.2.3", "198.51.100.1", -EPERM);
	point("two families", IPSECVTI_ENCAP_NONE, "192.0.2.1", "2001:db8::1", -EAFNOSUPPORT);
	point("any", IPSECVTI_ENCAP_NONE, "192.0.2.1", "0.0.0.0", -EADDRNOTAVAIL);
	point("multicast", IPSECVTI_ENCAP_NONE, "192.0.2.1", "224.0.0.5", -EADDRNOTAVAIL);
	point("broadcast", IPSECVTI_ENCAP_NONE, "192.0.2.1", "255.255.255.255", -EADDRNOTAVAIL);
	point("ourselves", IPSECVTI_ENCAP_NONE, "192.0.2.1", "192.0.2.1", -EADDRNOTAVAIL);
	point("a third encapsulation", 2, "192.0.2.1", "198.51.100.1", -EINVAL);
	point("a port that is not ours", IPSECVTI_ENCAP_UDP, "192.0.2.1:53", "198.51.100.1:60000",
	      -EINVAL);
	point("no port", IPSECVTI_ENCAP_UDP, "192.0.2.1:4500", "198.51.100.1", -EINVAL);
	e.local.family = 77;
	e.remote.family = 77;
	ok(ask(DOOR_ENDPOINT, &e, sizeof(e), NULL, 0) == -EAFNOSUPPORT, "endpoint: family 77");
	e.tunnel = 2;
	ok(ask(DOOR_ENDPOINT, &e, sizeof(e), NULL, 0) == -ENODEV, "endpoint: no device");
}

/* ---- texts ---- */

static void texts(void)
{
	struct door_note n = { .tunnel = 1 };
	static struct door_status s = {
		.tunnel = 1, .n_children = 1, .child = { { .n_local_ts = 255, .n_remote_ts = 255 } },
	};

	memset(n.text, 'x', sizeof(n.text));
	door_send(net_end, DOOR_NOTE, 0, 0, &n, sizeof(n), NULL, 0);
	run();
	ok(strlen(mine.note) == sizeof(n.text) - 1, "a note without an end gets one");
	memset(s.note, 'y', sizeof(s.note));
	door_send(net_end, DOOR_STATUS, 0, 0, &s, DOOR_STATUS_LEN(1), NULL, 0);
	run();
	ok(mine.status && strlen(mine.status->note) == sizeof(s.note) - 1, "so does a status");
	ok(!mine.status->child[0].n_local_ts && !mine.status->child[0].n_remote_ts,
	   "255 selectors are none");
	n.tunnel = 3;
	door_send(net_end, DOOR_NOTE, 0, 0, &n, sizeof(n), NULL, 0);
	s.tunnel = 3;
	door_send(net_end, DOOR_STATUS, 0, 0, &s, DOOR_STATUS_LEN(1), NULL, 0);
	door_send(net_end, DOOR_STATUS_END, 0, 0, NULL, 0, NULL, 0);
	run();
	ok(k.net.door_watch.watched && k.net.status_done == k.net.status_sent,
	   "of no tunnel, and an end that nobody asked for: ignored");
}

/* What is told to a net that does not read waits, in order, and has an end. */
static void deaf(void)
{
	static struct tunnel t = { .name = "t" };
	static struct door_buf buf;
	struct door_msg m;
	unsigned int i, wrong = 0;

	for (i = 1; i <= 3000; i++) {
		t.id = i;
		net_tell(&k, DOOR_TUNNEL, &t, sizeof(t));
	}
	ok(k.net.out_bytes && k.net.door_watch.watched, "%zu bytes wait", k.net.out_bytes);
	for (i = 1; i <= 3000; i++) {
		while (door_recv(net_end, &buf, &m) == -EAGAIN)
			loop_once(k.loop, 100);
		wrong += m.head.type != DOOR_TUNNEL || ((const struct tunnel *)m.body)->id != i;
	}
	ok(!wrong && !k.net.out_bytes, "all came, in order");
	for (i = 0; i < 20000 && k.net.door_watch.watched; i++)
		net_tell(&k, DOOR_TUNNEL, &t, sizeof(t));
	ok(!k.net.door_watch.watched && i > 5000, "a net that never reads is ended (%u messages)", i);
	was_killed();
}

static void quiet(void *arg, int priority, const char *line)
{
}

int main(void)
{
	log_sink(quiet, NULL);
	setup();
	lengths();
	heads();
	shut();
	auth();
	sas();
	other_devices();
	endpoints();
	texts();
	deaf();
	k.tunnels = NULL;
	net_free(&k);
	close(net_end);
	keys_free(k.keys);
	loop_free(k.loop);
	return done();
}
