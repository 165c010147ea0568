// SPDX-License-Identifier: GPL-2.0-or-later
/* Configuration: what the values mean, their defaults, what fits together. */
#include "conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/ipsecvti.h>

#include "addr.h"
#include "id.h"
#include "outer.h"
#include "pskfile.h"
#include "suite.h"
#include "ts.h"
#include "wire_sa.h"


#define LIFE_MIN	10
#define LIFE_MAX	(30 * 86400)

/* A tunnel being understood. */
struct sem {
	struct conf *c;
	struct conf_tunnel *ct;
	unsigned int flags;
	enum conf_key key;		/* at hand */
	const struct conf_value *v;
};

static void bad(struct sem *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void bad(struct sem *s, const char *fmt, ...)
{
	const char *file = s->v->file ? s->v->file : s->ct->file;
	unsigned int line = s->v->file ? s->v->line : s->ct->line;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_error(s->c, file, line, "%s: %s", conf_keys[s->key], text);
}

/* ---- lists ---- */

struct words {
	const char *rest;
	char word[CONF_LINE_MAX + 1];
};

/* The next item of "a, b, c", trimmed; an empty one too, so that it can be refused. */
static bool next_word(struct words *w)
{
	const char *start = w->rest, *end;
	size_t len;

	if (!start)
		return false;
	start += strspn(start, " \t");
	end = start + strcspn(start, ",");
	w->rest = *end ? end + 1 : NULL;
	for (len = (size_t)(end - start); len && strchr(" \t", start[len - 1]); len--)
		;
	if (len > CONF_LINE_MAX)
		len = CONF_LINE_MAX;
	memcpy(w->word, start, len);
	w->word[len] = 0;
	return true;
}

/* ---- scalars ---- */

/* A number with one of the unit letters; 0 for "not at all". */
static bool scaled(const char *text, const char *units, const uint64_t *factor, uint64_t *out)
{
	char *end;
	const char *u;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (!*end)
		return true;
	u = strchr(units, *end);
	if (!u || end[1])
		return false;
	return !__builtin_mul_overflow(*out, factor[u - units], out);
}

static bool seconds(struct sem *s, uint64_t low, uint64_t high, uint32_t *out)
{
	static const uint64_t factor[] = { 1, 60, 3600, 86400 };
	uint64_t v;

	if (!s->v->text)
		return false;
	if (!scaled(s->v->text, "smhd", factor, &v)) {
		bad(s, "\"%s\" is not a time such as 90, 30s, 15m, 8h or 1d", s->v->text);
	} else if (v < low || v > high) {
		bad(s, "%llu seconds; it must be %llu to %llu", (unsigned long long)v,
		    (unsigned long long)low, (unsigned long long)high);
	} else {
		*out = (uint32_t)v;
		return true;
	}
	return false;
}

static void amount(struct sem *s, uint64_t low, uint64_t *out)
{
	static const uint64_t factor[] = { 1ull << 10, 1ull << 20, 1ull << 30, 1ull << 40 };
	uint64_t v;

	if (!s->v->text)
		return;
	if (!scaled(s->v->text, "KMGT", factor, &v))
		bad(s, "\"%s\" is not a number such as 1000000, 512M or 10G", s->v->text);
	else if (v && v < low)
		bad(s, "%llu would rekey all the time; it must be 0 (no limit) or at least %llu",
		    (unsigned long long)v, (unsigned long long)low);
	else
		*out = v;
}

static void number(struct sem *s, uint64_t low, uint64_t high, uint32_t *out)
{
	static const uint64_t none[] = { 0 };
	uint64_t v;

	if (!s->v->text)
		return;
	if (!scaled(s->v->text, "", none, &v) || v < low || v > high)
		bad(s, "\"%s\" is not a number from %llu to %llu", s->v->text,
		    (unsigned long long)low, (unsigned long long)high);
	else
		*out = (uint32_t)v;
}

/* The place of the value among the words of choices, or the default. */
static unsigned int choice(struct sem *s, const char *const *choices, unsigned int fallback)
{
	char list[128] = "";
	unsigned int i;

	if (!s->v->text)
		return fallback;
	for (i = 0; choices[i]; i++) {
		if (!strcmp(s->v->text, choices[i]))
			return i;
		if (i)
			strcat(list, choices[i + 1] ? ", " : " or ");
		strcat(list, choices[i]);
	}
	bad(s, "\"%s\" is not %s", s->v->text, list);
	return fallback;
}

/* ---- addresses ---- */

static bool host_ok(const char *name)
{
	size_t i, len = strlen(name);

	if (!len || len > CONF_NAME_MAX || *name == '.' || *name == '-')
		return false;
	/* A name of digits and dots only is an address that is wrong. */
	if (strspn(name, "0123456789.") == len)
		return false;
	for (i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._",
			    name[i]))
			return false;
	return true;
}

