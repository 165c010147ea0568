#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device among the kernel's other ways to route: marks and rules, VRFs on either side of it,
# multicast, link-local addresses, VLANs, two tunnels to one peer, other names, a link that goes.
#
#   l 198.18.1.2 -- 198.18.1.1 a 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1 7.2
one_cpu

make_namespace a b l
make_wire a b
make_lan a l 1
watch_wire b
holds "set up" make_pair

# Routes of a's ipsec0, which go whenever it goes down; IPv6 addresses go with them.
routes() { # WORDS...: of ip route
	ipn a addr replace 2001:db8:1::fe/128 dev ipsec0 nodad
	ipn a route replace 198.18.2.0/24 dev ipsec0 src 198.18.1.254 "$@"
	ipn a route replace 2001:db8:2::/64 dev ipsec0 src 2001:db8:1::fe "$@"
}

identity() {
	ipn a -j link show type ipsecvti | jq -c 'map(select(.ifname) | [.ifindex, .mtu])'
	vti a sa list --json | jq -c 'map([."sa-id", .dir])'
}
before=$(identity)

# Everything through the tunnel, but for its own packets, which a mark tells apart.
ipn b addr add 203.0.113.2/32 dev lo
ipn b addr add 198.18.77.1/32 dev lo
ipn b addr add 2001:db8:77::1/128 dev lo
ipn a route add default via 192.0.2.2
ipn a route add default dev ipsec0 src 198.18.1.254 table 51
ipn a -6 route add default dev ipsec0 src 2001:db8:1::fe table 51
for family in -4 -6; do
	ipn a $family rule add not fwmark 51 lookup 51 pref 101
	ipn a $family rule add lookup main suppress_prefixlength 0 pref 100
done
vti b dev set ipsec0 local 203.0.113.2
holds "a peer behind the default route" vti a dev set ipsec0 remote 203.0.113.2
mark_stats a ipsec0
fails "without a mark that is the tunnel itself" pings a 198.18.77.1 -W 0.2
is "counted" "$(moved a ipsec0)" "loop+5"
holds "the mark" vti a dev set ipsec0 mark 51
mark_stats a ipsec0
esp=$(wire_count b esp)
holds "everything goes through the tunnel" pings a 198.18.77.1
holds "IPv6 too" pings a 2001:db8:77::1
is "as ESP" $(($(wire_count b esp) - esp)) 10
is "nothing in clear" "$(wire_count b clear)" 0
is "no drops" "$(moved a ipsec0)" ""
holds "100 at once" on a ping -q -c 100 -i 0.002 -W 5 198.18.77.1
vti a dev set ipsec0 mark 0
for family in -4 -6; do
	ipn a $family rule del pref 101
	ipn a $family rule add lookup 51 pref 101
done
fails "without a rule for it" pings a 198.18.77.1 -W 0.2
holds "a rule for the peer instead" ipn a rule add to 203.0.113.2 lookup main pref 99
holds "everything goes through the tunnel" pings a 198.18.77.1
holds "IPv6 too" pings a 2001:db8:77::1
ipn a rule del pref 99
for family in -4 -6; do
	ipn a $family rule del pref 101
	ipn a $family rule del pref 100
done
ipn a route del default via 192.0.2.2
vti a dev set ipsec0 remote 192.0.2.2
vti b dev set ipsec0 local 192.0.2.2
holds "as it was" pings a 198.18.2.254

# What ICMP errors teach is soon forgotten here.
on a sh -c 'echo 2 > /proc/sys/net/ipv4/route/mtu_expires'
pmtu_is() { # DEV MTU
	[ "$(field a "$1" pmtu)" = "$2" ]
}

