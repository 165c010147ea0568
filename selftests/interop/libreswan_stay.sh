#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A tunnel with libreswan that lasts: rekeys by either side, one by one and both at once, and by
# lifetimes of seconds, under numbered packets; liveness checks and deletes by either side;
# ipsecvti-net killed, pluto killed, our keeper killed.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=pluto_lib.sh
. "$(dirname "$0")/pluto_lib.sh"
pluto_here
once_on 7.2

make_pluto_gateways || exit 1
# libreswan 4.10 takes no other group for a child than its IKE SA's.
our_keys=$our_ts$'\nesp = aes256gcm16-curve25519-esn'
configure_ours
theirs 'esp=aes_gcm256;dh31'
start_pluto b 192.0.2.2 || exit 1
start_agent a || exit 1
holds 'a tunnel with libreswan' connect_pluto

# Rekeys, one by one.
child_a() { rekey_child_a; }
ike_a() { rekey_ike_a; }
by_pluto() { # child|ike QUESTION
	local old
	old=$("$2" a)
	until_ok 10 one_at_pluto b
	pluto_rekeys b "$1" > "$tmp/rekey.log" && until_ok 10 differs "$old" "$2" a
}
child_b() { by_pluto child child_spi; }
ike_b() { by_pluto ike ike_spis; }
declare -A name_of=([child_a]='child rekey by us' [child_b]='child rekey by libreswan'
	[ike_a]='IKE rekey by us' [ike_b]='IKE rekey by libreswan')
mark_stats a ipsec0
traffic_begin $((seconds > 60 ? seconds : 60))
done_in_time=
for event in child_a ike_b child_b ike_a; do
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

# Each asks before it has heard the other: we, once libreswan's request is on its long way.
at_once() { # child|ike QUESTION
	local old seen lines what=()
	[ "$1" = child ] || what=(ike)
	until_ok 20 one_at_pluto b
	old=$("$2" a) seen=$(collisions) lines=$(pluto_log_size b)
	pluto_rekeys b "$1" > "$tmp/rekey.log" &&
		until_ok 10 pluto_logged b "$lines" 'sent CREATE_CHILD_SA request' || return
	agent a rekey ipsec0 "${what[@]}"
	until_ok 20 differs "$old" "$2" a && until_ok 60 one_at_pluto b && [ "$(collisions)" -gt "$seen" ]
}
wire_delay 2000
traffic_begin $((seconds > 70 ? seconds : 70))
holds 'both at once: child rekeys' at_once child child_spi
holds 'both at once: IKE rekeys' at_once ike ike_spis
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
our_keys=$our_ts$'\nesp = aes256gcm16-curve25519-esn'
configure_ours
theirs 'esp=aes_gcm256;dh31'
holds 'a tunnel' connect_pluto

# Deaths.
ike=$(ike_spis a)
traffic_begin "$seconds"
sleep 1
holds 'ipsecvti-net killed, and back' kill_net
traffic_end
none_lost 'ipsecvti-net killed'
is 'ipsecvti-net killed: the same IKE SA' "$(ike_spis a)" "$ike"
for event in child_a child_b ike_a ike_b; do
	holds "ipsecvti-net killed: ${name_of[$event]}" "$event"
done

kill -KILL "${pid_of[pluto-b]}"
wait "${pid_of[pluto-b]}" 2> /dev/null
ipn b xfrm state flush
ipn b xfrm policy flush
holds 'libreswan killed: it starts' start_pluto b 192.0.2.2
holds 'libreswan killed: it connects' whack b --name net --initiate
holds 'libreswan killed: one of each' until_ok 20 one_at_pluto b
# Without INITIAL_CONTACT the new one is believed when something comes through it.
holds 'libreswan killed: traffic from it' until_ok 10 pings b 198.18.1.254 -I 198.18.2.254
holds 'libreswan killed: traffic' until_ok 10 pings_both_ways
holds 'libreswan killed: what it has lost goes here, too' until_ok 150 no_old_child

# Deletes.
ike=$(ike_spis a)
holds 'libreswan deletes the IKE SA' whack b --name net --terminate
holds 'IKE SA deleted by libreswan: a new one' until_ok 20 differs "$ike" ike_spis a
holds 'IKE SA deleted by libreswan: traffic' until_ok 10 pings_both_ways
holds 'we delete the IKE SA' agent a down ipsec0
holds 'libreswan has nothing left' until_ok 10 eval '[ "$(pluto_has b)" = "IKE 0, child 0, kernel 0" ]'
holds 'our kernel has nothing left' until_ok 10 eval '[ "$(vti a sa list --json | jq length)" = 0 ]'
holds 'up again' agent a up ipsec0
holds 'up again: traffic' until_ok 10 pings_both_ways
ike=$(ike_spis a)
kill -KILL "${pid_of[agent-a]}"
wait "${pid_of[agent-a]}" 2> /dev/null
holds 'keeper killed: it starts' start_agent a
holds 'keeper killed: a new IKE SA' until_ok 20 differs "$ike" ike_spis a
holds 'keeper killed: up' until_ok 20 is_up a
holds 'keeper killed: traffic' until_ok 10 pings_both_ways
note "keeper killed: libreswan has $(pluto_has b)"

holds 'keeper killed: down' agent a down ipsec0
holds 'keeper killed, and down: our kernel has nothing left' until_ok 10 eval '[ "$(vti a sa list --json | jq length)" = 0 ]'
# What xfrm has decrypted passes b's counter once more.
is 'nothing but IKE and ESP on the wire' "$(in_clear a)" 0
[ "$failures" = 0 ] || note "$(tail -n 60 "$tmp/b/pluto/log")"
finish
