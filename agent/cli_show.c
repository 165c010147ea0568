// SPDX-License-Identifier: GPL-2.0-or-later
/* ipsecvti show: the tunnels as the agent sees them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "cli_ctl.h"

struct showing {
	json_t *list;		/* --json: everything, for one array */
	bool detail;
	unsigned int n;
	char state[16];
};

static const char *str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "-";
}

static uint64_t num(const json_t *j, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(j, key));
}

static const char *span(const json_t *j, const char *key, char *buf, size_t size)
{
	return cli_span(num(j, key), buf, size);
}

static void print_row(const json_t *t)
{
	const json_t *children = json_object_get(t, "child-sas");
	char age[32] = "-", rekey[32] = "-", traffic[64] = "-";
	uint64_t next = UINT64_MAX, in = 0, out = 0;
	size_t i;

	if (json_object_get(t, "established"))
		span(t, "established", age, sizeof(age));
	for (i = 0; i < json_array_size(children); i++) {
		const json_t *c = json_array_get(children, i);

		next = num(c, "rekey-time") < next ? num(c, "rekey-time") : next;
		in += num(c, "bytes-in");
		out += num(c, "bytes-out");
	}
	if (i) {
		cli_span(next, rekey, sizeof(rekey));
		snprintf(traffic, sizeof(traffic), "%" PRIu64 " / %" PRIu64, in, out);
	}
	printf("%-15s %-10s %-39s %-8s %-8s %s\n", str(t, "name"), str(t, "state"),
	       str(t, "remote-host"), age, rekey, traffic);
	if (*str(t, "note") && strcmp(str(t, "note"), "-"))
		printf("%-15s   %s\n", "", str(t, "note"));
}

static void print_list(const char *label, const json_t *list)
{
	size_t i;

	printf("  %-12s", label);
	for (i = 0; i < json_array_size(list); i++)
		printf("%s%s", i ? ", " : "", json_string_value(json_array_get(list, i)));
	putchar('\n');
}

static void print_suite(const char *label, const json_t *j)
{
	static const char *const keys[] = { "encr-alg", "prf-alg", "integ-alg", "dh-group" };
	bool first = true;
	size_t i;

	printf("  %-12s", label);
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!json_object_get(j, keys[i]))
			continue;
		printf("%s%s", first ? "" : "-", str(j, keys[i]));
		first = false;
	}
	if (json_object_get(j, "esn"))
		printf("%s", json_is_true(json_object_get(j, "esn")) ? ", 64-bit sequence numbers" :
		       ", 32-bit sequence numbers");
	putchar('\n');
}

static void print_child(const json_t *c)
{
	char age[32], rekey[32];

	print_suite("esp", c);
	printf("  %-12sin %s, out %s%s\n", "spi", str(c, "spi-in"), str(c, "spi-out"),
	       json_is_true(json_object_get(c, "encap")) ? ", in UDP" : "");
	printf("  %-12s%s, rekey in %s\n", "child age", span(c, "install-time", age, sizeof(age)),
	       span(c, "rekey-time", rekey, sizeof(rekey)));
	printf("  %-12sin %" PRIu64 " packets %" PRIu64 " bytes, out %" PRIu64 " packets %" PRIu64
	       " bytes\n", "traffic", num(c, "packets-in"), num(c, "bytes-in"),
	       num(c, "packets-out"), num(c, "bytes-out"));
	print_list("local ts", json_object_get(c, "local-ts"));
	print_list("remote ts", json_object_get(c, "remote-ts"));
}

static void print_end(const char *label, const json_t *t, const char *host, const char *port,
		      const char *id)
{
	printf("  %-12s%s", label, str(t, host));
	if (json_object_get(t, port))
		printf(" port %" PRIu64, num(t, port));
	if (json_object_get(t, id))
		printf(", identity %s", str(t, id));
	putchar('\n');
}

