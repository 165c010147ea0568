#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The recipes of doc/recipes.rst, read from there, each with what happens without it.
#
#   l 198.18.1.2 -- 198.18.1.1 a 192.0.2.1 ==== 192.0.2.2 b 198.18.2.1 -- 198.18.2.2 r
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1
one_cpu
need sysctl tc
page=$here/../doc/recipes.rst
[ -r "$page" ] || skip "no $page"
modprobe -q -a esp4 esp6 xfrm_user 2> /dev/null

# The commands under a label of the page.
commands() { # LABEL
	awk -v label=".. _$1:" '/^\.\. _/ { mine = $0 == label } mine && sub(/^    /, "")' "$page"
}

cook() { # NS LABEL
	local commands
	commands=$(commands "$2")
	[ -n "$commands" ] && on "$1" sh -e -c "$commands"
}

make_namespace a b l r
make_wire a b
make_lan a l 1
make_lan b r 2
watch_wire b
holds "set up" make_pair

# The largest segment: hosts that are never told of the limit.
on r nft -f - << EOT
table inet offered {
	counter large { }
	counter small { }
	chain input {
		type filter hook input priority 0;
		meta nfproto ipv4 tcp option maxseg size 1460 counter name large
		meta nfproto ipv6 tcp option maxseg size 1440 counter name large
		meta nfproto ipv4 tcp option maxseg size 1364 counter name small
		meta nfproto ipv6 tcp option maxseg size 1344 counter name small
	}
}
EOT
for ns in l r; do
	on $ns nft -f - <<- EOT
		table inet deaf {
			chain input {
				type filter hook input priority 0;
				icmp type destination-unreachable drop
				icmpv6 type packet-too-big drop
			}
		}
	EOT
done
offered() { # what r was offered since the last call
	echo "$(packets_of r inet offered large) $(packets_of r inet offered small)"
	on r nft reset counters table inet offered > /dev/null
}
head -c 100K /dev/urandom > "$tmp/file-100"
stuck() {
	background sink r socat -u TCP4-LISTEN:5000,reuseaddr,bind=198.18.2.2 "CREATE:$tmp/received"
	until_ok 10 listening r 5000
	on l timeout 2 socat -u "FILE:$tmp/file-100" TCP:198.18.2.2:5000
	stop sink
	[ "$(stat -c %s "$tmp/received")" = 0 ]
}
holds "without the MSS recipe: nothing arrives" stuck
is "without it: a segment of 1460 is offered" "$(offered)" "1 0"
holds "the MSS recipe" cook a mss
holds "1 MB from host to host" tcp_file l r 198.18.2.2 1024
is "a segment of 1364 is offered" "$(offered)" "0 1"
holds "1 MB of IPv6" tcp_file l r 2001:db8:2::2 1024
is "a segment of 1344 is offered" "$(offered)" "0 1"
holds "1 MB back, where the answer is what is offered" tcp_file r l 198.18.1.2 1024
is "a segment of 1364 is offered" "$(offered)" "0 1"
holds "1 MB of IPv6, back" tcp_file r l 2001:db8:1::2 1024
is "a segment of 1344 is offered" "$(offered)" "0 1"

# Connections are tracked as any stateful firewall has it.
espinudp a 192.0.2.1 4500
espinudp b 192.0.2.2 4500
modprobe -q -a nft_ct nft_fib_inet sch_prio sch_plug cls_flower dummy 2> /dev/null
tracked() { # ADDRESSES
	on a grep -cE "src=$1 dst=$1 " /proc/net/nf_conntrack
}
on a nft -f - << EOT
table inet firewall {
	counter invalid { }
	chain input {
		type filter hook input priority 0;
		ct state invalid counter name invalid drop
	}
}
EOT
tracking() { # NAME NATIVE UDP: after traffic of each kind, so many outer flows are known
	local encap wanted=$2
	for encap in "none" "udp 4500 4500"; do
		# shellcheck disable=SC2086 # words
		vti a dev set ipsec0 encap $encap && vti b dev set ipsec0 encap $encap
		holds "$1, encap $encap: traffic" pings l 198.18.2.2
		holds "$1, encap $encap: back" pings r 198.18.1.2
		is "$1, encap $encap: outer flows" "$(tracked '192\.0\.2\.[12]')" "$wanted"
		wanted=$3
	done
}
holds "the recipe for tracking" cook a untracked
tracking "tracking, with the recipe" 0 0
is "tracking: inner flows are known" "$(tracked '198\.18\.[12]\.2')" 4
on a nft delete table inet untracked
tracking "tracking, without it" 1 2
is "tracking: nothing is invalid" "$(packets_of a inet firewall invalid)" 0
on a nft delete table inet firewall
for ns in a b; do
	vti $ns dev set ipsec0 encap none
