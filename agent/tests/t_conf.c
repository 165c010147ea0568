// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration: what is taken, what is refused and in which words. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "addr.h"
#include "conf.h"
#include "counters.h"
#include "suite.h"
#include "tap.h"

static char dir[] = "/tmp/t_conf.XXXXXX";

static void put(const char *name, const char *text, size_t len, mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len || fchmod(fd, mode))
		abort();
	close(fd);
}

static struct conf *read_text(const char *text)
{
	put("a.conf", text, strlen(text), 0600);
	return conf_read(dir, 0);
}

/* Exactly one error, with this text behind "DIR/". */
static void refuses(const char *text, const char *want)
{
	struct conf *c = read_text(text);
	const char *got = c->n_errors ? c->errors[0] : "(none)";
	char what[200];
	size_t i;

	if (!strncmp(got, dir, strlen(dir)))
		got += strlen(dir) + 1;
	snprintf(what, sizeof(what), "%s", want);
	is_str(got, want, "%s", what);
	if (c->n_errors > 1) {
		ok(false, "one error only");
		for (i = 1; i < c->n_errors; i++)
			printf("# also: %s\n", c->errors[i]);
	}
	conf_free(c);
}

#define GOOD "[tunnel t]\nlocal = 192.0.2.1\nremote = 192.0.2.2\npsk-file = psk\n"

static void least(void)
{
	struct conf *c = read_text(GOOD);
	const struct conf_tunnel *ct = conf_find(c, "t");
	const struct tunnel *t = &ct->t;

	ok(!c->n_errors && c->n_tunnels == 1, "two addresses and a secret are enough");
	ok(t->n_local == 1 && t->local[0].family == AF_INET && t->n_remote == 1, "addresses");
	ok(t->start == START_INITIATE && t->local_id.type == 1 && t->remote_id.type == 1 &&
	   t->remote_id.data[3] == 2, "starts; the addresses are the identities");
	ok(t->n_ike && t->n_esp && t->n_local_ts == 2 && t->n_remote_ts == 2, "proposals, selectors");
	ok(t->ike_seconds == 28800 && t->child_seconds == 3600 && t->dpd_seconds == 30 &&
	   t->window == 4096 && t->retry_seconds == 5 && !t->reauth_seconds &&
	   t->unique == UNIQUE_REPLACE_LATE, "times");
	ok(t->local_port == 500 && t->local_nat_port == 4500 && t->remote_port == 500 &&
	   t->remote_nat_port == 4500, "ports");
	ok(ct->n_psk == 1 && ct->psk[0].len == 20 && !memcmp(ct->psk[0].data, "a secret of 20 bytes", 20),
	   "the secret, without its line end");
	ok(!c->n_warnings, "no warning");
	ok(!ct->dev.set_df && !ct->dev.set_dscp && !ct->dev.set_ttl && !ct->dev.set_min_pmtu &&
	   !ct->dev.set_mark && !*ct->oif, "nothing is said of the device");
	conf_free(c);
}

