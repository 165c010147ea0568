// SPDX-License-Identifier: GPL-2.0-or-later
#include "outer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/ipsecvti.h>

#define MIN_PMTU_LEAST	576	/* the kernel takes nothing below */
#define MIN_PMTU_MOST	65535

const char *const outer_df_names[] = {
	[IPSECVTI_DF_COPY] = "copy", [IPSECVTI_DF_SET] = "set", [IPSECVTI_DF_CLEAR] = "clear",
};

static bool number(const char *text, uint32_t low, uint32_t high, uint32_t *out)
{
	const bool hex = !strncmp(text, "0x", 2);
	const char *digits = hex ? text + 2 : text;
	unsigned long long v;

	if (!*digits || digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")])
		return false;
	errno = 0;
	v = strtoull(digits, NULL, hex ? 16 : 10);
	if (errno || v < low || v > high)
		return false;
	*out = (uint32_t)v;
	return true;
}

static const char *take_df(struct nlv_dev_patch *p, const char *text)
{
	p->set_df = true;
	for (p->df = IPSECVTI_DF_COPY; p->df <= IPSECVTI_DF_CLEAR; p->df++)
		if (!strcmp(text, outer_df_names[p->df]))
			return NULL;
	return "is not copy, set or clear";
}

static const char *take_dscp(struct nlv_dev_patch *p, const char *text)
{
	uint32_t v = IPSECVTI_DSCP_COPY;

	if (strcmp(text, "copy") && !number(text, 0, 63, &v))
		return "is neither copy nor a number up to 63";
	p->set_dscp = true;
	p->dscp = (uint8_t)v;
	return NULL;
}

static const char *take_ttl(struct nlv_dev_patch *p, const char *text)
{
	uint32_t v = 0;

	if (strcmp(text, "auto") && !number(text, 1, 255, &v))
		return "is neither auto nor a number from 1 to 255";
	p->set_ttl = true;
	p->ttl = (uint8_t)v;
	return NULL;
}

static const char *take_min_pmtu(struct nlv_dev_patch *p, const char *text)
{
	p->set_min_pmtu = number(text, MIN_PMTU_LEAST, MIN_PMTU_MOST, &p->min_pmtu);
	return p->set_min_pmtu ? NULL : "is not a number from 576 to 65535";
}

static const char *take_mark(struct nlv_dev_patch *p, const char *text)
{
	p->set_mark = number(text, 0, UINT32_MAX, &p->mark);
	return p->set_mark ? NULL : "is not a number from 0 to 4294967295";
}

static const struct {
	const char *key;
	const char *(*take)(struct nlv_dev_patch *p, const char *text);
} words[] = {
	{ "df", take_df }, { "dscp", take_dscp }, { "ttl", take_ttl },
	{ "min-pmtu", take_min_pmtu }, { "mark", take_mark },
};

#define WORDS	(sizeof(words) / sizeof(words[0]))

static unsigned int find(const char *key)
{
	unsigned int i = 0;

	while (i < WORDS && strcmp(words[i].key, key))
		i++;
	return i;
}

bool outer_has(const char *key)
{
	return find(key) < WORDS;
}

const char *outer_take(struct nlv_dev_patch *p, const char *key, const char *text)
{
	unsigned int i = find(key);

	return i < WORDS ? words[i].take(p, text) : "is for nothing that a device has";
}

bool outer_changes(struct nlv_dev_patch *p, const struct nlv_dev *dev)
{
	p->set_on_demand &= p->on_demand != dev->on_demand;
	p->set_oif &= p->oif != dev->oif;
	p->set_mark &= p->mark != dev->mark;
	p->set_df &= p->df != dev->df;
	p->set_dscp &= p->dscp != dev->dscp;
	p->set_ttl &= p->ttl != dev->ttl;
	p->set_min_pmtu &= p->min_pmtu != dev->min_pmtu;
	return p->set_on_demand || p->set_oif || p->set_mark || p->set_df || p->set_dscp ||
	       p->set_ttl || p->set_min_pmtu;
}
