// SPDX-License-Identifier: GPL-2.0-or-later
/* A device's header settings: words, and what of them is new to the device. */
#include <string.h>

#include "../outer.h"
#include "tap.h"

static const struct {
	const char *key, *text;
	bool good;
} words[] = {
	{ "df", "copy", true }, { "df", "set", true }, { "df", "clear", true },
	{ "df", "Set", false }, { "df", "", false }, { "df", "1", false },
	{ "dscp", "copy", true }, { "dscp", "0", true }, { "dscp", "63", true },
	{ "dscp", "0x2e", true }, { "dscp", "64", false }, { "dscp", "-1", false },
	{ "dscp", "ef", false },
	{ "ttl", "auto", true }, { "ttl", "1", true }, { "ttl", "255", true },
	{ "ttl", "0", false }, { "ttl", "256", false }, { "ttl", "1 ", false },
	{ "min-pmtu", "576", true }, { "min-pmtu", "65535", true },
	{ "min-pmtu", "575", false }, { "min-pmtu", "65536", false },
	{ "mark", "0", true }, { "mark", "4294967295", true }, { "mark", "0xffffffff", true },
	{ "mark", "4294967296", false }, { "mark", "99999999999999999999", false },
	{ "mark", "0x", false }, { "mark", "0xg", false }, { "mark", "010x", false },
};

static struct nlv_dev_patch of(const char *key, const char *text)
{
	struct nlv_dev_patch p = { 0 };

	outer_take(&p, key, text);
	return p;
}

int main(void)
{
	const struct nlv_dev dev = {
		.df = IPSECVTI_DF_SET, .dscp = IPSECVTI_DSCP_COPY, .ttl = 64, .min_pmtu = 1280,
		.mark = 7, .oif = 3, .on_demand = true,
	};
	struct nlv_dev_patch p;
	unsigned int i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		p = (struct nlv_dev_patch){ 0 };
		ok(outer_has(words[i].key) &&
		   !outer_take(&p, words[i].key, words[i].text) == words[i].good, "%s = %s: %s",
		   words[i].key, words[i].text, words[i].good ? "taken" : "refused");
	}
	ok(!outer_has("oif") && !outer_has("dscp ") && !outer_has(""), "other words are others'");
	p = of("mark", "010");
	ok(p.mark == 10, "no octal numbers");
	p = of("dscp", "0x2e");
	ok(p.set_dscp && p.dscp == 46 && !p.set_ttl && !p.set_df && !p.set_mark && !p.set_min_pmtu,
	   "one word marks one member");

	p = of("df", "set");
	outer_take(&p, "dscp", "copy");
	outer_take(&p, "ttl", "64");
	outer_take(&p, "min-pmtu", "1280");
	outer_take(&p, "mark", "7");
	p.set_oif = p.set_on_demand = p.on_demand = true;
	p.oif = 3;
	ok(!outer_changes(&p, &dev), "nothing is new");
	for (i = 0; i < 5; i++) {
		static const char *const new[][2] = {
			{ "df", "clear" }, { "dscp", "0" }, { "ttl", "auto" },
			{ "min-pmtu", "1281" }, { "mark", "0" },
		};

		p = of(new[i][0], new[i][1]);
		ok(outer_changes(&p, &dev), "%s is new", new[i][0]);
	}
	p = (struct nlv_dev_patch){ .set_oif = true };
	ok(outer_changes(&p, &dev), "oif is new");
	p = (struct nlv_dev_patch){ .set_on_demand = true };
	ok(outer_changes(&p, &dev), "on-demand is new");
	p = of("ttl", "64");
	outer_take(&p, "mark", "8");
	ok(outer_changes(&p, &dev) && p.set_mark && !p.set_ttl, "what is not new is left out");
	p = (struct nlv_dev_patch){ .mark = 9, .df = IPSECVTI_DF_CLEAR };
	ok(!outer_changes(&p, &dev), "what is not marked is not looked at");
	return done();
}
