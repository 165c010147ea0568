#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What comes out of one tunnel goes into the next: trains of segments, ICMP errors, DSCP and ECN.
# And queueing disciplines on a device.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | ipsec0 198.18.9.254
#                                                   h: | ipsec1 198.18.8.254
#   b: ipsec0 198.18.2.254 | 203.0.113.2 == 203.0.113.1 |
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.12
one_cpu mostly
need tc

make_namespace a h b
make_wire a h
ip link add wan netns "vti$$-h" type veth peer name wan netns "vti$$-b" || exit 1
ipn h addr add 203.0.113.1/24 dev wan
ipn b addr add 203.0.113.2/24 dev wan
ipn h link set wan up
ipn b link set wan up

tunnels() {
	make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2 &&
		make_device h ipsec0 9 1 local 192.0.2.2 remote 192.0.2.1 &&
		make_device h ipsec1 8 2 local 203.0.113.1 remote 203.0.113.2 &&
		make_device b ipsec0 2 1 local 203.0.113.2 remote 203.0.113.1 &&
		add_pair a ipsec0 0x1001 0x1002 aes128gcm16 && add_pair h ipsec0 0x1002 0x1001 aes128gcm16 &&
		add_pair h ipsec1 0x2001 0x2002 aes128gcm16 && add_pair b ipsec0 0x2002 0x2001 aes128gcm16 &&
		until_ok 5 operstate_is a ipsec0 UP && until_ok 5 operstate_is b ipsec0 UP &&
		until_ok 5 operstate_is h ipsec0 UP && until_ok 5 operstate_is h ipsec1 UP
}

holds "set up" tunnels
# "trains" are what the stack forwards, whole.
on h nft -f - << EOT
table inet hub {
	counter trains { }
	chain forward {
		type filter hook forward priority 0;
		iifname "ipsec0" oifname "ipsec1" counter name trains
	}
}
EOT
on b nft -f - << EOT
table inet arrived {
	counter dscp { }
	counter ect { }
	counter ce { }
	counter outer_dscp { }
	counter outer_ce { }
	chain prerouting {
		type filter hook prerouting priority -450;
		iifname "ipsec0" ip dscp 10 counter name dscp
		iifname "ipsec0" ip6 dscp 10 counter name dscp
		iifname "ipsec0" ip ecn ect0 counter name ect
		iifname "ipsec0" ip6 ecn ect0 counter name ect
		iifname "ipsec0" ip ecn ce counter name ce
		iifname "ipsec0" ip6 ecn ce counter name ce
		iifname "wan" ip protocol esp ip dscp 10 counter name outer_dscp
		iifname "wan" ip protocol esp ip ecn ce counter name outer_ce
	}
}
EOT
arrived() { # what has arrived at b since the last call
	local name
	for name in dscp outer_dscp ect ce outer_ce; do
		echo -n "$name=$(packets_of b inet arrived $name) "
	done
	on b nft reset counters table inet arrived > /dev/null
}

holds "IPv4" pings a 198.18.2.254
holds "IPv6" pings b 2001:db8:1::fe
is "as ESP, and with nothing in the header" "$(arrived)" "dscp=0 outer_dscp=0 ect=0 ce=0 outer_ce=0 "
for ns in a b; do
	mark_stats $ns ipsec0
done
mark_stats h ipsec0
mark_stats h ipsec1
trains=$(packets_of h inet hub trains)
holds "8 MB of TCP" tcp_file a b 198.18.2.254 8192
trains=$(($(packets_of h inet hub trains) - trains)) segments=$(since_mark h ipsec1 tx-packets)
note "$segments segments in $trains trains"
compare "forwarded in trains" $((trains * 2)) -lt "$segments"
holds "4 MB of TCP over IPv6, back" tcp_file b a 2001:db8:1::fe 4096
is "every segment of a's reaches the hub" "$(since_mark h ipsec0 rx-packets)" "$(since_mark a ipsec0 tx-packets)"
is "and leaves it" "$(since_mark h ipsec1 tx-packets)" "$(since_mark h ipsec0 rx-packets)"
is "and reaches b" "$(since_mark b ipsec0 rx-packets)" "$(since_mark h ipsec1 tx-packets)"
is "no drops" "$(moved a ipsec0)$(moved h ipsec0)$(moved h ipsec1)$(moved b ipsec0)" ""

# DSCP and ECN
holds "DSCP 10" pings a 198.18.2.254 -Q 0x28
is "DSCP crosses, inside and outside" "$(arrived)" "dscp=5 outer_dscp=5 ect=0 ce=0 outer_ce=0 "
holds "DSCP 10 of IPv6" pings a 2001:db8:2::fe -Q 0x28
is "DSCP of IPv6 crosses" "$(arrived)" "dscp=5 outer_dscp=5 ect=0 ce=0 outer_ce=0 "
holds "ECT(0)" pings a 198.18.2.254 -Q 0x2
is "ECT(0) crosses" "$(arrived)" "dscp=0 outer_dscp=0 ect=5 ce=0 outer_ce=0 "
on h nft -f - << EOT
table netdev congested {
	chain ingress {
		type filter hook ingress device "wire" priority 0;
		ip protocol esp ip ecn != not-ect ip ecn set ce
	}
}
EOT
holds "congestion on the first way" pings a 198.18.2.254 -Q 0x2
is "CE crosses the second" "$(arrived)" "dscp=0 outer_dscp=0 ect=0 ce=5 outer_ce=5 "
holds "of IPv6" pings a 2001:db8:2::fe -Q 0x2
is "CE of IPv6 crosses" "$(arrived)" "dscp=0 outer_dscp=0 ect=0 ce=5 outer_ce=5 "
holds "where nobody asked for it" pings a 198.18.2.254
is "nobody is marked" "$(arrived)" "dscp=0 outer_dscp=0 ect=0 ce=0 outer_ce=0 "
on h nft delete table netdev congested

