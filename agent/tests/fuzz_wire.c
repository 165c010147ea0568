// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer harness: the first byte chooses between a datagram and the inside
 * of an SK payload, whose first payload type is the second byte.
 */
#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct msg m;
	int err;

	if (len < 2)
		return 0;
	memset(&m, 0, sizeof(m));
	err = data[0] & 1 ? wire_parse_inner(&m, data[1], data + 2, len - 2) :
			    wire_parse(&m, data + 1, len - 1);
	if (!err)
		walk_msg(&m);
	return 0;
}
