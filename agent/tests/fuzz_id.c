// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: identities. A payload is read and written as text; a text
 * is parsed. Whatever is an identity equals itself and what its text says.
 */
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void same(const struct ident *id)
{
	static const struct ident any;
	char buf[ID_TEXT_MAX];
	struct ident again;
	const char *why;

	if (!id_equal(id, id) && !memchr(id->data, 0, id->len))
		abort();
	if (!id_match(&any, id))
		abort();
	id_format(id, buf, sizeof(buf));
	if (strlen(buf) >= sizeof(buf))
		abort();
	/* A text may mean nothing (types without a word of their own), but never another one. */
	if (!id_parse(&again, buf, &why) && again.type == id->type && again.len == id->len &&
	    memcmp(again.data, id->data, id->len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ident a, b;
	char text[400];
	const char *why;
	size_t half = len / 2;

	if (len < 2 || len >= sizeof(text))
		return 0;
	if (data[0] & 1) {
		memcpy(text, data + 1, len - 1);
		text[len - 1] = 0;
		if (!id_parse(&a, text, &why))
			same(&a);
		return 0;
	}
	if (!wire_get_id(view(data + 1, len - 1), &a))
		same(&a);
	if (!wire_get_id(view(data + 1, half - 1), &a) &&
	    !wire_get_id(view(data + half, len - half), &b) &&
	    id_equal(&a, &b) && !id_match(&a, &b) && (a.len < 2 || a.data[0] != '*'))
		abort();
	return 0;
}
