// SPDX-License-Identifier: GPL-2.0-or-later
/* Configuration files: finding them, lines, sections, keys. */
#include "buf.h"
#include "conf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPACE	" \t\r"

const char *const conf_keys[KEY_END] = {
	[KEY_DESCRIPTION] = "description",
	[KEY_LOCAL] = "local",
	[KEY_REMOTE] = "remote",
	[KEY_PSK_FILE] = "psk-file",
	[KEY_LOCAL_ID] = "local-id",
	[KEY_REMOTE_ID] = "remote-id",
	[KEY_START] = "start",
	[KEY_PROFILE] = "profile",
	[KEY_IKE] = "ike",
	[KEY_ESP] = "esp",
	[KEY_PFS_CHECK] = "pfs-check",
	[KEY_LOCAL_TS] = "local-ts",
	[KEY_REMOTE_TS] = "remote-ts",
	[KEY_CHILDREN] = "children",
	[KEY_IKE_LIFE] = "ike-life",
	[KEY_REAUTH] = "reauth",
	[KEY_CHILD_LIFE] = "child-life",
	[KEY_CHILD_BYTES] = "child-bytes",
	[KEY_CHILD_PACKETS] = "child-packets",
	[KEY_DPD] = "dpd",
	[KEY_RETRY] = "retry",
	[KEY_UNIQUE] = "unique",
	[KEY_WINDOW] = "window",
	[KEY_ESN] = "esn",
	[KEY_FORCE_ENCAP] = "force-encap",
	[KEY_FRAGMENT_SIZE] = "fragment-size",
	[KEY_REMOTE_PORT] = "remote-port",
	[KEY_REMOTE_NAT_PORT] = "remote-nat-port",
	[KEY_DF] = "df",
	[KEY_DSCP] = "dscp",
	[KEY_TTL] = "ttl",
	[KEY_MIN_PMTU] = "min-pmtu",
	[KEY_MARK] = "mark",
	[KEY_OIF] = "oif",
	[KEY_ADDRESS] = "address",
	[KEY_LISTEN] = "listen",
	[KEY_PORT] = "port",
	[KEY_NAT_PORT] = "nat-port",
};

/* Where the reader stands. */
struct reader {
	struct conf *c;
	const char *file;
	unsigned int line;
	bool skip;			/* the section's head was wrong: its keys go unread */
	bool in_agent;
	struct conf_tunnel *tunnel;
	unsigned int agent_line;
	const char *agent_file;
};

/* ---- messages ---- */

static void message(size_t *n, char **list, const char *file, unsigned int line, const char *fmt,
		    va_list ap)
{
	char *text, *whole;
	int len;

	if ((*n)++ >= CONF_ERRORS_MAX)
		return;
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	len = line ? asprintf(&whole, "%s:%u: %s", file, line, text ? text : "no memory") :
	      asprintf(&whole, "%s: %s", file, text ? text : "no memory");
	list[*n - 1] = len < 0 ? NULL : whole;
	free(text);
}

void conf_error(struct conf *c, const char *file, unsigned int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(&c->n_errors, c->errors, file, line, fmt, ap);
	va_end(ap);
}

void conf_warning(struct conf *c, const char *file, unsigned int line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(&c->n_warnings, c->warnings, file, line, fmt, ap);
	va_end(ap);
}

#define fail(r, ...) conf_error((r)->c, (r)->file, (r)->line, __VA_ARGS__)

/* ---- sections ---- */

bool conf_name_ok(const char *name)
{
	size_t i, len = strlen(name);

	if (!len || len > TUNNEL_NAME_MAX || !strcmp(name, ".") || !strcmp(name, "..") ||
	    !strcmp(name, "all") || !strcmp(name, "default") || *name == '-')
		return false;
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] >= 0x7f || strchr("/:%\"\\", name[i]))
			return false;
	return true;
}

struct conf_tunnel *conf_find(const struct conf *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->n_tunnels; i++)
		if (!strcmp(c->tunnels[i]->t.name, name))
			return c->tunnels[i];
	return NULL;
}

static void start_tunnel(struct reader *r, const char *name)
{
	struct conf *c = r->c;
	struct conf_tunnel *ct = conf_find(c, name), **list;

	if (ct) {
		fail(r, "tunnel \"%s\" is here a second time; the first is at %s:%u", name,
		     ct->file, ct->line);
		r->skip = true;
		return;
	}
	if (c->n_tunnels == CONF_TUNNELS_MAX) {
		fail(r, "more than %d tunnels", CONF_TUNNELS_MAX);
		r->skip = true;
		return;
	}
	list = reallocarray(c->tunnels, c->n_tunnels + 1, sizeof(*list));
	ct = calloc(1, sizeof(*ct));
	if (list)
		c->tunnels = list;
	if (!list || !ct) {
		fail(r, "no memory");
		free(ct);
		r->skip = true;
		return;
	}
	list[c->n_tunnels++] = ct;
	strcpy(ct->t.name, name);
	ct->file = r->file;
	ct->line = r->line;
	r->tunnel = ct;
}

