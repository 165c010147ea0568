#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A tunnel with libreswan that lasts: rekeys by either side, one by one and both at once, and by
# lifetimes of seconds, under numbered packets; liveness checks by either side.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=pluto_lib.sh
. "$(dirname "$0")/pluto_lib.sh"
pluto_here
checked_on 7.2
fewer_packets

make_pluto_tunnel

# Rekeys, one by one.
mark_stats a ipsec0
traffic_begin $((seconds > 60 ? seconds : 60))
done_in_time=
for event in rekey_child_a rekey_ike_b rekey_child_b rekey_ike_a; do
	holds "${name_of[$event]}" "$event"
	! traffic_on || done_in_time+=" $event"
done
traffic_end
note "while packets ran:$done_in_time"
none_lost 'over rekeys'
compare 'over rekeys: most while packets ran' "$(wc -w <<< "$done_in_time")" -ge 3
is 'over rekeys: no drop was counted' "$(moved a ipsec0)" ''
holds 'over rekeys: one of each at libreswan' until_ok 15 one_at_pluto b
holds 'over rekeys: traffic' pings_both_ways

# For at_once of lib.sh.
at_rest() { one_at_pluto b; }
peer_begins() { # child|ike
	local lines
	lines=$(pluto_log_size b)
	pluto_rekeys b "$1" > "$tmp/rekey.log" && until_ok 10 pluto_logged b "$lines" 'sent CREATE_CHILD_SA request'
}
wire_delay 2000
traffic_begin $((seconds > 70 ? seconds : 70))
holds 'both at once: child rekeys' at_once child
holds 'both at once: IKE rekeys' at_once ike
traffic_end
wire_delay 0
none_lost 'both at once'
holds 'both at once: traffic' pings_both_ways

# Liveness: nothing else makes IKE packets on a tunnel that is left alone.
configure_ours 'dpd = off'
theirs
holds 'liveness: a tunnel on which nobody asks' connect_pluto
old=$(wire_count a ike)
sleep 5
is 'liveness: control: nobody does' "$(wire_count a ike)" "$old"
configure_ours 'dpd = 1s' && agent a reload
holds 'we look whether libreswan lives' until_ok 10 differs "$old" wire_count a ike
configure_ours 'dpd = off'
theirs dpddelay=2 dpdtimeout=60
holds 'liveness: a tunnel on which libreswan asks' connect_pluto
old=$(wire_count a ike)
holds 'libreswan looks whether we live' until_ok 10 differs "$old" wire_count a ike
sleep 3
is 'liveness: up over that' "$(show a .state)" up

# Lifetimes of seconds: both sides make new keys by themselves, whoever comes first.
our_keys=$our_ts$'\nesp = aes256gcm16-curve25519-esn\nchild-life = 20s\nike-life = 40s'
configure_ours
theirs 'esp=aes_gcm256;dh31' salifetime=24s ikelifetime=48s rekeymargin=6s
holds 'lifetimes: a tunnel' connect_pluto
before=$(child_spi a) ike=$(ike_spis a)
traffic_begin 50
traffic_end
none_lost 'lifetimes'
holds 'lifetimes: another child' differs "$before" child_spi a
holds 'lifetimes: another IKE SA' differs "$ike" ike_spis a
holds 'lifetimes: one of each at libreswan' until_ok 15 one_at_pluto b
# What xfrm has decrypted passes b's counter once more.
is 'nothing but IKE and ESP on the wire' "$(in_clear a)" 0
[ "$failures" = 0 ] || note "$(tail -n 60 "$tmp/b/pluto/log")"
finish