static void full(void)
{
	struct conf *c = read_text(
		"# a comment\n"
		"[agent]\n"
		"listen = 192.0.2.1, 2001:db8::1\n"
		"port=1500\nnat-port = 14500\n"
		"\n"
		"[ tunnel   aws-1 ]\t; behind\n"
		"description = to the cloud # nobody reads this\n"
		"local=192.0.2.1 , 192.0.2.9\n"
		"remote = 198.51.100.7, gw.example.org\r\n"
		"psk-file = psk, psk2\n"
		"local-id = gw@example.org\n"
		"remote-id = fqdn:peer.example.org\n"
		"start = demand\n"
		"ike = aes256-sha256-modp2048\n"
		"esp = aes128gcm16-ecp256\n"
		"pfs-check = yes\n"
		"esn = require\n"
		"local-ts = 10.0.0.0/8[tcp/80], 2001:db8:1::/48\n"
		"remote-ts = 172.16.0.0/12\n"
		"children = per-pair\n"
		"ike-life = 1d\nreauth = 2d\nunique = keep\nchild-life = 90m\nchild-bytes = 10G\nchild-packets = 1000000\n"
		"dpd = off\nretry = 1m\nwindow = 65536\nforce-encap = yes\n"
		"fragment-size = 1400\n"
		"remote-port = 1\nremote-nat-port = 65535\n"
		"df = clear\ndscp = 46\nttl = auto\nmin-pmtu = 1400\nmark = 0x2a\noif = wan0\n"
		"address = 169.254.1.2/30, fd00::2/64\n");
	const struct conf_tunnel *ct = conf_find(c, "aws-1");
	const struct tunnel *t;
	size_t i;

	for (i = 0; i < c->n_errors; i++)
		printf("# %s\n", c->errors[i]);
	if (!ok(!c->n_errors && ct, "every key at once")) {
		conf_free(c);
		return;
	}
	t = &ct->t;
	ok(c->n_listen == 2 && c->port == 1500 && c->nat_port == 14500, "the agent's keys");
	is_str(ct->description, "to the cloud", "comments are cut");
	ok(t->n_local == 2 && t->n_remote == 1 && ct->n_names == 1 && ct->name_at[0] == 1,
	   "an address and a name behind it");
	is_str(ct->names[0], "gw.example.org", "the name, a line end of DOS ignored");
	ok(ct->n_psk == 2 && ct->psk[1].len == 4 && !memcmp(ct->psk[1].data, "\x01\x02\xab\xcd", 4),
	   "two secrets, one in hexadecimal");
	ok(t->local_id.type == 3 && t->remote_id.type == 2 && t->start == START_DEMAND, "identities");
	ok(t->n_ike == 1 && t->n_esp == 1 && t->esn_only && t->pfs_check, "proposals");
	ok(t->n_local_ts == 2 && t->local_ts[0].proto == 6 && t->local_ts[0].port_lo == 80 &&
	   t->n_remote_ts == 1 && t->per_pair, "selectors");
	ok(t->ike_seconds == 86400 && t->child_seconds == 5400 && t->child_bytes == 10ull << 30 &&
	   t->child_packets == 1000000 && !t->dpd_seconds && t->retry_seconds == 60 &&
	   t->reauth_seconds == 172800, "limits");
	ok(t->unique == UNIQUE_KEEP, "what becomes of a second IKE SA");
	ok(t->fragment_size == 1400, "the size of fragments");
	ok(t->window == 65536 && t->force_encap && t->local_port == 1500 &&
	   t->local_nat_port == 14500 && t->remote_port == 1 && t->remote_nat_port == 65535, "ports");
	ok(ct->dev.set_df && ct->dev.df == IPSECVTI_DF_CLEAR && ct->dev.set_dscp &&
	   ct->dev.dscp == 46 && ct->dev.set_ttl && !ct->dev.ttl && ct->dev.set_min_pmtu &&
	   ct->dev.min_pmtu == 1400 && ct->dev.set_mark && ct->dev.mark == 42 &&
	   ct->dev.set_on_demand && ct->dev.on_demand, "the device");
	is_str(ct->oif, "wan0", "its interface");
	ok(ct->n_address == 2 && ct->address[0].bits == 30 && ct->address[1].bits == 64, "addresses");
	ok(c->n_warnings == 1, "the short secret is warned of");
	conf_free(c);
}

static void esn(void)
{
	struct conf *c = read_text(GOOD "esn = no\n");
	const struct tunnel *t = &c->tunnels[0]->t;
	unsigned int i, j, yes = 0, no = 0;

	for (i = 0; i < t->n_esp; i++) {
		for (j = 0; j < t->esp[i].n; j++) {
			yes += t->esp[i].t[j].type == TRANSFORM_ESN && t->esp[i].t[j].id == ESN_YES;
			no += t->esp[i].t[j].type == TRANSFORM_ESN && t->esp[i].t[j].id == ESN_NO;
		}
	}
	ok(!yes && no == t->n_esp, "esn = no offers 32-bit numbers only");
	conf_free(c);
}

