#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Everything that can be deleted is deleted under traffic, again and again: devices, SAs, namespaces,
# and last the module itself with tunnels up. Nothing may stay behind.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_is_ours
checked_on 6.1 7.2

rounds=$((seconds / 10 > 0 ? seconds / 10 : 1))
numbered=$(helper numbered)

refcount() {
	cat /sys/module/ipsecvti/refcnt
}

# Objects in our own slab caches. Each CPU may keep one cipher request at hand.
objects() {
	local cache
	for cache in /sys/kernel/slab/ipsecvti*; do
		[ ! -w "$cache/shrink" ] || echo 1 > "$cache/shrink"
	done
	awk '/^ipsecvti/ { sum += $2 } END { print sum + 0 }' /proc/slabinfo
}

# Datagrams and TCP both ways, until the namespaces are gone.
traffic() {
	background "sink-a-$1" a socat -u TCP4-LISTEN:5000,reuseaddr,fork /dev/null
	background "sink-b-$1" b socat -u TCP4-LISTEN:5000,reuseaddr,fork /dev/null
	until_ok 10 listening a 5000
	until_ok 10 listening b 5000
	background "udp-a-$1" a "$numbered" send 198.18.2.254 7000 1000 600 1000
	background "udp-b-$1" b "$numbered" send 198.18.1.254 7000 1000 600 1000
	background "tcp-a-$1" a socat -u /dev/zero TCP4:198.18.2.254:5000
	background "tcp-b-$1" b socat -u /dev/zero TCP4:198.18.1.254:5000
	background "ping6-$1" a ping -q -i 0.01 -s 3000 2001:db8:2::fe
}

set_up() { # ROUND [ENCAP...]
	make_namespace a b
	make_wire a b
	if [ "${2:-}" = encap ]; then
		espinudp a 192.0.2.1 4500
		espinudp b 192.0.2.2 4500
	fi
	make_pair aes128gcm16 "${@:2}" && traffic "$1" && until_ok 10 busy
}

busy() {
	[ "$(counter b ipsec0 rx-packets)" -gt 500 ] && [ "$(counter a ipsec0 rx-packets)" -gt 500 ]
}

tear_down() {
	local name ns
	for name in "${!pid_of[@]}"; do
		kill -KILL "${pid_of[$name]}" 2> /dev/null
		wait "${pid_of[$name]}" 2> /dev/null
	done
	pid_of=()
	children=()
	for ns in "${namespaces[@]}"; do
		ip netns del "vti$$-$ns"
	done
	namespaces=()
}

# Namespaces are taken apart by a worker of the kernel's.
netns_gone() {
	[ "$(objects)" -le "$(nproc --all)" ] && [ "$(refcount)" = 0 ]
}

all_gone() { # NAME
	tear_down
	holds "$1: nothing left but requests at hand" until_ok 10 netns_gone
	is "$1: module reference count" "$(refcount)" 0
	is "$1: the kernel's log" "$(log_complaints)" ""
}

mark_log
for round in $(seq "$rounds"); do
	name="round $round, device deleted"
	holds "$name: traffic" set_up "$round-device"
	holds "$name" ipn a link del ipsec0
	sleep 0.3
	holds "$name: the other one too" ipn b link del ipsec0
	all_gone "$name"

	name="round $round, device down and up"
	holds "$name: traffic" set_up "$round-down"
	for _ in 1 2 3 4 5; do
		ipn a link set ipsec0 down
		ipn b link set ipsec0 down
		ipn b link set ipsec0 up
		ipn a link set ipsec0 up
	done
	ipn a route add 198.18.2.0/24 dev ipsec0 src 198.18.1.254 2> /dev/null
	ipn b route add 198.18.1.0/24 dev ipsec0 src 198.18.2.254 2> /dev/null
	holds "$name: traffic goes on" pings a 198.18.2.254
	all_gone "$name"

	name="round $round, SAs deleted"
	holds "$name: traffic" set_up "$round-sas" encap udp 4500 4500
	inbound=$(vti a sa list --json | jq '.[] | select(.dir == "in") | ."sa-id"')
	holds "$name: the inbound one" vti a sa del "$inbound"
	holds "$name: all" vti b sa del all ipsec0 force
	holds "$name: all of the other end" vti a sa del all ipsec0 force
	all_gone "$name"

	name="round $round, namespaces deleted"
	holds "$name: traffic" set_up "$round-netns"
	all_gone "$name"

	name="round $round, device elsewhere, outer namespace deleted"
	holds "$name: traffic" set_up "$round-outer"
	make_namespace c
	holds "$name: moved" ipn b link set ipsec0 netns "vti$$-c"
	ipn c addr add 198.18.2.254/32 dev ipsec0
	ipn c link set ipsec0 up
	drop_namespace b
	sleep 0.3
	all_gone "$name"

	name="round $round, module removed"
	holds "$name: traffic" set_up "$round-module" encap udp 4500 4500
	is "$name: no reference" "$(refcount)" 0
	holds "$name" rmmod ipsecvti
	fails "$name: its device is gone" ipn a link show ipsec0
	fails "$name: its slab caches are gone" grep -q '^ipsecvti' /proc/slabinfo
	fails "$name: it is gone" test -d /sys/module/ipsecvti
	holds "$name: it comes back" modprobe ipsecvti
	all_gone "$name"
done

# The control: what this test looks for in the log, it finds.
echo "ipsecvti selftest: unregister_netdevice: waiting for nothing" > /dev/kmsg
compare "control: a complaint is seen" "$(log_complaints)" != ""

finish
