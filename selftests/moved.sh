#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A peer whose address or port changes: an event and a hint, by its newest authenticated packet alone;
# nothing is lost until "dev set" follows it, nor then. Native ESP and ESP in UDP take turns.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 -- 192.0.2.9 NAT 203.0.113.9 -- 203.0.113.1 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 7.2
one_cpu
python3 -c 'import cryptography' 2> /dev/null || skip "no python3-cryptography"

make_namespace a m b
suite=aes128gcm16
join() { # NS PREFIX
	ip link add wire netns "vti$$-$1" type veth peer name "to-$1" netns "vti$$-m" || exit 1
	ipn "$1" addr add "$2.1/24" dev wire
	ipn "$1" link set wire up
	ipn m addr add "$2.9/24" dev "to-$1"
	ipn m link set "to-$1" up
}
join a 192.0.2
join b 203.0.113
ipn a route add default via 192.0.2.9
ipn b route add default via 203.0.113.9
ipn m addr add 192.0.2.8/24 dev to-a
ipn b addr add 203.0.113.2/24 dev wire
background events a "$IPSECVTI" monitor
until_ok 5 grep -q monitoring "$tmp/events.err"

events() { # of the kind
	grep -c peer-moved "$tmp/events"
}
event_says() { # TEXT
	grep peer-moved "$tmp/events" | tail -n 1 | grep -qF "$1"
}

# Native ESP
holds "set up" make_device a ipsec0 1 2 local 192.0.2.1 remote 203.0.113.1
holds "set up, there" make_device b ipsec0 2 1 local 203.0.113.1 remote 192.0.2.1
holds "SAs" add_pair a ipsec0 0x1001 0x1002 $suite
holds "SAs, there" add_pair b ipsec0 0x1002 0x1001 $suite
holds "ping" pings a 198.18.2.254
is "no event while the peer stays" "$(events)" 0
holds "the peer moves" vti b dev set ipsec0 local 203.0.113.2
holds "its packets are taken all the same" pings b 198.18.1.254
holds "there is an event" until_ok 5 event_says "from 203.0.113.2"
is "the device remembers" "$(field a ipsec0 seen)" 203.0.113.2
holds "ours go to the old address, and arrive" pings a 198.18.2.254
is "one event a second at most" "$(($(events) <= 3))" 1
holds "ours follow" vti a dev set ipsec0 remote 203.0.113.2
is "it is forgotten" "$(field a ipsec0 seen)" ""
count=$(events)
holds "ping there" pings a 198.18.2.254
holds "ping back" pings b 198.18.1.254
is "no event" "$(events)" "$count"

# What proves nothing: an old number, a replay, a wrong ICV; each from elsewhere.
injector m
key=$(key_of "$suite" $((0x1001)))
inject set src=192.0.2.8 dst=192.0.2.1 src-in=198.18.2.254 dst-in=198.18.1.254 spi=0x1001 key="$key"
mark_stats a ipsec0
inject esp seq=100000 src=203.0.113.2
inject esp seq=99999
is "a late packet from elsewhere is taken" "$(since_mark a ipsec0 rx-packets) $(moved a ipsec0)" "2 "
inject esp seq=100000
inject esp seq=100001 flip=20
is "a replay and a forgery are not" "$(moved a ipsec0)" "icv-failed+1 replay+1"
is "none of them moves the peer" "$(field a ipsec0 seen)" ""
inject esp seq=100001
holds "the newest does" until_ok 5 event_says "from 192.0.2.8"
is "it says where" "$(field a ipsec0 seen)" 192.0.2.8
holds "a dev set forgets it" vti a dev set ipsec0 mark 0
is "forgotten" "$(field a ipsec0 seen)" ""

