#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Published ESP packets, decrypted by the module: draft-mcgrew-gcm-test, RFC 7634, and RFC 3602 with
# an ICV (vectors.txt says what is whose). What is inside comes out byte for byte.
#
# The draft's packets say "ICMP" where a tunnel has "IPv4": they are authenticated and then counted as
# bad-next-header; with that one byte changed and sealed anew they are delivered. An upper half of the
# number other than 0 is out of reach of a new window, and the ICV says so; pure/esp_test.c has those.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | vectors.py: b
. "$(dirname "$0")/lib.sh"
module_here
one_cpu
python3 -c 'import cryptography' 2> /dev/null || skip "no python3-cryptography"

make_namespace a b
make_wire a b
make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2
# Addresses inside are of all kinds: nothing of it goes on from here.
on a nft -f - << EOT
table inet seen {
	chain prerouting {
		type filter hook prerouting priority -300;
		iifname "ipsec0" drop
	}
}
EOT
injector b "$here/vectors.py" "$here/vectors.txt" "/run/netns/vti$$-a"
mark_stats a ipsec0

# An SA with a new window, which any number with an upper half of 0 is right of.
new_sa() {
	vti a sa del "${id:-0}" > /dev/null 2>&1
	id=$(vti a sa add ipsec0 dir in spi "$spi" suite "$suite" esn "$esn" key-file - <<< "$key")
}

count=$(inject count)
compare "vectors" "$count" -ge 34
is "they are right, says OpenSSL" "$(inject check; echo $?)" 0
reached=0
for ((i = 0; i < count; i++)); do
	read -r source suite esn spi high low next kind key <<< "$(inject row "$i")"
	name="$source, $suite"
	if [ $((spi)) -lt 256 ]; then
		fails "$name: a reserved SPI, no SA" new_sa
		continue
	fi
	if ! new_sa 2> "$tmp/refused" && [[ $suite = *gmac ]]; then
		note "$name: $(cat "$tmp/refused")"
		continue
	fi
	if [ "$high" != 0 ]; then
		inject send "$i"
		# Without it 0 is the number that is never sent, and one just below 2^32 before the first.
		counters=icv-failed+1
		[ "$low" != 0 ] && [ "$low" -le $((0x100000000 - 4096)) ] || counters=replay-old+1
		happened "$name: upper half $high" 0 $counters
		continue
	fi
	reached=$((reached + 1))
	inject forged "$i"
	inject send "$i"
	if [ "$next" = 4 ]; then
		inject send "$i"
		happened "$name: forged, as it is, and again" 1 "icv-failed+1 replay+1"
	else
		new_sa
		inject sealed "$i" 4
		name="$name: forged, with next header $next, as IPv4"
		if [ "$kind" != ip ]; then
			happened "$name" 0 "bad-inner+1 bad-next-header+1 icv-failed+1"
			continue
		fi
		happened "$name" 1 "bad-next-header+1 icv-failed+1"
	fi
	is "$source, $suite: what is inside, byte for byte" "$(inject seen 1)" "$(inject inner "$i")"
done
compare "within reach" "$reached" -ge 25

finish
