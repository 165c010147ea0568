#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# oracle.sh, with IPv6 outside. Of its lines one has to be seen here too:
# one_cpu
ORACLE_FAMILY=6 exec "$(dirname "$0")/oracle.sh"
