// SPDX-License-Identifier: GPL-2.0
#include "compat.h"

#ifdef VTI_NEED_EXTACK_BUFFER
/* See NL_SET_ERR_MSG_FMT in compat.h. */
char *vti_extack_buffer(size_t *size)
{
	static char text[32][96];
	static atomic_t next;

	*size = sizeof(text[0]);
	return text[(unsigned int)atomic_inc_return(&next) % ARRAY_SIZE(text)];
}
#endif
