#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Packets that are not what they should be: each is counted under its name, none is delivered, none
# uses up a sequence number unless it was authenticated, and what is good still passes after it.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | a liar: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.12
one_cpu
python3 -c 'import cryptography' 2> /dev/null || skip "no python3-cryptography"

spi=0x4001
make_namespace a b
make_wire a b
make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2
espinudp a 192.0.2.1 4500
injector b
holds "an inbound SA" add_sa a ipsec0 in $spi aes128gcm16
inject set src=192.0.2.2 dst=192.0.2.1 src-in=198.18.2.254 dst-in=198.18.1.254 spi=$spi \
	key="$(key_of aes128gcm16 $((spi)))"

# What reaches a's sockets, and with what ECN.
on a nft -f - << EOT
table inet seen {
	counter delivered { }
	counter marked { }
	chain input {
		type filter hook input priority 0;
		iifname "ipsec0" ip ecn ce counter name marked
		iifname "ipsec0" ip6 ecn ce counter name marked
		iifname "ipsec0" counter name delivered drop
	}
}
EOT
seq=0
mark_stats a ipsec0
# One packet with a number of its own: what is delivered and counted.
packet() { # NAME DELIVERED COUNTERS WORDS...
	local name=$1 delivered=$2 counters=$3
	shift 3
	seq=$((seq + 1))
	inject esp seq=$seq "$@"
	happened "$name" "$delivered" "$counters"
}

# One that fails before it is authenticated leaves its number to a good one.
forged() { # NAME COUNTERS WORDS...
	local name=$1 counters=$2
	shift 2
	packet "$name" 0 "$counters" "$@"
	inject esp seq=$seq
	happened "$name: its number is free" 1 ""
}

good() { # NAME WORDS...
	packet "$1" 1 "" "${@:2}"
}

rejected() { # NAME COUNTER WORDS...
	packet "$1" 0 "$2+1" "${@:3}"
}

good "control: a good packet"
good "control: a good IPv6 packet" inner=udp6 src-in=2001:db8:2::fe dst-in=2001:db8:1::fe

# Authentication
forged "first byte of the ICV" icv-failed+1 flip=-16
forged "last byte of the ICV" icv-failed+1 flip=-1
forged "ciphertext" icv-failed+1 flip=20
forged "explicit IV" icv-failed+1 flip=12
forged "ESN upper half not authenticated" icv-failed+1 esn=no
forged "another key" icv-failed+1 key="$(key_of aes128gcm16 1)"
forged "the SPI of nobody" "" spi=0x4999

# Length. An ESP packet has 8 bytes of header, 8 of IV, text in multiples of 4 and 16 of ICV.
seq=$((seq + 1))
whole=$((8 + 8 + 64 + 16))	# IPv4 and UDP headers, 32 bytes, trailer
cuts=$((whole - 36))
inject truncated 0 8 seq=$seq
happened "no SPI and number: not ours" 0 ""
inject truncated 8 36 seq=$seq
happened "shorter than any ESP" 0 "truncated+28"
inject truncated 36 $whole seq=$seq
happened "cut at every other offset" 0 "icv-failed+$((cuts / 4)) truncated+$((cuts - cuts / 4))"
inject esp seq=$seq
happened "none of them has used the number" 1 ""
for extra in 00 0000 000000; do
	forged "$((${#extra} / 2)) bytes too many" truncated+1 append=$extra
done
forged "4 bytes too many" icv-failed+1 append=00000000
good "a large one" size=1300
good "a tiny one" size=0

# Padding and next header, authenticated
rejected "padding of zeros" bad-padding pad=0000
rejected "padding of 2, 1" bad-padding pad=0201
rejected "last byte of padding wrong" bad-padding pad=010203040507
rejected "pad length past the beginning" bad-padding padlen=255
rejected "pad length one more than there is text" bad-padding inner=none pad=0102 padlen=3
rejected "nothing but padding" bad-inner inner=none pad=0102
good "255 bytes of padding" "pad=$(printf %02x {1..255})" size=31
packet "a dummy packet" 0 "rx-dummy+1" next=59
packet "an empty dummy packet" 0 "rx-dummy+1" next=59 inner=none pad=0102
for next in 0 1 6 17 47 50 51 255; do
	rejected "next header $next" bad-next-header next=$next
done

