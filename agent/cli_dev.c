// SPDX-License-Identifier: GPL-2.0-or-later
/* ipsecvti dev, spi: a device's outer side by hand. */
#include "cli.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "addr.h"
#include "outer.h"

/* ---- dev set ---- */

static bool address(struct cli_words *w, struct addr *a)
{
	const char *key = w->key, *text = cli_value(w);

	if (!text)
		return false;
	if (!addr_parse(a, text) && a->family != AF_UNSPEC && !a->port)
		return true;
	cli_usage("%s: \"%s\" is not an IP address", key, text);
	return false;
}

static bool port(struct cli_words *w, const char *what, uint16_t *out)
{
	const char *text;
	uint64_t v;

	if (!w->argc) {
		cli_usage("encap udp needs a source and a destination port");
		return false;
	}
	text = cli_value(w);
	if (!cli_number(text, 65535, &v)) {
		cli_usage("encap udp: %s \"%s\" is not a port number", what, text);
		return false;
	}
	*out = (uint16_t)v;
	return true;
}

static bool encap(struct cli_words *w, struct nlv_dev_patch *p)
{
	const char *kind = cli_value(w);

	if (!kind)
		return false;
	p->set_encap = true;
	if (!strcmp(kind, "none")) {
		p->encap = IPSECVTI_ENCAP_NONE;
		return true;
	}
	if (strcmp(kind, "udp")) {
		cli_usage("encap: \"%s\" is neither udp nor none", kind);
		return false;
	}
	p->encap = IPSECVTI_ENCAP_UDP;
	return port(w, "source port", &p->sport) && port(w, "destination port", &p->dport);
}

static bool oif(struct cli_words *w, struct nlv_dev_patch *p)
{
	const char *name = cli_value(w);
	uint64_t v;

	if (!name)
		return false;
	p->set_oif = true;
	p->oif = if_nametoindex(name);
	if (!p->oif && cli_number(name, INT32_MAX, &v))
		p->oif = (uint32_t)v;	/* 0 takes the setting back */
	else if (!p->oif)
		return cli_usage("oif: no interface \"%s\"", name), false;
	return true;
}

static bool outer(struct cli_words *w, struct nlv_dev_patch *p)
{
	const char *key = w->key, *text = cli_value(w), *why;

	if (!text)
		return false;
	why = outer_take(p, key, text);
	if (why)
		cli_usage("%s: \"%s\" %s", key, text, why);
	return !why;
}

static bool yes_no(struct cli_words *w, bool *out)
{
	const char *key = w->key, *text = cli_value(w);

	if (!text)
		return false;
	*out = !strcmp(text, "yes");
	if (*out || !strcmp(text, "no"))
		return true;
	cli_usage("%s: \"%s\" is neither yes nor no", key, text);
	return false;
}

static bool dev_word(struct cli_words *w, struct nlv_who *who, struct nlv_dev_patch *p)
{
	if (cli_is(w, "local"))
		return address(w, &p->local);
	if (cli_is(w, "remote"))
		return address(w, &p->remote);
	if (cli_is(w, "encap"))
		return encap(w, p);
	if (cli_is(w, "oif"))
		return oif(w, p);
	if (cli_is(w, "on-demand")) {
		p->set_on_demand = true;
		return yes_no(w, &p->on_demand);
	}
	if (outer_has(w->key))
		return outer(w, p);
	if (cli_is(w, "owner"))
		return (who->owner = cli_value(w)) != NULL;
	if (cli_is(w, "force"))
		return who->force = true;
	cli_usage("dev set: unknown word \"%s\"", w->key);
	return false;
}

static int dev_set(int argc, char **argv)
{
	struct cli_words w = { argc, argv, NULL };
	struct nlv_dev_patch p = { 0 };
	struct nlv_who who = { 0 };
	struct nlv *n;
	int err;

	if (!cli_next(&w))
		return cli_usage("dev set: which device?");
	if (!cli_dev(&w, &who))
		return EXIT_USAGE;
	while (cli_next(&w))
		if (!dev_word(&w, &who, &p))
			return EXIT_USAGE;
	p.set_addrs = p.local.family || p.remote.family;
	n = cli_open();
	if (!n)
		return EXIT_REFUSED;
	err = nlv_dev_set(n, &who, &p);
	if (err)
		err = cli_kernel_dev(n, err, &who, NULL);
	nlv_close(n);
	return err;
}

