#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Our device against the kernel's own xfrm, which is the oracle: whatever one end makes of a packet
# the other must take, for every suite, with and without ESN, native and in UDP. Over IPv4; oracle6.sh
# is the same over IPv6.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254: b, xfrm
#                          | 2001:db8::1 == 2001:db8::2 |
. "$(dirname "$0")/lib.sh"
module_here
one_cpu
modprobe -q -a esp4 xfrm_user 2> /dev/null

make_namespace a b
make_wire a b
watch_wire b
ipn b addr add 198.18.2.254/32 dev lo
ipn b addr add 2001:db8:2::fe/128 dev lo
ipn b route add 198.18.1.0/24 via 192.0.2.1 src 198.18.2.254
ipn b route add 2001:db8:1::/64 via 2001:db8::1 src 2001:db8:2::fe
family=${ORACLE_FAMILY:-4}
case $family in
4) left=192.0.2.1 right=192.0.2.2 any=0.0.0.0 ;;
6) left=2001:db8::1 right=2001:db8::2 any=:: ;;
esac
xfrm_policies b "$right" "$left" 2 1
espinudp a "$left" 4500
espinudp b "$right" 4500

spi=0x1000
IPSECVTI_SHARE=${IPSECVTI_SHARE:-0/1}

holds "the device" make_device a ipsec0 1 2 local "$left" remote "$right"
ipn a link set ipsec0 mtu 1380 # which fits with every suite

# Both ends anew, with the next two SPIs: $spi from b to a, $spi + 1 from a to b.
tunnel() { # SUITE ESN ENCAP
	local suite=$1 esn=$2 ours=none theirs=() pair_lines xfrm_line states='xfrm state flush'
	if [ "$3" = udp ]; then
		ours='udp 4500 4500'
		theirs=(espinudp 4500 4500 "$any")
	fi
	spi=$((spi + 2))
	xfrm_line "$right" "$left" "$spi" "$suite" "$esn" "${theirs[@]}"
	states+=$'\n'$xfrm_line
	xfrm_line "$left" "$right" $((spi + 1)) "$suite" "$esn" "${theirs[@]}"
	states+=$'\n'$xfrm_line
	pair_lines ipsec0 "$spi" $((spi + 1)) "$suite" esn "$esn"
	ipn b -batch - <<< "$states" && vti a -b - <<- EOT && mark_stats a ipsec0
		sa del all ipsec0 force
		dev set ipsec0 encap $ours
		$pair_lines
	EOT
}

both_ends_agree() { # NAME
	read_moved a ipsec0
	read_xfrm b $((spi + 1)) $spi
	is "$1: xfrm received what we sent" "$xfrm_received" "$sent"
	is "$1: we received what xfrm sent" "$received" "$xfrm_sent"
	is "$1: no drop of ours" "$dropped" ""
	is "$1: no error of xfrm's" "$(xfrm_errors b)" "$errors"
}

errors=$(xfrm_errors b)
one() { # SUITE ESN ENCAP
	local name="$1, esn $2, encap $3, over IPv$family"
	holds "$name: set up" tunnel "$@" || return
	# An answer is a packet the other way.
	holds "$name: IPv4 from us" pings a 198.18.2.254
	holds "$name: IPv6 to us" pings b 2001:db8:1::fe
	case "$2 $3" in
	"yes none") holds "$name: TCP from us" tcp_file a b 198.18.2.254 128 ;;
	"yes udp") holds "$name: TCP to us" tcp_file b a 198.18.1.254 128 ;;
	esac
	both_ends_agree "$name"
}
# With IPSECVTI_SHARE=0/3 every third combination, which has each suite at least once; with 1/3 and
# 2/3 the others.
number=$family
for suite in $(printf '%s\n' "${!cipher_bytes[@]}" | sort); do
	for esn in yes no; do
		for encap in none udp; do
			number=$((number + 1))
			((number % ${IPSECVTI_SHARE#*/} != ${IPSECVTI_SHARE%/*})) || one "$suite" $esn $encap
		done
	done
done

# Sizes: every residue of the padding, fragments inside, the path's limit.
small() {
	local n
	for n in {1..40}; do
		on a ping -q -c 1 -W 5 -s "$n" 198.18.2.254 || return
	done
}
name="aes256-sha512, sizes"
holds "$name: set up" tunnel aes256-sha512 yes none
holds "$name: 1 to 40 bytes" small
for size in 1352 8000; do
	holds "$name: $size bytes, IPv4 from us" pings a 198.18.2.254 -s $size -i 0.05
	holds "$name: $size bytes, IPv6 to us" pings b 2001:db8:1::fe -s $size -i 0.05
done
both_ends_agree "$name"

ipn a link set ipsec0 mtu 1400
name="aes128gcm16, sizes"
holds "$name: set up" tunnel aes128gcm16 yes none
holds "$name: 1 to 40 bytes" small
for size in 1372 8000 60000; do
	holds "$name: $size bytes, IPv4 from us" pings a 198.18.2.254 -s $size -i 0.05
	holds "$name: $size bytes, IPv4 to us" pings b 198.18.1.254 -s $size -i 0.05
	holds "$name: $size bytes, IPv6 from us" pings a 2001:db8:2::fe -s $size -i 0.05
	holds "$name: $size bytes, IPv6 to us" pings b 2001:db8:1::fe -s $size -i 0.05
done
holds "$name: 8 MB of TCP over IPv4 from us" tcp_file a b 198.18.2.254 8192
holds "$name: 8 MB of TCP over IPv4 to us" tcp_file b a 198.18.1.254 8192
holds "$name: 4 MB of TCP over IPv6 from us" tcp_file a b 2001:db8:2::fe 4096
holds "$name: 4 MB of TCP over IPv6 to us" tcp_file b a 2001:db8:1::fe 4096
both_ends_agree "$name"

# The controls: each comparison above can fail.
name="control"
holds "$name: set up" tunnel aes128gcm16 yes none
another_key() {
	ipn b xfrm state flush
	xfrm_state b "$right" "$left" "$spi" aes256gcm16 yes &&
		xfrm_state b "$left" "$right" $((spi + 1)) aes256gcm16 yes
}
holds "$name: another key there" another_key
fails "$name: no packet of ours passes" pings a 198.18.2.254 -W 1
fails "$name: no packet of theirs passes" pings b 198.18.1.254 -W 1
is "$name: each counted under its name" "$(moved a ipsec0)" "icv-failed+5"
compare "$name: xfrm counted errors" "$(xfrm_errors b)" != "$errors"
compare "$name: native ESP was seen" "$(wire_count b esp)" -gt 0
compare "$name: ESP in UDP was seen" "$(wire_count b natt)" -gt 0

finish
