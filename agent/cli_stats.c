// SPDX-License-Identifier: GPL-2.0-or-later
/* ipsecvti stats, monitor: counters and events. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"

/* ---- stats ---- */

static void print_counters(const struct counters *c, const char *indent, bool zeros)
{
	unsigned int i;

	for (i = 1; i < COUNTERS; i++)
		if (counter_names[i] && (c->v[i] || zeros))
			printf("%s%-16s %" PRIu64 "\n", indent, counter_names[i], c->v[i]);
}

static json_t *sa_stats_json(const struct nlv_sa *s)
{
	json_t *j = json_object();
	char spi[16];

	snprintf(spi, sizeof(spi), "0x%08x", s->spi);
	json_object_set_new(j, "sa-id", json_integer(s->sa_id));
	json_object_set_new(j, "dir", json_string(s->dir == IPSECVTI_DIR_IN ? "in" : "out"));
	json_object_set_new(j, "spi", json_string(spi));
	json_object_set_new(j, "stats", cli_counters_json(&s->stats));
	return j;
}

static json_t *stats_json(const struct nlv_dev *d, const struct nlv_sa *sas, size_t n_sas)
{
	json_t *j = json_object(), *list = json_array();
	size_t i;

	json_object_set_new(j, "ifname", json_string(d->name));
	json_object_set_new(j, "dev-id", json_integer(d->dev_id));
	json_object_set_new(j, "stats", cli_counters_json(&d->stats));
	for (i = 0; i < n_sas; i++)
		if (sas[i].dev_id == d->dev_id)
			json_array_append_new(list, sa_stats_json(&sas[i]));
	json_object_set_new(j, "sas", list);
	return j;
}

static void stats_print(const struct nlv_dev *d, const struct nlv_sa *sas, size_t n_sas)
{
	size_t i;

	printf("%s\n", d->name);
	print_counters(&d->stats, "  ", true);
	for (i = 0; i < n_sas; i++) {
		if (sas[i].dev_id != d->dev_id)
			continue;
		printf("  sa %u %s spi 0x%08x\n", sas[i].sa_id,
		       sas[i].dir == IPSECVTI_DIR_IN ? "in" : "out", sas[i].spi);
		print_counters(&sas[i].stats, "    ", false);
	}
}

/* One device, or all, as an array that the caller frees. */
static int read_devs(struct nlv *n, const struct nlv_who *who, struct nlv_dev **devs, size_t *count)
{
	if (!cli_dev_named(who))
		return nlv_dev_dump(n, true, devs, count);
	*count = 1;
	*devs = malloc(sizeof(**devs));
	return *devs ? nlv_dev_get(n, who, true, *devs) : -ENOMEM;
}

int do_stats(int argc, char **argv)
{
	struct nlv_who who = { 0 };
	struct nlv_dev *devs = NULL;
	struct nlv_sa *sas = NULL;
	size_t i, n_devs = 0, n_sas = 0;
	struct nlv *n;
	json_t *j;
	bool json;
	int err = cli_show_dev_args(argc, argv, &who, &json);

	if (err)
		return err;
	n = cli_open();
	if (!n)
		return EXIT_REFUSED;
	err = read_devs(n, &who, &devs, &n_devs);
	if (!err)
		err = nlv_sa_dump(n, cli_dev_named(&who) ? &who : NULL, true, &sas, &n_sas);
	if (err) {
		err = cli_kernel_dev(n, err, &who, "stats");
		n_devs = 0;
	}
	nlv_close(n);
	j = json && !err ? json_array() : NULL;
	for (i = 0; i < n_devs; i++) {
		if (json)
			json_array_append_new(j, stats_json(&devs[i], sas, n_sas));
		else
			stats_print(&devs[i], sas, n_sas);
	}
	free(devs);
	free(sas);
	return j ? cli_json(j) : err;
}

/* ---- monitor ---- */

static json_t *event_json(const struct nlv_event *ev)
{
	const char *name = nlv_event_name(ev->type);
	json_t *j = json_object();
	char spi[16], from[ADDR_TEXT_MAX];

	json_object_set_new(j, "event", name ? json_string(name) : json_integer(ev->type));
	if (*ev->name)
		json_object_set_new(j, "ifname", json_string(ev->name));
	if (ev->dev_id)
		json_object_set_new(j, "dev-id", json_integer(ev->dev_id));
	if (ev->ifindex)
		json_object_set_new(j, "ifindex", json_integer(ev->ifindex));
	if (ev->has_netnsid)
		json_object_set_new(j, "netnsid", json_integer(ev->netnsid));
	if (ev->sa_id) {
		json_object_set_new(j, "sa-id", json_integer(ev->sa_id));
		json_object_set_new(j, "dir",
				    json_string(ev->dir == IPSECVTI_DIR_IN ? "in" : "out"));
	}
	if (ev->has_spi) {
		snprintf(spi, sizeof(spi), "0x%08x", ev->spi);
		json_object_set_new(j, "spi", json_string(spi));
	}
	if (ev->from.family)
		json_object_set_new(j, "from",
				    json_string(addr_format(&ev->from, from, sizeof(from))));
	json_object_set_new(j, "netns-gen", json_integer(ev->netns_gen));
	return j;
}

static void event_print(const struct nlv_event *ev)
{
	const char *name = nlv_event_name(ev->type);
	char from[ADDR_TEXT_MAX];

	if (name)
		printf("%s", name);
	else
		printf("event-%u", ev->type);
	if (*ev->name)
		printf(" %s", ev->name);
	if (ev->dev_id)
		printf(" dev-id %u", ev->dev_id);
	if (ev->sa_id)
		printf(" sa %u dir %s", ev->sa_id, ev->dir == IPSECVTI_DIR_IN ? "in" : "out");
	if (ev->has_spi)
		printf(" spi 0x%08x", ev->spi);
	if (ev->from.family)
		printf(" from %s", addr_format(&ev->from, from, sizeof(from)));
	putchar('\n');
}

static void event_json_print(const struct nlv_event *ev)
{
	json_t *j = event_json(ev);

	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
}

/* 0: everything so far is printed. */
static int drain(struct nlv *n, bool json)
{
	struct nlv_event ev;
	int err;

	while (!(err = nlv_event_read(n, &ev))) {
		if (json)
			event_json_print(&ev);
		else
			event_print(&ev);
	}
	if (err == -ENOBUFS) {
		puts(json ? "{\"event\":\"lost\"}" :
		     "lost: events came faster than they were read");
		err = 0;
	}
	if (fflush(stdout) == EOF)
		return -EPIPE;
	return err == -EAGAIN ? 0 : err;
}

int do_monitor(int argc, char **argv)
{
	struct pollfd pfd = { .events = POLLIN };
	const char *word;
	struct nlv *n;
	bool json;
	int err = cli_show_args(argc, argv, 0, &word, &json);

	if (err)
		return err;
	n = cli_open();
	if (!n)
		return EXIT_REFUSED;
	err = nlv_subscribe(n);
	if (err) {
		err = cli_kernel(n, err, "monitor");
		nlv_close(n);
		return err;
	}
	/* Scripts wait for this line before they cause what they want to see. */
	fputs("monitoring\n", stderr);
	pfd.fd = nlv_fd(n);
	while (!err)
		if (poll(&pfd, 1, -1) > 0)
			err = drain(n, json);
	nlv_close(n);
	return cli_refused("monitor: %s", strerror(-err));
}