# A VRF inside
both_families() { # NAME
	holds "$1: IPv4" pings l 198.18.2.254
	holds "$1: IPv6" pings l 2001:db8:2::fe
	holds "$1: back" pings b 198.18.1.2
	holds "$1: IPv6, back" pings b 2001:db8:1::2
}
enslave() { # DEV VRF|-
	if [ "$2" = - ]; then
		ipn a link set "$1" nomaster
	else
		ipn a link set "$1" master "$2"
	fi
}
lan() {
	ipn a addr replace 2001:db8:1::1/64 dev lan nodad
}
ipn a link add red type vrf table 10
ipn a link set red up
enslave ipsec0 red
enslave lan red
lan
routes vrf red
both_families "in a VRF"
fails "in a VRF: not by the main table" pings a 198.18.2.254 -W 0.2
holds "in a VRF: from the gateway" pings a 198.18.2.254 -I red
holds "in a VRF: 1 MB of TCP" tcp_file l b 198.18.2.254 1024
ipn a link set ipsec0 mtu 1500
routes vrf red
on l ping -c 1 -W 2 -M "do" -s 1419 198.18.2.254 > "$tmp/big" 2>&1
is "in a VRF: 1447 bytes: answer" \
	"$(sed -n 's/^From \([0-9.]*\) .*(mtu = \([0-9]*\)).*/\1 \2/p' "$tmp/big")" "198.18.1.1 1446"
on l ping -c 1 -W 2 -M "do" -s 1399 2001:db8:2::fe > "$tmp/big" 2>&1
is "in a VRF: 1447 bytes of IPv6: answer" \
	"$(sed -nE 's/^From ([0-9a-f:]*[0-9a-f]):? .*mtu[=: ]+([0-9]+).*/\1 \2/p' "$tmp/big")" "2001:db8:1::1 1446"
on l ip route flush cache
on l ip -6 route flush cache
ipn a link set ipsec0 mtu 1404

# And one outside, alone and beside the other.
ipn a link add blue type vrf table 20
ipn a link set blue up
enslave wire blue
mark_stats a ipsec0
fails "the wire in a VRF: no way to the peer" pings l 198.18.2.254 -W 0.2
is "the wire in a VRF: counted" "$(moved a ipsec0)" "no-route+5"
holds "the wire in a VRF: dev set oif" vti a dev set ipsec0 oif blue
both_families "a VRF on each side"
too_big() { # MTU SPI: the peer's router tells of a narrower path
	on b python3 "$here/icmperror.py" kind=too-big mtu="$1" src=192.0.2.2 dst=192.0.2.1 \
		quote-src=192.0.2.1 quote-dst=192.0.2.2 quote="$(printf '%08x00000001' $(($2)))"
}
holds "a VRF on each side: an ICMP error" too_big 1400 0x1002
holds "a VRF on each side: is heeded" until_ok 5 pmtu_is ipsec0 1400
enslave ipsec0 -
enslave lan -
lan
routes
both_families "the wire in a VRF"
enslave wire -
holds "dev set oif 0" vti a dev set ipsec0 oif 0
ipn a link del red
ipn a link del blue
ipn a addr replace 2001:db8::1/64 dev wire nodad
both_families "no VRF"
holds "the error is forgotten" until_ok 5 pmtu_is ipsec0 ""
is "the device and its SAs are as before" "$(identity)" "$before"

# Two more tunnels to the same peer address.
espinudp a 192.0.2.1 4500
espinudp b 192.0.2.2 4500
another() { # DEV N WORDS...
	local dev=$1 n=$2
	shift 2
	make_device a "$dev" "$n" $((n + 1)) local 192.0.2.1 remote 192.0.2.2 "$@" &&
		make_device b "$dev" $((n + 1)) "$n" local 192.0.2.2 remote 192.0.2.1 "$@" &&
		add_pair a "$dev" "0x3${n}1" "0x3${n}2" aes128gcm16 &&
		add_pair b "$dev" "0x3${n}2" "0x3${n}1" aes128gcm16 &&
		until_ok 5 operstate_is a "$dev" UP && until_ok 5 operstate_is b "$dev" UP
}
holds "a second tunnel between the same addresses" another ipsec1 3
holds "a third, in UDP" another ipsec2 5 encap udp 4500 4500
each() { # NAME DEV N...
	local name=$1 device
	shift
	while [ $# -gt 0 ]; do
		for device in ipsec0 ipsec1 ipsec2; do
			mark_stats b $device 2> /dev/null
		done
		holds "$name: $1" pings a "198.18.$2.254"
		is "$name: $1 alone" "$(for device in ipsec0 ipsec1 ipsec2; do
			since_mark b $device rx-packets 2> /dev/null; done | xargs)" "$3"
		shift 3
	done
}
each "three tunnels" ipsec0 2 "5 0 0" ipsec1 4 "0 5 0" ipsec2 6 "0 0 5"
holds "an ICMP error of one of them" too_big 1350 0x332
holds "is heeded there" until_ok 5 pmtu_is ipsec1 1350
holds "and nowhere else" pmtu_is ipsec0 ""
ipn a link del ipsec1
ipn b link del ipsec1
is "one is gone: the others" "$(pings a 198.18.2.254 | grep -c ' 5 received')$(pings a 198.18.6.254 | grep -c ' 5 received')" 11
ipn a link del ipsec2
ipn b link del ipsec2