static void start_agent(struct reader *r)
{
	if (r->agent_file) {
		fail(r, "[agent] is here a second time; the first is at %s:%u", r->agent_file,
		     r->agent_line);
		r->skip = true;
		return;
	}
	r->agent_file = r->file;
	r->agent_line = r->line;
	r->in_agent = true;
}

static void section(struct reader *r, char *text)
{
	size_t len = strlen(text);
	char *name;

	r->tunnel = NULL;
	r->in_agent = false;
	r->skip = false;
	if (text[len - 1] != ']') {
		fail(r, "a section's head ends with ]");
		r->skip = true;
		return;
	}
	text[len - 1] = 0;
	text += 1 + strspn(text + 1, SPACE);
	for (len = strlen(text); len && strchr(SPACE, text[len - 1]); len--)
		text[len - 1] = 0;
	if (!strcmp(text, "agent")) {
		start_agent(r);
		return;
	}
	name = text + strcspn(text, SPACE);
	if (name - text != 6 || strncmp(text, "tunnel", 6)) {
		fail(r, "unknown section [%s]: there are [tunnel NAME] and [agent]", text);
		r->skip = true;
		return;
	}
	name += strspn(name, SPACE);
	if (!conf_name_ok(name)) {
		fail(r, "\"%s\" cannot be a tunnel's name: it is an interface's, 1 to %d letters "
		     "without spaces, \"/\" or \":\"", name, TUNNEL_NAME_MAX);
		r->skip = true;
		return;
	}
	start_tunnel(r, name);
}

/* ---- keys ---- */

/* Edits from one word to the other; enough to see a slip of the finger. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[32], diagonal, up;
	size_t i, j, n = strlen(b);

	if (n >= 32 || strlen(a) >= 32)
		return 99;
	for (j = 0; j <= n; j++)
		row[j] = (unsigned int)j;
	for (i = 1; a[i - 1]; i++) {
		diagonal = row[0];
		row[0] = (unsigned int)i;
		for (j = 1; j <= n; j++) {
			unsigned int best = diagonal + (a[i - 1] != b[j - 1]);

			up = row[j];
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = up;
		}
	}
	return row[n];
}

static void unknown_key(struct reader *r, const char *key, unsigned int first, unsigned int end)
{
	unsigned int i, best = 3;
	const char *near = NULL;

	for (i = 0; i < KEY_END; i++) {
		if (i >= first && i < end)
			continue;
		if (!strcmp(conf_keys[i], key)) {
			fail(r, "\"%s\" belongs to %s%s", key,
			     i < KEY_TUNNEL_END ? "[tunnel NAME]" : "[agent]",
			     i == KEY_PORT || i == KEY_NAT_PORT ?
			     "; the peer's ports are remote-port and remote-nat-port" : "");
			return;
		}
	}
	for (i = first; i < end; i++) {
		unsigned int d = distance(key, conf_keys[i]);

		if (d < best) {
			best = d;
			near = conf_keys[i];
		}
	}
	if (near)
		fail(r, "unknown key \"%s\"; do you mean \"%s\"?", key, near);
	else
		fail(r, "unknown key \"%s\"", key);
}

static void assign(struct reader *r, char *key, const char *value)
{
	unsigned int first = r->in_agent ? KEY_LISTEN : 0;
	unsigned int end = r->in_agent ? KEY_END : KEY_TUNNEL_END;
	struct conf_value *v;
	unsigned int i;

	for (i = first; i < end && strcmp(conf_keys[i], key); i++)
		;
	if (i == end) {
		unknown_key(r, key, first, end);
		return;
	}
	v = r->in_agent ? &r->c->agent[i] : &r->tunnel->value[i];
	if (v->file) {
		fail(r, "\"%s\" is here a second time; the first is at line %u", key, v->line);
		return;
	}
	if (!*value) {
		fail(r, "\"%s\" has no value", key);
		return;
	}
	v->text = strdup(value);
	if (!v->text)
		fail(r, "no memory");
	v->file = r->file;
	v->line = r->line;
}

/* A comment starts a line, or follows white space. */
static void cut_comment(char *text)
{
	char *p;

	for (p = text; *p; p++) {
		if ((*p == '#' || *p == ';') && (p == text || strchr(SPACE, p[-1]))) {
			*p = 0;
			return;
		}
	}
}

static void trim_end(char *text)
{
	size_t len = strlen(text);

	while (len && strchr(SPACE, text[len - 1]))
		text[--len] = 0;
}

static void line(struct reader *r, char *text)
{
	char *equals;

	text += strspn(text, SPACE);
	cut_comment(text);
	trim_end(text);
	if (!*text)
		return;
	if (*text == '[') {
		section(r, text);
		return;
	}
	if (r->skip)
		return;
	equals = strchr(text, '=');
	if (!equals || equals == text) {
		fail(r, "\"%s\" is neither a section nor \"key = value\"", text);
		return;
	}
	if (!r->tunnel && !r->in_agent) {
		fail(r, "a key before any section");
		return;
	}
	*equals = 0;
	trim_end(text);
	assign(r, text, equals + 1 + strspn(equals + 1, SPACE));
}

/* ---- files ---- */

