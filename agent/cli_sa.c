// SPDX-License-Identifier: GPL-2.0-or-later
/* ipsecvti sa, out: security associations by hand. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ts.h"

#define SLOTS_MAX	128

/* ---- the key ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Hex digits in text, white space between them ignored, to sa->key. */
static int key_from_hex(const char *name, const char *text, size_t len, struct nlv_sa_new *sa)
{
	size_t i = 0, digits = 0;

	while (i < len && isspace((unsigned char)text[i]))
		i++;
	if (len - i >= 2 && text[i] == '0' && (text[i + 1] == 'x' || text[i + 1] == 'X'))
		i += 2;
	for (; i < len; i++) {
		int d = hex_digit(text[i]);

		if (isspace((unsigned char)text[i]))
			continue;
		if (d < 0)
			return cli_usage("%s: a key is hexadecimal digits only", name);
		if (digits / 2 >= sizeof(sa->key))
			return cli_usage("%s: a key has at most %zu bytes", name, sizeof(sa->key));
		if (digits % 2)
			sa->key[digits / 2] |= (uint8_t)d;
		else
			sa->key[digits / 2] = (uint8_t)(d << 4);
		digits++;
	}
	if (!digits || digits % 2)
		return cli_usage("%s: %zu hexadecimal digits are no whole key", name, digits);
	sa->key_len = (uint8_t)(digits / 2);
	return 0;
}

static int key_read(const char *name, struct nlv_sa_new *sa)
{
	bool standard = !strcmp(name, "-");
	int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
	char text[1024];
	struct stat st;
	size_t len = 0;
	ssize_t got;
	int err;

	if (fd < 0)
		return cli_usage("%s: %s", name, strerror(errno));
	if (!standard && !fstat(fd, &st) && S_ISREG(st.st_mode) && (st.st_mode & 077))
		fprintf(stderr, "ipsecvti: warning: %s can be read by others (mode %04o)\n", name,
			(unsigned int)st.st_mode & 07777);
	while (len < sizeof(text) && (got = read(fd, text + len, sizeof(text) - len)) > 0)
		len += (size_t)got;
	err = len == sizeof(text) ? cli_usage("%s: too long for a key", name) :
	      key_from_hex(standard ? "standard input" : name, text, len, sa);
	explicit_bzero(text, sizeof(text));
	if (!standard)
		close(fd);
	return err;
}

/* ---- sa add ---- */

struct sa_add {
	struct nlv_who who;
	struct nlv_sa_new sa;
	const char *key_file;
	bool has_dir, has_spi, current, has_cpu;
	uint32_t cpu;
};

static bool word_dir(struct cli_words *w, struct sa_add *a)
{
	const char *text = cli_value(w);

	if (!text)
		return false;
	a->has_dir = true;
	a->sa.dir = IPSECVTI_DIR_IN;
	if (!strcmp(text, "in"))
		return true;
	a->sa.dir = IPSECVTI_DIR_OUT;
	if (!strcmp(text, "out"))
		return true;
	cli_usage("dir: \"%s\" is neither in nor out", text);
	return false;
}

/* A number is passed on as it is: the kernel may be newer than this table. */
static bool word_suite(struct cli_words *w, struct sa_add *a)
{
	const char *text = cli_value(w);
	uint64_t v;
	size_t len;

	if (!text)
		return false;
	if (!nlv_suite_find(text, &a->sa.suite, &len))
		return true;
	if (cli_number(text, UINT32_MAX, &v)) {
		a->sa.suite = (uint32_t)v;
		return true;
	}
	cli_usage("unknown suite \"%s\"; ipsecvti(8) lists them", text);
	return false;
}

static bool word_esn(struct cli_words *w, struct sa_add *a)
{
	const char *text = cli_value(w);

	if (!text)
		return false;
	a->sa.esn = !strcmp(text, "yes");
	if (a->sa.esn || !strcmp(text, "no"))
		return true;
	cli_usage("esn: \"%s\" is neither yes nor no", text);
	return false;
}

static bool word_mode(struct cli_words *w, struct sa_add *a)
{
	const char *text = cli_value(w);

	if (!text)
		return false;
	a->sa.mode = !strcmp(text, "transport") ? IPSECVTI_MODE_TRANSPORT : IPSECVTI_MODE_TUNNEL;
	if (a->sa.mode == IPSECVTI_MODE_TRANSPORT || !strcmp(text, "tunnel"))
		return true;
	cli_usage("mode: \"%s\" is neither tunnel nor transport", text);
	return false;
}

