#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Several child SAs with traffic selectors on one device: which of them a packet goes with, and that
# none brings in what is not its own (RFC 4301 5). The other end is the kernel's xfrm, then ours.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254, 198.18.3.254: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.12
one_cpu
modprobe -q -a esp4 xfrm_user 2> /dev/null

make_namespace a b
make_wire a b
make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2
ipn a route add 198.18.3.0/24 dev ipsec0 src 198.18.1.254
ipn a route add 2001:db8:3::/64 dev ipsec0 src 2001:db8:1::fe

# Each child: SPI to a (the one from it is the next), selectors as we say them and as xfrm does,
# where there is one range for the ports of udp.
suite=aes128gcm16
child() { # NS SPI-IN SPI-OUT CHILD LOCAL-TS REMOTE-TS: prints the outbound SA
	add_sa "$1" ipsec0 in "$2" "$suite" child "$4" local-ts "$5" remote-ts "$6" > /dev/null &&
		add_sa "$1" ipsec0 out "$3" "$suite" child "$4" local-ts "$5" remote-ts "$6"
}
lan1=198.18.1.0/24 lan2=198.18.2.0/24 lan3=198.18.3.0/24
udp=$(child a 0x1001 0x1002 1 $lan1 "${lan2}[udp/5000-5999]")
icmp=$(child a 0x2001 0x2002 2 $lan1 "${lan2}[icmp]")
net3=$(child a 0x3001 0x3002 3 198.18.1.0-198.18.1.255 "$lan3,198.18.4.0/24")
tcp6=$(child a 0x4001 0x4002 4 2001:db8:1::/64 "2001:db8:2::/64[tcp/5000]")
net6=$(child a 0x5001 0x5002 5 2001:db8:1::/64 2001:db8:3::/64)
holds "five groups" vti a out set ipsec0 sa "$udp" "$icmp" "$net3" "$tcp6" "$net6"
until_ok 5 operstate_is a ipsec0 UP
is "selectors are shown" "$(sa_field a "$udp" remote-ts | jq -r '.[0]')" "198.18.2.0/24[udp/5000-5999]"

# The oracle
for address in 198.18.2.254/32 198.18.3.254/32 2001:db8:2::fe/128 2001:db8:3::fe/128; do
	ipn b addr add "$address" dev lo
done
ipn b route add $lan1 via 192.0.2.1
ipn b route add 2001:db8:1::/64 via 2001:db8::1
# A fragment that waits in vain for the others is told of by ICMP after 30 seconds, whatever is counted then.
on b sysctl -q -w net.ipv4.ipfrag_time=3600
oracle() { # SPI-OUT SPI-IN LOCAL REMOTE SELECTOR...
	local out=$1 in=$2 local=$3 remote=$4
	shift 4
	xfrm_state b 192.0.2.2 192.0.2.1 "$out" "$suite" yes &&
		xfrm_state b 192.0.2.1 192.0.2.2 "$in" "$suite" yes &&
		ipn b xfrm policy add src "$local" dst "$remote" "$@" dir out \
			tmpl src 192.0.2.2 dst 192.0.2.1 proto esp spi "$out" mode tunnel &&
		ipn b xfrm policy add src "$remote" dst "$local" "${@/sport/dport}" dir in \
			tmpl src 192.0.2.1 dst 192.0.2.2 proto esp mode tunnel
}
holds "xfrm: udp" oracle 0x1001 0x1002 $lan2 $lan1 proto udp sport 5000
holds "xfrm: icmp" oracle 0x2001 0x2002 $lan2 $lan1 proto icmp
holds "xfrm: net 3" oracle 0x3001 0x3002 $lan3 $lan1
holds "xfrm: tcp6" oracle 0x4001 0x4002 2001:db8:2::/64 2001:db8:1::/64 proto tcp sport 5000
holds "xfrm: net6" oracle 0x5001 0x5002 2001:db8:3::/64 2001:db8:1::/64