static bool usable(struct sem *s, const struct addr *a)
{
	bool multicast = a->family == AF_INET ? (a->ip[0] & 0xf0) == 0xe0 || a->ip[0] == 255 :
			 a->ip[0] == 0xff;

	if (a->port)
		bad(s, "an address without a port; remote-port and [agent] port say that");
	else if (addr_is_any(a))
		bad(s, "%s is no host's address", a->family == AF_INET ? "0.0.0.0" : "::");
	else if (multicast)
		bad(s, "a multicast address cannot be a tunnel's end");
	else
		return true;
	return false;
}

static bool has_addr(const struct addr *list, unsigned int n, const struct addr *a)
{
	while (n--)
		if (addr_ip_equal(list++, a))
			return true;
	return false;
}

bool conf_add_remote(struct tunnel *t, const struct addr *a)
{
	if (has_addr(t->remote, t->n_remote, a))
		return true;
	if (t->n_remote == TUNNEL_ADDRS)
		return false;
	t->remote[t->n_remote++] = *a;
	return true;
}

static void sem_local(struct sem *s)
{
	struct words w = { .rest = s->v->text };
	struct tunnel *t = &s->ct->t;
	struct addr a;

	while (next_word(&w)) {
		if (addr_parse(&a, w.word) || a.family == AF_UNSPEC)
			bad(s, "\"%s\" is not an IP address", w.word);
		else if (!usable(s, &a))
			continue;
		else if (t->n_local == TUNNEL_ADDRS)
			bad(s, "more than %d addresses", TUNNEL_ADDRS);
		else if (has_addr(t->local, t->n_local, &a))
			bad(s, "%s is here twice", w.word);
		else
			t->local[t->n_local++] = a;
	}
}

static void sem_remote(struct sem *s)
{
	struct words w = { .rest = s->v->text };
	struct conf_tunnel *ct = s->ct;
	struct tunnel *t = &ct->t;
	bool any = false, other = false;
	struct addr a;

	while (next_word(&w)) {
		if (!strcmp(w.word, "any") || !strcmp(w.word, "%any")) {
			any = true;
			continue;
		}
		other = true;
		if (!addr_parse(&a, w.word)) {
			if (!usable(s, &a))
				continue;
			if (has_addr(t->remote, t->n_remote, &a))
				bad(s, "%s is here twice", w.word);
			else if (t->n_remote + ct->n_names == TUNNEL_ADDRS)
				bad(s, "more than %d addresses and names", TUNNEL_ADDRS);
			else
				t->remote[t->n_remote++] = a;
		} else if (!host_ok(w.word)) {
			bad(s, "\"%s\" is neither an IP address nor a host's name", w.word);
		} else if (t->n_remote + ct->n_names == TUNNEL_ADDRS) {
			bad(s, "more than %d addresses and names", TUNNEL_ADDRS);
		} else {
			ct->name_at[ct->n_names] = t->n_remote;
			strcpy(ct->names[ct->n_names++], w.word);
		}
	}
	if (any && other)
		bad(s, "any beside an address: any alone already takes every peer");
}