/* "A, B, C" in one word. */
static bool word_ts(struct cli_words *w, struct ts_bytes *out)
{
	const char *key = w->key, *text = cli_value(w), *why;
	struct ts ts[TUNNEL_SELECTORS];
	char one[TS_TEXT_MAX];
	unsigned int n = 0;

	if (!text)
		return false;
	for (; *text; text += strspn(text, ", ")) {
		size_t len = strcspn(text, ", ");

		snprintf(one, sizeof(one), "%.*s", (int)len, text);
		if (n == TUNNEL_SELECTORS)
			return cli_usage("%s: at most %d selectors", key, TUNNEL_SELECTORS), false;
		if (ts_parse(&ts[n], one, &why))
			return cli_usage("%s: \"%s\": %s", key, one, why), false;
		n++;
		text += len;
	}
	ts_pack(out, ts, n);
	return true;
}

/* 1 taken, 0 wrong, -1 not a limit. */
static int word_limit(struct cli_words *w, struct nlv_sa_new *sa)
{
	if (cli_is(w, "soft-seconds"))
		return cli_u32(w, &sa->soft_seconds);
	if (cli_is(w, "hard-seconds"))
		return cli_u32(w, &sa->hard_seconds);
	if (cli_is(w, "soft-bytes"))
		return cli_u64(w, UINT64_MAX, &sa->soft_bytes);
	if (cli_is(w, "hard-bytes"))
		return cli_u64(w, UINT64_MAX, &sa->hard_bytes);
	if (cli_is(w, "soft-packets"))
		return cli_u64(w, UINT64_MAX, &sa->soft_packets);
	if (cli_is(w, "hard-packets"))
		return cli_u64(w, UINT64_MAX, &sa->hard_packets);
	return -1;
}

static bool sa_word(struct cli_words *w, struct sa_add *a)
{
	int limit = word_limit(w, &a->sa);

	if (limit >= 0)
		return limit;
	if (cli_is(w, "dir"))
		return word_dir(w, a);
	if (cli_is(w, "spi"))
		return (a->has_spi = cli_u32(w, &a->sa.spi));
	if (cli_is(w, "suite"))
		return word_suite(w, a);
	if (cli_is(w, "key-file"))
		return (a->key_file = cli_value(w)) != NULL;
	if (cli_is(w, "esn"))
		return word_esn(w, a);
	if (cli_is(w, "mode"))
		return word_mode(w, a);
	if (cli_is(w, "local-ts"))
		return word_ts(w, &a->sa.local_ts);
	if (cli_is(w, "remote-ts"))
		return word_ts(w, &a->sa.remote_ts);
	if (cli_is(w, "replay-window"))
		return cli_u32(w, &a->sa.window);
	if (cli_is(w, "child"))
		return cli_u32(w, &a->sa.child_id);
	if (cli_is(w, "cpu"))
		return (a->has_cpu = cli_u32(w, &a->cpu));
	if (cli_is(w, "current"))
		return a->current = true;
	if (cli_is(w, "owner"))
		return (a->who.owner = cli_value(w)) != NULL;
	if (cli_is(w, "force"))
		return a->who.force = true;
	cli_usage("sa add: unknown word \"%s\"", w->key);
	return false;
}

static int sa_add_check(const struct sa_add *a)
{
	if (!a->has_dir)
		return cli_usage("sa add: dir is missing");
	if (!a->has_spi)
		return cli_usage("sa add: spi is missing");
	if (!a->sa.suite)
		return cli_usage("sa add: suite is missing");
	if (!a->key_file)
		return cli_usage("sa add: key-file is missing");
	if (!strcmp(a->key_file, "-") && cli_stdin_is_batch())
		return cli_usage("sa add: the batch is the standard input, the key needs a file");
	if (a->current && a->sa.dir != IPSECVTI_DIR_OUT)
		return cli_usage("sa add: current is for outbound SAs (dir out)");
	if (a->has_cpu && !a->current)
		return cli_usage("sa add: cpu goes with current (or use: out set)");
	return 0;
}