carried() { # what xfrm has received since the last time, by child
	local spi now result=
	for spi in 0x1002 0x2002 0x3002 0x4002 0x5002; do
		now=$(xfrm_packets b $spi)
		result="$result $((now - ${received[$spi]:-0}))"
		received[$spi]=$now
	done
	carried=${result# }
}
declare -A received
goes() { # NAME CARRIED COUNTERS COMMAND...
	local name=$1 want=$2 counters=$3
	shift 3
	mark_stats a ipsec0
	"$@" > "$tmp/output" 2>&1
	carried
	is "$name" "$carried $(moved a ipsec0)" "$want $counters"
}
say() { # ADDRESS PORT [SIZE]
	local family=4
	[[ $1 != *:* ]] || family=6
	on a python3 - "$family" "$@" <<- 'EOT'
		import socket, sys
		family = socket.AF_INET if sys.argv[1] == "4" else socket.AF_INET6
		s = socket.socket(family, socket.SOCK_DGRAM)
		s.bind(("", 5000))
		s.sendto(bytes(int(sys.argv[4]) if len(sys.argv) > 4 else 10), (sys.argv[2], int(sys.argv[3])))
	EOT
}
goes "udp to the first port" "1 0 0 0 0" "" say 198.18.2.254 5000
goes "udp to the last port" "1 0 0 0 0" "" say 198.18.2.254 5999
goes "udp to the port before" "0 0 0 0 0" "no-selector+1" say 198.18.2.254 4999
goes "udp to the port behind" "0 0 0 0 0" "no-selector+1" say 198.18.2.254 6000
goes "ping" "0 5 0 0 0" "" pings a 198.18.2.254
is "ping: all came back" "$(grep -c '5 received' "$tmp/output")" 1
goes "ping to net 3" "0 0 5 0 0" "" pings a 198.18.3.254
is "ping to net 3: all came back" "$(grep -c '5 received' "$tmp/output")" 1
goes "udp to net 3, any port" "0 0 1 0 0" "" say 198.18.3.254 77
goes "ping to net 6" "0 0 0 0 5" "" pings a 2001:db8:3::fe
goes "udp where tcp alone goes, IPv6" "0 0 0 0 0" "no-selector+1" say 2001:db8:2::fe 5000
goes "another source address" "0 0 0 0 0" "no-selector+5" pings a 198.18.3.254 -I 192.0.2.1 -W 0.2
goes "fragments: the first has ports, two have none" "1 0 0 0 0" "no-selector+2" say 198.18.2.254 5000 4000
goes "fragments where all ports go" "0 0 3 0 0" "" say 198.18.3.254 5000 4000
holds "TCP over IPv6 through its child" tcp_file a b 2001:db8:2::fe 64
carried
compare "TCP over IPv6 through its child: seen" "${carried% *}" != "0 0 0 0"
is "and through no other" "${carried:0:5} ${carried##* }" "0 0 0 0"
is "xfrm dropped nothing but what it does not want" "$(xfrm_errors b)" "XfrmInNoPols+1 "

# Inbound: xfrm sends net 3's packets with the SA for udp.
into_wrong_sa() {
	ipn b xfrm policy update src "$lan3" dst "$lan1" dir out \
		tmpl src 192.0.2.2 dst 192.0.2.1 proto esp spi 0x1001 mode tunnel
}
holds "xfrm confuses its SAs" into_wrong_sa
mark_stats a ipsec0
fails "no packet comes in by another's SA" pings b 198.18.1.254 -I 198.18.3.254 -W 0.5
is "each is counted" "$(moved a ipsec0)" "rx-selector+5"

# Order decides where selectors overlap.
vti a sa del all ipsec0 force
udp=$(child a 0x8001 0x8002 1 $lan1 "${lan2}[udp/5000-5999]")
all=$(child a 0x6001 0x6002 6 $lan1 198.18.0.0/15)
ipn b xfrm state flush
ipn b xfrm policy flush
ipn b link add ipsec0 type ipsecvti
holds "ours at the other end" vti b dev set ipsec0 local 192.0.2.2 remote 192.0.2.1
ipn b link set ipsec0 up
ipn b addr flush dev lo scope global
for n in 2 3; do
	ipn b addr add 198.18.$n.254/32 dev ipsec0
done
ipn b route replace $lan1 dev ipsec0 src 198.18.2.254
b_udp=$(child b 0x8002 0x8001 1 "${lan2}[udp/5000-5999]" $lan1)
b_all=$(child b 0x6002 0x6001 6 198.18.0.0/15 $lan1)
holds "there: one for all" vti b out set ipsec0 sa "$b_all"
sent() { # SA-ID
	sa_field a "$1" seq
}
holds "the wide one first" vti a out set ipsec0 sa "$all" "$udp"
say 198.18.2.254 5000
is "takes all" "$(sent "$udp") $(sent "$all")" "0 1"
holds "the narrow one first" vti a out set ipsec0 sa "$udp" "$all"
say 198.18.2.254 5000
is "takes its own" "$(sent "$udp") $(sent "$all")" "1 1"
pings a 198.18.2.254 > /dev/null
is "and leaves the rest" "$(sent "$udp") $(sent "$all")" "1 6"

# An ICMP error goes where the packet that it quotes came from (RFC 4301 6): here there is no other
# SA for it. The control is another ICMP packet.
holds "udp alone, here" vti a out set ipsec0 sa "$udp"
holds "udp alone, there" vti b out set ipsec0 sa "$b_udp"
mark_stats a ipsec0
mark_stats b ipsec0
refused() {
	on a python3 - <<- 'EOT'
		import socket
		s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
		s.settimeout(5)
		s.connect(("198.18.2.254", 5007))
		s.send(b"anyone?")
		try:
		    s.recv(10)
		except ConnectionRefusedError:
		    raise SystemExit(0)
		raise SystemExit(1)
	EOT
}
holds "an ICMP error comes back to the sender" refused
is "nothing was dropped for it" "$(moved a ipsec0) $(moved b ipsec0)" " "
fails "a ping finds no SA" pings a 198.18.2.254 -W 0.2
is "and is counted" "$(moved a ipsec0)" "no-selector+5"

# But to that packet's sender alone.
if python3 -c 'import cryptography' 2> /dev/null; then
	injector b
	inject set src=192.0.2.2 dst=192.0.2.1 spi=0x8001 key="$(key_of $suite $((0x8001)))"
	icmp_error() { # TO: hex of one that quotes UDP from 198.18.1.254 to 198.18.2.254, port 5000
		python3 - "$1" <<- 'EOT'
			import socket, struct, sys
			def checksum(data):
			    total = sum(struct.unpack(f">{len(data) // 2}H", data))
			    total = (total & 0xffff) + (total >> 16)
			    return ~(total + (total >> 16)) & 0xffff
			def ipv4(src, dst, proto, payload):
			    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0,
			                       socket.inet_aton(src), socket.inet_aton(dst))
			    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload
			quote = ipv4("198.18.1.254", "198.18.2.254", 17, struct.pack(">HHHH", 5000, 5000, 18, 0))
			icmp = struct.pack(">BBHI", 3, 1, 0, 0) + quote
			icmp = icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:]
			print(ipv4("198.18.2.9", sys.argv[1], 1, icmp).hex())
		EOT
	}
	mark_stats a ipsec0
	inject esp seq=1000 inner="$(icmp_error 198.18.1.254)"
	is "a router's ICMP error is taken" "$(since_mark a ipsec0 rx-packets) $(moved a ipsec0)" "1 "
	inject esp seq=1001 inner="$(icmp_error 198.18.1.77)"
	is "but not for anyone else" "$(since_mark a ipsec0 rx-packets) $(moved a ipsec0)" "1 rx-selector+1"