# Through a NAT, which gives the peer another address and port. A new zone makes it forget what it
# gave before; that still leads to the peer.
on m nft -f - << EOT
table ip nat {
	chain zones {
		type filter hook prerouting priority -300;
	}
	chain source {
		type nat hook postrouting priority 100;
	}
}
EOT
behind() { # PORT
	on m nft -f - <<- EOT
		flush chain ip nat zones
		flush chain ip nat source
		table ip nat {
			chain zones {
				iifname "to-b" ct zone set $(($1 - 20000))
				iifname "to-a" ct zone set udp dport map {
					20001 : 1, 20002 : 2, 20003 : 3, 20004 : 4, 20005 : 5
				}
			}
			chain source {
				oifname "to-a" udp sport 4500 snat to 192.0.2.9:$1
			}
		}
	EOT
}
holds "a NAT" behind 20001
espinudp a 192.0.2.1 4500
espinudp b 203.0.113.2 4500
holds "in UDP, behind NAT" vti b dev set ipsec0 encap udp 4500 4500
holds "native ESP here, UDP from there" vti a dev set ipsec0 encap none
holds "renewed keys" vti a sa del all ipsec0 force
holds "renewed keys, there" vti b sa del all ipsec0 force
holds "SAs" add_pair a ipsec0 0x2001 0x2002 $suite
holds "SAs, there" add_pair b ipsec0 0x2002 0x2001 $suite
on b ping -q -c 1 -W 0.2 198.18.1.254 > /dev/null
holds "seen at the NAT" until_ok 5 event_says "from 192.0.2.9"
is "with its port" "$(field a ipsec0 seen)" 192.0.2.9:20001
holds "ours follow" vti a dev set ipsec0 remote 192.0.2.9 encap udp 4500 20001
holds "ping through the NAT" pings b 198.18.1.254
holds "and from this side" pings a 198.18.2.254

# The NAT forgets, and takes another port, again and again: numbered packets lose nothing.
numbered=$(helper numbered)
background receive-a a "$numbered" receive 198.18.1.254 7000
background receive-b b "$numbered" receive 198.18.2.254 7000
for end in a b; do
	until_ok 20 bound $end 7000
done
for end in "a 198.18.2.254" "b 198.18.1.254"; do
	background "send-${end% *}" "${end% *}" "$numbered" send "${end#* }" 7000 200 3600 100
done
mark_stats a ipsec0
wanted=0
carried() {
	[ "$(since_mark a ipsec0 rx-packets)" -ge "$wanted" ]
}
for port in {20002..20005}; do
	# Each place lasts for some packets.
	wanted=$((wanted + 50))
	holds "packets from port $((port - 1))" until_ok 10 carried
	behind "$port"
	holds "seen at port $port" until_ok 5 event_says "from 192.0.2.9:$port"
	holds "ours follow to port $port" vti a dev set ipsec0 encap udp 4500 "$port"
done
for end in a b; do
	stop send-$end
done
sleep 0.5
for end in a b; do
	stop receive-$end
done
value() { # FILE KEY
	grep -o "$2=[0-9]*" "$tmp/$1" | tail -n 1 | cut -d = -f 2
}
for ends in "a b" "b a"; do
	read -r from to <<< "$ends"
	compare "from $from: packets were sent" "$(value "send-$from" sent)" -gt 100
	is "from $from: all arrived" "$(value "receive-$to" received)" "$(value "send-$from" sent)"
done
is "no drop" "$(moved a ipsec0)" ""

# Another peer behind the same NAT: the same address, another port. That it has chosen the SPI of the
# first one is no reason to confuse them.
make_namespace c
join c 198.51.100
ipn c route add default via 198.51.100.9
on m nft insert rule ip nat source ip saddr 198.51.100.1 udp sport 4500 snat to 192.0.2.9:30001
espinudp c 198.51.100.1 4500
holds "another peer at the same address" make_device a ipsec1 3 4 local 192.0.2.1 remote 192.0.2.9 \
	encap udp 4500 30001
holds "there" make_device c ipsec0 4 3 local 198.51.100.1 remote 192.0.2.1 encap udp 4500 4500
holds "SAs" add_pair a ipsec1 0x3001 0x2002 $suite
holds "SAs, there" add_pair c ipsec0 0x2002 0x3001 $suite
count=$(events)
mark_stats b ipsec0
mark_stats c ipsec0
holds "it speaks" pings c 198.18.3.254
holds "so does the first one" pings b 198.18.1.254
holds "it is spoken to" pings a 198.18.4.254
holds "and the first one" pings a 198.18.2.254
for ns in b c; do
	read_moved $ns ipsec0
	is "each has what is its own" "$received $dropped" "10 "
done
is "neither is taken for the other one, moved" "$(events) $(field a ipsec0 seen)$(field a ipsec1 seen)" "$count "

finish