/* ---- dev show ---- */

static json_t *dev_json(const struct nlv_dev *d)
{
	char text[ADDR_TEXT_MAX];
	json_t *j = json_object(), *spis = json_array();
	uint32_t i;

	json_object_set_new(j, "ifname", json_string(d->name));
	json_object_set_new(j, "ifindex", json_integer(d->ifindex));
	json_object_set_new(j, "dev-id", json_integer(d->dev_id));
	json_object_set_new(j, "owner", json_string(d->owner));
	if (d->local.family)
		json_object_set_new(j, "local",
				    json_string(addr_format_ip(&d->local, text, sizeof(text))));
	if (d->remote.family)
		json_object_set_new(j, "remote",
				    json_string(addr_format_ip(&d->remote, text, sizeof(text))));
	json_object_set_new(j, "encap",
			    json_string(d->encap == IPSECVTI_ENCAP_UDP ? "udp" : "none"));
	if (d->encap == IPSECVTI_ENCAP_UDP) {
		json_object_set_new(j, "sport", json_integer(d->local.port));
		json_object_set_new(j, "dport", json_integer(d->remote.port));
	}
	json_object_set_new(j, "oif", json_integer(d->oif));
	json_object_set_new(j, "mark", json_integer(d->mark));
	json_object_set_new(j, "on-demand", json_boolean(d->on_demand));
	json_object_set_new(j, "df", json_string(d->df <= IPSECVTI_DF_CLEAR ?
						 outer_df_names[d->df] :
						 "?"));
	if (d->dscp == IPSECVTI_DSCP_COPY)
		json_object_set_new(j, "dscp", json_string("copy"));
	else
		json_object_set_new(j, "dscp", json_integer(d->dscp));
	json_object_set_new(j, "ttl", json_integer(d->ttl));
	json_object_set_new(j, "min-pmtu", json_integer(d->min_pmtu));
	if (d->pmtu)
		json_object_set_new(j, "pmtu", json_integer(d->pmtu));
	if (d->seen.family)
		json_object_set_new(j, "seen",
				    json_string(addr_format(&d->seen, text, sizeof(text))));
	json_object_set_new(j, "gen", json_integer(d->gen));
	json_object_set_new(j, "netns-gen", json_integer(d->netns_gen));
	if (d->has_netnsid)
		json_object_set_new(j, "netnsid", json_integer(d->netnsid));
	json_object_set_new(j, "carrier", json_boolean(d->carrier));
	json_object_set_new(j, "effective-mtu", json_integer(d->effective_mtu));
	json_object_set_new(j, "forked", json_integer(d->forked));
	for (i = 0; i < d->n_reserved && i < NLV_RESERVED; i++) {
		snprintf(text, sizeof(text), "0x%08x", d->reserved[i]);
		json_array_append_new(spis, json_string(text));
	}
	json_object_set_new(j, "reserved-spi", spis);
	return j;
}

