/* SPDX-License-Identifier: GPL-2.0 */
/* The header's name before 6.12. */
#include <asm/unaligned.h>