/* An SA that could not be made current is taken back: nothing changes on error. */
static int sa_make_current(struct nlv *n, const struct sa_add *a, uint32_t sa_id)
{
	struct nlv_slot slot = {
		.child_id = a->sa.child_id,
		.sa_id = sa_id,
		.cpu = a->has_cpu ? a->cpu : IPSECVTI_CPU_ANY,
	};
	int err = nlv_out_set(n, &a->who, &slot, 1, NULL, NULL);

	if (!err)
		return 0;
	err = cli_kernel_dev(n, err, &a->who, NULL);
	nlv_sa_del(n, &a->who, sa_id);
	return err;
}

static int sa_add(int argc, char **argv)
{
	struct cli_words w = { argc, argv, NULL };
	struct sa_add a = { .sa.esn = 1 };
	struct nlv *n;
	uint32_t sa_id;
	int err;

	if (!cli_next(&w))
		return cli_usage("sa add: which device?");
	if (!cli_dev(&w, &a.who))
		return EXIT_USAGE;
	while (cli_next(&w))
		if (!sa_word(&w, &a))
			return EXIT_USAGE;
	err = sa_add_check(&a);
	if (!err)
		err = key_read(a.key_file, &a.sa);
	if (err)
		goto out;
	err = EXIT_REFUSED;
	n = cli_open();
	if (!n)
		goto out;
	err = nlv_sa_new(n, &a.who, &a.sa, &sa_id);
	if (err)
		err = cli_kernel_dev(n, err, &a.who, NULL);
	else if (a.current)
		err = sa_make_current(n, &a, sa_id);
	if (!err)
		printf("%u\n", sa_id);
	nlv_close(n);
out:
	explicit_bzero(&a.sa, sizeof(a.sa));
	return err;
}

/* ---- sa del ---- */

static int sa_del(int argc, char **argv)
{
	struct cli_words w = { argc - 1, argv + 1, NULL };
	struct nlv_who who = { 0 };
	struct nlv_sa sa;
	uint64_t id = 0;
	struct nlv *n;
	int err = 0;

	if (!argc)
		return cli_usage("sa del: which SA? (an id, or: all IF)");
	if (strcmp(argv[0], "all") && (!cli_number(argv[0], UINT32_MAX, &id) || !id))
		return cli_usage("sa del: \"%s\" is neither an SA's id nor all", argv[0]);
	while (cli_next(&w)) {
		if (cli_is(&w, "force"))
			who.force = true;
		else if (cli_is(&w, "owner") && !(who.owner = cli_value(&w)))
			return EXIT_USAGE;
		else if (!cli_is(&w, "owner") && cli_dev_named(&who))
			return cli_usage("sa del: unknown word \"%s\"", w.key);
		else if (!cli_is(&w, "owner") && !cli_dev(&w, &who))
			return EXIT_USAGE;
	}
	if (!id && !cli_dev_named(&who))
		return cli_usage("sa del all: of which device?");
	n = cli_open();
	if (!n)
		return EXIT_REFUSED;
	if (!cli_dev_named(&who)) {
		err = nlv_sa_get(n, (uint32_t)id, false, &sa);
		who.dev_id = sa.dev_id;
	}
	if (!err)
		err = nlv_sa_del(n, &who, (uint32_t)id);
	if (err)
		err = cli_kernel(n, err, argv[0]);
	nlv_close(n);
	return err;
}

/* ---- sa list ---- */

static json_t *ts_json(const struct ts *ts, unsigned int n)
{
	json_t *j = json_array();
	char text[TS_TEXT_MAX];
	unsigned int i;

	for (i = 0; i < n; i++)
		json_array_append_new(j, json_string(ts_format(&ts[i], text, sizeof(text))));
	return j;
}

