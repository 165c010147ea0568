#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# No packet is delivered twice: captured ones sent again, numbers around the window's edges, and
# extended numbers past 2^32.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0, and a liar: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1
python3 -c 'import cryptography' 2> /dev/null || skip "no python3-cryptography"

numbered=$(helper numbered)
window=64
make_namespace a b
make_wire a b
make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2
make_device b ipsec0 2 1 local 192.0.2.2 remote 192.0.2.1
injector b
mark_stats a ipsec0

# What reaches a's sockets.
on a nft -f - << EOT
table inet seen {
	counter delivered { }
	chain input {
		type filter hook input priority 0;
		iifname "ipsec0" counter name delivered drop
	}
}
EOT
# With extended numbers, a number left of the window is one of the next 2^32 (RFC 4303 A2.2), which
# its ICV then belies.
old_is() { # ESN COUNT
	local name=replay-old
	[ "$1" = no ] || name=icv-failed
	echo "$name+$2"
}

sorted() { # COUNTERS...
	local words
	words=$(printf '%s\n' "$@" | sort | tr '\n' ' ')
	echo "${words% }"
}

# Captured packets
from_b() { # SPI ESN
	add_sa a ipsec0 in "$1" aes128gcm16 replay-window "$window" esn "$2" &&
		add_sa b ipsec0 out "$1" aes128gcm16 esn "$2" current
}

all_captured() {
	[ "$(inject captured)" = 300 ]
}

add_sa b ipsec0 in 0x3009 aes128gcm16 > /dev/null
for esn in yes no; do
	name="captured, esn $esn"
	spi=0x3001
	[ $esn = yes ] || spi=0x3002
	holds "$name: an SA from b to a" from_b $spi $esn
	until_ok 5 operstate_is b ipsec0 UP
	inject capture
	on b "$numbered" send 198.18.1.254 9 300 1 > /dev/null
	holds "$name: 300 packets" until_ok 5 all_captured
	happened "$name: sent once" 300 ""
	inject resend $((300 - window)) 299
	happened "$name: the last $window again" 0 "replay+$window"
	inject resend 0 $((299 - window))
	happened "$name: those before again" 0 "$(old_is $esn $((300 - window)))"
	inject resend $((299 - window)) $((300 - window))
	happened "$name: across the left edge" 0 "$(sorted replay+1 "$(old_is $esn 1)")"
	on b "$numbered" send 198.18.1.254 9 10 1 > /dev/null
	happened "$name: new ones still arrive" 10 ""
	is "$name: the SA knows its highest number" \
		"$(vti a sa list --json | jq ".[] | select(.spi == \"0x0000$(printf %04x $spi)\") | .seq")" 310
done

# Crafted numbers: an SA of its own for each, window 64.
numbers() { # ESN NUMBER...
	local esn=$1 n
	shift
	for n; do
		inject esp seq=$((n)) esn="$esn"
	done
}

crafted() { # SPI ESN
	add_sa a ipsec0 in "$1" aes128gcm16 esn "$2" replay-window "$window" > /dev/null &&
		inject set src=192.0.2.2 dst=192.0.2.1 src-in=198.18.2.254 dst-in=198.18.1.254 \
			spi="$1" key="$(key_of aes128gcm16 $(($1)))"
}

for esn in yes no; do
	name="esn $esn"
	spi=0x3010
	[ $esn = yes ] || spi=0x3011
	holds "$name: an SA" crafted $spi $esn
	numbers $esn 0
	happened "$name: number 0" 0 "replay-old+1"
	numbers $esn 5 3 1 4 2
	happened "$name: out of order" 5 ""
	numbers $esn 5 3 1 4 2
	happened "$name: again" 0 "replay+5"
	numbers $esn 68 5 4
	happened "$name: at the edge 5 is seen, 4 is old" 1 "$(sorted replay+1 "$(old_is $esn 1)")"
	numbers $esn 0x70000000 69
	happened "$name: a far jump" 1 "$(old_is $esn 1)"
	numbers $esn $((0x70000000 - 63)) $((0x70000000 - 64)) $((0x70000000 + 1))
	happened "$name: edge after the jump" 2 "$(old_is $esn 1)"
	numbers $esn 0xfffffff0 0xffffffff 0xfffffff1
	happened "$name: up to 2^32 - 1" 3 ""
done

inject esp seq=0 esn=no
happened "esn no: no number after the last" 0 "replay-old+1"
inject esp seq=7 esn=no
happened "esn no: nor after that" 0 "replay-old+1"

inject set spi=0x3010 key="$(key_of aes128gcm16 $((0x3010)))"
numbers yes 0x100000000 0x100000007 0xfffffff2
happened "esn yes: across 2^32, both halves" 3 ""
numbers yes 0x100000000 0xfffffff1 0xffffffff
happened "esn yes: again" 0 "replay+3"
inject esp seq=0x00000008 esn=yes
happened "esn yes: authenticated with the wrong upper half" 0 "icv-failed+1"
numbers yes 0x100000008
happened "esn yes: the right one is still accepted" 1 ""
numbers yes 0x1c0000000 0x280000000 0x280000001
happened "esn yes: on past the next wrap" 3 ""

# A packet that fails does not use up its number.
inject esp seq=0x280000002 esn=yes flip=30
inject esp seq=0x280000002 esn=yes
inject esp seq=0x280000002 esn=yes
happened "a forged packet takes no number" 1 "icv-failed+1 replay+1"

is "what was counted as received has reached the stack" "$(packets_of a inet seen delivered)" \
	"$(counter a ipsec0 rx-packets)"

finish
