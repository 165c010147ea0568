#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Many devices, two SAs each: made, listed and gone again, the last of them at no higher price than
# the first, and packets of a tunnel among them take the time that those of a lonely one take.
#
#   IPSECVTI_DEVICES  how many (500, in check-long 10000)
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b, and so c and d
. "$(dirname "$0")/lib.sh"
module_is_ours
checked_on 6.12
one_cpu

many=${IPSECVTI_DEVICES:-${IPSECVTI_LONG:+10000}}
many=${many:-500}
tenth=$((many / 10))

make_namespace a b c d
for ends in "a b" "c d"; do
	read -r near far <<< "$ends"
	make_wire "$near" "$far"
	holds "up: $ends" make_pair_of "$near" "$far" aes128gcm16
done

stopwatch() { # COMMAND...: its milliseconds, in $ms
	local start=${EPOCHREALTIME/./}
	"$@" > "$tmp/output" 2>&1 || note "$(head -n 5 "$tmp/output")"
	ms=$(((${EPOCHREALTIME/./} - start) / 1000))
}

round_trips() { # NS BEST-SO-FAR: milliseconds of 1000, if all come back and that is better, in $trips
	trips=$2
	stopwatch on "$1" ping -q -f -c 1000 198.18.2.254
	if ! grep -q ' 1000 received' "$tmp/output"; then
		note "$(tail -n 3 "$tmp/output")"
	elif [ $ms -lt "$trips" ]; then
		trips=$ms
	fi
}

# Lines about the tunnels FIRST to LAST.
devices() { # FIRST LAST
	seq -f 'link add many%g group 7 type ipsecvti' "$1" "$2"
}

settings() { # FIRST LAST
	seq -f 'dev set many%g local 192.0.2.1 remote 192.0.2.2' "$1" "$2"
}

# Their SPIs differ from those of "ipsec0" in upper bits alone, as somebody chose them who wants them all in
# one place of a table.
sas() { # FIRST LAST
	local words="suite aes128gcm16 key-file $tmp/key"
	seq "$1" "$2" | while read -r i; do
		echo "sa add many$i dir in spi $((0x1001 + i * 0x10000)) $words"
		echo "sa add many$i dir out spi $((0x1002 + i * 0x10000)) $words current"
	done
}

key_of aes128gcm16 1 > "$tmp/key"
chmod 600 "$tmp/key"
for kind in devices settings sas; do
	$kind 1 $tenth > "$tmp/$kind-first"
	$kind $((tenth + 1)) $((many - tenth)) > "$tmp/$kind-between"
	$kind $((many - tenth + 1)) "$many" > "$tmp/$kind-last"
done

for kind in devices settings sas; do
	for part in first between last; do
		if [ $kind = devices ]; then
			stopwatch ipn a -batch "$tmp/$kind-$part"
		else
			stopwatch vti a -b "$tmp/$kind-$part"
		fi
		declare "$part=$ms"
	done
	# shellcheck disable=SC2154 # declared
	note "$kind: the first $tenth $first ms, the last $tenth $last ms, all $many $((first + between + last)) ms"
	# Were each to cost as much as there are before it, the last tenth would take 19 times the first.
	compare "$kind: the last come as fast as the first" "$last" -lt $((6 * first))
done

stopwatch vti a dev show --json
listed=$ms
is "devices are listed" "$(jq length "$tmp/output")" $((many + 1))
stopwatch vti a sa list
note "dumps: devices $listed ms, SAs $ms ms"
is "SAs are listed" "$(grep -c aes128gcm16 "$tmp/output")" $((2 * many + 2))

# By turns, because the machine is not always as fast. What nobody disturbed counts, which is the best
# of each: more turns bring either nearer to what it is, and a true difference stays.
among=1000000 alone=1000000 # what no turn takes
for turn in {1..40}; do
	round_trips a "$among"
	among=$trips
	round_trips c "$alone"
	alone=$trips
	[ "$turn" -lt 5 ] || [ $((2 * among)) -ge $((3 * alone)) ] || break
done
note "1000 round trips: alone $alone ms, among the many $among ms, best of $turn"
compare "packets go among them" "$among" -lt 1000000
compare "and take as long" $((2 * among)) -lt $((3 * alone))

stopwatch ipn a link del group 7
note "deletion: $ms ms"
is "one is left" "$(vti a dev show --json | jq length)" 1
is "with its SAs" "$(vti a sa list | grep -c aes128gcm16)" 2
holds "which carries on" pings a 198.18.2.254
finish
