#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Errors: who says what to whom. What happens behind the far gateway, or at it, is told through the
# tunnel, from an address inside; what happens between the gateways is told to the gateway, which
# believes no more of it than it has to, and tells the sender from an address inside.
#
#   l 198.18.1.2 -- .1.1 a 192.0.2.1 -- .9 m 203.0.113.9 -- .1 b 198.18.2.1 -- .2.2 q .3.1 -- .3.9 r
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1 7.2
one_cpu

make_namespace a m b l q r
link() { # NS NS DEVICE ADDRESS4 ADDRESS6: .1 at one end, .9 at the other
	ip link add "$3" netns "vti$$-$1" type veth peer name "to-$1" netns "vti$$-$2" || exit 1
	ipn "$1" addr add "$4.1/24" dev "$3"
	ipn "$1" addr add "$5::1/64" dev "$3" nodad
	ipn "$1" link set "$3" up
	ipn "$2" addr add "$4.9/24" dev "to-$1"
	ipn "$2" addr add "$5::9/64" dev "to-$1" nodad
	ipn "$2" link set "to-$1" up
}
link a m wire 192.0.2 2001:db8:a
link b m wire 203.0.113 2001:db8:b
make_lan a l 1
make_lan b q 2
link q r far 198.18.3 2001:db8:3
# A link has such an address when it has noticed that it is up.
has_router6() {
	router6=$(ipn m -j addr show to-a | jq -r '.[0].addr_info[] | select(.scope == "link") | .local')
	[ -n "$router6" ]
}
until_ok 10 has_router6
ipn a route add default via 192.0.2.9
ipn a route add default via "$router6" dev wire
ipn b route add default via 203.0.113.9
ipn b route add default via 2001:db8:b::9
ipn b route add 198.18.3.0/24 via 198.18.2.2
ipn b route add 2001:db8:3::/64 via 2001:db8:2::2
ipn r route add default via 198.18.3.1
ipn r route add default via 2001:db8:3::1
# That nobody is there is known after three questions.
for end in b/lan q/far; do
	for family in ipv4 ipv6; do
		on ${end%/*} sh -c "echo 50 > /proc/sys/net/$family/neigh/${end#*/}/retrans_time_ms"
	done
done
on m nft -f - << EOT
table inet seen {
	counter clear { }
	chain forward {
		type filter hook forward priority 0;
		meta l4proto != { esp, udp } counter name clear
	}
}
EOT
# All that a stranger on the way can say.
on a nft -f - << EOT
table inet told {
	counter unreachable { }
	counter redirects { }
	chain input {
		type filter hook input priority 0;
		iifname "wire" icmp type destination-unreachable icmp code != frag-needed counter name unreachable
		iifname "wire" icmpv6 type destination-unreachable counter name unreachable
		iifname "wire" icmp type redirect counter name redirects
		iifname "wire" icmpv6 type nd-redirect counter name redirects
	}
}
EOT

tunnel() { # FAMILY WORDS...
	local a=192.0.2.1 b=203.0.113.1
	[ "$1" = 4 ] || a=2001:db8:a::1 b=2001:db8:b::1
	shift
	ipn a link del ipsec0 2> /dev/null
	ipn b link del ipsec0 2> /dev/null
	make_device a ipsec0 1 2 local "$a" remote "$b" "$@" &&
		make_device b ipsec0 2 1 local "$b" remote "$a" "$@" &&
		ipn a route add 198.18.3.0/24 dev ipsec0 && ipn a route add 2001:db8:3::/64 dev ipsec0 &&
		add_pair a ipsec0 0x1001 0x1002 aes128gcm16 && add_pair b ipsec0 0x1002 0x1001 aes128gcm16 &&
		until_ok 5 operstate_is a ipsec0 UP && until_ok 5 operstate_is b ipsec0 UP
}

forget() { # learned path MTUs
	local ns
	for ns in l a; do
		on $ns ip route flush cache
		on $ns ip -6 route flush cache
	done
}

# Who says what of one packet from l.
answer() { # PING-ARGS...
	on l ping -c 1 -W 1 "$@" 2>&1 |
		sed -nE 's/^From ([0-9a-f.:]*[0-9a-f]):? icmp_seq=1 (.*)/\1 \2/p' | head -n 1
}

inside() { # NAME ANSWER PING-ARGS...: the answer came through the tunnel
	local name=$1 wanted=$2
	shift 2
	mark_stats a ipsec0
	is "$name" "$(answer "$@")" "$wanted"
	is "$name: through the tunnel" "$(since_mark a ipsec0 rx-packets)" 1
}

