#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An SA that keeps a CPU busy is moved to the lane of an idle one, and goes home when it is over. Then
# SAs that move without a reason, all the time, while a CPU comes and goes, ciphers answer later and
# WireGuard keeps the CPUs busy: every packet arrives, and in order.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_is_ours
checked_on 6.1 7.2
need tc
[ "$(nproc)" -gt 1 ] || skip "one CPU"
numbered=$(helper numbered)
parameters=/sys/module/ipsecvti/parameters
online=/sys/devices/system/cpu/cpu1/online

test_cleanup() {
	echo 0 > "$parameters/restless"
	echo 0-1 > "$parameters/lanes"
	echo 1 > "$online"
	rmmod pcrypt
	trace_end
} 2> /dev/null

make_namespace a b
make_wire a b
# What two CPUs send, two queues would bring in any order: as with a NIC that has one.
one_queue() { # NS CPU
	# shellcheck disable=SC2016 # the inner shell expands
	on "$1" unshare -m sh -c 'mount -t sysfs none /sys && echo $(((1 << $0))) > /sys/class/net/wire/queues/rx-0/rps_cpus' "$2"
}
for ns in a b; do
	holds "packets of $ns's wire come to CPU 0" one_queue $ns 0
done
mark_log
holds "set up" make_pair

# The knob
is "all CPUs may have guests" "$(cat $parameters/lanes)" 0-1
for list in 7-3 nobody; do
	fails "CPUs $list" sh -c "echo $list > $parameters/lanes"
done
is "what is wrong changes nothing" "$(cat $parameters/lanes)" 0-1

# An elephant: trains from CPU 0 that nobody has to receive.
lane_of() { # NS DIR
	vti "$1" sa list --json | jq -r --arg dir "$2" '.[] | select(.dir == $dir) | .lane // "home"'
}
lives() { # NS DIR LANE
	[ "$(lane_of "$1" "$2")" = "$3" ]
}
on b nft -f - << EOT
table netdev deaf {
	chain ingress {
		type filter hook ingress device "wire" priority 0;
		ip protocol esp drop
	}
}
EOT
elephant() {
	background elephant a taskset -c 0 python3 "$here/train.py" 198.18.2.254 60 1000000
}
holds "no CPU may have guests" sh -c "echo > $parameters/lanes"
elephant
busy() {
	[ "$(counter a ipsec0 tx-packets)" -gt 20000 ]
}
holds "an elephant" until_ok 60 busy
is "it stays where it is" "$(lane_of a out)" home
holds "CPU 1 may" sh -c "echo 1 > $parameters/lanes"
holds "it is moved to CPU 1" until_ok 20 lives a out 1
sent=$(counter a ipsec0 tx-packets)
goes_on() {
	[ "$(counter a ipsec0 tx-packets)" -gt $((sent + 5000)) ]
}
holds "and goes on" until_ok 20 goes_on
if [ -w $online ]; then
	holds "CPU 1 goes offline" sh -c "echo 0 > $online"
	is "without its guest" "$(lane_of a out)" home
	sent=$(counter a ipsec0 tx-packets)
	holds "which goes on" until_ok 20 goes_on
	holds "CPU 1 is back" sh -c "echo 1 > $online"
	holds "and has its guest again" until_ok 20 lives a out 1
fi
stop elephant
on b nft delete table netdev deaf
is "what it can't do is counted by name alone" "$(moved a ipsec0 | sed 's/tx-lane-full+[0-9]*//')" ""
trickle() {
	pings a 198.18.2.254 > /dev/null && lives a out home
}
holds "when it is over it goes home" until_ok 20 trickle
echo 0-1 > $parameters/lanes

# Moves as the kernel tells of them: how many of that direction, to that lane.
trace_begin ipsecvti/ipsecvti_lane || exit 1
moves() { # in|out LANE
	grep -c "ipsecvti_lane: .* dir=$1 lane=$2\$" "$traces/trace"
}

