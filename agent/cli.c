// SPDX-License-Identifier: GPL-2.0-or-later
/* ipsecvti: the command line. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "version.h"

#define BATCH_WORDS	100	/* in one line */

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *cli_confdir = "/etc/ipsecvti";
const char *cli_rundir = "/run/ipsecvti";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "up", do_up },
	{ "down", do_down },
	{ "delete", do_delete },
	{ "reconnect", do_reconnect },
	{ "rekey", do_rekey },
	{ "reload", do_reload },
	{ "show", do_show },
	{ "check", do_check },
	{ "dev", do_dev },
	{ "sa", do_sa },
	{ "spi", do_spi },
	{ "out", do_out },
	{ "stats", do_stats },
	{ "monitor", do_monitor },
};

/* Where the command in hand stands, when it is one of a batch. */
static const char *batch;
static unsigned int batch_line;

static void complain(const char *fmt, va_list ap)
{
	fputs("ipsecvti: ", stderr);
	if (batch)
		fprintf(stderr, "%s:%u: ", batch, batch_line);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

int cli_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	return EXIT_USAGE;
}

int cli_refused(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	return EXIT_REFUSED;
}

int cli_kernel(struct nlv *n, int err, const char *what)
{
	const char *text = nlv_text(n);

	if (err == -EPERM && !*text)
		text = "not permitted: needs CAP_NET_ADMIN";
	else if (err == -ENODEV && !*text)
		text = "no such ipsecvti device";
	if (*text)
		return cli_refused("%s: %s", what, text);
	return cli_refused("%s: %s", what, strerror(-err));
}

int cli_kernel_dev(struct nlv *n, int err, const struct nlv_who *who, const char *what)
{
	char handle[32];

	if (!who->dev_id)
		return cli_kernel(n, err, who->ifname ? who->ifname : what);
	snprintf(handle, sizeof(handle), "dev-id %" PRIu32, who->dev_id);
	return cli_kernel(n, err, handle);
}

struct nlv *cli_open(void)
{
	struct nlv *n = NULL;
	int err = nlv_open(&n);

	if (!err)
		return n;
	if (err == -ENOENT)
		cli_refused("the kernel module is not loaded (try: modprobe ipsecvti)");
	else
		cli_refused("generic netlink: %s", strerror(-err));
	return NULL;
}

/* ---- words ---- */

bool cli_next(struct cli_words *w)
{
	if (!w->argc)
		return false;
	w->key = *w->argv++;
	w->argc--;
	return true;
}

bool cli_is(const struct cli_words *w, const char *key)
{
	return !strcmp(w->key, key);
}

const char *cli_value(struct cli_words *w)
{
	if (!w->argc) {
		cli_usage("%s needs a value", w->key);
		return NULL;
	}
	w->argc--;
	return *w->argv++;
}

bool cli_number(const char *text, uint64_t max, uint64_t *out)
{
	bool hex = !strncmp(text, "0x", 2) || !strncmp(text, "0X", 2);
	const char *digits = hex ? text + 2 : text;
	char *end;

	if (!*digits || strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") !=
	    strlen(digits))
		return false;
	errno = 0;
	*out = strtoull(digits, &end, hex ? 16 : 10);
	return !errno && *out <= max;
}

bool cli_u64(struct cli_words *w, uint64_t max, uint64_t *out)
{
	const char *key = w->key, *text = cli_value(w);

	if (!text)
		return false;
	if (cli_number(text, max, out))
		return true;
	cli_usage("%s: \"%s\" is not a number from 0 to %" PRIu64, key, text, max);
	return false;
}

