#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libreswan's pluto on other addresses of the same hosts, with a tunnel of its own by policies of the
# kernel's xfrm; our agent on UDP 500 and 4500 of ours: both tunnels are up at once, and neither
# counts an error. selftests/vm/libreswan gets pluto; charon can't be installed beside it.
#
#   a: ipsec0 198.18.1.254, pluto 198.18.3.254 | 192.0.2.1  ==== 192.0.2.2  | 198.18.4.254 pluto, 198.18.2.254 ipsec0: b
#                                              | 192.0.2.11 ==== 192.0.2.12 |
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=pluto_lib.sh
. "$(dirname "$0")/pluto_lib.sh"
pluto_here
checked_on 6.1 7.2

both() { # NAME
	local before errors
	errors=$(xfrm_errors a)$(xfrm_errors b)
	before=$(xfrm_sum b)
	mark_stats a ipsec0
	mark_stats b ipsec0
	holds "$1: ours" pings a 198.18.2.254 -I 198.18.1.254
	holds "$1: ours, back" pings b 198.18.1.254 -I 198.18.2.254
	is "$1: it was ours" "$(since_mark b ipsec0 rx-packets) $(xfrm_sum b)" "10 $before"
	holds "$1: pluto's" pings a 198.18.4.254 -I 198.18.3.254
	holds "$1: pluto's, back" pings b 198.18.3.254 -I 198.18.4.254
	is "$1: it was pluto's" "$(since_mark b ipsec0 rx-packets) $(($(xfrm_sum b) - before))" "10 20"
	holds "$1: 1 MB of TCP, ours" tcp_file a b 198.18.2.254 1024
	holds "$1: 1 MB of TCP, pluto's" tcp_file b a 198.18.3.254 1024
	is "$1: no drop of ours" "$(moved a ipsec0)$(moved b ipsec0)" ""
	is "$1: no error of xfrm's" "$(xfrm_errors a)$(xfrm_errors b)" "$errors"
}

xfrm_spis() { # NS
	ipn "$1" xfrm state | grep -o 'spi 0x[0-9a-f]*'
}

# To the end, on both sides: old SAs take their counts with them.
pluto_renews() {
	local old
	old=$(xfrm_spis a)
	pluto_rekeys a child && until_ok 20 differs "$old" xfrm_spis a &&
		until_ok 20 one_at_pluto a && until_ok 20 one_at_pluto b
}

make_gateways a b
for ns in a b; do
	n=$([ $ns = a ] && echo 1 || echo 2)
	ipn $ns addr add "192.0.2.1$n/24" dev wire
	ipn $ns addr add "198.18.$((n + 2)).254/32" dev lo
	ipn $ns route add "198.18.$((5 - n)).0/24" via "192.0.2.1$((3 - n))" src "198.18.$((n + 2)).254"
	make_ours $ns "$n" $((3 - n))
	configure $ns ipsec0 <<- EOT
		local = 192.0.2.$n
		remote = 192.0.2.$((3 - n))
		retry = 1s
	EOT
	printf '[agent]\nlisten = 192.0.2.%s\n' "$n" > "$tmp/$ns/conf/agent.conf"
	write_pluto $ns <<- EOT
		left=192.0.2.11
		right=192.0.2.12
		leftsubnet=198.18.3.0/24
		rightsubnet=198.18.4.0/24
	EOT
done
# pluto comes first: to look for its addresses it binds the wildcard of port 500, for a moment, also
# with --listen, and gives up when somebody has the port at any address.
holds "pluto starts" start_pluto a 192.0.2.11
holds "pluto starts at the other end" start_pluto b 192.0.2.12
holds "our agent starts beside it" start_agent a
holds "our agent starts at the other end" start_agent b
holds "ours is up" until_ok 20 is_up a
holds "pluto's is up" whack a --name net --initiate
[ "$failures" = 0 ] || note "$(tail -n 20 "$tmp/a/pluto/log" "$tmp/b/pluto/log")"
both "side by side"

# New keys on either side of the house.
before=$(child_spi a)
holds "we rekey" agent a rekey ipsec0
until_ok 10 differs "$before" child_spi a
holds "pluto rekeys" pluto_renews
both "rekeyed"

# One goes, the other stays.
stop pluto-a
stop pluto-b
holds "without pluto: ours" pings a 198.18.2.254 -I 198.18.1.254
holds "our agent never noticed" agent_alive a

finish
