#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel's own xfrm and our device on the same hosts, at the same addresses, on the same UDP port:
# neither takes the other's packets.
#
#   a: ipsec0 198.18.1.254, xfrm 198.18.3.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.4.254 xfrm, 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_is_ours
checked_on 6.1 7.2
modprobe -q -a esp4 xfrm_user 2> /dev/null

make_namespace a b
make_wire a b
watch_wire b
espinudp a 192.0.2.1 4500
espinudp b 192.0.2.2 4500

xfrm_end() { # NS LOCAL REMOTE N PEER
	ipn "$1" addr add "198.18.$4.254/32" dev lo
	ipn "$1" route add "198.18.$5.0/24" via "$3" src "198.18.$4.254"
	xfrm_policies "$1" "$2" "$3" "$4" "$5"
}

xfrm_states() { # ENCAP...
	local ns
	for ns in a b; do
		ipn "$ns" xfrm state flush
		xfrm_state "$ns" 192.0.2.1 192.0.2.2 0x7002 aes128gcm16 yes "$@" &&
			xfrm_state "$ns" 192.0.2.2 192.0.2.1 0x7001 aes128gcm16 yes "$@" || return
	done
}

both() { # NAME
	mark_stats a ipsec0
	mark_stats b ipsec0
	errors=$(xfrm_errors a)$(xfrm_errors b)
	xfrm_before=$(xfrm_packets b 0x7002)
	holds "$1: ours" pings a 198.18.2.254
	holds "$1: ours, back" pings b 198.18.1.254
	holds "$1: xfrm's" pings a 198.18.4.254 -I 198.18.3.254
	holds "$1: xfrm's, back" pings b 198.18.3.254 -I 198.18.4.254
	holds "$1: 1 MB of TCP, ours" tcp_file a b 198.18.2.254 1024
	is "$1: no drop of ours" "$(moved a ipsec0)$(moved b ipsec0)" ""
	is "$1: no error of xfrm's" "$(xfrm_errors a)$(xfrm_errors b)" "$errors"
	is "$1: to xfrm what is xfrm's" $(($(xfrm_packets b 0x7002) - xfrm_before)) 10
}

holds "ours" make_pair
holds "xfrm's ends" eval 'xfrm_end a 192.0.2.1 192.0.2.2 3 4 && xfrm_end b 192.0.2.2 192.0.2.1 4 3'
holds "xfrm's states" xfrm_states
both "native"
holds "xfrm in UDP" xfrm_states espinudp 4500 4500 0.0.0.0
both "xfrm in UDP"
vti a dev set ipsec0 encap udp 4500 4500
vti b dev set ipsec0 encap udp 4500 4500
both "both in UDP, on one port"
holds "xfrm native" xfrm_states
both "ours in UDP"
vti a dev set ipsec0 encap none
vti b dev set ipsec0 encap none

# An SPI that nobody knows is xfrm's to count.
unknown() {
	on b cat /proc/net/xfrm_stat | awk '/XfrmInNoStates/ { print $2 }'
}
before=$(unknown)
mark_stats b ipsec0
vti a out set ipsec0 sa "$(add_sa a ipsec0 out 0x7999 aes128gcm16)" > /dev/null
on a ping -q -c 3 -i 0.05 -W 0.2 198.18.2.254 > /dev/null
is "SPIs of nobody are xfrm's to count" $(($(unknown) - before)) 3
is "and not ours" "$(moved b ipsec0)" ""
add_sa a ipsec0 out 0x1002 aes128gcm16 current > /dev/null
# A new SA begins at 1 again; so does its partner.
vti b sa del "$(vti b sa list --json | jq '.[] | select(.spi == "0x00001002") | ."sa-id"')"
add_sa b ipsec0 in 0x1002 aes128gcm16 > /dev/null
until_ok 5 operstate_is b ipsec0 UP

# An SPI that the kernel has is refused to us.
fails "an SPI of the kernel's" add_sa b ipsec0 in 0x7002 aes128gcm16
said "says so" xfrm

# Outer packets are nobody's to encrypt once more, not even when a filter has them routed again.
for ns in a b; do
	ipn $ns xfrm policy add src 192.0.2.0/24 dst 192.0.2.0/24 dir out priority 9 action block
done
fails "control: a policy blocks what goes from gateway to gateway" pings a 192.0.2.2 -W 1
holds "a policy over the outer addresses: ours" pings a 198.18.2.254
on a nft -f - << EOT
table ip reroute {
	chain output {
		type route hook output priority 0;
		ip protocol esp meta mark set 7
	}
}
EOT
holds "routed again by a filter: ours" pings a 198.18.2.254
on a nft delete table ip reroute
for ns in a b; do
	ipn $ns xfrm policy del src 192.0.2.0/24 dst 192.0.2.0/24 dir out
done

# A vti device between the same addresses takes all ESP that reaches it.
if modprobe -q ip_vti; then
	ipn b link add vti1 type vti local 192.0.2.2 remote 192.0.2.1 key 0
	ipn b link set vti1 up
	holds "beside a vti device: ours" pings a 198.18.2.254
	ipn b link del vti1
fi

if modprobe -q esp4_offload; then
	both "esp4_offload loaded"
fi

# Without us xfrm goes on.
ipn a link del ipsec0
ipn b link del ipsec0
holds "rmmod" rmmod ipsecvti
holds "xfrm without our module" pings a 198.18.4.254 -I 198.18.3.254
holds "modprobe" modprobe ipsecvti
holds "xfrm with it again" pings a 198.18.4.254 -I 198.18.3.254

finish
