#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# strongSwan over what a day brings, in seconds: lifetimes of both sides that end all the time, rekeys of
# child and IKE SA by both sides at once, strongSwan killed and started again, all under numbered packets.
# Then a NAT in front of each side.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 7.2
fewer_packets
one_cpu

# Both sides make new keys by themselves, whoever comes first.
peer_is conn='rekey_time = 34s
	over_time = 8s' child='rekey_time = 17s
	life_time = 26s'
holds 'lifetimes: a tunnel' make_tunnel $'child-life = 20s\nike-life = 40s'
spi=$(child_spi a) ike=$(ike_spis a)
mark_stats a ipsec0
traffic_begin $((seconds > 50 ? seconds : 50))
traffic_end
none_lost 'lifetimes'
holds 'lifetimes: another child' differs "$spi" child_spi a
holds 'lifetimes: another IKE SA' differs "$ike" ike_spis a
is 'lifetimes: no drop was counted' "$(moved a ipsec0)" ''
holds 'lifetimes: one of each at strongSwan' until_ok 20 one_of_each b

our_keys=
configure_ours
peer_is
holds 'a tunnel with long lifetimes' connect initiator

# For at_once of lib.sh.
at_rest() { settled && one_of_each b && no_old_child; }
peer_begins() { # child|ike
	local lines theirs=(--child net)
	[ "$1" = child ] || theirs=(--ike left)
	lines=$(log_size b)
	swan b --rekey "${theirs[@]}" > "$tmp/rekey.log" 2>&1 &
	until_ok 10 logged_after b "$lines" 'generating CREATE_CHILD_SA request'
}
wire_delay 2000
traffic_begin $((seconds > 70 ? seconds : 70))
holds 'both at once: child rekeys' at_once child
holds 'both at once: IKE rekeys' at_once ike
holds 'both at once: child rekeys again' at_once child
traffic_end
wire_delay 0
none_lost 'both at once'
holds 'both at once: traffic' pings_both_ways

# Killed without a word, its SAs too; it connects again, and ours gives up what it had.
kill -KILL "${pid_of[charon-b]}"
wait "${pid_of[charon-b]}" 2> /dev/null
ipn b xfrm state flush
ipn b xfrm policy flush
holds 'strongSwan killed: it starts' start_charon b
holds 'strongSwan killed: it connects' initiate b
holds 'strongSwan killed: traffic' until_ok 10 pings_both_ways
holds 'strongSwan killed: one of each' until_ok 15 one_of_each b
holds 'strongSwan killed: what it has lost is gone here' until_ok 30 no_old_child
is 'nothing but IKE and ESP on the wire' "$(in_clear a b)" 0
stop agent-a
stop charon-b

holds 'NAT on both sides: made' make_nats
make_ours west 1 2
make_xfrm_device east 2 1
peer_is local=10.0.1.1 remote=%any local_id=right.example remote_id=left.example
holds 'NAT on both sides: strongSwan starts' start_charon east
configure west ipsec0 <<- EOT
	local = 10.0.0.1
	remote = 192.0.2.2
	local-id = left.example
	remote-id = right.example
	retry = 1s
EOT
holds 'NAT on both sides: we start' start_agent west
holds 'NAT on both sides: up' until_ok 20 is_up west
is 'NAT on both sides: found' "$(show west '[."nat-local", ."nat-remote"] | tostring')" '[true,true]'
holds 'NAT on both sides: traffic from us' pings west 198.18.2.254 -I 198.18.1.254
holds 'NAT on both sides: traffic from strongSwan' pings east 198.18.1.254 -I 198.18.2.254
holds 'NAT on both sides: 1 MB of TCP' tcp_file west east 198.18.2.254 1024
spi=$(child_spi west) ike=$(ike_spis west)
holds 'NAT on both sides: child rekey by us' eval 'agent west rekey ipsec0 && until_ok 10 differs "$spi" child_spi west'
holds 'NAT on both sides: IKE rekey by us' eval 'agent west rekey ipsec0 ike && until_ok 10 differs "$ike" ike_spis west'
holds 'NAT on both sides: one of each' until_ok 15 one_of_each east
ike=$(ike_spis west)
holds 'NAT on both sides: IKE rekey by strongSwan' eval 'swan east --rekey --ike left > "$tmp/rekey.log" 2>&1; until_ok 10 differs "$ike" ike_spis west'
holds 'NAT on both sides: traffic after that' pings east 198.18.1.254 -I 198.18.2.254
is 'NAT on both sides: no plain ESP' "$(wire_count east esp)" 0
is 'NAT on both sides: nothing in clear' "$(in_clear west east)" 0
finish