static void sem_address(struct sem *s)
{
	struct words w = { .rest = s->v->text };
	struct conf_tunnel *ct = s->ct;

	while (next_word(&w)) {
		char *slash = strchr(w.word, '/');
		static const uint64_t none[] = { 0 };
		struct addr a;
		uint64_t bits, max;

		if (slash)
			*slash = 0;
		if (addr_parse(&a, w.word) || a.family == AF_UNSPEC || a.port) {
			bad(s, "\"%s\" is not an IP address", w.word);
			continue;
		}
		max = a.family == AF_INET ? 32 : 128;
		bits = max;
		if (slash && (!scaled(slash + 1, "", none, &bits) || bits > max)) {
			bad(s, "\"%s/%s\": the prefix length must be 0 to %u", w.word, slash + 1,
			    (unsigned int)max);
		} else if (ct->n_address == CONF_ADDRESSES_MAX) {
			bad(s, "more than %d addresses", CONF_ADDRESSES_MAX);
		} else {
			ct->address[ct->n_address].addr = a;
			ct->address[ct->n_address++].bits = (uint8_t)bits;
		}
	}
}

/* ---- identities, selectors, proposals ---- */

static void sem_id(struct sem *s, struct ident *id)
{
	const char *why = "not an identity";

	if (s->v->text && id_parse(id, s->v->text, &why))
		bad(s, "\"%s\": %s", s->v->text, why);
}

/* Unless they say otherwise both sides are named by their outer addresses. */
static void default_ids(struct conf_tunnel *ct)
{
	struct tunnel *t = &ct->t;

	if (!ct->value[KEY_LOCAL_ID].text && t->n_local == 1)
		t->local_id = id_from_addr(&t->local[0]);
	if (!ct->value[KEY_REMOTE_ID].text && t->n_remote == 1 && !ct->n_names)
		t->remote_id = id_from_addr(&t->remote[0]);
}

static void sem_ts(struct sem *s, struct ts *list, uint8_t *n)
{
	struct words w = { .rest = s->v->text ? s->v->text : "0.0.0.0/0, ::/0" };
	const char *why = "not a selector";

	while (next_word(&w)) {
		if (*n == TUNNEL_SELECTORS)
			bad(s, "more than %d selectors", TUNNEL_SELECTORS);
		else if (ts_parse(&list[*n], w.word, &why))
			bad(s, "\"%s\": %s", w.word, why);
		else
			(*n)++;
		if (*n == TUNNEL_SELECTORS && w.rest) {
			bad(s, "more than %d selectors", TUNNEL_SELECTORS);
			return;
		}
	}
}

/* A child SA for each of ours with each of the peer's of the same family. */
static void sem_children(struct sem *s)
{
	static const char *const choices[] = { "one", "per-pair", NULL };
	struct tunnel *t = &s->ct->t;
	unsigned int i, k, n = 0;

	t->per_pair = choice(s, choices, 0) == 1;
	for (i = 0; i < t->n_local_ts; i++)
		for (k = 0; k < t->n_remote_ts; k++)
			n += t->local_ts[i].type == t->remote_ts[k].type;
	if (t->per_pair && n > TUNNEL_PAIRS)
		bad(s, "per-pair would make %u child SAs; %d are possible", n, TUNNEL_PAIRS);
	else if (t->per_pair && !n)
		bad(s, "per-pair, but local-ts and remote-ts have no family in common");
}

static void sem_proposals(struct sem *s, uint8_t protocol, struct proposal *list, uint8_t *n)
{
	const char *profile = s->ct->value[KEY_PROFILE].text;
	bool legacy = profile && !strcmp(profile, "legacy");
	const char *text = s->v->text ? s->v->text : suite_default(protocol);
	char why[SUITE_ERR_MAX] = "not a proposal";
	int got = proposals_parse(list, TUNNEL_PROPOSALS, protocol, text, legacy, why, sizeof(why));

	if (got < 0)
		bad(s, "%s", why);
	else
		*n = (uint8_t)got;
}

