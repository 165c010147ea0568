#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# scapy as the peer, an implementation of ESP that is neither ours nor the kernel's: what it makes is
# decrypted, what we make is byte for byte what it would have made; and then everything that a peer can
# do to a packet. What is delivered is compared byte for byte, what is not is counted under its name.
# malformed.sh has more of this, with a sender of our own.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | scapypeer.py: b
#                          | 2001:db8::1 == 2001:db8::2 |
. "$(dirname "$0")/lib.sh"
module_here
checked_on 7.2
one_cpu
python3 -c 'import scapy, cryptography' 2> /dev/null || skip "no python3-scapy, or no python3-cryptography"

make_namespace a b
make_wire a b
espinudp a 192.0.2.1 4500
# The peer takes its packets off the wire, and nobody else answers. Nor does a, to what it delivers.
on b nft -f - << EOT
table inet quiet2 {
	chain prerouting {
		type filter hook prerouting priority -300;
		iifname "wire" meta l4proto { esp, udp } drop
	}
}
EOT
on a nft -f - << EOT
table inet seen {
	chain output {
		type filter hook output priority 0;
		oifname "ipsec0" meta l4proto { icmp, icmpv6 } drop
	}
}
EOT
mark_log
injector b "$here/scapypeer.py" "/run/netns/vti$$-a" "$(ipn a -j link show wire | jq -r '.[0].address')"
signs_esn=$(inject 'signs_esn()')
note "scapy's HMACs know of extended numbers: $signs_esn"

spi=0x6000
# Both ends anew, with the next two SPIs: $spi to a, $spi + 1 from a.
tunnel() { # SUITE ESN FAMILY [udp]
	local left=192.0.2.1 right=192.0.2.2 encap=()
	[ "$3" = 4 ] || left=2001:db8::1 right=2001:db8::2
	[ -z "${4:-}" ] || encap=(encap udp 4500 4500)
	spi=$((spi + 2))
	ipn a link del ipsec0 2> /dev/null
	make_device a ipsec0 1 2 local "$left" remote "$right" "${encap[@]}" &&
		add_pair a ipsec0 "$spi" $((spi + 1)) "$1" esn "$2" &&
		until_ok 5 operstate_is a ipsec0 UP &&
		mark_stats a ipsec0 &&
		inject "peer($spi, $spi + 1, '$1', '$(key_of "$1" "$spi")', '$(key_of "$1" $((spi + 1)))', '$2', $3, '${4:-}')"
}

# What an expression does: packets delivered, each of them as it was to be, and what is counted.
does() { # NAME DELIVERED COUNTERS EXPRESSION
	local answer
	answer=$(inject "${4//$'\n'/ }")
	[ -z "$answer" ] || note "$answer"
	happened "$1" "$2" "$3"
	[ "$2" = 0 ] || is "$1: byte for byte" "$(inject 'same()')" ""
}

# The expression says itself how many are delivered and what the others count as.
counts() { # NAME EXPRESSION
	local delivered counters
	read -r delivered counters <<< "$(inject "$2")"
	does "$1" "$delivered" "$counters" None
}

both_ways() { # NAME SIZES [theirs]
	if [ "${3:-}" = theirs ]; then
		does "$1: good ones from scapy" "$2" "" "theirs($2)"
	else
		counts "$1: good ones from scapy, and one cut at each offset, one with each byte changed" "all($2)"
	fi
	is "$1: to scapy, byte for byte" "$(inject "ours($2)")" ""
}

