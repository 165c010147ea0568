#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The device among what else a gateway's stack does with packets: VXLAN over it, tc redirecting into it
# (packets without a route), BPF programs on it and below it, a flow table that goes past routing,
# tcpdump on it.
#
#   l: 198.18.1.2 -- 198.18.1.1 a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here
need tc tcpdump
checked_on 6.1 7.2
one_cpu
modprobe -q -a vxlan act_mirred act_gact cls_bpf cls_flower sch_ingress nf_flow_table nft_flow_offload 2> /dev/null

make_namespace l a b
make_wire a b
make_lan a l 1
watch_wire b
holds "set up" make_pair
mark_stats a ipsec0
mark_stats b ipsec0
nothing_dropped() { # NAME
	is "$1: nothing dropped" "$(moved a ipsec0)$(moved b ipsec0)" ""
}

# VXLAN: trains of segments in UDP in our ESP.
n=0
for ns in a b; do
	n=$((n + 1))
	ipn $ns -batch - <<- EOT
		link add vx type vxlan id 7 local 198.18.$n.254 remote 198.18.$((3 - n)).254 dstport 4789 dev ipsec0
		addr add 198.18.9.$n/24 dev vx
		link set vx mtu 1350 up
	EOT
done
holds "VXLAN: ping" pings a 198.18.9.2
holds "VXLAN: 4 MB of TCP" tcp_file a b 198.18.9.2 4096
holds "VXLAN: 4 MB of TCP back" tcp_file b a 198.18.9.1 4096
nothing_dropped VXLAN

# tc takes packets off the LAN and puts them into the device. They have no route: none leads there.
ipn a route add blackhole 198.18.77.0/24
ipn b addr add 198.18.77.7/32 dev lo
fails "redirected by tc: the control" pings l 198.18.77.7 -W 0.2
redirect() {
	on a tc qdisc add dev lan clsact &&
		on a tc filter add dev lan ingress protocol ip flower dst_ip 198.18.77.0/24 \
			action mirred egress redirect dev ipsec0
}
holds "redirected by tc: set up" redirect
holds "redirected by tc: ping" pings l 198.18.77.7
nothing_dropped "redirected by tc"
ipn a link set ipsec0 mtu 1500
on l ping -q -c 3 -i 0.02 -W 0.2 -M "do" -s 1472 198.18.77.7 > /dev/null
is "redirected by tc: too big" "$(moved a ipsec0)" "too-big+3"
ipn a link set ipsec0 mtu 1404
on a tc qdisc del dev lan clsact
mark_stats a ipsec0

# Programs that look at all packets of the device, and of the link below: of tc both ways, and generic
# XDP, which wants received packets in one piece.
programs() {
	local dev
	for dev in wire ipsec0; do
		on a tc -batch - <<- EOT || return
			qdisc add dev $dev clsact
			filter add dev $dev ingress bpf bytecode '1,6 0 0 4294967295' action pass
			filter add dev $dev egress bpf bytecode '1,6 0 0 4294967295' action pass
		EOT
	done
	background xdp a python3 "$here/xdp.py" wire ipsec0
	until_ok 20 grep -q ready "$tmp/xdp"
}
saw_packets() { # which of them have
	local dev way
	for dev in wire ipsec0; do
		! grep -q "^$dev [1-9]" "$tmp/xdp" || echo "$dev/xdp"
		for way in ingress egress; do
			[ "$(on a tc -s -j filter show dev $dev $way |
				jq 'map(.options.actions[0].stats.packets // 0) | add')" = 0 ] || echo "$dev/$way"
		done
	done
}
holds "BPF: set up" programs
holds "BPF: ping" pings l 198.18.2.254
holds "BPF: ping of IPv6, back" pings b 2001:db8:1::2
holds "BPF: 1 MB of TCP" tcp_file l b 198.18.2.254 1024
holds "BPF: 1 MB of TCP back" tcp_file b l 198.18.1.2 1024
stop xdp
is "BPF: each has seen packets" "$(saw_packets | xargs)" \
	"wire/xdp wire/ingress wire/egress ipsec0/xdp ipsec0/ingress ipsec0/egress"
nothing_dropped BPF
for dev in wire ipsec0; do
	on a tc qdisc del dev $dev clsact
done

# A flow table: what is established is forwarded before it is routed.
flowtable() {
	on a nft -f - <<- EOT
		table inet fast {
			flowtable f {
				hook ingress priority 0
				devices = { lan, ipsec0 }
			}
			counter slow { }
			chain forward {
				type filter hook forward priority 0;
				counter name slow
				ct state established meta l4proto tcp flow add @f
			}
		}
	EOT
}
holds "flow table: set up" flowtable
holds "flow table: 2 MB of TCP" tcp_file l b 198.18.2.254 2048
slow=$(packets_of a inet fast slow)
compare "flow table: most went past forwarding" "$slow" -lt 200
nothing_dropped "flow table"

# What tcpdump sees on the device is IP.
background dump a tcpdump -n -i ipsec0 -c 2 icmp
until_ok 10 grep -q listening "$tmp/dump.err"
pings a 198.18.2.254 > /dev/null
await dump
is "tcpdump on the device: RAW" "$(grep -c 'link-type RAW' "$tmp/dump.err")" 1
is "tcpdump on the device: both ways" "$(grep -cE 'ICMP echo (request|reply)' "$tmp/dump")" 2
is "nothing in clear" "$(wire_count b clear)" 0

finish