# The inner header
rejected "IPv6 said, IPv4 there" bad-inner next=41
rejected "IPv4 said, IPv6 there" bad-inner next=4 inner=udp6 src-in=2001:db8:2::fe dst-in=2001:db8:1::fe
rejected "half an IPv4 header" bad-inner inner=4500001400010000
rejected "half an IPv6 header" bad-inner next=41 inner=6000000000001140
rejected "version 0" bad-inner inner=050000140001000040010000c6120202c6120101
rejected "IHL of 4" bad-inner inner=440000140001000040010000c6120202c6120101
rejected "IHL longer than the packet" bad-inner inner=4f0000140001000040010000c6120202c6120101
rejected "length longer than the packet" bad-inner inner=450000180001000040010000c6120202c6120101
rejected "length shorter than the header" bad-inner inner=450000130001000040010000c6120202c6120101
rejected "IPv6 length longer than the packet" bad-inner next=41 \
	inner=600000000008114020010db800020000000000000000000220010db8000100000000000000000001
# RFC 4303 2.7: what lies behind the inner packet hides its length.
good "hidden length" tfc=100
good "hidden length, IPv6" tfc=100 inner=udp6 src-in=2001:db8:2::fe dst-in=2001:db8:1::fe

# ECN (RFC 6040)
good "congestion marked on a capable packet" tos=3 inner-tos=2
is "the mark has come inside" "$(packets_of a inet seen marked)" 1
good "congestion marked on a capable IPv6 packet" tos=3 inner-tos=1 inner=udp6 \
	src-in=2001:db8:2::fe dst-in=2001:db8:1::fe
is "the mark has come inside IPv6" "$(packets_of a inet seen marked)" 2
rejected "congestion marked on a packet that is not capable" bad-ecn tos=3 inner-tos=0
good "capable outside, not inside" tos=2 inner-tos=0
is "no other mark" "$(packets_of a inet seen marked)" 2

# The outer packet
good "IPv4 options" options=0101010194040000
good "in two fragments" fragment=48
good "in fragments of 8 bytes" fragment=8
good "a large one in fragments" size=1300 fragment=256
good "one with options in fragments" fragment=64 options=01010101
forged "forged, in fragments" icv-failed+1 fragment=48 flip=60
good "in UDP" udp=4500:4500
good "in UDP, from another port" udp=4501:4500
good "in UDP with a checksum" udp=4500:4500 checksum=good
packet "in UDP with a wrong checksum" 0 "" udp=4500:4500 checksum=bad
good "in UDP, in fragments" udp=4500:4500 size=600 fragment=200
good "in UDP with IPv4 options" udp=4500:4500 options=01010101
forged "forged in UDP" icv-failed+1 udp=4500:4500 flip=-1
seq=$((seq + 1))
inject truncated 20 36 seq=$seq udp=4500:4500
happened "in UDP, shorter than any ESP" 0 "truncated+16"
inject truncated 9 20 seq=$seq udp=4500:4500
happened "in UDP, too short for the kernel's taste" 0 ""
inject truncated 0 9 seq=$seq udp=4500:4500
happened "in UDP, no more than SPI and number: the socket's" 0 ""
inject raw ff udp=4500:4500
inject raw none udp=4500:4500
inject raw 00000000deadbeef udp=4500:4500
happened "NAT keepalive, nothing, IKE" 0 ""
holds "IKE has reached the socket" until_ok 2 grep -qx 00000000deadbeef "$tmp/espinudp-a-4500"
is "and no ESP has" "$(grep -v 00000000deadbeef "$tmp/espinudp-a-4500" | grep -c '.\{17\}')" 0

# Where the device can't take it
ipn a link set ipsec0 down
rejected "device down" device-down
ipn a link set ipsec0 up
short_lived=$(add_sa a ipsec0 in 0x4002 aes128gcm16 hard-seconds 1)
short_lived_is_dead() {
	[ "$(sa_field a "$short_lived" dead)" = true ]
}
until_ok 5 short_lived_is_dead
rejected "an SA past its hard limit" rx-expired spi=0x4002 key="$(key_of aes128gcm16 $((0x4002)))"
holds "the dead SA can be deleted" vti a sa del "$short_lived"
packet "an SA that was deleted" 0 "" spi=0x4002 key="$(key_of aes128gcm16 $((0x4002)))"
good "control: a good packet at the end"

is "what was counted as received has reached the stack" "$(packets_of a inet seen delivered)" \
	"$(counter a ipsec0 rx-packets)"

finish
