#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# An SA for each CPU (the kernel half of RFC 9611), and the one for any CPU that stands in.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1 7.2
need taskset
[ "$(nproc)" -gt 1 ] || skip "one CPU"

make_namespace a b
make_wire a b
holds "set up" make_pair
suite=aes128gcm16
any=$(vti a sa list ipsec0 --json | jq '.[] | select(.dir == "out")."sa-id"')

# An SA of a's for one CPU, with its partner at b.
sa_for() { # SPI ARGS...
	local spi=$1
	shift
	add_sa b ipsec0 in "$spi" "$suite" > /dev/null
	add_sa a ipsec0 out "$spi" "$suite" "$@"
}
zero=$(sa_for 0x2000)
one=$(sa_for 0x2001)
holds "an SA for each CPU" vti a out set ipsec0 sa "$any" sa "$zero" cpu 0 sa "$one" cpu 1

pings_on() { # CPU ARGS...
	local cpu=$1
	shift
	on a taskset -c "$cpu" ping -q -c 5 -i 0.02 -W 5 "$@" 198.18.2.254 > "$tmp/output" 2>&1
	grep -q " 5 received" "$tmp/output"
}
declare -A seq
sent() { # which SAs have sent since the last time: any, CPU 0, CPU 1
	local id now result=
	for id in "$any" "$zero" "$one"; do
		now=$(sa_field a "$id" seq)
		result="$result $((${now:-0} - ${seq[$id]:-0}))"
		seq[$id]=${now:-0}
	done
	sent=${result# }
}
sent
goes() { # NAME SENT COMMAND...
	holds "$1" "${@:3}"
	sent
	is "$1: by the right SA" "$sent" "$2"
}
goes "from CPU 0" "0 5 0" pings_on 0
goes "from CPU 1" "0 0 5" pings_on 1
holds "CPU 1 has none of its own" vti a out set ipsec0 sa "$any" sa "$zero" cpu 0
goes "from CPU 1" "5 0 0" pings_on 1
goes "from CPU 0 as before" "0 5 0" pings_on 0
holds "a CPU's SA is deleted" vti a sa del "$zero" force
seq[$zero]=0
goes "the one for any stands in" "5 0 0" pings_on 0

# One that has reached its limit: not a packet is lost, not one goes beyond it.
zero=$(sa_for 0x2002 soft-packets 2 hard-packets 3)
holds "a CPU's SA for three packets" vti a out set ipsec0 sa "$any" sa "$zero" cpu 0 sa "$one" cpu 1
mark_stats a ipsec0
goes "the rest goes by the one for any" "2 3 0" pings_on 0
is "it has expired" "$(sa_field a "$zero" dead)" true
is "nothing was dropped" "$(moved a ipsec0)" ""
is "the carrier stays" "$(operstate a ipsec0)" "$(operstate b ipsec0)"

# The one for any reaches its limit: the others go on.
short=$(sa_for 0x2003 hard-packets 3)
holds "one for any with three packets" vti a out set ipsec0 sa "$short" sa "$one" cpu 1
fails "CPU 0 can send three" pings_on 0 -W 0.2
is "and three came back" "$(grep -o '[0-9] received' "$tmp/output")" "3 received"
is "the others are counted" "$(moved a ipsec0)" "sa-expired+2"
goes "CPU 1 can send" "0 0 5" pings_on 1

# All CPUs at once: each number once, each packet by its CPU's SA, none lost.
zero=$(sa_for 0x2004)
holds "again one for each" vti a out set ipsec0 sa "$any" sa "$zero" cpu 0 sa "$one" cpu 1
sent
mark_stats a ipsec0
mark_stats b ipsec0
for cpu in 0 1; do
	background "flood-$cpu" a taskset -c $cpu ping -q -c 500 -i 0.002 -W 5 198.18.2.254
done
for cpu in 0 1; do
	await flood-$cpu
	compare "CPU $cpu: all came back" "$(grep -o '[0-9]* received' "$tmp/flood-$cpu")" = "500 received"
done
sent
is "each by its own SA" "$sent" "0 500 500"
is "no drop" "$(moved a ipsec0)$(moved b ipsec0)" ""

# A CPU that goes offline, and comes back.
online=/sys/devices/system/cpu/cpu1/online
if [ -w $online ]; then
	echo 0 > $online
	goes "without CPU 1" "0 5 0" pings_on 0
	echo 1 > $online
	goes "with it again" "0 0 5" pings_on 1
fi

# The kernel's xfrm has SAs for each CPU since 6.13: what it sends by them, we take.
if ip xfrm state help 2>&1 | grep -q pcpu && [[ $(uname -r) != 6.1[.2]* ]]; then
	modprobe -q -a esp4 xfrm_user 2> /dev/null
	ipn b link del ipsec0
	ipn b addr add 198.18.2.254/32 dev lo
	ipn b route add 198.18.1.0/24 via 192.0.2.1 src 198.18.2.254
	xfrm_policies b 192.0.2.2 192.0.2.1 2 1
	per_cpu() {
		xfrm_state b 192.0.2.1 192.0.2.2 0x1002 "$suite" yes &&
			xfrm_state b 192.0.2.2 192.0.2.1 0x1001 "$suite" yes || return
		local cpu
		for cpu in 0 1; do
			xfrm_words=(pcpu-num "$cpu")
			add_sa a ipsec0 in "0x300$cpu" "$suite" > /dev/null &&
				xfrm_state b 192.0.2.2 192.0.2.1 "0x300$cpu" "$suite" yes || return
		done
	}
	holds "xfrm: an SA for each CPU" per_cpu
	holds "here: the one for any" vti a out set ipsec0 sa "$any"
	for cpu in 0 1; do
		before=$(xfrm_sent b 0x300$cpu)
		on b taskset -c $cpu ping -q -c 5 -i 0.02 -W 5 198.18.1.254 > "$tmp/output"
		is "from its CPU $cpu" "$(grep -o '[0-9] received' "$tmp/output")" "5 received"
		is "from its CPU $cpu: by its SA" "$(($(xfrm_sent b 0x300$cpu) - before))" 5
	done
fi

fails "no CPU 9999" vti a out set ipsec0 sa "$any" sa "$one" cpu 9999
said "it says so" "no CPU 9999"
fails "a group without an SA for any" vti a out set ipsec0 sa "$one" cpu 1
said "it says so" "SA for any CPU"

finish
