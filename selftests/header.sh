#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The outer header, and what ICMP errors from the way teach: by mark too, for as long as the kernel
# believes such things, and never below the floor.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 -- 192.0.2.9 m 203.0.113.9 -- 203.0.113.1 | 198.18.2.254 ipsec0: b
#                          | 2001:db8:a::1 -------- m -------- 2001:db8:b::1     |
. "$(dirname "$0")/lib.sh"
module_here
need tcpdump
checked_on 7.2
one_cpu

make_namespace a m b
join() { # NS SIDE ADDRESS4 ADDRESS6
	ip link add wire netns "vti$$-$1" type veth peer name "to-$1" netns "vti$$-m" || exit 1
	ipn "$1" addr add "$3.1/24" dev wire
	ipn "$1" addr add "$4::1/64" dev wire nodad
	ipn "$1" link set wire up
	ipn m addr add "$3.9/24" dev "to-$1"
	ipn m addr add "$4::9/64" dev "to-$1" nodad
	ipn m link set "to-$1" up
}
join a left 192.0.2 2001:db8:a
join b right 203.0.113 2001:db8:b
# a finds its peer only with the mark; b has it simple.
ipn a route add 203.0.113.0/24 via 192.0.2.9 table 100
ipn a route add 2001:db8:b::/64 via 2001:db8:a::9 table 100
ipn a rule add fwmark 7 lookup 100
ipn a -6 rule add fwmark 7 lookup 100
ipn b route add default via 203.0.113.9
ipn b route add default via 2001:db8:b::9
for family in ipv4 ipv6; do
	on a sh -c "echo 5 > /proc/sys/net/$family/route/mtu_expires"
done

outside() { # FAMILY
	local a=192.0.2.1 b=203.0.113.1
	[ "$1" = 4 ] || a=2001:db8:a::1 b=2001:db8:b::1
	ipn a link del ipsec0 2> /dev/null
	ipn b link del ipsec0 2> /dev/null
	make_device a ipsec0 1 2 local "$a" remote "$b" mark 7 &&
		make_device b ipsec0 2 1 local "$b" remote "$a" &&
		add_pair a ipsec0 0x1001 0x1002 aes128gcm16 && add_pair b ipsec0 0x1002 0x1001 aes128gcm16 &&
		ipn a link set ipsec0 mtu 1500 && ipn b link set ipsec0 mtu 1500
}

# What b's wire sees that matches.
sees() { # NAME MATCH COMMAND...
	local name=$1 match=$2
	shift 2
	on b nft -f - <<- EOT || exit 1
		table netdev header
		delete table netdev header
		table netdev header {
			counter hit { }
			chain ingress {
				type filter hook ingress device "wire" priority 0;
				$match counter name hit
			}
		}
	EOT
	"$@" > "$tmp/output" 2>&1
	is "$name" "$(packets_of b netdev header hit)" 5
}

set_a() {
	vti a dev set ipsec0 "$@"
}

for family in 4 6; do
	name="over IPv$family"
	if [ $family = 4 ]; then
		esp='ip protocol 50' dscp='ip dscp' ecn='ip ecn' ttl='ip ttl'
	else
		esp='ip6 nexthdr 50' dscp='ip6 dscp' ecn='ip6 ecn' ttl='ip6 hoplimit'
	fi
	holds "$name: set up" outside $family
	sees "$name: DSCP is copied" "$esp $dscp 10" pings a 198.18.2.254 -Q 0x28
	sees "$name: DSCP of IPv6 is copied" "$esp $dscp 10" pings a 2001:db8:2::fe -Q 0x28
	sees "$name: ECN is copied" "$esp $ecn ect0" pings a 198.18.2.254 -Q 0x02
	sees "$name: the route's TTL" "$esp $ttl 63" pings a 198.18.2.254 -t 9
	holds "$name: dscp 46, ttl 77" set_a dscp 46 ttl 77
	sees "$name: DSCP is set" "$esp $dscp 46" pings a 198.18.2.254 -Q 0x28
	sees "$name: ECN is copied all the same" "$esp $dscp 46 $ecn ect0" pings a 198.18.2.254 -Q 0x2a
	sees "$name: TTL is set" "$esp $ttl 76" pings a 198.18.2.254
	holds "$name: dscp 0" set_a dscp 0
	sees "$name: DSCP is cleared" "$esp $dscp 0" pings a 198.18.2.254 -Q 0x28
	holds "$name: as it was" set_a dscp copy ttl auto
	is "$name: as it was" "$(field a ipsec0 dscp) $(field a ipsec0 ttl)" "copy 0"
done