# SAs without rest. What is full drops, by name, and never puts a packet before another.
restless() { # NAME SECONDS [HOTPLUG]
	local name=$1 end=$((SECONDS + $2)) end_of ns dir
	echo > "$traces/trace"
	for ns in a b; do
		mark_stats $ns ipsec0
		background receive-$ns $ns "$numbered" receive "198.18.$([ $ns = a ] && echo 1 || echo 2).254" 7000
	done
	until_ok 20 bound a 7000 && until_ok 20 bound b 7000 || return
	background send-a a "$numbered" send 198.18.2.254 7000 500 3600 300
	background send-b b "$numbered" send 198.18.1.254 7000 500 3600 300
	background trains a python3 "$here/train.py" 198.18.2.254 20 1000000
	echo 3 > $parameters/restless
	while [ $SECONDS -lt $end ]; do
		[ -z "${3:-}" ] || echo 0 > $online
		sleep 0.1
		[ -z "${3:-}" ] || echo 1 > $online
		sleep 0.1
	done
	for end_of in a b; do
		stop send-$end_of
	done
	stop trains
	echo 0 > $parameters/restless
	until_ok 10 at_rest
	for end_of in a b; do
		stop receive-$end_of
	done
	for dir in in out; do
		compare "$name: moves to other CPUs, $dir" "$(moves $dir '[01]')" -gt 10
		compare "$name: moves home, $dir" "$(moves $dir -1)" -gt 10
	done
	for end_of in "a b" "b a"; do
		read -r from to <<< "$end_of"
		ordered "$name: from $from" "$from" "$to"
	done
	is "$name: nothing is left" "$(vti a sa list --json | jq length) $(log_complaints)" "2 "
}

# All that was sent was received, or dropped by name.
at_rest() {
	read_moved a ipsec0
	local sent_a=$sent received_a=$received
	read_moved b ipsec0
	[ $((sent_a - received)) = "$(full b lane-full)" ] && [ $((sent - received_a)) = "$(full a lane-full)" ]
}

full() { # NS NAME: how many were dropped by that name
	since_mark "$1" ipsec0 "$2"
}

value() { # FILE KEY
	grep -o "$2=[0-9]*" "$tmp/$1" | tail -n 1 | cut -d = -f 2
}

ordered() { # NAME FROM TO
	local lost
	lost=$(($(value "send-$2" sent) - $(value "receive-$3" received)))
	note "$1: $(cat "$tmp/send-$2"), $(cat "$tmp/receive-$3")"
	compare "$1: packets were sent" "$(value "send-$2" sent)" -gt 500
	is "$1: none is late, none comes twice, none is changed" \
		"$(value "receive-$3" late) $(value "receive-$3" duplicates) $(value "receive-$3" corrupt)" "0 0 0"
	compare "$1: what is lost is counted: $lost" $lost -le \
		$(($(full "$2" tx-lane-full) + $(full "$3" lane-full)))
	is "$1: and by no other name" "$(moved "$2" ipsec0 | tr ' ' '\n' | grep -v lane-full)" ""
}

restless "restless" "$((seconds / 2))"
[ ! -w $online ] || restless "restless, a CPU comes and goes" "$seconds" hotplug

# WireGuard has the vector registers of both CPUs all the time: ciphers have to answer later.
wireguard() {
	modprobe -q wireguard && command -v wg > /dev/null || return
	local ns n=1
	for ns in a b; do
		(umask 077 && wg genkey > "$tmp/wg-$ns")
	done
	for ns in a b; do
		ipn "$ns" link add wg0 type wireguard &&
			on "$ns" wg set wg0 listen-port 51820 private-key "$tmp/wg-$ns" &&
			ipn "$ns" addr add "203.0.113.$n/24" dev wg0 && ipn "$ns" link set wg0 up || return
		n=2
	done
	on a wg set wg0 peer "$(wg pubkey < "$tmp/wg-b")" allowed-ips 203.0.113.2/32 endpoint 192.0.2.2:51820
	on b wg set wg0 peer "$(wg pubkey < "$tmp/wg-a")" allowed-ips 203.0.113.1/32 endpoint 192.0.2.1:51820
	pings a 203.0.113.2
}
holds "WireGuard beside us" wireguard
background wireguard a python3 "$here/train.py" 203.0.113.2 40 1000000
restless "beside WireGuard" "$seconds"
stop wireguard

# Control: what is out of order is seen.
for ns in a b; do
	mark_stats $ns ipsec0
done
background receive-b b "$numbered" receive 198.18.2.254 7000
until_ok 20 bound b 7000
holds "control: a wire that changes the order" on a tc qdisc add dev wire root netem delay 5ms reorder 50%
on a "$numbered" send 198.18.2.254 7000 1000 1 300 > "$tmp/send-a"
on a tc qdisc del dev wire root
holds "control: all arrive" until_ok 10 at_rest
stop receive-b
compare "control: some are late" "$(value receive-b late)" -gt 10

finish