static void structure(void)
{
	refuses("local = 192.0.2.1\n", "a.conf:1: a key before any section");
	refuses("[tunel t]\n", "a.conf:1: unknown section [tunel t]: there are [tunnel NAME] and [agent]");
	refuses("[tunnel t\n", "a.conf:1: a section's head ends with ]");
	refuses("[tunnel this-is-too-long]\nx = 1\n",
		"a.conf:1: \"this-is-too-long\" cannot be a tunnel's name: it is an interface's, 1 to "
		"15 letters without spaces, \"/\" or \":\"");
	refuses("[tunnel a/b]\n", "a.conf:1: \"a/b\" cannot be a tunnel's name: it is an interface's, "
		"1 to 15 letters without spaces, \"/\" or \":\"");
	refuses("[tunnel]\n", "a.conf:1: \"\" cannot be a tunnel's name: it is an interface's, 1 to 15 "
		"letters without spaces, \"/\" or \":\"");
	refuses("[tunnel all]\n", "a.conf:1: \"all\" cannot be a tunnel's name: it is an interface's, 1 "
		"to 15 letters without spaces, \"/\" or \":\"");
	refuses(GOOD "nonsense\n", "a.conf:5: \"nonsense\" is neither a section nor \"key = value\"");
	refuses(GOOD "= 3\n", "a.conf:5: \"= 3\" is neither a section nor \"key = value\"");
	refuses(GOOD "colour = red\n", "a.conf:5: unknown key \"colour\"");
	refuses(GOOD "remote-tss = 10.0.0.0/8\n",
		"a.conf:5: unknown key \"remote-tss\"; do you mean \"remote-ts\"?");
	refuses(GOOD "port = 500\n", "a.conf:5: \"port\" belongs to [agent]; the peer's ports are "
		"remote-port and remote-nat-port");
	refuses("[agent]\ndpd = 30\n", "a.conf:2: \"dpd\" belongs to [tunnel NAME]");
	refuses(GOOD "dpd = 30\ndpd = 40\n",
		"a.conf:6: \"dpd\" is here a second time; the first is at line 5");
	refuses(GOOD "dpd =\n", "a.conf:5: \"dpd\" has no value");
}

/* The directory's name is random and appears in the text. */
static void second_tunnel(void)
{
	struct conf *c;
	char want[200];

	c = read_text("[agent]\n[agent]\nport = 5\n");
	snprintf(want, sizeof(want), "%s/a.conf:2: [agent] is here a second time; the first is at "
		 "%s/a.conf:1", dir, dir);
	ok(c->n_errors == 1, "one error");
	is_str(c->errors[0], want, "[agent] twice");
	conf_free(c);
	put("b.conf", GOOD, strlen(GOOD), 0600);
	c = read_text(GOOD);
	snprintf(want, sizeof(want), "%s/b.conf:1: tunnel \"t\" is here a second time; the first is at "
		 "%s/a.conf:1", dir, dir);
	ok(c->n_errors == 1, "one error");
	is_str(c->errors[0], want, "a tunnel in two files");
	conf_free(c);
	put("b.conf", "", 0, 0600);
}

static void values(void)
{
	refuses(GOOD "reauth = 5s\n", "a.conf:5: reauth: 5 seconds; it must be 10 to 2592000");
	refuses(GOOD "unique = yes\n",
		"a.conf:5: unique: \"yes\" is not replace-late, replace, keep or no");
	refuses(GOOD "dpd = soon\n", "a.conf:5: dpd: \"soon\" is not a time such as 90, 30s, 15m, 8h or 1d");
	refuses(GOOD "ike-life = 5s\n", "a.conf:5: ike-life: 5 seconds; it must be 10 to 2592000");
	refuses(GOOD "child-life = 99999999999999999999\n", "a.conf:5: child-life: "
		"\"99999999999999999999\" is not a time such as 90, 30s, 15m, 8h or 1d");
	refuses(GOOD "child-bytes = 1\n",
		"a.conf:5: child-bytes: 1 would rekey all the time; it must be 0 (no limit) or at least 65536");
	refuses(GOOD "child-packets = many\n",
		"a.conf:5: child-packets: \"many\" is not a number such as 1000000, 512M or 10G");
	refuses(GOOD "window = 31\n", "a.conf:5: window: \"31\" is not a number from 32 to 65536");
	refuses(GOOD "window = -1\n", "a.conf:5: window: \"-1\" is not a number from 32 to 65536");
	refuses(GOOD "remote-port = 65536\n",
		"a.conf:5: remote-port: \"65536\" is not a number from 1 to 65535");
	refuses(GOOD "fragment-size = 575\n",
		"a.conf:5: fragment-size: \"575\" is not a number from 576 to 4000");
	refuses(GOOD "force-encap = maybe\n", "a.conf:5: force-encap: \"maybe\" is not no or yes");
	refuses(GOOD "esn = always\n", "a.conf:5: esn: \"always\" is not prefer, require or no");
	refuses(GOOD "df = maybe\n", "a.conf:5: df: \"maybe\" is not copy, set or clear");
	refuses(GOOD "dscp = 64\n",
		"a.conf:5: dscp: \"64\" is neither copy nor a number up to 63");
	refuses(GOOD "ttl = 0\n",
		"a.conf:5: ttl: \"0\" is neither auto nor a number from 1 to 255");
	refuses(GOOD "min-pmtu = 575\n",
		"a.conf:5: min-pmtu: \"575\" is not a number from 576 to 65535");
	refuses(GOOD "mark = 0x\n",
		"a.conf:5: mark: \"0x\" is not a number from 0 to 4294967295");
	refuses(GOOD "oif = a/b\n", "a.conf:5: oif: \"a/b\" cannot be an interface's name");
	refuses(GOOD "oif = t\n", "a.conf:5: oif: t is the tunnel itself");
	refuses(GOOD "start = now\n", "a.conf:5: start: \"now\" is not initiate, respond or demand");
	refuses(GOOD "profile = weak\n", "a.conf:5: profile: \"weak\" is not default or legacy");
	refuses(GOOD "address = 10.0.0.1/33\n",
		"a.conf:5: address: \"10.0.0.1/33\": the prefix length must be 0 to 32");
	refuses(GOOD "address = here\n", "a.conf:5: address: \"here\" is not an IP address");
	refuses(GOOD "address = 192.0.2.77/24\n",
		"a.conf:5: address: its network takes in the peer's outer address 192.0.2.2");
	refuses("[agent]\nlisten = localhost\n", "a.conf:2: listen: \"localhost\" is not an IP address");
	refuses("[agent]\nlisten = 192.0.2.1, 192.0.2.1\n", "a.conf:2: listen: 192.0.2.1 is here twice");
	refuses("[agent]\nport = 0\n", "a.conf:2: port: \"0\" is not a port number");
	refuses("[agent]\nport = 4500\n", "a.conf:2: port and nat-port must differ");
}