/* esn = no: what is left of each proposal offers 32-bit sequence numbers only. */
static void without_esn(struct sem *s, struct proposal *p)
{
	unsigned int i, n = 0, esn = 0;

	for (i = 0; i < p->n; i++) {
		if (p->t[i].type == TRANSFORM_ESN && p->t[i].id == ESN_YES)
			continue;
		esn += p->t[i].type == TRANSFORM_ESN;
		p->t[n++] = p->t[i];
	}
	memset(&p->t[n], 0, sizeof(p->t[0]) * (p->n - n));
	p->n = (uint8_t)n;
	if (!esn)
		bad(s, "no, but a proposal in esp asks for nothing else than ESN");
}

static unsigned int esp_groups(const struct tunnel *t)
{
	unsigned int i, k, n = 0;

	for (i = 0; i < t->n_esp; i++)
		for (k = 0; k < t->esp[i].n; k++)
			n += t->esp[i].t[k].type == TRANSFORM_KE;
	return n;
}

static void sem_esn(struct sem *s)
{
	static const char *const choices[] = { "prefer", "require", "no", NULL };
	struct tunnel *t = &s->ct->t;
	unsigned int i, want = choice(s, choices, 0);

	t->esn_only = want == 1;
	if (want == 2)
		for (i = 0; i < t->n_esp; i++)
			without_esn(s, &t->esp[i]);
}

/* ---- the secret ---- */

/* Relative to the file that names it. */
static bool secret_path(const struct conf_value *v, const char *name, char *out, size_t size)
{
	const char *slash = strrchr(v->file, '/');
	int n;

	if (*name == '/' || !slash)
		n = snprintf(out, size, "%s", name);
	else
		n = snprintf(out, size, "%.*s/%s", (int)(slash - v->file), v->file, name);
	return n >= 0 && (size_t)n < size;
}

static void sem_psk(struct sem *s)
{
	struct words w = { .rest = s->v->text };
	struct conf_tunnel *ct = s->ct;
	char path[CONF_LINE_MAX], why[160];

	if (!s->v->text) {
		bad(s, "is missing: tunnel \"%s\" has no secret", ct->t.name);
		return;
	}
	while (next_word(&w)) {
		if (ct->n_psk == CONF_PSKS) {
			bad(s, "more than %d files", CONF_PSKS);
			return;
		}
		if (!*w.word || !secret_path(s->v, w.word, path, sizeof(path))) {
			bad(s, "\"%s\" is not a file's name", w.word);
		} else if (s->flags & CONF_NO_SECRETS) {
			continue;
		} else if (pskfile_read(path, &ct->psk[ct->n_psk], why, sizeof(why))) {
			bad(s, "%s %s", path, why);
		} else {
			if (ct->psk[ct->n_psk].len < 16)
				conf_warning(s->c, s->v->file, s->v->line,
					     "psk-file: %s holds only %u bytes; a secret that can "
					     "be guessed gives the tunnel away", path,
					     ct->psk[ct->n_psk].len);
			ct->n_psk++;
		}
	}
}

/* ---- what fits together ---- */

static bool is_everything(const struct ts *ts)
{
	struct ts any = ts_any(ts->type);

	return ts_contains(ts, &any);
}

bool conf_overlap(const struct tunnel *t, const struct addr *remote, char *why, size_t size)
{
	char sel[TS_TEXT_MAX], text[ADDR_TEXT_MAX];
	unsigned int i;

	for (i = 0; i < t->n_remote_ts; i++) {
		const struct ts *ts = &t->remote_ts[i];

		if (is_everything(ts) || !ts_has_addr(ts, remote))
			continue;
		snprintf(why, size, "%s takes in the peer's own outer address %s, so the tunnel's "
			 "packets would be sent into the tunnel; name the networks behind the "
			 "peer, or 0.0.0.0/0 and let the routes decide",
			 ts_format(ts, sel, sizeof(sel)),
			 addr_format_ip(remote, text, sizeof(text)));
		return true;
	}
	return false;
}

static bool in_prefix(const struct conf_prefix *p, const struct addr *a)
{
	unsigned int bytes = p->bits / 8, rest = p->bits % 8;
	uint8_t mask = (uint8_t)(0xff00 >> rest);

	return p->addr.family == a->family && !memcmp(p->addr.ip, a->ip, bytes) &&
	       (!rest || !((p->addr.ip[bytes] ^ a->ip[bytes]) & mask));
}

