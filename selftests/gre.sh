#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# GRE in transport mode, bound to the device, against a GRE device and transport mode of the kernel's
# xfrm; IPv4 and IPv6 outside, native and in UDP.
#
#   a: gre1 198.18.5.1 on ipsec0 | 192.0.2.1 ==== 192.0.2.2 | xfrm, gre1 198.18.5.2: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1 7.2
one_cpu
modprobe -q -a esp4 esp6 xfrm_user ip_gre ip6_gre 2> /dev/null

make_namespace a b
make_wire a b
watch_wire b
espinudp a 192.0.2.1 4500
espinudp b 192.0.2.2 4500
espinudp a 2001:db8::1 4500
espinudp b 2001:db8::2 4500
suite=aes128gcm16

xfrm_mode=transport

outside() { # FAMILY ENCAP
	local left=192.0.2.1 right=192.0.2.2 any=0.0.0.0 kind=gre ours=() theirs=() gre=(ttl 64) ns n=0
	[ "$1" = 4 ] || left=2001:db8::1 right=2001:db8::2 any=:: kind=ip6gre gre=()
	[ "$2" = none ] || ours=(encap udp 4500 4500) theirs=(espinudp 4500 4500 "$any")
	for ns in a b; do
		ipn "$ns" link del gre1 2> /dev/null
	done
	ipn a link del ipsec0 2> /dev/null
	ipn a -6 rule del priority 99 2> /dev/null
	ipn b xfrm state flush
	ipn b xfrm policy flush
	ipn a link add ipsec0 type ipsecvti && vti a dev set ipsec0 local "$left" remote "$right" "${ours[@]}" &&
		add_pair a ipsec0 0x1001 0x1002 "$suite" mode transport \
			local-ts "${left}[gre]" remote-ts "${right}[gre]" &&
		ipn a link set ipsec0 up && until_ok 5 operstate_is a ipsec0 UP &&
		ipn a link add gre1 type "$kind" local "$left" remote "$right" dev ipsec0 "${gre[@]}" &&
		ipn b link add gre1 type "$kind" local "$right" remote "$left" "${gre[@]}" &&
		xfrm_state b "$right" "$left" 0x1001 "$suite" yes "${theirs[@]}" &&
		xfrm_state b "$left" "$right" 0x1002 "$suite" yes "${theirs[@]}" &&
		ipn b xfrm policy add src "$right" dst "$left" proto gre dir out tmpl proto esp mode transport &&
		ipn b xfrm policy add src "$left" dst "$right" proto gre dir in tmpl proto esp mode transport || return
	# IPv4 takes a bound device for a direct link to the peer; IPv6 wants to be told.
	if [ "$1" = 6 ]; then
		ipn a -6 rule add oif ipsec0 lookup 99 priority 99 &&
			ipn a -6 route replace "$right" dev ipsec0 table 99 || return
	fi
	for ns in a b; do
		n=$((n + 1))
		ipn "$ns" -batch - <<- EOT || return
			addr add 198.18.5.$n/24 dev gre1
			addr add 2001:db8:5::$n/64 dev gre1 nodad
			link set gre1 up
		EOT
	done
}

for how in "4 none esp" "4 udp natt" "6 none esp" "6 udp natt"; do
	read -r family encap kind <<< "$how"
	name="GRE over IPv$family, encap $encap"
	holds "$name: set up" outside "$family" "$encap" || continue
	clear=$(wire_count b clear) outer=$(wire_count b "$kind")
	mark_stats a ipsec0
	holds "$name: ping from us" pings a 198.18.5.2
	holds "$name: ping to us" pings b 198.18.5.1
	holds "$name: IPv6 from us" pings a 2001:db8:5::2
	holds "$name: IPv6 to us" pings b 2001:db8:5::1
	holds "$name: 8000 bytes in fragments" pings a 198.18.5.2 -s 8000 -i 0.2
	holds "$name: TCP from us" tcp_file a b 198.18.5.2 512
	holds "$name: TCP to us" tcp_file b a 198.18.5.1 512
	is "$name: we dropped nothing" "$(moved a ipsec0)" ""
	sent=$(since_mark a ipsec0 tx-packets)
	is "$name: xfrm received what we sent" "$(xfrm_packets b 0x1002)" "$sent"
	is "$name: all of it as $kind" $(($(wire_count b "$kind") - outer)) "$sent"
	is "$name: nothing in clear" "$(wire_count b clear)" "$clear"
done

# What fits: transport mode saves the inner header. (1500 - 20 - 32) / 4 * 4 - 2 + 20.
holds "sizes: set up" outside 4 none
ipn a link set ipsec0 mtu 1466
is "sizes: effective-mtu" "$(field a ipsec0 effective-mtu)" 1466
on b nft add counter netdev watch whole
on b nft insert rule netdev watch ingress ip protocol 50 meta length 1500 counter name whole
for ns in a b; do
	ipn $ns link set gre1 mtu 1442
done
holds "sizes: 1442 bytes in GRE with DF pass" pings a 198.18.5.2 -M "do" -s 1414
is "sizes: as packets of the wire's 1500 bytes" "$(packets_of b netdev watch whole)" 5

# Nothing but GRE between the outer addresses goes in.
ipn a route add 198.18.7.0/24 dev ipsec0
mark_stats a ipsec0
fails "a packet for elsewhere is refused" pings a 198.18.7.1 -W 0.2
is "and counted" "$(moved a ipsec0)" "no-selector+5"
mark_stats a ipsec0
fails "so is a ping between the outer addresses" pings a 192.0.2.2 -I ipsec0 -W 0.2
is "and counted, too" "$(moved a ipsec0)" "no-selector+5"

# A GRE device that is not bound is a loop where the route leads into ipsec0, and is not followed.
ipn a link del gre1
ipn a route add 192.0.2.2/32 dev ipsec0
ipn a link add gre1 type gre local 192.0.2.1 remote 192.0.2.2 ttl 64
ipn a addr add 198.18.5.1/24 dev gre1
ipn a link set gre1 up
mark_stats a ipsec0
on a ping -q -c 3 -i 0.02 -W 0.2 198.18.5.2 > /dev/null
is "a loop is counted" "$(moved a ipsec0)" "loop+3"
is "and nothing left in clear" "$(wire_count b clear)" "$clear"

# Tunnel mode's packets do not come in by a transport SA, nor the other way round.
ipn a route del 192.0.2.2/32 dev ipsec0
if python3 -c 'import cryptography' 2> /dev/null; then
	injector b
	inject set src=192.0.2.2 dst=192.0.2.1 src-in=198.18.2.254 dst-in=198.18.1.254
	mark_stats a ipsec0
	inject esp spi=0x1001 seq=100000 key="$(key_of "$suite" $((0x1001)))"
	is "a tunnel packet on a transport SA" "$(moved a ipsec0)" "bad-next-header+1"
	add_sa a ipsec0 in 0x1003 "$suite" > /dev/null
	mark_stats a ipsec0
	inject esp spi=0x1003 seq=1 next=47 key="$(key_of "$suite" $((0x1003)))"
	is "GRE on a tunnel SA" "$(moved a ipsec0)" "bad-next-header+1"
else
	not_ok "no python3-cryptography"
fi

finish
