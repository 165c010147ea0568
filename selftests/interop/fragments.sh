#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# IKE fragments (RFC 7383) with strongSwan: with more selectors than a datagram holds, in both roles,
# over rekeys by either side; no IP packet with IKE in it is longer than was asked for. Control:
# without the agreement there are such packets, and no fragments.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 6.12
one_cpu

networks=198.18.0.0/15
for n in {1..15}; do
	networks+=,2001:db8:f$n::/64
done

make_gateways a b
for end in a b; do
	on $end nft -f - <<- 'EOT'
		table netdev long {
			counter all_long { }
			chain ingress {
				type filter hook ingress device "wire" priority 1;
				udp dport 500 ip length > 576 counter name all_long
			}
		}
	EOT
done
long_ones() {
	echo $(($(packets_of a netdev long all_long) + $(packets_of b netdev long all_long)))
}

make_ours a 1 2
make_xfrm_device b 2 1
peer_is ts="$networks" esp=aes256gcm16-ecp256-esn
start_charon b 'fragment_size = 576' || exit 1

# The tunnel anew, with more keys of ours.
begin() { # ROLE [KEY]
	our_keys="local-ts = $networks
		remote-ts = $networks
		esp = aes256gcm16-ecp256-esn
		start = $1"
	configure_ours "${2:-fragment-size = 576}"
	start_agent a || return
	if [ "$1" = respond ]; then
		initiate b || return
	fi
	until_ok 20 is_up a
}

fragments() { # NAME LINES-OF-THE-LOG: both ways
	holds "$1: ours were taken" logged_after b "$2" 'received fragment #[0-9]+ of [0-9]+, reassembled'
	holds "$1: theirs came" logged_after b "$2" 'splitting IKE message \([0-9]+ bytes\) into [0-9]+ fragments'
}

for role in initiate respond; do
	lines=$(log_size b)
	holds "$role: up" begin $role
	holds "$role: a ping" pings a 198.18.2.254 -I 198.18.1.254
	fragments "$role" "$lines"
	for event in rekey_child_a rekey_child_b rekey_ike_a rekey_ike_b; do
		lines=$(log_size b)
		holds "$role: $event" $event
		[[ $event != rekey_child_* ]] || fragments "$role: $event" "$lines"
	done
	holds "$role: a ping after them" pings a 198.18.2.254 -I 198.18.1.254
	holds "$role: one of each at strongSwan" until_ok 15 one_of_each b
	is "$role: no long packet" "$(long_ones)" 0
	stop agent-a
	holds "$role: strongSwan has nothing left" until_ok 10 eval '[ -z "$(peer_ike b)" ]'
done

lines=$(log_size b)
holds 'control: up without fragments' begin initiate 'fragment-size = no'
compare 'control: long packets' "$(long_ones)" -gt 1
fails 'control: no fragments' logged_after b "$lines" 'fragment'
finish
