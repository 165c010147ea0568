#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Replay windows of all sizes: a table of numbers at their edges and across 2^32, and senders that
# offer the same train of numbers on several CPUs at once, each number several times: it is delivered
# exactly once, and every other packet is counted as replayed.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | a liar: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 7.2
python3 -c 'import cryptography' 2> /dev/null || skip "no python3-cryptography"

make_namespace a b
make_wire a b
make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2
# What reaches a's sockets, and which numbers these are.
on a nft -f - << EOT
table inet seen {
	set numbers {
		type inet_service
		size 65535
		flags dynamic
	}
	counter delivered { }
	chain input {
		type filter hook input priority 0;
		iifname "ipsec0" counter name delivered add @numbers { udp sport } drop
	}
}
EOT
mark_stats a ipsec0

# The tables: numbers, 2^32 + windows * W + plus each, and what is delivered and counted. With extended
# numbers one left of the window is taken for one of the next 2^32 (RFC 4303 A2.2), and its ICV is wrong;
# without, 2^32 - 1 is a number as any other, and the last one.
# shellcheck disable=SC2034 # by name
table_yes=(
	"before the first one:  0,-1                           : 0 replay-old+1"
	"half the way:          -2,-0x80000000                 : 1 -"
	"the left edge:         -2,0 -3,1 -2,0 -3,1            : 2 replay+2"
	"left of it:            -3,0                           : 0 icv-failed+1"
	"up to 2^32 - 1:        0,-1 -1,0 0,-1                 : 2 replay+1"
	"left of the window:    -1,-1 -2,0                     : 0 icv-failed+2"
	"across 2^32:           0,0 0,1 0,0 -1,2 -1,2          : 3 replay+2"
	"left of it, below:     -1,1                           : 0 icv-failed+1"
	"all of it above:       1,-1 0,0 0,2 0,2               : 2 replay+2"
	"2^32 - 1 is left:      0,-1                           : 0 icv-failed+1"
	"far ahead:             1000,0 1000,0 999,1            : 2 replay+1"
	"far behind:            999,0 1,0 0,1                  : 0 icv-failed+3"
	"the next one:          1000,1                         : 1 -"
)
# shellcheck disable=SC2034
table_no=(
	"half the way:          -2,-0x80000000                 : 1 -"
	"the left edge:         -2,0 -3,1 -2,0 -3,1            : 2 replay+2"
	"left of it:            -3,0                           : 0 replay-old+1"
	"up to 2^32 - 1:        0,-1 -1,0 0,-1                 : 2 replay+1"
	"left of the window:    -1,-1 -2,0                     : 0 replay-old+2"
	"none after the last:   0,0 0,1 1,0 1000,0             : 0 replay-old+4"
	"still in the window:   -1,1 -1,2 -1,2                 : 2 replay+1"
)

new_sa() { # SPI WINDOW ESN
	add_sa a ipsec0 in "$1" aes128gcm16 replay-window "$2" esn "$3" > /dev/null
}