static void print_sizes(const json_t *t)
{
	if (!json_object_get(t, "mtu") && !json_object_get(t, "effective-mtu"))
		return;
	printf("  %-12s", "mtu");
	if (json_object_get(t, "mtu"))
		printf("%" PRIu64 " of the device", num(t, "mtu"));
	if (json_object_get(t, "effective-mtu"))
		printf("%s%" PRIu64 " fit the path, MSS %" PRIu64 " (IPv4) %" PRIu64 " (IPv6)",
		       json_object_get(t, "mtu") ? ", " : "", num(t, "effective-mtu"),
		       num(t, "mss"), num(t, "mss6"));
	putchar('\n');
}

static void print_detail(const json_t *t)
{
	const json_t *children = json_object_get(t, "child-sas");
	const json_t *counts = json_object_get(t, "counts");
	char age[32], rekey[32];
	size_t i;

	printf("%s: %s", str(t, "name"), str(t, "state"));
	if (json_object_get(t, "description"))
		printf(" (%s)", str(t, "description"));
	putchar('\n');
	if (*str(t, "note") && strcmp(str(t, "note"), "-"))
		printf("  %-12s%s\n", strcmp(str(t, "state"), "up") ? "why" : "note", str(t, "note"));
	print_end("local", t, "local-host", "local-port", "local-id");
	print_end("remote", t, "remote-host", "remote-port", "remote-id");
	if (json_object_get(t, "uniqueid")) {
		print_suite("ike", t);
		printf("  %-12s%s %s, number %" PRIu64 ", %s\n", "ike spi", str(t, "initiator-spi"),
		       str(t, "responder-spi"), num(t, "uniqueid"),
		       json_is_true(json_object_get(t, "initiator")) ? "initiator" : "responder");
		printf("  %-12s%s, rekey in %s\n", "ike age",
		       span(t, "established", age, sizeof(age)),
		       span(t, "rekey-time", rekey, sizeof(rekey)));
		if (json_is_true(json_object_get(t, "nat-local")) ||
		    json_is_true(json_object_get(t, "nat-remote")))
			printf("  %-12s%s%s\n", "nat",
			       json_is_true(json_object_get(t, "nat-local")) ? "here " : "",
			       json_is_true(json_object_get(t, "nat-remote")) ? "at the peer" : "");
	}
	if (json_object_get(t, "pairs"))
		printf("  %-12s%zu of %" PRIu64 "\n", "pairs", json_array_size(children),
		       num(t, "pairs"));
	for (i = 0; i < json_array_size(children); i++)
		print_child(json_array_get(children, i));
	print_sizes(t);
	if (counts)
		printf("  %-12srekeys %" PRIu64 " ike %" PRIu64 " child, retransmits %" PRIu64
		       ", dpd timeouts %" PRIu64 "\n", "counts", num(counts, "ike-rekeys"),
		       num(counts, "child-rekeys"), num(counts, "retransmits"),
		       num(counts, "dpd-timeouts"));
}

static void each(void *arg, const json_t *answer)
{
	const json_t *t = json_object_get(answer, "tunnel");
	struct showing *s = arg;

	if (!t)
		return;
	snprintf(s->state, sizeof(s->state), "%s", str(t, "state"));
	if (s->list) {
		json_array_append_new(s->list, json_deep_copy(t));
	} else if (s->detail) {
		print_detail(t);
	} else {
		if (!s->n)
			printf("%-15s %-10s %-39s %-8s %-8s %s\n", "NAME", "STATE", "PEER", "AGE",
			       "REKEY IN", "BYTES IN / OUT");
		print_row(t);
	}
	s->n++;
}

/* 0 up, 1 connecting, 2 down. */
static int exit_of(const char *state)
{
	if (!strcmp(state, "up"))
		return 0;
	return !strcmp(state, "connecting") ? 1 : 2;
}

int do_show(int argc, char **argv)
{
	struct showing s = { 0 };
	const char *name;
	bool json;
	int err = cli_show_args(argc, argv, 1, &name, &json);

	if (err)
		return err;
	if (json)
		s.list = json_array();
	s.detail = name != NULL;
	err = ctl_ask("show", name, true, false, each, &s);
	if (err) {
		json_decref(s.list);
		return name ? 2 : err;
	}
	if (json)
		err = cli_json(s.list);
	return err ? err : name ? exit_of(s.state) : 0;
}