static void dev_print(const struct nlv_dev *d)
{
	char local[ADDR_TEXT_MAX], remote[ADDR_TEXT_MAX];
	uint32_t i;

	printf("%s: dev-id %u ifindex %u carrier %s gen %u%s%s\n", d->name, d->dev_id, d->ifindex,
	       d->carrier ? "up" : "down", d->gen, *d->owner ? " owner " : "", d->owner);
	printf("    local %s remote %s encap ", d->local.family ?
	       addr_format_ip(&d->local, local, sizeof(local)) : "none", d->remote.family ?
	       addr_format_ip(&d->remote, remote, sizeof(remote)) : "none");
	if (d->encap == IPSECVTI_ENCAP_UDP)
		printf("udp %u %u", d->local.port, d->remote.port);
	else
		printf("none");
	if (d->oif)
		printf(" oif %u", d->oif);
	if (d->mark)
		printf(" mark 0x%x", d->mark);
	if (d->has_netnsid)
		printf(" netnsid %d", d->netnsid);
	if (d->on_demand)
		printf(" on-demand");
	if (d->df == IPSECVTI_DF_SET || d->df == IPSECVTI_DF_CLEAR)
		printf(" df %s", outer_df_names[d->df]);
	if (d->dscp != IPSECVTI_DSCP_COPY)
		printf(" dscp %u", d->dscp);
	if (d->ttl)
		printf(" ttl %u", d->ttl);
	if (d->seen.family)
		printf("\n    the peer was seen at %s",
		       addr_format(&d->seen, remote, sizeof(remote)));
	if (d->pmtu)
		printf("\n    path mtu %u, by ICMP", d->pmtu);
	if (d->effective_mtu > 60)
		printf("\n    effective mtu %u mss %u (IPv4) %u (IPv6)", d->effective_mtu,
		       d->effective_mtu - 40, d->effective_mtu - 60);
	if (d->forked)
		printf("\n    outbound SAs were killed by a VM fork %u times", d->forked);
	for (i = 0; i < d->n_reserved && i < NLV_RESERVED; i++)
		printf("%s0x%08x", i ? " " : "\n    reserved spi ", d->reserved[i]);
	putchar('\n');
}

static int dev_show_all(struct nlv *n, bool json)
{
	struct nlv_dev *devs;
	size_t i, count;
	json_t *j;
	int err = nlv_dev_dump(n, false, &devs, &count);

	if (err)
		return cli_kernel(n, err, "dev show");
	j = json ? json_array() : NULL;
	for (i = 0; i < count; i++) {
		if (json)
			json_array_append_new(j, dev_json(&devs[i]));
		else
			dev_print(&devs[i]);
	}
	free(devs);
	return json ? cli_json(j) : 0;
}

static int dev_show(int argc, char **argv)
{
	struct nlv_who who = { 0 };
	struct nlv_dev dev;
	struct nlv *n;
	bool json;
	int err = cli_show_dev_args(argc, argv, &who, &json);

	if (err)
		return err;
	n = cli_open();
	if (!n)
		return EXIT_REFUSED;
	if (!cli_dev_named(&who)) {
		err = dev_show_all(n, json);
	} else if ((err = nlv_dev_get(n, &who, false, &dev))) {
		err = cli_kernel_dev(n, err, &who, NULL);
	} else if (json) {
		json_t *j = json_array();

		json_array_append_new(j, dev_json(&dev));
		err = cli_json(j);
	} else {
		dev_print(&dev);
	}
	nlv_close(n);
	return err;
}

int do_dev(int argc, char **argv)
{
	if (argc && !strcmp(argv[0], "set"))
		return dev_set(argc - 1, argv + 1);
	if (argc && !strcmp(argv[0], "show"))
		return dev_show(argc - 1, argv + 1);
	return cli_usage("dev: set or show (see ipsecvti -h)");
}

/* ---- spi alloc ---- */

int do_spi(int argc, char **argv)
{
	struct cli_words w = { argc - 1, argv + 1, NULL };
	struct nlv_who who = { 0 };
	struct nlv *n;
	uint32_t spi;
	int err;

	if (argc < 2 || strcmp(argv[0], "alloc"))
		return cli_usage("spi: alloc IF");
	cli_next(&w);
	if (!cli_dev(&w, &who))
		return EXIT_USAGE;
	while (cli_next(&w)) {
		if (cli_is(&w, "force"))
			who.force = true;
		else if (!cli_is(&w, "owner"))
			return cli_usage("spi alloc: unknown word \"%s\"", w.key);
		else if (!(who.owner = cli_value(&w)))
			return EXIT_USAGE;
	}
	n = cli_open();
	if (!n)
		return EXIT_REFUSED;
	err = nlv_spi_alloc(n, &who, &spi);
	if (err)
		err = cli_kernel_dev(n, err, &who, NULL);
	else
		printf("0x%08x\n", spi);
	nlv_close(n);
	return err;
}
