#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The programs as they are shipped: no fault switches and no crash points in them. The programs lie
# beside this script, and so does the archive of the test build.
set -u
here=$(cd "$(dirname "$0")" && pwd)
shipped=$here/..
run=0 failed=0

ok() { # STATUS TEXT
	run=$((run + 1))
	if [ "$1" = 0 ]; then
		echo "ok $run - $2"
	else
		echo "not ok $run - $2"
		failed=$((failed + 1))
	fi
}

words='impair|fault_(wrap|set|input)|IPSECVTI_IMPAIR|fault ordered'
# Symbols, and the strings of what is loaded: debug information names source files.
traces() { # FILE
	{ nm "$1"; strings -d "$1"; } 2> /dev/null | grep -E "$words"
}

for program in ipsecvtid ipsecvti-net ipsecvti; do
	found=$(traces "$shipped/$program")
	[ -x "$shipped/$program" ] && [ -z "$found" ]
	ok $? "$program has no switch for faults"
	[ -z "$found" ] || echo "# $found"
done
[ "$(traces "$here/libagent.a" | wc -l)" -ge 10 ]
ok $? "control: the test build has them"

echo "1..$run"
[ "$failed" = 0 ]