injector b
spi=0x5000
# Row by row, or all rows at once, for what all of them add up to.
rows() { # NAME TABLE each|all
	local -n rows=$2
	local row name numbers result number delivered counters total=0 sum
	local -A counted=()
	for row in "${rows[@]}"; do
		IFS=: read -r name numbers result <<< "$row"
		read -r delivered counters <<< "$result"
		for number in $numbers; do
			inject esp seq=$((0x100000000 + ${number%,*} * window + ${number#*,}))
		done
		if [ "$3" = each ]; then
			happened "$1: $name" "$delivered" "${counters#-}"
			continue
		fi
		total=$((total + delivered))
		[ "$counters" = - ] || counted[${counters%+*}]=$((${counted[${counters%+*}]:-0} + ${counters#*+}))
	done
	[ "$3" = all ] || return
	sum=$(for name in "${!counted[@]}"; do echo "$name+${counted[$name]}"; done | sort)
	happened "$1: all of the table" "$total" "${sum//$'\n'/ }"
}

for window in 32 64 1024 4096 65536; do
	for esn in yes no; do
		spi=$((spi + 1))
		new_sa $spi $window $esn || not_ok "window $window, esn $esn: no SA"
		inject set src=192.0.2.2 dst=192.0.2.1 src-in=198.18.2.254 dst-in=198.18.1.254 esn=$esn \
			spi=$spi key="$(key_of aes128gcm16 $spi)"
		how=all
		[ $window != 65536 ] || how=each
		rows "window $window, esn $esn" table_$esn $how
	done
done

# The stress
cpus=$(nproc)
if [ "$cpus" -lt 2 ]; then
	note "one CPU: no stress"
	finish
fi

# Packets that each CPU has taken off its backlog.
received_by() { # CPU
	local words
	read -ra words < <(sed -n "$(($1 + 1))p" /proc/net/softnet_stat)
	echo $((16#${words[0]}))
}

distinct() {
	on a nft -j list set inet seen numbers | jq '[.nftables[].set.elem | values | length] | add // 0'
}

forget() {
	on a nft 'flush set inet seen numbers; reset counter inet seen delivered' > /dev/null
	mark_stats a ipsec0
	offered=0
}

# All that was sent is somewhere; a lane may still hold some of it.
accounted() {
	delivered=$(since_mark a ipsec0 rx-packets)
	replayed=$(since_mark a ipsec0 replay)
	old=$(since_mark a ipsec0 replay-old)
	[ $((delivered + replayed + old)) = "$offered" ]
}

train() { # SPI COUNT LAG SENDERS
	local before
	before=$(received_by 1)
	sent=$(on b python3 "$here/replay_stress.py" "$1" "$(key_of aes128gcm16 $(($1)))" \
		$((0x100000000 - $2 / 2)) "$2" "$3" "$4") || return
	offered=$((offered + sent))
	until_ok 5 accounted
	on_second=$(($(received_by 1) - before))
}

# A window that begins near 2^32 - the train crosses it - is one that has come there.
crossing_sa() { # SPI WINDOW COUNT
	new_sa "$1" "$2" yes &&
		inject set spi="$1" esn=yes key="$(key_of aes128gcm16 $(($1)))" &&
		inject esp seq=$((0x80000000)) && inject esp seq=$((0x100000000 - $3 / 2 - 1)) &&
		until_ok 2 two_arrived
}

two_arrived() {
	[ "$(since_mark a ipsec0 rx-packets)" = 2 ]
}

# Numbers are for each second that the test may last. In a small window a CPU that is away for a
# moment finds its number too old: counted, not delivered.
while read -r window count lag senders exact; do
	name="window $window, $senders senders"
	count=$((count * seconds))
	spi=$((spi + 1))
	forget
	holds "$name: an SA" crossing_sa $spi "$window" "$count"
	forget
	holds "$name: $count numbers" train $spi "$count" "$lag" "$senders"
	note "$sent sent, $on_second on the second CPU: $delivered delivered, $replayed replayed, $old too old"
	is "$name: each was offered $((2 * senders)) times" "$sent" $((2 * senders * count))
	compare "$name: a second CPU has received" "$on_second" -ge $((count / 2))
	is "$name: delivered, replayed and too old are all" $((delivered + replayed + old)) "$sent"
	is "$name: none is delivered twice" "$delivered" "$(distinct)"
	[ "$exact" = no ] || is "$name: each is delivered" "$delivered $replayed" "$count $((sent - count))"
	is "$name: and reaches the stack" "$(packets_of a inet seen delivered)" "$delivered"
	is "$name: no other drop" "$(moved a ipsec0 | tr ' ' '\n' | grep -v '^replay')" ""
done << EOT
64    100 16   2 no
1024  150 128  2 yes
4096  120 512  4 yes
65536 150 1024 3 yes
EOT

# The same train into two windows: what "none is delivered twice" compares must differ.
for turn in 1 2; do
	forget
	crossing_sa $((spi + turn)) 4096 500 || not_ok "control: no SA"
done
forget
for turn in 1 2; do
	holds "control: a train, window $turn" train $((spi + turn)) 500 128 2
done
is "control: a number delivered twice is seen" "$delivered $(distinct)" "1000 500"

finish