# Names
id=$(field a ipsec0 dev-id)
ipn a link set ipsec0 down
holds "another name" ipn a link set ipsec0 name headquarters0
ipn a link set headquarters0 up
ipn a route add 198.18.2.0/24 dev headquarters0 src 198.18.1.254
is "the same device" "$(field a headquarters0 dev-id)" "$id"
fails "not by the old name" vti a dev show ipsec0
holds "an alternative name" ipn a link property add dev headquarters0 altname hq
is "is as good" "$(field a hq ifname) $(field a hq dev-id)" "headquarters0 $id"
holds "to command it too" vti a dev set hq mark 0
holds "keys by it" add_sa a hq in 0x4001 aes128gcm16
holds "traffic" pings a 198.18.2.254
is "counted" "$(link_stat a headquarters0 rx.packets)" "$(counter a hq rx-packets)"
ipn a link set headquarters0 down
ipn a link set headquarters0 name ipsec0
ipn a link set ipsec0 up
routes
holds "the old one again" pings a 198.18.2.254
vti a sa del "$(vti a sa list --json | jq '.[] | select(.spi == "0x00004001") | ."sa-id"')"

# The link below goes and comes.
holds "the wire goes down" ipn a link set wire down
mark_stats a ipsec0
fails "nothing passes" pings a 198.18.2.254 -W 0.2
is "counted" "$(moved a ipsec0)" "no-route+5"
is "the device and its SAs stay" "$(identity)" "$before"
holds "the wire comes up" ipn a link set wire up
until_ok 5 operstate_is a wire UP
holds "traffic" pings a 198.18.2.254
holds "the peer's wire goes down" ipn b link set wire down
fails "nothing passes" pings a 198.18.2.254 -W 0.2
holds "and comes up" ipn b link set wire up
until_ok 5 operstate_is b wire UP
holds "traffic" pings a 198.18.2.254
is "the device and its SAs stay" "$(identity)" "$before"

# So do the outer address, and a better way to the peer.
ipn a addr del 192.0.2.1/24 dev wire
mark_stats a ipsec0
fails "without the outer address nothing passes" pings a 198.18.2.254 -W 0.2
is "counted" "$(moved a ipsec0)" "no-route+5"
ipn a addr add 192.0.2.1/24 dev wire
holds "with it: traffic" pings a 198.18.2.254
ip link add detour netns "vti$$-a" type veth peer name detour netns "vti$$-b"
ipn a addr add 203.0.113.101/24 dev detour
ipn b addr add 203.0.113.102/24 dev detour
ipn a link set detour up
ipn b link set detour up
esp=$(wire_count b esp)
ipn a route add 192.0.2.2/32 via 203.0.113.102
holds "a better way: traffic" pings a 198.18.2.254
is "a better way: is taken" "$(wire_count b esp)" "$esp"
ipn a link del detour
holds "it is gone: traffic" pings a 198.18.2.254
is "it is gone: the old one" "$(wire_count b esp)" $((esp + 5))

