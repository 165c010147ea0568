#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Two of our devices: traffic in both families, the carrier that follows the SAs, and what must
# outlive every change: the device, its index, its addresses and its routes.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here

make_namespace a b
make_wire a b
watch_wire b
espinudp a 192.0.2.1 4500
espinudp b 192.0.2.2 4500

# What must not change while the device exists.
identity() {
	ipn a -j link show ipsec0 | jq -c '.[0] | [.ifindex, .mtu, .ifname]'
	ipn a -j addr show ipsec0 | jq -c '[.[0].addr_info[] | select(.scope == "global") | .local]'
	ipn a route show dev ipsec0 | sed 's/ linkdown//'
	ipn a -6 route show dev ipsec0 | grep -v -e '^fe80' -e '^multicast' -e '^ff00' | sed 's/ linkdown//'
}

carrier() { # NAME STATE: within a second, and the tool says the same
	local carrier=false
	[ "$2" != UP ] || carrier=true
	holds "$1: operstate $2" until_ok 1 operstate_is a ipsec0 "$2"
	is "$1: carrier $carrier" "$(field a ipsec0 carrier)" $carrier
}

# The carrier of a, step by step.
make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2
make_device b ipsec0 2 1 local 192.0.2.2 remote 192.0.2.1
before=$(identity)
carrier "a new device" DOWN
in=$(add_sa a ipsec0 in 0x1001 aes128gcm16)
carrier "an inbound SA alone" DOWN
out=$(add_sa a ipsec0 out 0x1002 aes128gcm16)
carrier "an outbound SA that is not current" DOWN
holds "out set" vti a out set ipsec0 sa "$out"
carrier "both" UP
holds "inbound SA deleted" vti a sa del "$in"
carrier "without its inbound partner" DOWN
in=$(add_sa a ipsec0 in 0x1003 aes128gcm16 child 7)
carrier "an inbound SA of another child" DOWN
in=$(add_sa a ipsec0 in 0x1001 aes128gcm16)
carrier "the partner is back" UP
holds "empty out set" vti a out set ipsec0
carrier "an empty outbound set" DOWN
holds "out set again" vti a out set ipsec0 sa "$out"
carrier "set again" UP
short=$(add_sa a ipsec0 out 0x1004 aes128gcm16 hard-seconds 5)
holds "out set to an SA with five seconds to live" vti a out set ipsec0 sa "$short"
carrier "while it lives" UP
until_ok 10 operstate_is a ipsec0 DOWN
carrier "past its hard limit" DOWN
is "it is dead, not gone" "$(sa_field a "$short" dead)" true
holds "out set back" vti a out set ipsec0 sa "$out"
carrier "a live SA" UP
is "device, addresses and routes are as before" "$(identity)" "$before"

# On demand: dormant, so that a packet can ask for the SA.
holds "out set empty, on demand" vti a out set ipsec0
holds "on demand" vti a dev set ipsec0 on-demand yes
holds "operstate DORMANT" until_ok 1 operstate_is a ipsec0 DORMANT
holds "no longer on demand" vti a dev set ipsec0 on-demand no
holds "operstate DOWN" until_ok 1 operstate_is a ipsec0 DOWN

# Traffic
vti a out set ipsec0 sa "$out" > /dev/null
add_pair b ipsec0 0x1002 0x1001 aes128gcm16
until_ok 5 operstate_is b ipsec0 UP
for encap in none "udp 4500 4500"; do
	# shellcheck disable=SC2086 # two ports are words
	holds "encap $encap" eval "vti a dev set ipsec0 encap $encap && vti b dev set ipsec0 encap $encap"
	mark_stats a ipsec0
	mark_stats b ipsec0
	holds "encap $encap: IPv4" pings a 198.18.2.254
	holds "encap $encap: IPv6" pings b 2001:db8:1::fe
	holds "encap $encap: 4 MB of TCP" tcp_file a b 198.18.2.254 4096
	holds "encap $encap: 4 MB of TCP over IPv6" tcp_file b a 2001:db8:1::fe 4096
	is "encap $encap: a to b" "$(since_mark b ipsec0 rx-packets)" "$(since_mark a ipsec0 tx-packets)"
	is "encap $encap: b to a" "$(since_mark a ipsec0 rx-packets)" "$(since_mark b ipsec0 tx-packets)"
	is "encap $encap: bytes" "$(since_mark b ipsec0 rx-bytes)" "$(since_mark a ipsec0 tx-bytes)"
	is "encap $encap: no drops" "$(moved a ipsec0)$(moved b ipsec0)" ""
done

# One end in UDP, the other not: both are always received (RFC 7296 2.23).
holds "b answers without UDP" vti b dev set ipsec0 encap none
holds "mixed encapsulations" pings a 198.18.2.254
holds "a without UDP" vti a dev set ipsec0 encap none

# ip -s link says what the tool says.
is "packets sent" "$(link_stat a ipsec0 tx.packets)" "$(counter a ipsec0 tx-packets)"
is "packets received" "$(link_stat a ipsec0 rx.packets)" "$(counter a ipsec0 rx-packets)"
is "bytes sent" "$(link_stat a ipsec0 tx.bytes)" "$(counter a ipsec0 tx-bytes)"
is "bytes received" "$(link_stat a ipsec0 rx.bytes)" "$(counter a ipsec0 rx-bytes)"
compare "there were some" "$(link_stat a ipsec0 rx.packets)" -gt 1000

# The peer moves to another address; the SAs stay.
spis=$(vti a sa list --json | jq -c 'map(."sa-id")')
ipn b addr add 192.0.2.3/32 dev wire
holds "b sends from 192.0.2.3" vti b dev set ipsec0 local 192.0.2.3
holds "a accepts an SA's packets from anywhere" pings a 198.18.2.254
holds "a sends to 192.0.2.3" vti a dev set ipsec0 remote 192.0.2.3
# What b has left is an address without a subnet: it still needs a way to a.
ipn b addr del 192.0.2.2/24 dev wire
ipn b route add 192.0.2.1 dev wire src 192.0.2.3
holds "traffic with the new address" pings a 198.18.2.254
is "the SAs are the same" "$(vti a sa list --json | jq -c 'map(."sa-id")')" "$spis"
is "device, addresses and routes are as before" "$(identity)" "$before"

# In another namespace a device keeps its outer side where it was made.
make_namespace c
id=$(field a ipsec0 dev-id)
holds "move to another namespace" ipn a link set ipsec0 netns "vti$$-c"
is "known by its handle outside" \
	"$(vti a dev show --json | jq -c --argjson id "$id" 'map(select(."dev-id" == $id)) | length')" 1
ipn c addr add 198.18.1.254/32 dev ipsec0
ipn c link set ipsec0 up
ipn c route add 198.18.2.0/24 dev ipsec0
esp=$(wire_count b esp)
holds "traffic from there" pings c 198.18.2.254
is "through the old namespace's wire" $(($(wire_count b esp) - esp)) 5
holds "and back" pings b 198.18.1.254

# The outer namespace goes first: the device stays, silent, and says why.
stop espinudp-a-4500
drop_namespace a
holds "the device outlives its outer namespace" ipn c link show ipsec0
on c ping -q -c 3 -i 0.05 -W 0.2 198.18.2.254 > /dev/null
holds "operstate DOWN" until_ok 5 operstate_is c ipsec0 DOWN
holds "it can be deleted" ipn c link del ipsec0

finish
