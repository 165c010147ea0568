#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tunnels in tunnels, each with its own limit; and what looks like that and is a loop, which is
# dropped and counted before it fills the stack.
#
#   a: ipsec1 198.18.3.254 in ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | ... : b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.12
one_cpu

make_namespace a b
make_wire a b
watch_wire b

# ipsecN, whose outer addresses are the inner ones of the tunnel below it.
nest() { # N
	local n=$1 below_a=198.18.$((2 * $1 - 1)).254 below_b=198.18.$((2 * $1)).254
	make_device a "ipsec$n" $((2 * n + 1)) $((2 * n + 2)) local "$below_a" remote "$below_b" &&
		make_device b "ipsec$n" $((2 * n + 2)) $((2 * n + 1)) local "$below_b" remote "$below_a" &&
		add_pair a "ipsec$n" 0x1"$n"01 0x1"$n"02 aes128gcm16 &&
		add_pair b "ipsec$n" 0x1"$n"02 0x1"$n"01 aes128gcm16 &&
		until_ok 5 operstate_is a "ipsec$n" UP && until_ok 5 operstate_is b "ipsec$n" UP
}

forget() { # learned path MTUs
	on a ip route flush cache
	on a ip -6 route flush cache
}

# The largest packet with DF that passes, and what is said of one byte more.
limit() { # NAME BYTES
	forget
	holds "$1: effective-mtu" test "$(field a ipsec1 effective-mtu)" = "$2"
	holds "$1: $2 bytes with DF pass" pings a 198.18.4.254 -M "do" -s $(($2 - 28))
	holds "$1: $2 bytes of IPv6 pass" pings a 2001:db8:4::fe -M "do" -s $(($2 - 48))
	mark_stats a ipsec1
	mark_stats a ipsec0
	on a ping -c 1 -W 1 -M "do" -s $(($2 - 27)) 198.18.4.254 > "$tmp/big" 2>&1
	on a ping -c 1 -W 1 -M "do" -s $(($2 - 27)) 198.18.4.254 >> "$tmp/big" 2>&1
	holds "$1: $(($2 + 1)) bytes: the limit is said" grep -qE "mtu ?= ?$2" "$tmp/big"
	is "$1: by the upper device" "$(moved a ipsec1)/$(moved a ipsec0)" "too-big+1/"
}

holds "one tunnel" make_pair
holds "one in it" nest 1
mark_stats a ipsec0
mark_stats a ipsec1
esp=$(wire_count b esp)
holds "IPv4" pings a 198.18.4.254
holds "IPv6" pings a 2001:db8:4::fe
is "through both" "$(since_mark a ipsec1 tx-packets) $(since_mark a ipsec0 tx-packets) $(($(wire_count b esp) - esp))" \
	"10 10 10"
is "52 bytes and padding more below" $(($(since_mark a ipsec0 tx-bytes) - $(since_mark a ipsec1 tx-bytes))) \
	$((5 * 56 + 5 * 56))
holds "4 MB of TCP" tcp_file a b 198.18.4.254 4096
holds "1 MB of TCP over IPv6, back" tcp_file b a 2001:db8:3::fe 1024
is "no drop below" "$(moved a ipsec0)" ""
is "nothing in clear" "$(wire_count b clear)" 0

# The lower device's own MTU of 1404 is the upper one's path: (1404 - 52) / 4 * 4 - 2.
limit "in 1404" 1350

# A wide lower device says more than it can carry, and takes it back by ICMP: to 1446.
for ns in a b; do
	ipn $ns link set ipsec0 mtu 1500
	ipn $ns link set ipsec1 mtu 1500
done
forget
mark_stats a ipsec0
fails "in 1500: what fits the device alone is lost" pings a 198.18.4.254 -M "do" -s 1418 -W 0.5
compare "in 1500: counted below" "$(moved a ipsec0)" = "too-big+1"
is "in 1500: learned above" "$(field a ipsec1 pmtu)" 1446
limit "in 1446" 1390
forget
holds "in 1446: 1500 bytes without DF pass" pings a 198.18.4.254 -M dont -s 1472
holds "in 1446: 1 MB of TCP" tcp_file a b 198.18.4.254 1024

# The stack is not endless: four tunnels, and no more.
holds "a third" nest 2
holds "a fourth" nest 3
holds "four deep" pings a 198.18.8.254
holds "a fifth" nest 4
mark_stats a ipsec0
esp=$(wire_count b esp)
on a ping -q -c 3 -i 0.02 -W 0.2 198.18.10.254 > "$tmp/output"
is "five deep: nothing passes" "$(wire_count b esp)" "$esp"
is "five deep: counted as a loop" "$(moved a ipsec0)" "loop+3"
holds "four deep pass still" pings a 198.18.8.254

# Two devices, each of which is the way to the other's peer.
cross() { # DEV N PEER
	make_device a "$1" "$2" $(($2 + 1)) local 192.0.2.1 remote "$3" && ipn a link set "$1" mtu 1500 &&
		add_pair a "$1" "0x2${2}01" "0x2${2}02" aes128gcm16 && until_ok 5 operstate_is a "$1" UP
}
holds "one" cross ipsec8 50 203.0.113.8
holds "and another" cross ipsec9 60 203.0.113.9
ipn a route add 203.0.113.8/32 dev ipsec9
ipn a route add 203.0.113.9/32 dev ipsec8
for size in 56 1200; do
	mark_stats a ipsec8
	mark_stats a ipsec9
	on a ping -q -c 3 -i 0.02 -W 0.2 -s $size 198.18.51.254 > "$tmp/output" 2>&1
	is "a loop over two devices: counted once for each packet of $size bytes" "$(moved a ipsec8) $(moved a ipsec9)" "loop+3 "
	is "a loop over two devices: no device has sent more than it has had" \
		"$(since_mark a ipsec8 tx-packets) $(since_mark a ipsec9 tx-packets)" "6 6"
done
is "a loop over two devices: nothing passes" "$(wire_count b esp)" $((esp + 5))
is "nothing in clear" "$(wire_count b clear)" 0
holds "the others carry on" pings a 198.18.8.254

# A loop over two namespaces: what the device has sent comes back to it as a packet of somebody else's.
make_namespace c
ipn a link add ipsec7 type ipsecvti
holds "a loop over two namespaces: a device" vti a dev set ipsec7 local 192.0.2.1 remote 192.0.2.77
holds "a loop over two namespaces: SAs" add_pair a ipsec7 0x7001 0x7002 aes128gcm16
ip link add back netns "vti$$-a" type veth peer name back netns "vti$$-c" || exit 1
ipn a addr add 203.0.113.1/24 dev back
ipn c addr add 203.0.113.2/24 dev back
ipn a link set back up
ipn c link set back up
ipn a route add 192.0.2.77/32 via 203.0.113.2
ipn a link set ipsec7 netns "vti$$-c"
ipn c addr add 198.18.70.254/32 dev ipsec7
ipn c link set ipsec7 mtu 1500 up
ipn c route add 198.18.71.0/24 dev ipsec7
ipn c route add 192.0.2.77/32 dev ipsec7
until_ok 5 operstate_is c ipsec7 UP
mark_stats c ipsec7
on c ping -q -c 3 -i 0.02 -W 0.2 -M dont 198.18.71.1 > "$tmp/output" 2>&1
is "a loop over two namespaces: ends where it began" "$(since_mark c ipsec7 tx-packets) $(moved c ipsec7)" "3 loop+3"

finish
