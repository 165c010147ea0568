#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Larval hold: a peer sends as soon as it has the keys. What comes for a reserved SPI waits for its
# SA, 512 packets for a second.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2: b, which injects
. "$(dirname "$0")/lib.sh"
module_here
checked_on 7.2
one_cpu
python3 -c 'import cryptography' 2> /dev/null || skip "no python3-cryptography"

make_namespace a b
make_wire a b
make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2
injector b

# A reserved SPI, and a command that will add its SA when it reads the key.
reserve() {
	spi=$(vti a spi alloc ipsec0) && key=$(key_of aes128gcm16 $((spi))) || return
	inject set src=192.0.2.2 dst=192.0.2.1 src-in=198.18.2.254 dst-in=198.18.1.254 spi="$spi" key="$key"
	rm -f "$tmp/key"
	mkfifo -m 600 "$tmp/key"
	background adder a "$IPSECVTI" sa add ipsec0 dir in spi "$spi" suite aes128gcm16 key-file "$tmp/key"
	mark_stats a ipsec0
}

send() { # FIRST LAST
	local n
	for ((n = $1; n <= $2; n++)); do
		inject esp seq="$n" || return
	done
}

land() {
	echo "$key" > "$tmp/key" && await adder
}

received() { # COUNT
	[ "$(since_mark a ipsec0 rx-packets)" = "$1" ]
}

# Whoever takes too long, because his machine does, tries again.
waits_and_lands() {
	local start try
	for try in 1 2 3 4 5 6 7 8 9 10; do
		reserve && start=${EPOCHREALTIME/./} && send 1 10 && land || return
		[ $((${EPOCHREALTIME/./} - start)) -ge 900000 ] || return 0
		note "attempt $try: $((${EPOCHREALTIME/./} - start)) us"
		vti a sa del "$(cat "$tmp/adder")"
	done
	return 1
}
holds "a reserved SPI, 10 packets that come, then the SA" waits_and_lands
holds "all of them are received" until_ok 5 received 10
is "none is dropped" "$(moved a ipsec0)" ""
holds "later ones too" send 11 12
holds "they are received" until_ok 5 received 12
holds "once" inject esp seq=5
holds "an old number is a replay" until_ok 5 has_moved a ipsec0 replay+1

holds "another SPI" reserve
holds "3 packets come" send 1 3
holds "without an SA they wait no longer than they may" until_ok 3 has_moved a ipsec0 larval+3
holds "the SA comes late" land
holds "what comes now is received" send 4 5
holds "and only that" until_ok 5 received 2
is "nothing else is dropped" "$(moved a ipsec0)" larval+3

# More than may wait: written to a file and sent at once, lest the time runs out.
holds "another SPI" reserve
length=$(inject file "$tmp/flood" 600 seq=1 size=64)
espinudp a 192.0.2.1 4500
flood() {
	on b python3 "$here/sendfile.py" udp 192.0.2.1 4500 "$tmp/flood" "$length" && land
}
holds "600 packets come at once" flood
few_lost() {
	local got
	got=$(since_mark a ipsec0 rx-packets)
	[ $((got + $(since_mark a ipsec0 larval))) = 600 ] && [ "$(since_mark a ipsec0 larval)" -ge 88 ]
}
holds "all are accounted for, those past 512 as dropped" until_ok 5 few_lost

# What was never reserved is none of ours.
inject set spi=0x7777
mark_stats a ipsec0
holds "an SPI that nobody reserved" inject esp seq=1
sleep 0.5
is "it does not wait" "$(moved a ipsec0)" ""

holds "another SPI" reserve
holds "packets wait" send 1 5
holds "the device goes" ipn a link del ipsec0
stop adder

finish