static bool same_family(const struct tunnel *t)
{
	unsigned int i, j;

	for (i = 0; i < t->n_local; i++)
		for (j = 0; j < t->n_remote; j++)
			if (t->local[i].family == t->remote[j].family)
				return true;
	return false;
}

static void use(struct sem *s, enum conf_key key)
{
	s->key = key;
	s->v = &s->ct->value[key];
}

static void check_underlay(struct sem *s)
{
	struct conf_tunnel *ct = s->ct;
	char why[400], text[ADDR_TEXT_MAX];
	unsigned int i, j;

	for (i = 0; i < ct->t.n_remote; i++) {
		use(s, KEY_REMOTE_TS);
		if (conf_overlap(&ct->t, &ct->t.remote[i], why, sizeof(why)))
			bad(s, "%s", why);
		use(s, KEY_ADDRESS);
		for (j = 0; j < ct->n_address; j++)
			if (in_prefix(&ct->address[j], &ct->t.remote[i]))
				bad(s, "its network takes in the peer's outer address %s",
				    addr_format_ip(&ct->t.remote[i], text, sizeof(text)));
	}
}

static void check_whole(struct sem *s)
{
	struct conf_tunnel *ct = s->ct;
	struct tunnel *t = &ct->t;

	use(s, KEY_START);
	if (t->start != START_RESPOND && !t->n_remote && !ct->n_names)
		bad(s, "%s needs a remote address", t->start == START_DEMAND ? "demand" :
		    "initiate");
	use(s, KEY_LOCAL);
	if (t->n_local && t->n_remote && !ct->n_names && !same_family(t))
		bad(s, "local and remote have no address family in common");
	use(s, KEY_IKE_LIFE);
	if (t->ike_seconds < t->child_seconds)
		conf_warning(s->c, ct->file, ct->line,
			     "ike-life is shorter than child-life: child SAs never reach theirs");
	if (t->reauth_seconds && !t->n_remote && !ct->n_names)
		conf_warning(s->c, ct->file, ct->line,
			     "reauth without a remote address: only the peer can authenticate anew");
	check_underlay(s);
}

/* ---- a tunnel, the agent ---- */

static void sem_start(struct sem *s)
{
	static const char *const choices[] = {
		[START_INITIATE] = "initiate",
		[START_RESPOND] = "respond",
		[START_DEMAND] = "demand",
		NULL,
	};
	struct conf_tunnel *ct = s->ct;
	bool peer = ct->t.n_remote || ct->n_names;

	ct->t.start = (uint8_t)choice(s, choices, peer ? START_INITIATE : START_RESPOND);
}

static void sem_times(struct sem *s)
{
	static const char *const unique[] = {
		[UNIQUE_REPLACE_LATE] = "replace-late",
		[UNIQUE_REPLACE] = "replace",
		[UNIQUE_KEEP] = "keep",
		[UNIQUE_NO] = "no",
		NULL,
	};
	struct tunnel *t = &s->ct->t;

	t->ike_seconds = 8 * 3600;
	t->child_seconds = 3600;
	t->dpd_seconds = 30;
	t->retry_seconds = 5;
	t->window = 4096;
	use(s, KEY_IKE_LIFE);
	seconds(s, LIFE_MIN, LIFE_MAX, &t->ike_seconds);
	use(s, KEY_CHILD_LIFE);
	seconds(s, LIFE_MIN, LIFE_MAX, &t->child_seconds);
	use(s, KEY_CHILD_BYTES);
	amount(s, 1 << 16, &t->child_bytes);
	use(s, KEY_CHILD_PACKETS);
	amount(s, 100, &t->child_packets);
	use(s, KEY_REAUTH);
	if (s->v->text && strcmp(s->v->text, "off"))
		seconds(s, LIFE_MIN, LIFE_MAX, &t->reauth_seconds);
	use(s, KEY_DPD);
	if (s->v->text && !strcmp(s->v->text, "off"))
		t->dpd_seconds = 0;
	else
		seconds(s, 0, 3600, &t->dpd_seconds);
	use(s, KEY_RETRY);
	seconds(s, 1, 3600, &t->retry_seconds);
	use(s, KEY_UNIQUE);
	t->unique = (uint8_t)choice(s, unique, UNIQUE_REPLACE_LATE);
	use(s, KEY_WINDOW);
	number(s, IPSECVTI_WINDOW_MIN, IPSECVTI_WINDOW_MAX, &t->window);
}