# The flow label over IPv6: one for each SA, so that its packets share a path, whatever labels the flows
# inside have; nobody on the way can count those (RFC 6438 3).
holds "flow label: set up" outside 6
background labels b tcpdump -l -n -v -Q in -i any 'ip6 proto 50 or (ip6 and icmp6 and ip6[40] == 128)'
until_ok 10 grep -q listening "$tmp/labels.err"
labels() { # DEVICE|SPI: those that b has received there
	grep -E " $1 |spi=$1," "$tmp/labels" | grep -oE 'flowlabel 0x[0-9a-f]+' | cut -d ' ' -f 2 | sort -u | xargs
}
labelled() { # COUNT
	[ "$(grep -c ' wire .*flowlabel 0x' "$tmp/labels")" = "$1" ]
}
holds "flow label: a flow" pings a 2001:db8:2::fe -F 0x11111
holds "flow label: another" pings a 2001:db8:2::fe -F 0x22222
holds "flow label: IPv4, which has none" pings a 198.18.2.254
add_sa b ipsec0 in 0x2002 aes128gcm16 > /dev/null
add_sa a ipsec0 out 0x2002 aes128gcm16 current > /dev/null
holds "flow label: by another SA" pings a 2001:db8:2::fe -F 0x33333
holds "flow label: each packet has one" until_ok 5 labelled 20
stop labels
is "flow label: three inside" "$(labels ipsec0)" "0x11111 0x22222 0x33333"
first=$(labels 0x00001002) second=$(labels 0x00002002)
is "flow label: one of each SA" "$(wc -w <<< "$first") $(wc -w <<< "$second")" "1 1"
is "flow label: five in all" "$(printf '%s\n' 0x11111 0x22222 0x33333 "$first" "$second" | sort -u | wc -l)" 5

holds "DF: set up" outside 4
df='ip protocol 50 ip frag-off & 0x4000 != 0'
sees "DF is copied when set" "$df" pings a 198.18.2.254 -M "do"
sees "DF is copied when not" 'ip protocol 50 ip frag-off & 0x4000 == 0' pings a 198.18.2.254 -M dont
sees "DF is set for IPv6 that routers may refuse" "$df" pings a 2001:db8:2::fe -s 1300
holds "df set" set_a df "set"
sees "DF is set" "$df" pings a 198.18.2.254 -M dont
holds "df clear" set_a df clear
sees "DF is clear" 'ip protocol 50 ip frag-off & 0x4000 == 0' pings a 198.18.2.254 -M "do"
holds "df clear: 1500 bytes with DF pass, in fragments" pings a 198.18.2.254 -M "do" -s 1472
fails "df maybe" set_a df maybe
said "it says so" 'df: "maybe" is not copy, set or clear'
fails "dscp 64" set_a dscp 64
fails "a floor below what every host takes" set_a min-pmtu 500

# The way narrows behind m. Limits: (MTU - outer header - 32) / 4 * 4 - 2.
for family in 4 6; do
	name="path of 1400 over IPv$family"
	limit=$((family == 4 ? 1346 : 1326))
	ipn m link set to-b mtu 1400
	ipn b link set wire mtu 1400
	holds "$name: set up" outside $family
	fails "$name: 1420 bytes with DF do not pass" pings a 198.18.2.254 -M "do" -s 1392 -W 1
	is "$name: its MTU is learned" "$(field a ipsec0 pmtu)" 1400
	is "$name: effective-mtu" "$(field a ipsec0 effective-mtu)" $limit
	holds "$name: $limit bytes with DF pass" pings a 198.18.2.254 -M "do" -s $((limit - 28))
	holds "$name: $limit bytes of IPv6 pass" pings a 2001:db8:2::fe -M "do" -s $((limit - 48))
	holds "$name: 1420 bytes without DF pass" pings a 198.18.2.254 -M dont -s 1392
	ipn m link set to-b mtu 1500
	ipn b link set wire mtu 1500
	forgotten() {
		[ -z "$(field a ipsec0 pmtu)" ]
	}
	holds "$name: it is forgotten in time" until_ok 9 forgotten
	holds "$name: 1420 bytes with DF pass again" pings a 198.18.2.254 -M "do" -s 1392
done

# Below the floor, whether it is true or a liar says so.
ipn m link set to-b mtu 1280
ipn b link set wire mtu 1280
holds "floor: set up" outside 4
holds "floor: of 1400" set_a min-pmtu 1400
fails "floor: 1346 bytes with DF do not pass yet" pings a 198.18.2.254 -M "do" -s 1318 -W 1 -c 1
is "floor: the path's MTU is known" "$(field a ipsec0 pmtu)" 1280
holds "floor: 1346 bytes with DF pass" pings a 198.18.2.254 -M "do" -s 1318
# It may have been forgotten meanwhile: the first one finds out.
on a ping -q -c 1 -W 1 -M "do" -s 1318 198.18.2.254 > /dev/null
mark_stats b ipsec0
on a ping -q -c 5 -i 0.02 -W 0.2 -M "do" -s 1298 2001:db8:2::fe > /dev/null
is "floor: as IPv6" "$(since_mark b ipsec0 rx-packets)" 5
is "floor: effective-mtu" "$(field a ipsec0 effective-mtu)" 1346

# A wide link, and the Internet's 1500 bytes behind it.
for end in "a wire" "m to-a" "b wire" "m to-b"; do
	ipn "${end% *}" link set "${end#* }" mtu 9001
done
ipn m link set to-b mtu 1500
holds "9001 bytes, then 1500: set up" outside 4
ipn a link set ipsec0 mtu 8900
ipn b link set ipsec0 mtu 8900
is "9001 bytes, then 1500: what a expects" "$(field a ipsec0 effective-mtu)" $(((9001 - 52) / 4 * 4 - 2))
holds "9001 bytes, then 1500: 1 MB of TCP" tcp_file a b 198.18.2.254 1024
is "9001 bytes, then 1500: what it has learned" "$(field a ipsec0 pmtu) $(field a ipsec0 effective-mtu)" "1500 1446"

finish