static void lines(struct reader *r, char *text, size_t len)
{
	char *end = text + len;

	r->line = 0;
	while (text < end) {
		char *nl = memchr(text, '\n', (size_t)(end - text));

		if (!nl)
			nl = end;	/* the buffer has a byte more */
		*nl = 0;
		r->line++;
		if (strlen(text) != (size_t)(nl - text))
			fail(r, "a zero byte: this is not text");
		else if (nl - text > CONF_LINE_MAX)
			fail(r, "a line of more than %d characters", CONF_LINE_MAX);
		else
			line(r, text);
		text = nl + 1;
	}
}

static char *slurp(struct reader *r, size_t *len)
{
	int fd = open(r->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	struct stat st;
	ssize_t got;

	*len = 0;
	if (fd < 0 || fstat(fd, &st)) {
		fail(r, "%s", strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		fail(r, "not a regular file");
	} else if (st.st_mode & 022) {
		fail(r, "mode %04o: others could change the configuration",
		     (unsigned int)st.st_mode & 07777);
	} else if (st.st_size > CONF_FILE_MAX) {
		fail(r, "larger than %d bytes", CONF_FILE_MAX);
	} else if (!(text = malloc((size_t)st.st_size + 1 - BUF_BUG))) {
		fail(r, "no memory");
	} else {
		while (*len < (size_t)st.st_size &&
		       (got = read(fd, text + *len, (size_t)st.st_size - *len)) > 0)
			*len += (size_t)got;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

static void read_file(struct reader *r, const char *path)
{
	size_t len;
	char *text;

	r->file = path;
	r->line = 0;
	r->tunnel = NULL;
	r->in_agent = false;
	r->skip = false;
	text = slurp(r, &len);
	if (text)
		lines(r, text, len);
	free(text);
}

static int is_conf(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 5 && !strcmp(d->d_name + len - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);	/* whatever the locale */
}

static void list_files(struct conf *c, const char *dir)
{
	struct dirent **names;
	int i, n = scandir(dir, &names, is_conf, by_name);

	if (n < 0) {
		conf_error(c, dir, 0, "%s", strerror(errno));
		return;
	}
	if (n > CONF_FILES_MAX)
		conf_error(c, dir, 0, "more than %d files", CONF_FILES_MAX);
	c->files = calloc((size_t)n + 1, sizeof(*c->files));
	for (i = 0; i < n; i++) {
		if (c->files && i < CONF_FILES_MAX &&
		    asprintf(&c->files[c->n_files], "%s/%s", dir, names[i]->d_name) > 0)
			c->n_files++;
		free(names[i]);
	}
	free(names);
}

struct conf *conf_read(const char *dir, unsigned int flags)
{
	struct conf *c = calloc(1, sizeof(*c));
	struct reader r = { .c = c };
	size_t i;

	if (!c)
		return NULL;
	list_files(c, dir);
	for (i = 0; i < c->n_files; i++)
		read_file(&r, c->files[i]);
	conf_sem_agent(c);
	for (i = 0; i < c->n_tunnels; i++)
		conf_sem_tunnel(c, c->tunnels[i], flags);
	return c;
}

static void free_tunnel(struct conf_tunnel *ct)
{
	unsigned int i;

	for (i = 0; i < KEY_TUNNEL_END; i++)
		free(ct->value[i].text);
	free(ct->description);
	secret_wipe(ct, sizeof(*ct));
	free(ct);
}

void conf_free(struct conf *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < c->n_tunnels; i++)
		free_tunnel(c->tunnels[i]);
	free(c->tunnels);
	for (i = 0; i < KEY_END; i++)
		free(c->agent[i].text);
	for (i = 0; i < CONF_ERRORS_MAX; i++) {
		free(c->errors[i]);
		free(c->warnings[i]);
	}
	for (i = 0; i < c->n_files; i++)
		free(c->files[i]);
	free(c->files);
	free(c);
}

/* ---- printing ---- */

static void print_value(FILE *to, const char *key, const struct conf_value *v, const char *fallback)
{
	const char *text = v->text ? v->text : fallback;

	if (!text)
		return;
	if (v->file)
		fprintf(to, "%-16s = %-40s # %s:%u\n", key, text, v->file, v->line);
	else
		fprintf(to, "%-16s = %-40s # default\n", key, text);
}

void conf_print(const struct conf *c, FILE *to)
{
	char buf[1024];
	unsigned int k;
	size_t i;

	fputs("[agent]\n", to);
	for (k = KEY_LISTEN; k < KEY_END; k++)
		print_value(to, conf_keys[k], &c->agent[k],
			    conf_default(c, NULL, k, buf, sizeof(buf)));
	for (i = 0; i < c->n_tunnels; i++) {
		const struct conf_tunnel *ct = c->tunnels[i];

		fprintf(to, "\n[tunnel %s]%*s # %s:%u\n", ct->t.name,
			(int)(49 - strlen(ct->t.name)), "", ct->file, ct->line);
		for (k = 0; k < KEY_TUNNEL_END; k++)
			print_value(to, conf_keys[k], &ct->value[k],
				    conf_default(c, ct, k, buf, sizeof(buf)));
	}
}