# The second way is narrower: (1400 - 52) / 4 * 4 - 2. Its limit comes back through the first.
forget() {
	on a ip route flush cache
	on a ip -6 route flush cache
}
ipn h link set wan mtu 1400
ipn b link set wan mtu 1400
holds "1346 bytes with DF pass" pings a 198.18.2.254 -M "do" -s 1318
mark_stats h ipsec1
mark_stats a ipsec0
on a ping -c 1 -W 2 -M "do" -s 1319 198.18.2.254 > "$tmp/big" 2>&1
is "1347 bytes: the hub's answer" \
	"$(sed -n 's/^From \([0-9.]*\) .*(mtu = \([0-9]*\)).*/\1 \2/p' "$tmp/big")" "198.18.9.254 1346"
is "counted there" "$(moved h ipsec1)/$(moved a ipsec0)" "too-big+1/"
is "it came through the tunnel" "$(since_mark a ipsec0 rx-packets)" 1
mark_stats h ipsec1
on a ping -c 1 -W 2 -M "do" -s 1299 2001:db8:2::fe > "$tmp/big" 2>&1
is "1347 bytes of IPv6: the hub's answer" \
	"$(sed -nE 's/^From ([0-9a-f:]*[0-9a-f]):? .*mtu[=: ]+([0-9]+).*/\1 \2/p' "$tmp/big")" "2001:db8:9::fe 1346"
is "counted there" "$(moved h ipsec1)" "too-big+1"
# What the sender's route has learned follows its device (RFC 8201 5.2).
route_mtu() {
	ipn a -6 route get 2001:db8:2::fe | sed -nE 's/.* mtu ([0-9]+).*/\1/p'
}
is "the sender's route knows" "$(route_mtu)" 1346
ipn a link set ipsec0 mtu 1300
is "a narrower device" "$(route_mtu)" 1300
ipn a link set ipsec0 mtu 1404
is "a wider one" "$(route_mtu)" 1404
forget
mark_stats h ipsec1
holds "4 MB of TCP find the limit" tcp_file a b 198.18.2.254 4096
holds "1 MB of TCP over IPv6 too" tcp_file a b 2001:db8:2::fe 1024
compare "they were told" "$(since_mark h ipsec1 too-big)" -gt 0
ipn h link set wan mtu 1500
ipn b link set wan mtu 1500
forget

# Queueing disciplines
qdisc_packets() { # HANDLE
	on a tc -s -j qdisc show dev ipsec0 | jq --arg handle "$1" '.[] | select(.handle == $handle) | .packets'
}
htb() {
	on a tc qdisc replace dev ipsec0 root handle 7: htb default 10 &&
		on a tc class add dev ipsec0 parent 7: classid 7:10 htb rate 500mbit &&
		on a tc qdisc add dev ipsec0 parent 7:10 handle 8: fq_codel
}
holds "htb with fq_codel" htb
mark_stats a ipsec0
holds "htb: 4 MB of TCP" tcp_file a b 198.18.2.254 4096
is "htb: every packet went by it" "$(qdisc_packets 7:)" "$(since_mark a ipsec0 tx-packets)"
is "fq_codel: and by this" "$(qdisc_packets 8:)" "$(since_mark a ipsec0 tx-packets)"
compare "htb: there were some" "$(qdisc_packets 7:)" -gt 3000
holds "tbf" on a tc qdisc replace dev ipsec0 root handle 9: tbf rate 16mbit burst 20kb latency 1s
mark_stats a ipsec0
start=${EPOCHREALTIME/./}
holds "tbf: 2 MB of TCP" tcp_file a b 198.18.2.254 2048
compare "tbf: at 16 Mbit/s that takes a second" $((${EPOCHREALTIME/./} - start)) -ge 1000000
is "tbf: every packet went by it" "$(qdisc_packets 9:)" "$(since_mark a ipsec0 tx-packets)"

# Changed under traffic. Meanwhile the kernel drops what it has queued, and what comes; what reaches
# the device arrives.
numbered=$(helper numbered)
mark_stats a ipsec0
mark_stats b ipsec0
background receive b "$numbered" receive 198.18.2.254 7000
until_ok 20 bound b 7000
background send a "$numbered" send 198.18.2.254 7000 500 60
passes() { # NAME
	before=$(counter b ipsec0 rx-packets)
	holds "$1: packets pass" until_ok 5 arrives
}
arrives() {
	[ "$(counter b ipsec0 rx-packets)" -gt $((before + 10)) ]
}
passes "no qdisc"
for qdisc in "fq_codel" "mq" "pfifo limit 100" "noqueue" "htb default 10"; do
	# shellcheck disable=SC2086 # words
	holds "$qdisc instead" on a tc qdisc replace dev ipsec0 root $qdisc
	passes "$qdisc"
done
holds "none instead" on a tc qdisc del dev ipsec0 root
passes "none"
stop send
all_there() {
	[ "$(since_mark b ipsec0 rx-packets)" = "$(since_mark a ipsec0 tx-packets)" ]
}
holds "what was sent arrives" until_ok 5 all_there
stop receive
note "$(cat "$tmp/send") $(cat "$tmp/receive")"
is "each once, and as it was" "$(sed -E 's/ late.*//' "$tmp/receive")" \
	"received=$(since_mark a ipsec0 tx-packets) duplicates=0 corrupt=0"

finish