nearby() { # NAME ANSWER PING-ARGS...: a itself answers
	local name=$1 wanted=$2
	shift 2
	mark_stats a ipsec0
	is "$name" "$(answer "$@")" "$wanted"
	is "$name: from the near gateway" "$(since_mark a ipsec0 rx-packets)" 0
}

narrow() { # MTU NS DEV NS DEV
	ipn "$2" link set "$3" mtu "$1"
	ipn "$4" link set "$5" mtu "$1"
}

# What m tells a of a packet of a's.
error() { # QUOTED-DST PROTO QUOTE WORDS...
	on m python3 "$here/icmperror.py" dev=to-a src="$router" dst="$near" quote-src="$near" \
		quote-dst="$1" quote-proto="$2" quote="$3" "${@:4}"
}

learned() { # MTU
	[ "$(field a ipsec0 pmtu)" = "$1" ]
}

redirects_are() { # COUNT
	[ "$(packets_of a inet told redirects)" = "$1" ]
}

way_is() { # ADDRESS GATEWAY
	[ "$(ipn a -j route get "$1" | jq -r '.[0].gateway')" = "$2" ]
}

ours=0000100200000001
# Between the gateways. The first packet is lost: its sender can't be told by those who do not see it.
narrow_way() { # NAME
	local limit=$(((1400 - overhead) / 4 * 4 - 2))
	narrow 1400 m to-b b wire
	is "$1: a narrow way: nobody tells the sender" "$(answer -M "do" -s 1376 198.18.3.9)" ""
	nearby "$1: a narrow way: then the gateway does" "198.18.1.1 Frag needed and DF set (mtu = $limit)" \
		-M "do" -s 1376 198.18.3.9
	nearby "$1: a narrow way of IPv6" "2001:db8:1::1 Packet too big: mtu=$limit" -M "do" -s 1356 2001:db8:3::9
	holds "$1: a narrow way: $limit bytes pass" pings l 198.18.3.9 -M "do" -s $((limit - 28))
	narrow 1500 m to-b b wire
	forget
}