fi

other=$(child b 0x7002 0x7001 7 198.18.3.0/24 $lan1)
add_sa a ipsec0 in 0x7001 "$suite" child 7 local-ts $lan1 remote-ts "${lan2}[udp/5000-5999]" > /dev/null
mark_stats a ipsec0
holds "there: an SA that is not for the same here" vti b out set ipsec0 sa "$other"
on b ping -q -c 3 -i 0.02 -W 0.2 -I 198.18.3.254 198.18.1.254 > /dev/null
is "what comes by it is dropped" "$(moved a ipsec0)" "rx-selector+3"

# Refusals
refuses() { # NAME TEXT ARGS...
	local name=$1 text=$2
	shift 2
	fails "$name" add_sa a ipsec0 out 0x9001 "$suite" "$@"
	said "$name says why" "$text"
}
refuses "one end alone" "both ends" local-ts $lan1
refuses "ports of no protocol" "a protocol is" local-ts $lan1 remote-ts "${lan2}[/80]"
refuses "no selector" "selector is a prefix" local-ts nonsense remote-ts $lan2
refuses "upside down" "upside down" local-ts 198.18.1.9-198.18.1.1 remote-ts $lan2
refuses "transport mode without GRE" "GRE" mode transport
refuses "transport mode with UDP" "GRE" mode transport local-ts "192.0.2.1[udp]" remote-ts "192.0.2.2[udp]"
refuses "transport mode, one end GRE" "GRE" mode transport local-ts "192.0.2.1[gre]" remote-ts 192.0.2.2
refuses "no mode" "neither tunnel nor transport" mode beet
another=$(add_sa a ipsec0 out 0x9001 "$suite" child 1 local-ts $lan1 remote-ts $lan3)
fails "two SAs of a child that differ" vti a out set ipsec0 sa "$udp" sa "$another" cpu 0
said "it says so" "differ in traffic selectors"
is "the set stays" "$(sa_field a "$udp" current) $(sa_field a "$another" current)" "true false"

