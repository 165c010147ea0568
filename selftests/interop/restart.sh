#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The process that talks to the network is killed, idle and under traffic: strongSwan keeps the
# same IKE SA, no numbered packet is lost, and everything that IKE can do to an SA goes on working.
# With the state thrown away the same questions must be answered differently.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here

peer_is conn='dpd_delay = 2s'
holds 'a tunnel with strongSwan' make_tunnel
ifindex=$(ipn a -j link show ipsec0 | jq '.[0].ifindex')

# What must be as it was: strongSwan's unique id, the SPIs of both SAs on both sides, the device.
same() {
	echo "strongSwan: ike $(peer_ike b) spi $(peer_spis b)"
	echo "we: $(show a '"\(.uniqueid) \(."initiator-spi") \(."responder-spi") \(."child-sas"[0]."spi-in")"')"
	echo "device: $(ipn a -j link show ipsec0 | jq '.[0].ifindex')"
}

up_since=$SECONDS
before=$(same)
note "$before"
holds 'idle: killed, and back' kill_net
sleep 1
is 'idle: everything is as it was' "$(same)" "$before"
holds 'idle: strongSwan never lost it' age_grows $((SECONDS - up_since - 1))
holds 'idle: the keeper tells of the death' logged a 'ipsecvti-net died'
everything_works idle
spi=$(child_spi a)
holds 'idle: strongSwan deletes the child' terminate b --child net
holds 'idle: a new child' until_ok 10 differs "$spi" child_spi a
holds 'idle: traffic' until_ok 5 pings a 198.18.2.254 -I 198.18.1.254
until_ok 15 one_of_each b

under_traffic() {
	local n=0
	traffic_begin "$seconds"
	sleep 2
	while traffic_on; do
		kill_net || return
		n=$((n + 1))
		[ -n "${IPSECVTI_LONG:-}" ] || [ "$n" -lt 2 ] || break
		# Restarts slow down when they are many.
		sleep 3
	done
	traffic_end
	kills=$n
}
before=$(same)
mark_stats a ipsec0
kills=0
holds 'under traffic: killed, and back' under_traffic
note "$kills times; to strongSwan: $(cat "$tmp/receive-b"); to us: $(cat "$tmp/receive-a")"
is 'under traffic: everything is as it was' "$(same)" "$before"
compare 'under traffic: it was killed' $kills -ge 1
none_lost 'under traffic'
is 'under traffic: no drop was counted' "$(moved a ipsec0)" ''
everything_works 'under traffic'
ike=$(ike_spis a)
holds 'under traffic: strongSwan deletes the IKE SA' terminate b --ike left
holds 'under traffic: a new IKE SA' until_ok 20 differs "$ike" ike_spis a
until_ok 15 one_of_each b

# Killed in the middle of an exchange: the answer is given or asked for again.
# The order itself lives in the process: it must have become a request.
killed_in() { # QUESTION ORDER...
	local old lines
	old=$("$1" a) lines=$(log_size b)
	agent a "${@:2}" && until_ok 5 logged_after b "$lines" 'parsed CREATE_CHILD_SA request' &&
		kill_net && until_ok 20 differs "$old" "$1" a
}
holds 'child rekey by us, killed meanwhile' killed_in child_spi rekey ipsec0
holds 'IKE rekey by us, killed meanwhile' killed_in ike_spis rekey ipsec0 ike
holds 'killed in exchanges: one of each at strongSwan' until_ok 20 one_of_each b
holds 'killed in exchanges: traffic' until_ok 5 pings a 198.18.2.254 -I 198.18.1.254

lines=$(log_size b)
holds 'killed, then we delete' eval 'kill_net && agent a down ipsec0'
holds 'strongSwan hears of it' until_ok 10 logged_after b "$lines" 'received DELETE for IKE_SA'
holds 'it has nothing left' until_ok 10 eval '[ -z "$(peer_sas b)" ]'
holds 'up again' agent a up ipsec0
holds 'up again: on both sides' until_ok 10 one_of_each b

# Control: the keeper goes without a word, and the state with it; its SAs stay in the kernel.
before=$(same)
quit_and_start() {
	kill -QUIT "${pid_of[agent-a]}" && wait "${pid_of[agent-a]}"
	pings a 198.18.2.254 -I 198.18.1.254 || return
	start_agent a && until_ok 20 is_up a
}
holds 'control: the state is gone, the SAs stay, the agent starts' quit_and_start
fails 'control: the same questions notice it' [ "$(same)" = "$before" ]
note "$(same)"
holds 'control: the tunnel works all the same' until_ok 5 pings a 198.18.2.254 -I 198.18.1.254
is 'the same device through all of it' "$(ipn a -j link show ipsec0 | jq '.[0].ifindex')" "$ifindex"
is 'nothing but IKE and ESP on the wire' "$(in_clear a b)" 0
finish