host='Destination Host Unreachable' address='Destination unreachable: Address unreachable'
for family in 4 6; do
	name="over IPv$family"
	if [ $family = 4 ]; then
		overhead=52 near=192.0.2.1 peer=203.0.113.1 elsewhere=203.0.113.55 router=192.0.2.9
	else
		overhead=72 near=2001:db8:a::1 peer=2001:db8:b::1 elsewhere=2001:db8:b::55 router=$router6
	fi
	holds "$name: set up" tunnel $family
	holds "$name: control" pings l 198.18.3.9
	holds "$name: control, IPv6" pings l 2001:db8:3::9

	inside "$name: nobody there, says the router behind" "198.18.2.2 $host" 198.18.3.99
	inside "$name: nobody there of IPv6" "2001:db8:2::2 $address" 2001:db8:3::99
	inside "$name: nobody there, says the far gateway" "198.18.2.254 $host" 198.18.2.99
	inside "$name: nobody there of IPv6, says the far gateway" "2001:db8:2::fe $address" 2001:db8:2::99
	nearby "$name: one hop" "198.18.1.1 Time to live exceeded" -t 1 198.18.3.9
	inside "$name: two hops" "198.18.2.254 Time to live exceeded" -t 2 198.18.3.9
	inside "$name: three hops" "198.18.2.2 Time to live exceeded" -t 3 198.18.3.9
	nearby "$name: one hop of IPv6" "2001:db8:1::1 Time exceeded: Hop limit" -t 1 2001:db8:3::9
	inside "$name: two hops of IPv6" "2001:db8:2::fe Time exceeded: Hop limit" -t 2 2001:db8:3::9

	narrow 1300 q far r to-q
	inside "$name: too big, says the router behind" "198.18.2.2 Frag needed and DF set (mtu = 1300)" \
		-M "do" -s 1322 198.18.3.9
	inside "$name: too big of IPv6, says the router behind" "2001:db8:2::2 Packet too big: mtu=1300" \
		-M "do" -s 1302 2001:db8:3::9
	narrow 1500 q far r to-q
	narrow 1300 b lan q lan
	forget
	inside "$name: too big, says the far gateway" "198.18.2.254 Frag needed and DF set (mtu = 1300)" \
		-M "do" -s 1322 198.18.3.9
	inside "$name: too big of IPv6, says the far gateway" "2001:db8:2::fe Packet too big: mtu=1300" \
		-M "do" -s 1302 2001:db8:3::9
	narrow 1500 b lan q lan
	forget

	narrow_way "$name"
	holds "$name: a wide way: set up" tunnel $family
	forget

	before=$(packets_of a inet told unreachable)
	ipn m route add unreachable "$peer"
	mark_stats a ipsec0
	is "$name: no way to the peer: nobody tells the sender" "$(answer 198.18.3.9)" ""
	compare "$name: no way to the peer: the gateway was told" "$(packets_of a inet told unreachable)" -gt "$before"
	is "$name: no way to the peer: and did nothing" "$(moved a ipsec0)$(operstate a ipsec0)" UP
	ipn m route del unreachable "$peer"
	holds "$name: no way to the peer: until there is one" pings l 198.18.3.9

	# What a stranger says.
	[ $family = 4 ] || router=2001:db8:a::9
	holds "$name: too big, of an SPI of nobody's" error "$peer" 50 0000100100000001 kind=too-big mtu=1300
	holds "$name: too big, of another peer" error "$elsewhere" 50 $ours kind=too-big mtu=1310
	holds "$name: too big, of ours" error "$peer" 50 $ours kind=too-big mtu=1350
	holds "$name: only that is heeded" until_ok 5 learned 1350
	holds "$name: too big, to be larger" error "$peer" 50 $ours kind=too-big mtu=1400
	holds "$name: too big, to be smaller" error "$peer" 50 $ours kind=too-big mtu=1340
	holds "$name: it only sinks" until_ok 5 learned 1340

	# A redirect of ESP is nothing to us. The control is one that the host itself believes.
	for d in all wire; do
		on a sh -c "cd /proc/sys/net; echo 1 > ipv4/conf/$d/accept_redirects
			echo 0 > ipv4/conf/$d/secure_redirects; echo 1 > ipv6/conf/$d/accept_redirects"
	done
	on a sh -c 'echo 0 > /proc/sys/net/ipv6/conf/wire/forwarding'
	if [ $family = 4 ]; then
		other=192.0.2.66 proto=1 quote=0000000000000000
	else
		other=fe80::66 proto=58 quote=8000000000000000 router=$router6
	fi
	ipn a neigh replace $other lladdr 02:00:00:00:00:66 nud permanent dev wire
	redirects=$(packets_of a inet told redirects)
	mark_stats a ipsec0
	holds "$name: a redirect" error "$peer" 50 $ours kind=redirect via=$other
	holds "$name: a redirect: arrives" until_ok 5 redirects_are $((redirects + 1))
	holds "$name: a redirect: the way stays" way_is "$peer" "$router"
	holds "$name: a redirect: traffic" pings l 198.18.3.9
	is "$name: a redirect: counted, and nothing dropped" "$(moved a ipsec0)" "rx-redirect+1"
	holds "$name: control: a redirect of ICMP" error "$elsewhere" $proto $quote kind=redirect via=$other
	holds "$name: control: is followed" until_ok 5 way_is "$elsewhere" $other

	# The device has nobody to send to, or no way: the sender is told at once.
	out=$(vti a sa list --json | jq '.[] | select(.current) | ."sa-id"')
	vti a dev set ipsec0 on-demand yes
	vti a out set ipsec0 > /dev/null
	nearby "$name: no SA" "198.18.1.1 $host" 198.18.3.9
	nearby "$name: no SA for IPv6" "2001:db8:1::1 $address" 2001:db8:3::9
	on a nft -f - <<- EOT
		table ip mask {
			chain postrouting {
				type nat hook postrouting priority srcnat;
				oifname "ipsec0" snat to 198.18.1.254
			}
		}
	EOT
	nearby "$name: no SA, behind NAT" "198.18.1.1 $host" 198.18.3.9
	vti a out set ipsec0 sa "$out" > /dev/null
	holds "$name: control: NAT" pings l 198.18.3.9
	on a nft delete table ip mask
	ipn a route add unreachable "$peer"
	nearby "$name: no route" "198.18.1.1 $host" 198.18.3.9
	ipn a route del unreachable "$peer"
	holds "$name: as it was" pings l 198.18.3.9
done
# Errors about ESP in UDP reach the socket of the IKE daemon, and its route.
for family in 4 6; do
	name="in UDP over IPv$family"
	if [ $family = 4 ]; then
		overhead=60
		espinudp a 192.0.2.1 4500
		espinudp b 203.0.113.1 4500
	else
		overhead=80
		stop espinudp-a-4500
		stop espinudp-b-4500
		espinudp a 2001:db8:a::1 4500
		espinudp b 2001:db8:b::1 4500
	fi
	holds "$name: set up" tunnel $family encap udp 4500 4500
	holds "$name: control" pings l 198.18.3.9
	narrow_way "$name"
done
is "nothing in clear but between routers" "$(packets_of m inet seen clear)" 0

finish
