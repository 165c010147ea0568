#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Tracepoints ipsecvti:*, and what the kernel's own drop reasons say.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here
one_cpu

test_cleanup() {
	trace_end
}
trace_begin ipsecvti skb/kfree_skb || skip "no tracepoints in this kernel"

make_namespace a b
make_wire a b
holds "set up" make_pair
echo > "$traces/trace"

traced() { # NAME COUNT PATTERN: of lines since the last time
	local count
	count=$(grep -cE "$3" "$tmp/trace")
	is "$1" "$count" "$2"
}
read_trace() {
	grep -v '^#' "$traces/trace" > "$tmp/trace"
	echo > "$traces/trace"
}

holds "ping" pings a 198.18.2.254
read_trace
traced "each packet sent, with SPI and length" 5 'ipsecvti_send: dev=ipsec0 spi=0x00001002 seq=[1-5] len=84'
traced "and received" 5 'ipsecvti_receive: dev=ipsec0 spi=0x00001002 seq=[1-5] len=84'
traced "the answers likewise" 10 'ipsecvti_(send|receive): dev=ipsec0 spi=0x00001001 seq=[1-5] len=84'
traced "each on a CPU" 20 '\[00[0-9]+\].* ipsecvti_(send|receive)'
traced "no drop" 0 ipsecvti_drop

ipn a link set ipsec0 mtu 1500
on a ping -q -c 1 -W 0.2 -M "do" -s 1440 198.18.2.254 > /dev/null
read_trace
traced "a drop says why" 1 'ipsecvti_drop: dev=ipsec0 spi=0x00001002 seq=0 reason=too-big'
traced "so does the kernel's drop reason" 1 'kfree_skb: .*reason: PKT_TOO_BIG'
ipn a link set ipsec0 mtu 1400
vti b sa del "$(vti b sa list --json | jq '.[] | select(.dir == "in")."sa-id"')"
add_sa b ipsec0 in 0x1002 aes256gcm16 > /dev/null
on a ping -q -c 3 -i 0.02 -W 0.2 198.18.2.254 > /dev/null
read_trace
traced "with its number, when it came so far" 3 'ipsecvti_drop: dev=ipsec0 spi=0x00001002 seq=[678] reason=icv-failed'

finish