static void sem_fragment_size(struct sem *s)
{
	uint32_t size = 1280;

	if (s->v->text && !strcmp(s->v->text, "no"))
		size = 0;
	else
		number(s, 576, 4000, &size);
	s->ct->t.fragment_size = (uint16_t)size;
}

static void sem_ports(struct sem *s)
{
	struct tunnel *t = &s->ct->t;
	uint32_t port = 500, nat = 4500;

	use(s, KEY_REMOTE_PORT);
	number(s, 1, 65535, &port);
	use(s, KEY_REMOTE_NAT_PORT);
	number(s, 1, 65535, &nat);
	t->local_port = s->c->port;
	t->local_nat_port = s->c->nat_port;
	t->remote_port = (uint16_t)port;
	t->remote_nat_port = (uint16_t)nat;
}

/* What is left out stays as the administrator has it. */
static void sem_device(struct sem *s)
{
	struct conf_tunnel *ct = s->ct;
	const char *why;
	unsigned int key;

	ct->dev.set_on_demand = true;
	ct->dev.on_demand = ct->t.start == START_DEMAND;
	for (key = KEY_DF; key <= KEY_MARK; key++) {
		use(s, key);
		why = s->v->text ? outer_take(&ct->dev, conf_keys[key], s->v->text) : NULL;
		if (why)
			bad(s, "\"%s\" %s", s->v->text, why);
	}
	use(s, KEY_OIF);
	if (s->v->text && !conf_name_ok(s->v->text))
		bad(s, "\"%s\" cannot be an interface's name", s->v->text);
	else if (s->v->text && !strcmp(s->v->text, ct->t.name))
		bad(s, "%s is the tunnel itself", s->v->text);
	else if (s->v->text)
		strcpy(ct->oif, s->v->text);
}

void conf_sem_tunnel(struct conf *c, struct conf_tunnel *ct, unsigned int flags)
{
	static const char *const profiles[] = { "default", "legacy", NULL };
	static const char *const yes[] = { "no", "yes", NULL };
	struct sem s = { .c = c, .ct = ct, .flags = flags };
	struct tunnel *t = &ct->t;

	use(&s, KEY_DESCRIPTION);
	if (s.v->text)
		ct->description = strdup(s.v->text);
	use(&s, KEY_LOCAL);
	sem_local(&s);
	use(&s, KEY_REMOTE);
	sem_remote(&s);
	use(&s, KEY_PSK_FILE);
	sem_psk(&s);
	use(&s, KEY_LOCAL_ID);
	sem_id(&s, &t->local_id);
	use(&s, KEY_REMOTE_ID);
	sem_id(&s, &t->remote_id);
	default_ids(ct);
	use(&s, KEY_START);
	sem_start(&s);
	use(&s, KEY_PROFILE);
	choice(&s, profiles, 0);
	use(&s, KEY_IKE);
	sem_proposals(&s, PROTO_IKE, t->ike, &t->n_ike);
	use(&s, KEY_ESP);
	sem_proposals(&s, PROTO_ESP, t->esp, &t->n_esp);
	use(&s, KEY_PFS_CHECK);
	t->pfs_check = choice(&s, yes, 0) == 1;
	if (t->pfs_check && !esp_groups(t))
		bad(&s, "esp names no group, so there is nothing to check");
	use(&s, KEY_ESN);
	sem_esn(&s);
	use(&s, KEY_LOCAL_TS);
	sem_ts(&s, t->local_ts, &t->n_local_ts);
	use(&s, KEY_REMOTE_TS);
	sem_ts(&s, t->remote_ts, &t->n_remote_ts);
	use(&s, KEY_CHILDREN);
	sem_children(&s);
	sem_times(&s);
	use(&s, KEY_FORCE_ENCAP);
	t->force_encap = choice(&s, yes, 0) == 1;
	use(&s, KEY_FRAGMENT_SIZE);
	sem_fragment_size(&s);
	sem_ports(&s);
	sem_device(&s);
	use(&s, KEY_ADDRESS);
	sem_address(&s);
	check_whole(&s);
}

