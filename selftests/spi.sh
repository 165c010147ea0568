#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# One SPI, two owners: what the kernel's xfrm has is neither taken nor given out by us; what the kernel
# takes later is told apart by the peer, native and in UDP.
#
#   a: ipsec0 198.18.1.254, xfrm 198.18.3.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
#                                                              192.0.2.3 | 198.18.4.254 xfrm
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1 7.2
one_cpu
modprobe -q -a esp4 xfrm_user 2> /dev/null

make_namespace a b
make_wire a b
ipn b addr add 192.0.2.3/24 dev wire
espinudp a 192.0.2.1 4500
espinudp b 192.0.2.2 4500
espinudp b 192.0.2.3 4500
holds "ours" make_pair

alloc() { # LOWEST HIGHEST
	on a python3 "$here/spi_alloc.py" ipsec0 "$@"
}

# Refused: xfrm has 0x7001 to 0x7003, at our address.
for spi in 0x7001 0x7002 0x7003; do
	xfrm_state a 192.0.2.9 192.0.2.1 $spi aes128gcm16 yes
done
state=$(vti a sa list | wc -l)
fails "sa add, an SPI of the kernel's" add_sa a ipsec0 in 0x7002 aes128gcm16
said "it says so" 'SPI 0x00007002 is in use by the kernel'
fails "sa add, an SPI of ours" add_sa a ipsec0 in 0x1001 aes128gcm16
said "it says so" 'SPI 0x00001001 is in use$'
is "nothing was added" "$(vti a sa list | wc -l)" "$state"
holds "outbound it is the peer's to choose" add_sa a ipsec0 out 0x7002 aes128gcm16
fails "spi-alloc, where the kernel has all" alloc 0x7001 0x7003
said "it says so" 'no free SPI'
fails "spi-alloc, where we have all" alloc 0x1001 0x1001
said "it says so" 'no free SPI'
holds "spi-alloc, where one is left" alloc 0x7001 0x7004
said "that one" '^0x00007004$'
fails "spi-alloc, where it was given out" alloc 0x7004 0x7004
said "it says so" 'no free SPI'
fails "spi-alloc, of those that are reserved" alloc 0 255
said "it says so" '256'
fails "spi-alloc, the wrong way round" alloc 0x7010 0x700f
said "it says so" 'lowest'
ipn a xfrm state flush
holds "control: once the kernel has none, it is free" alloc 0x7002 0x7002
holds "and can be used" add_sa a ipsec0 in 0x7003 aes128gcm16

# Told apart: the kernel makes a state with the SPI of our inbound SA, for another peer.
for ns in a b; do
	n=$([ $ns = a ] && echo 3 || echo 4) local=192.0.2.1 remote=192.0.2.3
	[ $ns = a ] || local=192.0.2.3 remote=192.0.2.1
	ipn $ns addr add "198.18.$n.254/32" dev lo
	ipn $ns route add "198.18.$((7 - n)).0/24" via $remote src "198.18.$n.254"
	xfrm_policies $ns $local $remote "$n" $((7 - n))
done
same_spi() { # ENCAP...
	local ns
	for ns in a b; do
		ipn "$ns" xfrm state flush
		xfrm_state "$ns" 192.0.2.3 192.0.2.1 0x1001 aes128gcm16 yes "$@" &&
			xfrm_state "$ns" 192.0.2.1 192.0.2.3 0x8002 aes128gcm16 yes "$@" || return
	done
}

apart() { # NAME
	mark_stats a ipsec0
	mark_stats b ipsec0
	errors=$(xfrm_errors a)$(xfrm_errors b)
	before=$(xfrm_packets a 0x1001)
	holds "$1: ours" pings a 198.18.2.254
	holds "$1: the kernel's" pings a 198.18.4.254 -I 198.18.3.254
	holds "$1: ours, back" pings b 198.18.1.254
	is "$1: 10 packets for ours" "$(since_mark a ipsec0 rx-packets)" 10
	is "$1: 5 for the kernel's" $(($(xfrm_packets a 0x1001) - before)) 5
	is "$1: no drop of ours" "$(moved a ipsec0)$(moved b ipsec0)" ""
	is "$1: no error of xfrm's" "$(xfrm_errors a)$(xfrm_errors b)" "$errors"
}
holds "the kernel takes our SPI, for another peer" same_spi
apart "native"
holds "the kernel takes it in UDP" same_spi espinudp 4500 4500 0.0.0.0
apart "the kernel's in UDP"
for ns in a b; do
	vti $ns dev set ipsec0 encap udp 4500 4500
done
apart "both in UDP"
holds "the kernel's native" same_spi
apart "ours in UDP"
for ns in a b; do
	vti $ns dev set ipsec0 encap none
done

# Where the kernel has no claim, another source is our peer's, moved: no SA looks at the source.
ipn a xfrm state flush
ipn a xfrm policy flush
ipn b xfrm state flush
ipn b xfrm policy flush
mark_stats a ipsec0
vti b dev set ipsec0 local 192.0.2.3
on b ping -q -c 3 -i 0.02 -W 0.1 198.18.1.254 > /dev/null
is "from another source, but nobody else's: ours" "$(since_mark a ipsec0 rx-packets) $(moved a ipsec0)" "3 "

finish