# Everything of a family is not looked at packet by packet; the other family is.
vti a sa del all ipsec0 force
vti b sa del all ipsec0 force
ipn b -batch - <<- EOT
	addr add 2001:db8:2::fe/128 dev ipsec0 nodad
	addr add 2001:db8:3::fe/128 dev ipsec0 nodad
	route replace 2001:db8:1::/64 dev ipsec0 src 2001:db8:2::fe
EOT
holds "there: no selectors" add_pair b ipsec0 0xa002 0xa001 "$suite"
v4=$(child a 0xa001 0xa002 8 0.0.0.0/0 0.0.0.0/0)
holds "all of IPv4" vti a out set ipsec0 sa "$v4"
mark_stats a ipsec0
holds "all of IPv4: passes" pings a 198.18.2.254
fails "IPv6 is not sent" pings a 2001:db8:2::fe -W 0.2
is "and is counted" "$(moved a ipsec0)" "no-selector+5"
mark_stats a ipsec0
on b ping -q -c 3 -i 0.02 -W 0.2 -I 2001:db8:2::fe 2001:db8:1::fe > /dev/null
is "IPv6 is not taken" "$(moved a ipsec0)" "rx-selector+3"
holds "there: others without" add_pair b ipsec0 0xb002 0xb001 "$suite"
vti a sa del all ipsec0 force
v4=$(child a 0xb001 0xb002 9 "0.0.0.0/0,::/0" "0.0.0.0/0,2001:db8:2::/64")
holds "all of IPv4, of IPv6 at one end" vti a out set ipsec0 sa "$v4"
mark_stats a ipsec0
holds "a part of IPv6: IPv4" pings a 198.18.2.254
holds "a part of IPv6: that" pings a 2001:db8:2::fe
is "a part of IPv6: nothing is dropped" "$(moved a ipsec0)" ""
fails "a part of IPv6: not the rest" pings a 2001:db8:3::fe -W 0.2
is "which is counted" "$(moved a ipsec0)" "no-selector+5"

finish