static void agent_port(struct conf *c, enum conf_key key, uint16_t *out)
{
	static const uint64_t none[] = { 0 };
	const struct conf_value *v = &c->agent[key];
	uint64_t port;

	if (!v->text)
		return;
	if (!scaled(v->text, "", none, &port) || !port || port > 65535)
		conf_error(c, v->file, v->line, "%s: \"%s\" is not a port number", conf_keys[key],
			   v->text);
	else
		*out = (uint16_t)port;
}

void conf_sem_agent(struct conf *c)
{
	const struct conf_value *v = &c->agent[KEY_LISTEN];
	struct words w = { .rest = v->text };
	struct addr a;

	c->port = 500;
	c->nat_port = 4500;
	agent_port(c, KEY_PORT, &c->port);
	agent_port(c, KEY_NAT_PORT, &c->nat_port);
	v = &c->agent[KEY_NAT_PORT];
	if (c->port == c->nat_port)
		conf_error(c, v->file ? v->file : c->agent[KEY_PORT].file,
			   v->file ? v->line : c->agent[KEY_PORT].line,
			   "port and nat-port must differ");
	v = &c->agent[KEY_LISTEN];
	while (next_word(&w)) {
		if (addr_parse(&a, w.word) || a.family == AF_UNSPEC || a.port)
			conf_error(c, v->file, v->line, "listen: \"%s\" is not an IP address",
				   w.word);
		else if (has_addr(c->listen, c->n_listen, &a))
			conf_error(c, v->file, v->line, "listen: %s is here twice", w.word);
		else if (c->n_listen == CONF_LISTEN_MAX)
			conf_error(c, v->file, v->line, "listen: more than %d addresses",
				   CONF_LISTEN_MAX);
		else
			c->listen[c->n_listen++] = a;
	}
}

/* ---- defaults, for people ---- */

const char *conf_default(const struct conf *c, const struct conf_tunnel *ct, enum conf_key key,
			 char *buf, size_t size)
{
	switch (key) {
	case KEY_REMOTE:
		return "any";
	case KEY_LOCAL_ID:
		/* Without a fixed local address: the one in use. */
		return ct->t.local_id.type ? id_format(&ct->t.local_id, buf, size) : NULL;
	case KEY_REMOTE_ID:
		return id_format(&ct->t.remote_id, buf, size);
	case KEY_START:
		return ct->t.start == START_INITIATE ? "initiate" : "respond";
	case KEY_PROFILE:
		return "default";
	case KEY_IKE:
		return suite_default(PROTO_IKE);
	case KEY_ESP:
		return suite_default(PROTO_ESP);
	case KEY_LOCAL_TS:
	case KEY_REMOTE_TS:
		return "0.0.0.0/0, ::/0";
	case KEY_CHILDREN:
		return "one";
	case KEY_IKE_LIFE:
		return "8h";
	case KEY_REAUTH:
		return "off";
	case KEY_CHILD_LIFE:
		return "1h";
	case KEY_CHILD_BYTES:
	case KEY_CHILD_PACKETS:
		return "0";
	case KEY_DPD:
		return "30s";
	case KEY_RETRY:
		return "5s";
	case KEY_UNIQUE:
		return "replace-late";
	case KEY_WINDOW:
		return "4096";
	case KEY_ESN:
		return "prefer";
	case KEY_PFS_CHECK:
	case KEY_FORCE_ENCAP:
		return "no";
	case KEY_FRAGMENT_SIZE:
		return "1280";
	case KEY_REMOTE_PORT:
	case KEY_PORT:
		return "500";
	case KEY_REMOTE_NAT_PORT:
	case KEY_NAT_PORT:
		return "4500";
	case KEY_LISTEN:
		return "0.0.0.0, ::";
	default:
		return NULL;
	}
}
