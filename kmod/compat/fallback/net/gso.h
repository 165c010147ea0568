/* SPDX-License-Identifier: GPL-2.0 */
/* Before 6.5 the declarations of <net/gso.h> were part of this header. */
#include <linux/netdevice.h>
