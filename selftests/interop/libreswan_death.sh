#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A tunnel with libreswan that ends: deletes by either side, ipsecvti-net killed under numbered packets,
# pluto killed, our keeper killed.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=pluto_lib.sh
. "$(dirname "$0")/pluto_lib.sh"
pluto_here
checked_on 6.1

make_pluto_tunnel

# Deaths.
ike=$(ike_spis a)
traffic_begin "$seconds"
sleep 1
holds 'ipsecvti-net killed, and back' kill_net
traffic_end
none_lost 'ipsecvti-net killed'
is 'ipsecvti-net killed: the same IKE SA' "$(ike_spis a)" "$ike"
for event in rekey_child_a rekey_child_b rekey_ike_a rekey_ike_b; do
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