# What a peer can do to a packet, with a pair, whose text is in blocks; malformed.sh has AES-GCM.
at_length() { # NAME
	# RFC 4303 2.7 and 2.6
	does "$1: hidden lengths, one packet behind another, dummies" 3 rx-dummy+3 \
		'send(craft(bytes(udp4()) + bytes(1000)), craft(bytes(udp6()) + bytes(1001), 41),
			craft(bytes(udp4(id=7)) + bytes(udp4(id=8))), gives=[udp4(), udp6(), udp4(id=7)]),
		send(craft(b"", 59), craft(bytes(1200), 59), craft(bytes(range(256)), 59))'

	# The trailer
	does "$1: 255 bytes of padding" 1 "" \
		'send(craft(bytes(udp4(3)), padding=bytes(range(1, 256))), gives=[udp4(3)])'
	does "$1: padding of zeros, each byte of it wrong" 0 bad-padding+16 \
		'send(craft(bytes(udp4(3)), padding=bytes(15)), *[craft(bytes(udp4(3)), padding=
			bytes(range(1, n)) + b"\xee" + bytes(range(n + 1, 16))) for n in range(1, 16)])'
	does "$1: more padding than there is, or no such padding" 0 bad-padding+30 \
		'send(*[craft(bytes(udp4(18)), padding=bytes(range(1, 17)), padlen=n) for n in range(17, 256, 8)])'
	does "$1: all unknown next headers" 0 bad-next-header+253 \
		'send(*[craft(bytes(udp4()), n) for n in range(256) if n not in (4, 41, 59)])'

	# The inner packet
	does "$1: of another version" 0 bad-inner+31 'send(craft(bytes(udp4()), 41),
		*[craft(bytes([n << 4 | 5]) + bytes(udp4())[1:]) for n in range(16) if n != 4],
		*[craft(bytes([n << 4]) + bytes(udp6())[1:], 41) for n in range(16) if n != 6])'
	counts "$1: each length in an inner header" 'lengths()'
	# Two of them say more than there is, which only the host can see.
	does "$1: IPv4 options and IPv6 extension headers inside" 11 "" \
		'good(udp4(options=[IPOption_NOP(), IPOption_NOP()])), good(udp4(options=[IPOption_Router_Alert()])),
		good(udp4(options=[IPOption_RR(pointer=4, routers=["0.0.0.0"])])), good(udp4(options=[IPOption_NOP()] * 40)),
		good(udp6(8, IPv6ExtHdrHopByHop(options=[RouterAlert()]))),
		good(udp6(8, IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(12))]))),
		good(udp6(8, IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(), IPv6ExtHdrDestOpt())),
		good(udp6(8, IPv6ExtHdrFragment(id=1))), good(IPv6(src=IN_B6, dst=IN_A6, nh=59) / Raw(bytes(9))),
		good(IPv6(src=IN_B6, dst=IN_A6, nh=0) / Raw(b"\x11\xff" + bytes(30))),
		good(IPv6(src=IN_B6, dst=IN_A6, nh=60) / Raw(b"\x3c\x00\x01\x04\0\0\0\0" * 3))'
	inject 'drain()'
	does "$1: fragments inside" 6 "" '[good(p) for p in fragment(udp4(200, id=99), 80)],
		[good(p) for p in fragment6(IPv6(src=IN_B6, dst=IN_A6) / IPv6ExtHdrFragment(id=99) /
			UDP(sport=9, dport=9) / Raw(bytes(range(200))), 150)]'
	is "$1: the host puts them together" "$(inject 'heard()')" "200/4 200/6"

	# The outer packet
	does "$1: in fragments, the last one first; each one twice; one missing" 2 "" \
		'send(*reversed(fragment(outer(esp(udp4(200))), 64)), gives=[udp4(200)]),
		send(*[p for p in fragment(outer(esp(udp4(201))), 160) for _ in (1, 2)], gives=[udp4(201)]),
		send(*fragment(outer(esp(udp4(202))), 64)[:-1])'
	does "$1: behind IPv4 options" 3 "" 'good(udp4(), IP(src=B4, dst=A4, options=[IPOption_NOP()])),
		good(udp6(), IP(src=B4, dst=A4, options=[IPOption_RR(pointer=4, routers=["0.0.0.0"] * 9)])),
		good(udp4(), IP(src=B4, dst=A4, options=[IPOption_Router_Alert()]))'
}

suites=(aes128gcm16 aes192gcm16 aes256gcm16 chacha20poly1305)
for hash in sha1 sha256 sha384 sha512; do
	suites+=("aes128-$hash" "aes256-$hash")
done
for suite in "${suites[@]}"; do
	# All lengths of padding.
	sizes=4 esn=yes
	[[ $suite != *-* ]] || sizes=16 esn=$signs_esn
	name="$suite, esn $esn"
	holds "$name: set up" tunnel "$suite" "$esn" 4
	both_ways "$name" $sizes
	[ "$suite" != aes128-sha256 ] || at_length "$name"
done

for suite in aes128gcm16 aes256-sha512; do
	name="$suite over IPv6"
	holds "$name: set up" tunnel $suite no 6
	both_ways "$name" 4
	does "$name: behind extension headers" 4 "" \
		'good(udp4(), IPv6(src=B6, dst=A6) / IPv6ExtHdrHopByHop(options=[RouterAlert()])),
		good(udp6(), IPv6(src=B6, dst=A6) / IPv6ExtHdrDestOpt(options=[PadN(optdata=bytes(4))])),
		good(udp6(), IPv6(src=B6, dst=A6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment(id=5)),
		good(udp4(), IPv6(src=B6, dst=A6) / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1e, optdata=b"abcd")]))'
	does "$name: in fragments, the last one first; with an option that nobody knows" 1 "" \
		'send(*reversed(fragment6(outer(esp(udp6(250)), IPv6(src=B6, dst=A6) / IPv6ExtHdrDestOpt() /
			IPv6ExtHdrFragment(id=6)), 160)), gives=[udp6(250)]),
		send(esp(udp4()), outer=IPv6(src=B6, dst=A6) /
			IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x5e, optdata=b"abcd")]))'

	name="$suite in UDP"
	holds "$name: set up" tunnel $suite no 4 udp
	both_ways "$name" 4 theirs
	does "$name: in fragments, the last one first" 1 "" 'send(*reversed(fragment(outer(esp(udp4(200))), 64)),
		gives=[udp4(200)])'
done

# Over IPv6 a socket says whether it does without the checksum of UDP, which ESP in UDP may (RFC 3948
# 2.1, RFC 6936), and our agent's does.
name="aes128gcm16 in UDP over IPv6"
holds "$name: set up" tunnel aes128gcm16 no 6 udp
espinudp a 2001:db8::1 4500
does "$name: without a checksum, for a socket that wants one" 0 "" 'send(esp(udp4(30)))'
stop espinudp-a-4500
background unsummed a python3 "$here/espinudp.py" 2001:db8::1 4500 unsummed
until_ok 20 grep -q ready "$tmp/unsummed"
both_ways "$name, without a checksum" 4 theirs

is "the kernel has nothing to say" "$(log_complaints)" ""

finish