# A VLAN of 9000 bytes
for ns in a b; do
	ipn $ns link set ipsec0 mtu 8904
	ipn $ns addr flush dev wire
	ipn $ns link set wire mtu 9000
	ipn $ns link add link wire name wire.7 mtu 9000 type vlan id 7
	ipn $ns link set wire.7 up
done
ipn a addr add 192.0.2.1/24 dev wire.7
ipn b addr add 192.0.2.2/24 dev wire.7
on b nft -f - << EOT
table inet tagged {
	counter whole { }
	counter fragments { }
	chain prerouting {
		type filter hook prerouting priority -450;
		iifname "wire.7" ip protocol esp ip frag-off & 0x3fff == 0 counter name whole
		iifname "wire.7" ip protocol esp ip frag-off & 0x3fff != 0 counter name fragments
	}
}
EOT
# Header, IV and ICV take 32 bytes, the outer header 20, trailer and padding to 4 the rest.
is "a VLAN of 9000 bytes: effective-mtu" "$(field a ipsec0 effective-mtu)" $(((9000 - 52) / 4 * 4 - 2))
holds "a VLAN of 9000 bytes: 8904 bytes with DF" pings a 198.18.2.254 -M "do" -s 8876
holds "a VLAN of 9000 bytes: 8904 bytes of IPv6" pings a 2001:db8:2::fe -M "do" -s 8856
is "a VLAN of 9000 bytes: whole" "$(packets_of b inet tagged whole) $(packets_of b inet tagged fragments)" "10 0"
holds "a VLAN of 9000 bytes: 4 MB of TCP" tcp_file a b 198.18.2.254 4096
is "a VLAN of 9000 bytes: whole" "$(packets_of b inet tagged fragments)" 0

# The largest packets that there are, less what ESP over IPv6 may take.
for ns in a b; do
	ipn $ns link set wire mtu 65535
	ipn $ns link set wire.7 mtu 65535
	ipn $ns link set ipsec0 mtu 65419
done
holds "a link of 65535 bytes: 65419 bytes with DF" pings a 198.18.2.254 -M "do" -s 65391
holds "a link of 65535 bytes: 8 MB of TCP" tcp_file a b 198.18.2.254 8192
holds "a link of 65535 bytes: 8 MB of TCP over IPv6" tcp_file b a 2001:db8:1::fe 8192
# Multicast as OSPF has it, and what the routers of a link call each other.
for ns in a b; do
	on $ns nft delete table inet quiet
done
background hears b python3 "$here/multicast.py" receive ipsec0
until_ok 20 grep -q ready "$tmp/hears"
link_local() { # NS
	ipn "$1" -j addr show dev ipsec0 | jq -r '[.[0].addr_info[] | select(.scope == "link") | .local][0]'
}
holds "a has a link-local address" test -n "$(link_local a)"
on a python3 "$here/multicast.py" send ipsec0 5
heard() { # GROUP
	grep "^$1 " "$tmp/hears" | cut -d ' ' -f 2-
}
all_heard() {
	[ "$(grep -c hello "$tmp/hears")" = 10 ]
}
until_ok 5 all_heard
is "224.0.0.5 is heard" "$(heard 224.0.0.5)" "$(printf '198.18.1.254 hello %s\n' 0 1 2 3 4)"
is "ff02::5 is heard" "$(heard ff02::5)" "$(printf "$(link_local a) hello %s\n" 0 1 2 3 4)"
stop hears
holds "ping of a link-local address" pings a "$(link_local b)%ipsec0"
ipn a addr add fe80::a/64 dev ipsec0 nodad
ipn b addr add fe80::b/64 dev ipsec0 nodad
holds "and of one that was given" pings a fe80::b%ipsec0

for mtu in 67 65420; do
	fails "a device of $mtu bytes" ipn a link add ipsec7 mtu $mtu type ipsecvti
done
for mtu in 68 1280 65419; do
	holds "a device of $mtu bytes" ipn a link add ipsec7 mtu $mtu type ipsecvti
	is "has them" "$(ipn a -j link show ipsec7 | jq '.[0].mtu')" $mtu
	ipn a link del ipsec7
done

finish
