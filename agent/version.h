/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The version of agent and command line; the build may say it from outside. */
#ifndef AGENT_VERSION_H
#define AGENT_VERSION_H

#ifndef IPSECVTI_VERSION
#define IPSECVTI_VERSION "0.1.0"
#endif

#endif