static void ends(void)
{
	const char *psk = "psk-file = psk\n";
	char text[400];

#define END(lines, want) do {							\
	snprintf(text, sizeof(text), "[tunnel t]\n%s%s", psk, lines);		\
	refuses(text, want);							\
} while (0)
	END("local = gw.example.org\nremote = 192.0.2.2\n",
	    "a.conf:3: local: \"gw.example.org\" is not an IP address");
	END("local = 192.0.2.300\n", "a.conf:3: local: \"192.0.2.300\" is not an IP address");
	END("remote = 192.0.2.300\n",
	    "a.conf:3: remote: \"192.0.2.300\" is neither an IP address nor a host's name");
	END("remote = 192.0.2.2:500\n",
	    "a.conf:3: remote: an address without a port; remote-port and [agent] port say that");
	END("remote = 0.0.0.0\n", "a.conf:3: remote: 0.0.0.0 is no host's address");
	END("remote = 224.0.0.1\n", "a.conf:3: remote: a multicast address cannot be a tunnel's end");
	END("remote = any, 192.0.2.2\n",
	    "a.conf:3: remote: any beside an address: any alone already takes every peer");
	END("remote = a, b, c, d, e\n", "a.conf:3: remote: more than 4 addresses and names");
	END("remote = 192.0.2.2, 192.0.2.2\n", "a.conf:3: remote: 192.0.2.2 is here twice");
	END("local = 192.0.2.1\nremote = 2001:db8::1\n",
	    "a.conf:3: local: local and remote have no address family in common");
	END("start = initiate\n", "a.conf:3: start: initiate needs a remote address");
	END("start = demand\nremote = any\n", "a.conf:3: start: demand needs a remote address");
	END("remote = 10.1.2.3\nremote-ts = 10.0.0.0/8\n",
	    "a.conf:4: remote-ts: 10.0.0.0/8 takes in the peer's own outer address 10.1.2.3, so the "
	    "tunnel's packets would be sent into the tunnel; name the networks behind the peer, or "
	    "0.0.0.0/0 and let the routes decide");
}

static void overlap(void)
{
	struct conf *c = read_text(GOOD "remote-ts = 0.0.0.0/0, 10.0.0.0/8\n");

	ok(!c->n_errors, "everything, beside a network, is no overlap");
	conf_free(c);
	c = read_text("[tunnel t]\npsk-file = psk\n");
	ok(!c->n_errors && c->tunnels[0]->t.start == START_RESPOND && !c->tunnels[0]->t.n_remote,
	   "without a peer's address: wait for anyone with the secret");
	conf_free(c);
}

/* Words of the lower layers stay as they are: only the place is ours. */
static void begins(const char *text, const char *want)
{
	struct conf *c = read_text(text);
	const char *got = c->n_errors ? c->errors[0] + strlen(dir) + 1 : "(none)";

	ok(c->n_errors == 1 && !strncmp(got, want, strlen(want)), "%s", want);
	if (strncmp(got, want, strlen(want)))
		printf("#  got: %s\n", got);
	conf_free(c);
}

