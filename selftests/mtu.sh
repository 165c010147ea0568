#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The exact limit of path and suite holds for every packet: one byte more is answered with ICMP, from
# an address that the sender can reach, with the limit in it. IPv4 without DF passes whatever its size.
#
#   l 198.18.1.2 -- 198.18.1.1 a 192.0.2.1 ==== 192.0.2.2 b 198.18.2.1 -- 198.18.2.2 r
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.12
one_cpu

make_namespace a b l r
make_wire a b
make_lan a l 1
make_lan b r 2
espinudp a 192.0.2.1 4500
espinudp b 192.0.2.2 4500
on b nft -f - << EOT
table netdev fragments {
	counter seen { }
	chain ingress {
		type filter hook ingress device "wire" priority 0;
		ip frag-off & 0x3fff != 0 counter name seen
	}
}
EOT

# Larger than any limit here, so that it is the device's rule that decides.
devices() { # SUITE MTU WORDS...
	local suite=$1 mtu=$2
	shift 2
	ipn a link del ipsec0 2> /dev/null
	ipn b link del ipsec0 2> /dev/null
	make_pair "$suite" "$@" && ipn a link set ipsec0 mtu "$mtu" && ipn b link set ipsec0 mtu "$mtu" &&
		on l ip route flush cache && on r ip route flush cache
}

forget() { # learned path MTUs
	local ns
	for ns in a b l r; do
		on $ns ip route flush cache
		on $ns ip -6 route flush cache
	done
}

# A ping whose IP packet has so many bytes.
ping4() { # NS BYTES ARGS...
	on "$1" ping -c 2 -i 0.05 -W 2 -s $(($2 - 28)) "${@:3}" 198.18.2.2
}

ping6() { # NS BYTES ARGS...
	on "$1" ping -c 2 -i 0.05 -W 2 -s $(($2 - 48)) "${@:3}" 2001:db8:2::2
}

limit() { # NAME BYTES
	forget
	holds "$1: $2 bytes with DF pass" ping4 l "$2" -M "do"
	mark_stats a ipsec0
	ping4 l $(($2 + 1)) -M "do" > "$tmp/big" 2>&1
	is "$1: $(($2 + 1)) bytes: answer" "$(sed -n 's/^From \([0-9.]*\) .*(mtu = \([0-9]*\)).*/\1 \2/p' "$tmp/big" | head -n 1)" \
		"198.18.1.1 $2"
	compare "$1: counted" "$(moved a ipsec0)" = "too-big+1"
	forget
	holds "$1: $2 bytes of IPv6 pass" ping6 l "$2" -M "do"
	mark_stats a ipsec0
	ping6 l $(($2 + 1)) -M "do" > "$tmp/big" 2>&1
	is "$1: $(($2 + 1)) bytes of IPv6: answer" \
		"$(sed -nE 's/^From ([0-9a-f:]*[0-9a-f]):? .*mtu[=: ]+([0-9]+).*/\1 \2/p' "$tmp/big" | head -n 1)" \
		"2001:db8:1::1 $2"
	compare "$1: counted" "$(moved a ipsec0)" = "too-big+1"
	is "$1: effective-mtu" "$(field a ipsec0 effective-mtu)" "$2"
}

fragments() {
	packets_of b netdev fragments seen
}

for suite in aes128gcm16 aes256gcm16; do
	holds "$suite, native: set up" devices $suite 1500
	limit "$suite, native" 1446
done
holds "in UDP: set up" devices aes128gcm16 1500 encap udp 4500 4500
limit "in UDP" 1438

# From the gateway itself the sender's socket is told.
holds "native: set up" devices aes128gcm16 1500
forget
holds "from the gateway: 1446 bytes pass" ping4 a 1446 -M "do"
ping4 a 1447 -M "do" > "$tmp/big" 2>&1
holds "from the gateway: 1447 bytes: the limit is said" grep -qE 'mtu ?= ?1446' "$tmp/big"
[ "$failures" = 0 ] || note "$(cat "$tmp/big")"

# Without DF, and IPv6 of 1280 bytes or fewer, everything passes.
forget
before=$(fragments)
holds "1447 bytes without DF pass" ping4 l 1447 -M dont
holds "1500 bytes without DF pass" ping4 l 1500 -M dont
compare "in fragments outside" "$(fragments)" -gt "$before"
forget
before=$(fragments)
holds "1446 bytes without DF pass" ping4 l 1446 -M dont
is "in one piece" "$(fragments)" "$before"

# TCP finds the limit by itself, both ways.
forget
holds "4 MB of TCP from host to host" tcp_file l r 198.18.2.2 4096
holds "4 MB of TCP back" tcp_file r l 198.18.1.2 4096
holds "4 MB of TCP over IPv6" tcp_file l r 2001:db8:2::2 4096

# The path changes.
ipn a link set wire mtu 1400
ipn b link set wire mtu 1400
limit "path of 1400" 1346
ipn a link set wire mtu 1280
ipn b link set wire mtu 1280
forget
holds "path of 1280: IPv6 of 1280 bytes passes" ping6 l 1280
holds "path of 1280: 1 MB of TCP over IPv6" tcp_file l r 2001:db8:2::2 1024
for mtu in 9000 9100; do
	for ns in a b; do
		ipn $ns link set wire mtu $mtu
		ipn $ns link set lan mtu $mtu
		ipn $ns link set ipsec0 mtu $mtu
	done
	ipn l link set lan mtu $mtu
	ipn r link set lan mtu $mtu
	# Header, IV and ICV take 32 bytes, the outer header 20, trailer and padding to 4 the rest.
	limit "path of $mtu" $(((mtu - 52) / 4 * 4 - 2))
done

# By default the device's own MTU leaves room for the worst case.
ipn a link add ipsec9 type ipsecvti
is "default MTU" "$(ipn a -j link show ipsec9 | jq '.[0].mtu')" 1404

finish