static json_t *sa_json(const struct nlv_sa *s)
{
	const char *suite = nlv_suite_name(s->suite);
	json_t *j = json_object(), *events = json_array();
	char text[16];
	uint32_t i;

	snprintf(text, sizeof(text), "0x%08x", s->spi);
	json_object_set_new(j, "ifname", json_string(s->name));
	json_object_set_new(j, "dev-id", json_integer(s->dev_id));
	json_object_set_new(j, "sa-id", json_integer(s->sa_id));
	json_object_set_new(j, "dir", json_string(s->dir == IPSECVTI_DIR_IN ? "in" : "out"));
	json_object_set_new(j, "spi", json_string(text));
	json_object_set_new(j, "suite", suite ? json_string(suite) : json_integer(s->suite));
	json_object_set_new(j, "esn", json_boolean(s->esn));
	json_object_set_new(j, "child-id", json_integer(s->child_id));
	if (s->dir == IPSECVTI_DIR_IN)
		json_object_set_new(j, "window", json_integer(s->window));
	json_object_set_new(j, "mode", json_string(s->mode == IPSECVTI_MODE_TRANSPORT ?
						   "transport" : "tunnel"));
	if (s->n_local_ts) {
		json_object_set_new(j, "local-ts", ts_json(s->local_ts, s->n_local_ts));
		json_object_set_new(j, "remote-ts", ts_json(s->remote_ts, s->n_remote_ts));
	}
	json_object_set_new(j, "current", json_boolean(s->current));
	json_object_set_new(j, "dead", json_boolean(s->dead));
	json_object_set_new(j, "age", json_integer((json_int_t)s->age));
	json_object_set_new(j, "seq", json_integer((json_int_t)s->seq));
	if (s->used_ms != UINT64_MAX)
		json_object_set_new(j, "last-used", json_integer((json_int_t)s->used_ms));
	if (s->lane != UINT32_MAX)
		json_object_set_new(j, "lane", json_integer(s->lane));
	json_object_set_new(j, "soft-seconds", json_integer(s->soft_seconds));
	json_object_set_new(j, "hard-seconds", json_integer(s->hard_seconds));
	json_object_set_new(j, "soft-bytes", json_integer((json_int_t)s->soft_bytes));
	json_object_set_new(j, "hard-bytes", json_integer((json_int_t)s->hard_bytes));
	json_object_set_new(j, "soft-packets", json_integer((json_int_t)s->soft_packets));
	json_object_set_new(j, "hard-packets", json_integer((json_int_t)s->hard_packets));
	for (i = 1; i < 32; i++)
		if ((s->events >> i & 1) && nlv_event_name(i))
			json_array_append_new(events, json_string(nlv_event_name(i)));
	json_object_set_new(j, "events", events);
	if (s->has_stats)
		json_object_set_new(j, "stats", cli_counters_json(&s->stats));
	return j;
}

static void sa_print(const struct nlv_sa *s)
{
	bool in = s->dir == IPSECVTI_DIR_IN;
	const char *state = s->dead ? "dead" : s->current ? "current" : in ? "open" : "idle";
	const char *suite = nlv_suite_name(s->suite);
	char age[32], local[TS_TEXT_MAX * 4], remote[TS_TEXT_MAX * 4];

	printf("%-6u %-15s %-4s 0x%08x %-12s %-4s %-8s %-8s %12" PRIu64 " %12" PRIu64 " %14" PRIu64
	       "\n",
	       s->sa_id, s->name, in ? "in" : "out", s->spi, suite ? suite : "?",
	       s->esn ? "yes" : "no", state, cli_span(s->age, age, sizeof(age)), s->seq,
	       s->stats.v[in ? IPSECVTI_A_STATS_RX_PACKETS : IPSECVTI_A_STATS_TX_PACKETS],
	       s->stats.v[in ? IPSECVTI_A_STATS_RX_BYTES : IPSECVTI_A_STATS_TX_BYTES]);
	if (s->n_local_ts)
		printf("       %s%s === %s\n",
		       s->mode == IPSECVTI_MODE_TRANSPORT ? "transport " : "",
		       ts_list_format(s->local_ts, s->n_local_ts, local, sizeof(local)),
		       ts_list_format(s->remote_ts, s->n_remote_ts, remote, sizeof(remote)));
}