static void lower_layers(void)
{
	begins(GOOD "ike = aes256-sha3-modp2048\n", "a.conf:5: ike: ");
	begins(GOOD "esp = des\n", "a.conf:5: esp: ");
	begins(GOOD "ike = aes128-sha1-modp1024\n", "a.conf:5: ike: ");
	begins(GOOD "local-ts = 10.0.0.0/40\n", "a.conf:5: local-ts: \"10.0.0.0/40\": ");
	begins(GOOD "remote-id = keyid:0xzz\n", "a.conf:5: remote-id: \"keyid:0xzz\": ");
	begins(GOOD "esp = aes256gcm16, aes128gcm16-esn\npfs-check = yes\n",
	       "a.conf:6: pfs-check: esp names no group, so there is nothing to check");
	begins(GOOD "children = many\n", "a.conf:5: children: \"many\" is not one or per-pair");
	begins(GOOD "local-ts = 10.1.0.0/16, 10.2.0.0/16, 10.3.0.0/16\n"
	       "remote-ts = 10.4.0.0/16, 10.5.0.0/16, 10.6.0.0/16, 10.7.0.0/16, 10.8.0.0/16, "
	       "10.9.0.0/16\nchildren = per-pair\n",
	       "a.conf:7: children: per-pair would make 18 child SAs; 16 are possible");
	begins(GOOD "local-ts = any\nremote-ts = any6\nchildren = per-pair\n",
	       "a.conf:7: children: per-pair, but local-ts and remote-ts have no family in common");
	begins(GOOD "esp = aes256gcm16-esn\nesn = no\n",
	       "a.conf:6: esn: no, but a proposal in esp asks for nothing else than ESN");
}

static void all_at_once(void)
{
	struct conf *c = read_text("[tunnel t]\nlocal = x\nremote = !\ndpd = z\ncolour = red\n");
	size_t i;

	ok(c->n_errors == 5, "%zu of 5 errors are found in one go", c->n_errors);
	for (i = 0; c->n_errors != 5 && i < c->n_errors; i++)
		printf("# %s\n", c->errors[i]);
	conf_free(c);
}

static void psk_files(void)
{
	char want[200], path[128];
	struct conf *c;
	unsigned int i;
	static const mode_t modes[] = { 0644, 0640, 0620, 0602, 0601, 0660, 0677 };
	static const mode_t fine[] = { 0600, 0400, 0700, 0500 };

#define PSK(text, ...) do {							\
	snprintf(want, sizeof(want), "a.conf:2: psk-file: %s/x " text, dir, ##__VA_ARGS__); \
	refuses("[tunnel t]\npsk-file = x\n", want);				\
} while (0)
	refuses("[tunnel t]\n", "a.conf:1: psk-file: is missing: tunnel \"t\" has no secret");
	PSK("cannot be opened: No such file or directory");
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		put("x", "secret\n", 7, modes[i]);
		PSK("has mode %04o: others may read or change it, it must be 0600 or stricter",
		    (unsigned int)modes[i]);
	}
	for (i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		put("x", "a secret that is long enough\n", 29, fine[i]);
		c = read_text("[tunnel t]\npsk-file = x\n");
		ok(!c->n_errors, "mode %04o is fine", (unsigned int)fine[i]);
		conf_free(c);
	}
	put("x", "", 0, 0600);
	PSK("is empty");
	put("x", "\n", 1, 0600);
	PSK("is empty");
	put("x", "0x123", 5, 0600);
	PSK("starts with 0x but is not an even number of hexadecimal digits");
	put("x", "0xgg", 4, 0600);
	PSK("starts with 0x but is not an even number of hexadecimal digits");
	put("x", "0s!!!!", 6, 0600);
	PSK("starts with 0s but is not base64");
	{
		static char big[2000];

		memset(big, 'a', sizeof(big));
		put("x", big, sizeof(big), 0600);
		PSK("holds more than 512 bytes");
	}
	if (!geteuid()) {
		put("x", "secret", 6, 0600);
		snprintf(path, sizeof(path), "%s/x", dir);
		ok(!chown(path, 65534, 65534), "somebody else's file");
		PSK("belongs to user 65534, not to root or the agent's user");
	}
	snprintf(path, sizeof(path), "%s/x", dir);
	unlink(path);
	ok(!mkfifo(path, 0600), "a FIFO");
	PSK("is not a regular file");
	unlink(path);
	refuses("[tunnel t]\npsk-file = psk, psk, psk\n", "a.conf:2: psk-file: more than 2 files");
	c = read_text("[tunnel t]\npsk-file = nothing-here\n");
	conf_free(c);
	put("a.conf", "[tunnel t]\npsk-file = nothing-here\n", 35, 0600);
	c = conf_read(dir, CONF_NO_SECRETS);
	ok(!c->n_errors && !c->tunnels[0]->n_psk, "who needs no secret opens none");
	conf_free(c);
}

