#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Selectors with strongSwan: what was agreed on passes, both ways, and nothing else does; either side
# narrows, in both roles, over rekeys and the death of ipsecvti-net.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254, 198.18.3.254 ipsec0: b
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 6.1
one_cpu

net1=198.18.1.0/24 net2=198.18.2.0/24 everything=0.0.0.0/0,::/0

# Selectors of each of our SAs, as the kernel has them.
kernel_has() { # NAME LOCAL REMOTE
	is "$1: in the kernel" "$(vti a sa list --json | jq -r '.[] | [."local-ts", ."remote-ts"] |
		map(. // [] | join(",")) | join(" ")' | sort -u)" "$2 $3"
}

theirs() { # LOCAL REMOTE: strongSwan's
	peer_is child="local_ts = $1
		remote_ts = $2"
}

# xfrm counts what it takes and gives; ours is compared with it.
both_count() { # NAME PACKETS: since both_mark
	local in out
	read -r in out <<< "$(xfrm_both)"
	is "$1: as both ends count" \
		"$(since_mark a ipsec0 tx-packets) $(since_mark a ipsec0 rx-packets) $((in - mark_in)) $((out - mark_out))" \
		"$2 $2 $2 $2"
}

xfrm_both() { # of the xfrm interface: received, sent
	ipn b -s -j link show ipsec0 | jq -r '.[0].stats64 | "\(.rx.packets) \(.tx.packets)"'
}

both_mark() {
	read -r mark_in mark_out <<< "$(xfrm_both)"
	mark_stats a ipsec0
}

passes() { # NAME FROM TO
	both_mark
	holds "$1: $2 to $3" pings a "$3" -I "$2"
	both_count "$1: $2 to $3" 5
}

# Neither leaves nor is counted as anything else.
not_sent() { # NAME TO
	local esp
	esp=$(wire_count b esp)
	mark_stats a ipsec0
	fails "$1: no way to $2" pings a "$2" -W 0.2
	is "$1: counted" "$(moved a ipsec0)" 'no-selector+5'
	is "$1: nothing on the wire" "$(wire_count b esp)" "$esp"
}

# What strongSwan's kernel sends through the SA against the agreement is not taken.
not_taken() { # NAME FROM TO
	local reqid esp
	reqid=$(ipn b xfrm state list | sed -n 's/.* reqid \([0-9]*\) .*/\1/p' | tail -n 1)
	ipn b xfrm policy add src "$2" dst "$3" dir out priority 1 if_id 42 \
		tmpl src 192.0.2.2 dst 192.0.2.1 proto esp reqid "$reqid" mode tunnel
	esp=$(wire_count a esp)
	mark_stats a ipsec0
	on b ping -q -c 3 -i 0.02 -W 0.2 -I "$2" "$3" > /dev/null
	ipn b xfrm policy del src "$2" dst "$3" dir out if_id 42
	is "$1: $2 was sent" "$(wire_count a esp)" $((esp + 3))
	is "$1: and not taken" "$(moved a ipsec0)" 'rx-selector+3'
}

one_subnet() { # NAME
	kernel_has "$1" "${2:-$net1}" $net2
	passes "$1" 198.18.1.254 198.18.2.254
	not_sent "$1" 198.18.3.254
	not_taken "$1" 198.18.3.254 198.18.1.254
}

theirs $net2 $net1
make_tunnel '' || exit 1
ipn a -batch - <<- EOT
	addr add 198.18.4.254/32 dev ipsec0
	addr add 2001:db8:1::fe/128 dev ipsec0 nodad
	route add 198.18.3.0/24 dev ipsec0 src 198.18.1.254
	route add 2001:db8:2::/64 dev ipsec0 src 2001:db8:1::fe
EOT
ipn b -batch - <<- EOT
	addr add 198.18.3.254/32 dev ipsec0
	addr add 2001:db8:2::fe/128 dev ipsec0 nodad
	route add 198.18.4.0/24 dev ipsec0 src 198.18.2.254
	route add 2001:db8:1::/64 dev ipsec0 src 2001:db8:2::fe
EOT

one_subnet 'we ask for all, strongSwan narrows'
both_mark
fails 'another address of ours: not sent' pings a 198.18.2.254 -I 198.18.4.254 -W 0.2
is 'another address of ours: counted' "$(moved a ipsec0)" 'no-selector+5'
holds 'rekeyed by us' rekey_child_a
kernel_has 'rekeyed by us' $net1 $net2
passes 'rekeyed by us' 198.18.1.254 198.18.2.254
holds 'rekeyed by strongSwan' rekey_child_b
kernel_has 'rekeyed by strongSwan' $net1 $net2
passes 'rekeyed by strongSwan' 198.18.1.254 198.18.2.254

ike=$(peer_ike b) net=$(net_pid a)
kill -KILL "$net"
holds 'ipsecvti-net killed: another' until_ok 20 eval 'differs "$net" net_pid a && net_ready a'
kernel_has 'ipsecvti-net killed' $net1 $net2
is 'ipsecvti-net killed: shown' "$(show a '."child-sas"[0] | ."local-ts" + ."remote-ts" | join(" ")')" "$net1 $net2"
passes 'ipsecvti-net killed' 198.18.1.254 198.18.2.254
holds 'ipsecvti-net killed: rekeyed' rekey_child_a
kernel_has 'ipsecvti-net killed: rekeyed' $net1 $net2
passes 'ipsecvti-net killed: rekeyed' 198.18.1.254 198.18.2.254
is 'ipsecvti-net killed: the same IKE SA' "$(peer_ike b)" "$ike"

our_keys='start = respond'
configure_ours
holds 'strongSwan asks for one subnet: up' connect responder
one_subnet 'strongSwan asks for one subnet'
peer_is ts=0.0.0.0/0
configure_ours "local-ts = $net1"$'\n'"remote-ts = $net2"
holds 'strongSwan asks for all, we narrow: up' connect responder
one_subnet 'strongSwan asks for all, we narrow'

# A family.
our_keys=
configure_ours
holds 'IPv4 alone: up' connect initiator
kernel_has 'IPv4 alone' 0.0.0.0/0 0.0.0.0/0
passes 'IPv4 alone' 198.18.1.254 198.18.2.254
passes 'IPv4 alone' 198.18.4.254 198.18.3.254
not_sent 'IPv4 alone' 2001:db8:2::fe
not_taken 'IPv4 alone' 2001:db8:2::fe 2001:db8:1::fe
peer_is ts=$everything
holds 'everything: up' connect initiator
kernel_has 'everything' '' ''
passes 'everything' 198.18.4.254 198.18.3.254
passes 'everything' 2001:db8:1::fe 2001:db8:2::fe
is 'everything: nothing is dropped' "$(moved a ipsec0)" ''

is 'nothing but IKE and ESP on the wire' "$(in_clear a b)" 0
finish
