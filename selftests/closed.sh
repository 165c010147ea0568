#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Nothing routed to the device leaves in clear, whatever is missing, and each packet that was not
# sent is counted. What crosses the wire is counted on the other end of it; the controls show that
# this counter sees what is clear and what is ESP.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1
one_cpu

make_namespace a b
make_wire a b
watch_wire b

# Packets to b's inside; none is to arrive.
try() { # COUNT
	on a ping -q -c "$1" -i 0.02 -W 0.1 198.18.2.254 > /dev/null 2>&1
}

clear=0 esp=0
silent() { # NAME: since the last time nothing crossed the wire
	is "$1: nothing in clear" "$(wire_count b clear)" $clear
	is "$1: no ESP" "$(wire_count b esp)" "$esp"
}

# Without carrier the stack drops before the device sees the packet. Whether it counts that, and
# where, is the kernel's business.
not_sent() { # NAME DROPS-BEFORE PACKETS
	local dropped
	dropped=$(($(link_stat a ipsec0 tx.dropped) + $(link_stat a ipsec0 tx.carrier_errors)))
	note "$1: counted by the stack: $((dropped - $2)) of $3"
	is "$1: none counted as sent" "$(link_stat a ipsec0 tx.packets)" "$sent"
}

drops() {
	echo $(($(link_stat a ipsec0 tx.dropped) + $(link_stat a ipsec0 tx.carrier_errors)))
}

holds "set up" make_pair
holds "control: traffic passes" pings a 198.18.2.254
esp=$(wire_count b esp)
compare "control: as ESP" "$esp" -ge 5
silent "control"
on a ping -q -c 1 192.0.2.2 > /dev/null
is "control: what is clear is seen" "$(wire_count b clear)" 1
clear=1
sent=$(link_stat a ipsec0 tx.packets)
out=$(vti a sa list --json | jq '.[] | select(.dir == "out") | ."sa-id"')
in=$(vti a sa list --json | jq '.[] | select(.dir == "in") | ."sa-id"')

# No carrier: each way to lose it.
vti a out set ipsec0 > /dev/null
before=$(drops)
try 5
silent "empty outbound set"
not_sent "empty outbound set" "$before" 5
vti a out set ipsec0 sa "$out" > /dev/null
until_ok 5 operstate_is a ipsec0 UP

holds "inbound partner deleted" vti a sa del "$in"
until_ok 5 operstate_is a ipsec0 DOWN
before=$(drops)
try 5
silent "without an inbound partner"
not_sent "without an inbound partner" "$before" 5

# Dormant: the device itself drops, counts and asks.
holds "on demand" vti a dev set ipsec0 on-demand yes
holds "all SAs deleted" vti a sa del all ipsec0 force
holds "dormant" until_ok 5 operstate_is a ipsec0 DORMANT
background monitor a "$IPSECVTI" monitor --json
until_ok 10 grep -q monitoring "$tmp/monitor.err"
mark_stats a ipsec0
try 5
silent "no SA at all"
is "no SA at all: counted by name" "$(moved a ipsec0)" "no-sa+5"
holds "no SA at all: acquire" until_ok 2 grep -q '"acquire"' "$tmp/monitor"
stop monitor
is "no SA at all: one event, not one for each packet" "$(grep -c '"acquire"' "$tmp/monitor")" 1

# Limits. Packets are exact.
add_pair a ipsec0 0x1011 0x1012 aes128gcm16 hard-packets 7
add_pair b ipsec0 0x1012 0x1011 aes128gcm16
mark_stats a ipsec0
on a ping -q -c 10 -i 0.02 -W 0.1 198.18.2.254 > /dev/null 2>&1
is "7 packets allowed: 7 left" $(($(wire_count b esp) - esp)) 7
is "7 packets allowed: 7 arrived" "$(since_mark a ipsec0 tx-packets)" 7
compare "7 packets allowed: 3 dropped" "$(moved a ipsec0)" != ""
note "drops: $(moved a ipsec0)"
esp=$(wire_count b esp)
try 3
silent "past the packet limit"

sent=$(link_stat a ipsec0 tx.packets)
add_pair a ipsec0 0x1021 0x1022 aes128gcm16 hard-seconds 1
expired() {
	[ "$(vti a sa list --json | jq '.[] | select(.current).dead')" = true ]
}
holds "past the time limit: it is dead" until_ok 5 expired
mark_stats a ipsec0
try 5
silent "past the time limit"
compare "past the time limit: counted" "$(moved a ipsec0)" != ""
note "drops: $(moved a ipsec0)"

# Outer side
add_pair a ipsec0 0x1031 0x1032 aes128gcm16
add_pair b ipsec0 0x1032 0x1031 aes128gcm16
holds "control: traffic passes again" pings a 198.18.2.254
esp=$(wire_count b esp)
mark_stats a ipsec0
holds "a peer without a route" vti a dev set ipsec0 remote 203.0.113.9
try 5
silent "no route"
is "no route: counted by name" "$(moved a ipsec0)" "no-route+5"
ipn a route add 203.0.113.9/32 dev ipsec0
mark_stats a ipsec0
try 5
silent "a route through itself"
is "a route through itself: counted by name" "$(moved a ipsec0)" "loop+5"
holds "a is alive" vti a dev set ipsec0 remote 192.0.2.2
holds "control: traffic passes again" pings a 198.18.2.254
esp=$(wire_count b esp)

# A device that never got addresses.
ipn a link add ipsec1 type ipsecvti
vti a dev set ipsec1 on-demand yes
ipn a link set ipsec1 up
ipn a route add 203.0.113.0/25 dev ipsec1
mark_stats a ipsec1
on a ping -q -c 3 -i 0.02 -W 0.1 203.0.113.1 > /dev/null 2>&1
silent "no addresses"
is "no addresses, and so no SA: counted by name" "$(moved a ipsec1)" "no-sa+3"

# The device goes; the blackhole behind its route is what keeps the traffic in.
ipn a route add default via 192.0.2.2
ipn a route add blackhole 198.18.2.0/24 metric 9999
holds "device down" ipn a link set ipsec0 down
try 3
silent "device down, blackhole behind the route"
ipn a link del ipsec0
try 3
silent "device deleted, blackhole behind the route"
ipn a route del blackhole 198.18.2.0/24 metric 9999
try 3
compare "control: without the blackhole it leaks" "$(wire_count b clear)" -gt $clear

finish