static void secret_forms(void)
{
	static const struct {
		const char *text, *want;
		unsigned int len;
	} cases[] = {
		{ "0sAQKrzQ==\n", "\x01\x02\xab\xcd", 4 },
		{ "0sAQKrzQ", "\x01\x02\xab\xcd", 4 },
		{ "0x0102ABcd\r\n", "\x01\x02\xab\xcd", 4 },
		{ "pass word\n\n", "pass word\n", 10 },
		{ " pass ", " pass ", 6 },
		{ "0", "0", 1 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf *c;

		put("x", cases[i].text, strlen(cases[i].text), 0600);
		c = read_text("[tunnel t]\npsk-file = x\n");
		ok(!c->n_errors && c->tunnels[0]->psk[0].len == cases[i].len &&
		   !memcmp(c->tunnels[0]->psk[0].data, cases[i].want, cases[i].len),
		   "form %u of a secret", i);
		conf_free(c);
	}
}

static void files(void)
{
	struct conf *c;
	char missing[128];

	put("a.conf", "[tunnel t]\n\0[agent]\n", 20, 0600);
	c = conf_read(dir, 0);
	ok(c->n_errors && strstr(c->errors[0], "a.conf:2: a zero byte: this is not text"),
	   "a zero byte");
	conf_free(c);
	put("a.conf", GOOD, strlen(GOOD), 0666);
	c = conf_read(dir, 0);
	ok(c->n_errors == 1 && strstr(c->errors[0],
				      "a.conf: mode 0666: others could change the configuration"),
	   "a file that others may write");
	conf_free(c);
	put("a.conf", "", 0, 0600);
	put("ignored.txt", "nonsense", 8, 0600);
	put(".hidden.conf", "nonsense", 8, 0600);
	c = conf_read(dir, 0);
	ok(!c->n_errors && !c->n_tunnels, "other files are not read; no tunnel is no error");
	conf_free(c);
	snprintf(missing, sizeof(missing), "%s/none", dir);
	c = conf_read(missing, 0);
	ok(c->n_errors == 1 && strstr(c->errors[0], "/none: No such file or directory"),
	   "no directory");
	conf_free(c);
}

static void printing(void)
{
	struct conf *c = read_text(GOOD "dpd = 20s\n");
	char *text = NULL, line[200];
	size_t len;
	FILE *f = open_memstream(&text, &len);
	struct conf *again;

	conf_print(c, f);
	fclose(f);
	snprintf(line, sizeof(line), "%-16s = %-40s # %s/a.conf:5\n", "dpd", "20s", dir);
	ok(strstr(text, line) != NULL, "a value and the line it came from");
	snprintf(line, sizeof(line), "%-16s = %-40s # default\n", "remote-id", "192.0.2.2");
	ok(strstr(text, line) != NULL, "a default, resolved");
	ok(!strstr(text, "a secret"), "no secret");
	conf_free(c);
	again = read_text(text);
	ok(!again->n_errors && again->tunnels[0]->t.dpd_seconds == 20, "the output can be read again");
	for (len = 0; len < again->n_errors; len++)
		printf("# %s\n", again->errors[len]);
	conf_free(again);
	free(text);
}

static void names_of_counters(void)
{
	unsigned int i, missing = 0;

	for (i = 1; i < COUNTERS; i++)
		missing += !counter_names[i];
	ok(!missing, "every counter of the kernel has its name");
}

int main(void)
{
	char path[128];

	if (!mkdtemp(dir))
		return 1;
	put("psk", "a secret of 20 bytes\n", 21, 0600);
	put("psk2", "0x0102abcd\n", 11, 0600);
	least();
	full();
	esn();
	structure();
	second_tunnel();
	values();
	ends();
	overlap();
	lower_layers();
	all_at_once();
	psk_files();
	secret_forms();
	files();
	printing();
	names_of_counters();
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	return system(path) ? 1 : done();
}