done

# Queues by class: what has DSCP 8 waits at a's wire until it is let go.
classes() {
	on a tc -batch - <<- EOT
		qdisc add dev wire root handle 1: prio bands 2 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
		qdisc add dev wire parent 1:2 handle 2: plug limit 1000000
		filter add dev wire parent 1: protocol ip flower ip_tos 0x20 classid 1:2
	EOT
}
arrived() { # RECEIVED-AND-DROPPED
	read_moved b ipsec0
	[ "$received $dropped" = "$1" ]
}
spi=0x1100
overtake() { # NAME WINDOW RECEIVED DROPPED
	spi=$((spi + 1))
	add_sa b ipsec0 in $spi aes128gcm16 replay-window "$2" > /dev/null &&
		add_sa a ipsec0 out $spi aes128gcm16 current > /dev/null
	holds "$1: queues" classes
	mark_stats b ipsec0
	on a ping -q -c 5 -i 0.02 -W 0.1 -Q 0x20 198.18.2.254 > /dev/null
	on a ping -q -f -c 80 198.18.2.254 > /dev/null
	on a tc qdisc change dev wire parent 1:2 handle 2: plug release_indefinite
	until_ok 5 arrived "$3 $4"
	is "$1: received, dropped" "$received $dropped" "$3 $4"
	on a tc qdisc del dev wire root
}
overtake "a window of 64" 64 80 icv-failed+5
wide=$(commands window)
overtake "the recipe's window" "${wide##* }" 85 ""
vti a dev set ipsec0 dscp 0
overtake "a window of 64, one class" 64 85 ""
vti a dev set ipsec0 dscp copy

# The policies of a daemon, over what the device carries.
four() { # VERB NAME: hosts and gateways, both ways
	"$1" "$2: from host to host" pings l 198.18.2.2 -W 0.2
	"$1" "$2: and back" pings r 198.18.1.2 -W 0.2
	"$1" "$2: from host to host, IPv6" pings l 2001:db8:2::2 -W 0.2
	"$1" "$2: and back, IPv6" pings r 2001:db8:1::2 -W 0.2
	"$1" "$2: from the gateway" pings a 198.18.2.254 -W 0.2
	"$1" "$2: from the gateway, IPv6" pings a 2001:db8:2::fe -W 0.2
}
four holds "no policies"
daemon() { # DIR FROM TO
	local prefix outer='src 192.0.2.1 dst 192.0.2.2'
	[ "$1" = out ] || outer='src 192.0.2.2 dst 192.0.2.1'
	for prefix in 198.18.%.0/24 2001:db8:%::/64; do
		# shellcheck disable=SC2086 # words
		ipn a xfrm policy add src "${prefix/\%/$2}" dst "${prefix/\%/$3}" dir "$1" priority 371327 \
			tmpl $outer proto esp mode tunnel
	done
}
daemon out 1 2
daemon in 2 1
daemon fwd 2 1
four fails "with policies"
holds "the policy recipe" cook a policies
four holds "with policies and the recipe"

# The way back is another device's, as far as routes say. What a sends there vanishes.
on l nft -f - << EOT
table inet reached {
	counter pings { }
	chain input {
		type filter hook input priority 0;
		icmp type echo-request counter name pings
	}
}
EOT
one_way() {
	on r ping -q -c 5 -i 0.02 -W 0.1 198.18.1.2 > /dev/null
	packets_of l inet reached pings
}
ipn a -batch - << EOT
link add other type dummy
link set other up
route replace 198.18.2.0/24 dev other
EOT
on a sysctl -q -w net.ipv4.conf.all.rp_filter=1
is "a strict reverse path filter: nothing passes" "$(one_way)" 0
holds "the reverse path recipe" cook a reverse
is "the reverse path recipe: packets pass" "$(one_way)" 5
on a sysctl -q -w net.ipv4.conf.all.rp_filter=0
ipn a link del other

# A link-local address that the peer's configuration can name.
local_addresses() {
	ipn a -j addr show dev ipsec0 | jq -r '[.[0].addr_info[] | select(.family == "inet6" and .scope == "link") | .local] | join(" ")'
}
drawn=$(local_addresses)
compare "a link-local address of the kernel's" "$drawn" != ""
ipn a link set ipsec0 down
holds "the link-local recipe" cook a linklocal
ipn a link set ipsec0 up
until_ok 5 operstate_is a ipsec0 UP
is "the link-local recipe: the address is ours" "$(local_addresses)" fe80::a
holds "the link-local recipe: the peer reaches it" pings b fe80::a%ipsec0
is "nothing in clear" "$(wire_count b clear)" 0

finish