bool cli_u32(struct cli_words *w, uint32_t *out)
{
	uint64_t v;

	if (!cli_u64(w, UINT32_MAX, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

bool cli_ifname_ok(const char *name)
{
	size_t len = strlen(name);

	return len && len <= TUNNEL_NAME_MAX && strcmp(name, ".") && strcmp(name, "..") &&
	       !strpbrk(name, "/: \t\n\v\f\r");
}

bool cli_dev(struct cli_words *w, struct nlv_who *who)
{
	if (cli_is(w, "dev-id")) {
		if (!cli_u32(w, &who->dev_id))
			return false;
		if (!who->dev_id)
			cli_usage("dev-id: no device has 0");
		return who->dev_id;
	}
	if (!cli_ifname_ok(w->key))
		return cli_usage("\"%s\" cannot be an interface name", w->key), false;
	who->ifname = w->key;
	return true;
}

bool cli_dev_named(const struct nlv_who *who)
{
	return who->dev_id || who->ifname;
}

int cli_show_dev_args(int argc, char **argv, struct nlv_who *who, bool *json)
{
	struct cli_words w = { argc, argv, NULL };

	*json = false;
	while (cli_next(&w)) {
		if (cli_is(&w, "--json") || cli_is(&w, "-j"))
			*json = true;
		else if (*w.key == '-')
			return cli_usage("unknown option \"%s\"", w.key);
		else if (cli_dev_named(who))
			return cli_usage("one word too many: \"%s\"", w.key);
		else if (!cli_dev(&w, who))
			return EXIT_USAGE;
	}
	return 0;
}

int cli_show_args(int argc, char **argv, int max, const char **word, bool *json)
{
	*json = false;
	*word = NULL;
	for (; argc; argc--, argv++) {
		if (!strcmp(*argv, "--json") || !strcmp(*argv, "-j"))
			*json = true;
		else if (**argv == '-')
			return cli_usage("unknown option \"%s\"", *argv);
		else if (*word || !max)
			return cli_usage("one word too many: \"%s\"", *argv);
		else
			*word = *argv;
	}
	return 0;
}

/* ---- output ---- */

int cli_json(json_t *j)
{
	int err = !j || json_dumpf(j, stdout, JSON_INDENT(2)) || putchar('\n') == EOF ||
		  fflush(stdout);

	json_decref(j);
	return err ? cli_refused("cannot write the JSON") : 0;
}

json_t *cli_counters_json(const struct counters *c)
{
	json_t *j = json_object();
	unsigned int i;

	for (i = 1; i < COUNTERS; i++)
		if (counter_names[i])
			json_object_set_new(j, counter_names[i], json_integer((json_int_t)c->v[i]));
	return j;
}

const char *cli_span(uint64_t s, char *buf, size_t size)
{
	if (s < 60)
		snprintf(buf, size, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(buf, size, "%" PRIu64 "m %" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, size, "%" PRIu64 "h %" PRIu64 "m", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, size, "%" PRIu64 "d %" PRIu64 "h", s / 86400, s % 86400 / 3600);
	return buf;
}

/* ---- main ---- */

static void help(void)
{
	fputs("usage: ipsecvti [-c CONFDIR] [-r RUNDIR] [-n NETNS] COMMAND\n"
	      "       ipsecvti [-n NETNS] -b FILE    a command in each line\n"
	      "\n"
	      "tunnels (by the agent ipsecvtid)\n"
	      "  up NAME [--no-wait]   make the device if it is missing, then bring the tunnel up\n"
	      "  down NAME             delete the SAs, tell the peer, stay down\n"
	      "  delete NAME           bring it down and remove the device that up made\n"
	      "  reconnect NAME        a new IKE SA beside the old one, then delete that\n"
	      "  rekey NAME [ike]      rekey the child SA, or the IKE SA\n"
	      "  reload                read the configuration again; only changes take effect\n"
	      "  show [NAME] [--json]  state; for one name the exit status is 0 up,\n"
	      "                        1 connecting, 2 down\n"
	      "  check [DIR]           check the configuration, print where each value comes from\n"
	      "\n"
	      "the kernel directly; IF is a name, or dev-id N for a device that lives elsewhere\n"
	      "  dev set IF [local A] [remote B] [encap udp SPORT DPORT | encap none]\n"
	      "          [oif IF] [mark N] [on-demand yes|no] [df copy|set|clear]\n"
	      "          [dscp copy|N] [ttl auto|N] [min-pmtu N] [owner NAME] [force]\n"
	      "  dev show [IF] [--json]\n"
	      "  sa add IF dir in|out spi N suite NAME key-file F [esn yes|no] [child N]\n"
	      "         [replay-window N] [soft-seconds N] [hard-seconds N] [soft-bytes N]\n"
	      "         [hard-bytes N] [soft-packets N] [hard-packets N]\n"
	      "         [mode tunnel|transport] [local-ts TS,... remote-ts TS,...]\n"
	      "         [current [cpu N]] [owner NAME] [force]\n"
	      "  sa del ID|all IF [owner NAME] [force]\n"
	      "  sa list [IF] [--json]\n"
	      "  spi alloc IF [owner NAME] [force]\n"
	      "  out set IF [sa ID [cpu N]]... [expect-gen G] [owner NAME] [force]\n"
	      "  stats [IF] [--json]   counters of devices and SAs\n"
	      "  monitor [--json]      events, one line each\n"
	      "\n"
	      "The suites are listed in the manual, ipsecvti(8).\n",
	      stdout);
}

static int run_command(int argc, char **argv)
{
	size_t i;

	if (!strcmp(argv[0], "help")) {
		help();
		return 0;
	}
	for (i = 0; i < COUNT(commands); i++)
		if (!strcmp(argv[0], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	return cli_usage("unknown command \"%s\" (see ipsecvti -h)", argv[0]);
}

static int run_line(char *line)
{
	char *argv[BATCH_WORDS + 1], *rest = NULL;
	int argc = 0;

	line[strcspn(line, "#")] = 0;
	for (char *word = strtok_r(line, " \t\n", &rest); word;
	     word = strtok_r(NULL, " \t\n", &rest)) {
		if (argc == BATCH_WORDS)
			return cli_usage("more than %d words", BATCH_WORDS);
		argv[argc++] = word;
	}
	argv[argc] = NULL;
	return argc ? run_command(argc, argv) : 0;
}

/* The first command that fails is the last one. */
static int run_batch(const char *file)
{
	FILE *f = strcmp(file, "-") ? fopen(file, "re") : stdin;
	char *line = NULL;
	size_t size = 0;
	int status = 0;

	if (!f)
		return cli_usage("%s: %s", file, strerror(errno));
	for (batch = file; !status && getline(&line, &size, f) >= 0;) {
		batch_line++;
		status = run_line(line);
	}
	free(line);
	if (f != stdin)
		fclose(f);
	return status;
}

bool cli_stdin_is_batch(void)
{
	return batch && !strcmp(batch, "-");
}

/* By the names of ip-netns(8). */
static int enter_netns(const char *name)
{
	char path[PATH_MAX];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = strchr(name, '/') ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cli_usage("no network namespace \"%s\"", name);
	if (setns(fd, CLONE_NEWNET))
		err = cli_refused("network namespace \"%s\": %s", name, strerror(errno));
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ "config", required_argument, NULL, 'c' },
		{ "run", required_argument, NULL, 'r' },
		{ "netns", required_argument, NULL, 'n' },
		{ "batch", required_argument, NULL, 'b' },
		{ 0 },
	};
	const char *netns = NULL, *file = NULL;
	int c, err;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+hVc:r:n:b:", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			help();
			return 0;
		case 'V':
			puts("ipsecvti " IPSECVTI_VERSION);
			return 0;
		case 'c':
			cli_confdir = optarg;
			break;
		case 'r':
			cli_rundir = optarg;
			break;
		case 'n':
			netns = optarg;
			break;
		case 'b':
			file = optarg;
			break;
		default:
			return cli_usage("unknown option or missing value: \"%s\" "
					 "(see ipsecvti -h)", argv[optind - 1]);
		}
	}
	argc -= optind;
	argv += optind;
	if (!argc && !file)
		return cli_usage("no command (see ipsecvti -h)");
	if (argc && file)
		return cli_usage("a batch or a command, not both: \"%s\"", argv[0]);
	err = netns ? enter_netns(netns) : 0;
	if (err)
		return err;
	return file ? run_batch(file) : run_command(argc, argv);
}
