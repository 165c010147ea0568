// SPDX-License-Identifier: GPL-2.0-or-later
/* Addresses of peers' names: what becomes of one answer after the other. */
#include "../addr.h"
#include "../keeper.h"
#include "tap.h"

/* "0=192.0.2.1 1=2001:db8::1": name and address. */
static struct resolved resolved(const char *text)
{
	struct resolved r = { 0 };
	char word[64];

	while (sscanf(text, "%63s", word) == 1) {
		r.name[r.n] = (uint8_t)(word[0] - '0');
		if (addr_parse(&r.addr[r.n++], word + 2))
			abort();
		text += strlen(word);
		text += strspn(text, " ");
	}
	return r;
}

static const char *text_of(const struct resolved *r, char *buf, size_t size)
{
	char text[ADDR_TEXT_MAX];
	size_t at = 0;

	*buf = 0;
	for (uint32_t i = 0; i < r->n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%u=%s", i ? " " : "", r->name[i],
				       addr_format_ip(&r->addr[i], text, sizeof(text)));
	return buf;
}

static const struct {
	const char *what, *before, *answer, *after;
	bool changed;
} cases[] = {
	{ "the first answer", "", "0=192.0.2.1 0=192.0.2.2", "0=192.0.2.1 0=192.0.2.2", true },
	{ "the same again", "0=192.0.2.1", "0=192.0.2.1", "0=192.0.2.1", false },
	{ "turned around", "0=192.0.2.1 0=192.0.2.2 0=192.0.2.3",
	  "0=192.0.2.2 0=192.0.2.3 0=192.0.2.1", "0=192.0.2.1 0=192.0.2.2 0=192.0.2.3", false },
	{ "moved", "0=192.0.2.1", "0=192.0.2.9", "0=192.0.2.9", true },
	{ "one more comes last", "0=192.0.2.2", "0=192.0.2.1 0=192.0.2.2",
	  "0=192.0.2.2 0=192.0.2.1", true },
	{ "one less", "0=192.0.2.1 0=192.0.2.2", "0=192.0.2.2", "0=192.0.2.2", true },
	{ "the other family", "0=192.0.2.1", "0=2001:db8::1", "0=2001:db8::1", true },
	{ "a name without an answer keeps what it had", "0=192.0.2.1 1=192.0.2.2", "1=192.0.2.3",
	  "0=192.0.2.1 1=192.0.2.3", true },
	{ "nor is that a change", "0=192.0.2.1 1=192.0.2.2", "1=192.0.2.2",
	  "0=192.0.2.1 1=192.0.2.2", false },
	{ "an address under two names", "0=192.0.2.1", "0=192.0.2.1 1=192.0.2.1",
	  "0=192.0.2.1 1=192.0.2.1", true },
	{ "twice in an answer", "", "0=192.0.2.1 0=192.0.2.1", "0=192.0.2.1", true },
};

static void many(void)
{
	struct resolved found = { 0 }, answer = { 0 };

	for (uint8_t i = 0; i < RESOLVED_MAX; i++) {
		found.addr[i] = addr_make(AF_INET, "\xc0\x00\x02\x00", 0);
		found.addr[i].ip[3] = i;
		answer.addr[i] = found.addr[i];
		answer.addr[i].ip[3] = (uint8_t)(i + RESOLVED_MAX - 1);
	}
	found.n = answer.n = RESOLVED_MAX;
	ok(resolved_merge(&found, &answer) && found.n == RESOLVED_MAX &&
	   found.addr[0].ip[3] == RESOLVED_MAX - 1, "as many as there is room for");
}

/* "remote = 192.0.2.1, a, 192.0.2.2, b": the addresses of a and b come in these places. */
static void order(void)
{
	static struct keeper k;
	static struct ktunnel kt = {
		.k = &k, .t = { .id = 1 }, .n_names = 2, .name_at = { 1, 2 },
	};
	char text[ADDR_TEXT_MAX], got[200] = "";

	kt.conf.n_remote = 2;
	addr_parse(&kt.conf.remote[0], "192.0.2.1");
	addr_parse(&kt.conf.remote[1], "192.0.2.2");
	kt.found = resolved("1=192.0.2.5 0=192.0.2.3 1=192.0.2.1");
	keeper_update(&kt);
	for (unsigned int i = 0; i < kt.told.n_remote; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s ",
			 addr_format_ip(&kt.told.remote[i], text, sizeof(text)));
	is_str(got, "192.0.2.1 192.0.2.3 192.0.2.2 192.0.2.5 ",
	       "names and addresses in the order of the configuration, none twice");
}

int main(void)
{
	char got[400];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct resolved r = resolved(cases[i].before), answer = resolved(cases[i].answer);
		bool changed = resolved_merge(&r, &answer);

		is_str(text_of(&r, got, sizeof(got)), cases[i].after, "%s", cases[i].what);
		ok(changed == cases[i].changed, "which is %s change", changed ? "a" : "no");
	}
	many();
	order();
	return done();
}