static int sa_list(int argc, char **argv)
{
	struct nlv_who who = { 0 };
	struct nlv_sa *sas;
	size_t i, count;
	struct nlv *n;
	json_t *j;
	bool json;
	int err = cli_show_dev_args(argc, argv, &who, &json);

	if (err)
		return err;
	n = cli_open();
	if (!n)
		return EXIT_REFUSED;
	err = nlv_sa_dump(n, cli_dev_named(&who) ? &who : NULL, true, &sas, &count);
	if (err) {
		err = cli_kernel_dev(n, err, &who, "sa list");
		nlv_close(n);
		return err;
	}
	nlv_close(n);
	j = json ? json_array() : NULL;
	if (!json && count)
		printf("%-6s %-15s %-4s %-10s %-12s %-4s %-8s %-8s %12s %12s %14s\n", "ID",
		       "DEVICE", "DIR", "SPI", "SUITE", "ESN", "STATE", "AGE", "SEQ", "PACKETS",
		       "BYTES");
	for (i = 0; i < count; i++) {
		if (json)
			json_array_append_new(j, sa_json(&sas[i]));
		else
			sa_print(&sas[i]);
	}
	free(sas);
	return json ? cli_json(j) : 0;
}

int do_sa(int argc, char **argv)
{
	if (argc && !strcmp(argv[0], "add"))
		return sa_add(argc - 1, argv + 1);
	if (argc && !strcmp(argv[0], "del"))
		return sa_del(argc - 1, argv + 1);
	if (argc && !strcmp(argv[0], "list"))
		return sa_list(argc - 1, argv + 1);
	return cli_usage("sa: add, del or list (see ipsecvti -h)");
}

/* ---- out set ---- */

struct out_set {
	struct nlv_who who;
	struct nlv_slot slots[SLOTS_MAX];
	size_t n;
	uint32_t expect_gen;
	bool has_gen, need_sa;
};

static bool out_word(struct cli_words *w, struct out_set *o)
{
	uint64_t id;

	if (cli_is(w, "expect-gen"))
		return (o->has_gen = cli_u32(w, &o->expect_gen));
	if (cli_is(w, "owner"))
		return (o->who.owner = cli_value(w)) != NULL;
	if (cli_is(w, "force"))
		return o->who.force = true;
	if (cli_is(w, "cpu") && o->n)
		return cli_u32(w, &o->slots[o->n - 1].cpu);
	/* "sa 1 2 3" and "sa 1 sa 2 sa 3" are the same. */
	if (cli_is(w, "sa") && !cli_next(w))
		return cli_usage("sa needs an id"), false;
	if (!cli_number(w->key, UINT32_MAX, &id) || !id)
		return cli_usage("out set: \"%s\" is no SA's id", w->key), false;
	if (o->n == SLOTS_MAX)
		return cli_usage("out set: at most %d SAs", SLOTS_MAX), false;
	o->slots[o->n].sa_id = (uint32_t)id;
	o->slots[o->n++].cpu = IPSECVTI_CPU_ANY;
	return true;
}

/*
 * A group is the SAs of one child. The kernel tells which child an SA belongs
 * to; one that it does not know goes as it is, and the kernel refuses it. The
 * children are asked in the order in which they were named first.
 */
static void find_children(struct nlv *n, struct out_set *o)
{
	struct nlv_sa sa;
	size_t i, j;

	for (i = 0; i < o->n; i++) {
		struct nlv_slot slot = o->slots[i];

		if (!nlv_sa_get(n, slot.sa_id, false, &sa))
			slot.child_id = sa.child_id;
		for (j = i; j && o->slots[j - 1].child_id != slot.child_id; j--)
			;
		if (!j)
			j = i;
		memmove(&o->slots[j + 1], &o->slots[j], (i - j) * sizeof(slot));
		o->slots[j] = slot;
	}
}

int do_out(int argc, char **argv)
{
	struct cli_words w = { argc - 1, argv + 1, NULL };
	struct out_set o = { 0 };
	struct nlv *n;
	uint32_t gen;
	int err;

	if (argc < 2 || strcmp(argv[0], "set"))
		return cli_usage("out: set IF [sa ID [cpu N]]...");
	cli_next(&w);
	if (!cli_dev(&w, &o.who))
		return EXIT_USAGE;
	while (cli_next(&w))
		if (!out_word(&w, &o))
			return EXIT_USAGE;
	n = cli_open();
	if (!n)
		return EXIT_REFUSED;
	find_children(n, &o);
	err = nlv_out_set(n, &o.who, o.slots, o.n, o.has_gen ? &o.expect_gen : NULL, &gen);
	if (err)
		err = cli_kernel_dev(n, err, &o.who, NULL);
	else
		printf("gen %u\n", gen);
	nlv_close(n);
	return err;
}
