#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The keeper dies, too, and all that is known of the IKE SA with it; the kernel's SAs go on. The next
# agent puts a new IKE SA beside the one that strongSwan still has, whatever strongSwan does with two
# of a kind, and what that costs is printed. INITIAL_CONTACT is said only to a strongSwan that keeps
# what it has, and when that is about to end.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 6.12
fewer_packets

make_gateways a b
make_ours a 1 2
make_xfrm_device b 2 1
our_keys=
configure_ours
peer_is
# An IKE SA that nobody answers for is given up in five seconds.
start_charon b 'retransmit_timeout = 1
	retransmit_tries = 4
	retransmit_base = 1'

fresh() { # KEYS OF PEER...: an agent and a strongSwan of which neither knows anything, up
	[ -z "${pid_of[agent-a]:-}" ] || stop agent-a
	[ -z "$(peer_sas b)" ] || terminate b --ike left
	peer_is "$@"
	load_peer b && start_agent a && until_ok 20 is_up a && until_ok 15 one_of_each b
}

# Dead without a word; a second later the next one.
die() {
	kill -KILL "${pid_of[agent-a]}"
	wait "${pid_of[agent-a]}" 2> /dev/null
	sleep 1
	start_agent a
}

die_under_traffic() { # QUESTION THAT MUST BE ANSWERED OTHERWISE
	local old
	old=$("$1" a)
	traffic_begin 10
	sleep 1
	die && until_ok 15 differs "$old" "$1" a
	traffic_end
}

# strongSwan works on the IKE SA that we have lost, and finds nobody.
ask_the_old() { # UNIQUE-ID
	swan b --rekey --ike-id "$1" > "$tmp/rekey.log" 2>&1
}

cold() { # NAME KEYS OF PEER...
	local name=$1 lines old
	shift
	holds "$name: a tunnel" fresh "$@"
	lines=$(log_size b) old=$(peer_ike b)
	holds "$name: the keeper dies, the next one makes an IKE SA" die_under_traffic ike_spis
	note "$name: lost $(lost a) on the way to us, $(lost b) to strongSwan"
	none_lost "$name"
	fails "$name: without INITIAL_CONTACT" logged_after b "$lines" 'N\(INIT_CONTACT'
	case " $(peer_ike b) " in
	*" $old "*) ask_the_old "$old" ;;
	esac
	holds "$name: traffic" pings_both_ways
	holds "$name: strongSwan lets go of the old one" until_ok 70 one_of_each b
	holds "$name: traffic after that" pings_both_ways
	holds "$name: child rekey by strongSwan" rekey_child_b
	holds "$name: IKE rekey by us" rekey_ike_a
	printf '%-22s lost: %s on the way to us, %s to strongSwan\n' "$name" "$(lost a)" "$(lost b)" >> "$table"
}

table=${IPSECVTI_OUT:-$tmp}/restart-cold
echo '# what strongSwan does with two IKE SAs, and what our keeper'"'"'s death cost in packets' > "$table"
for unique in no replace keep; do
	cold "unique = $unique" conn="unique = $unique"
done
# Having given up the old one it makes a third.
cold 'dpd_action = restart' conn='unique = no' child='dpd_action = restart'

# It keeps the old one, as we come from another port: refused until that is about to end.
our_keys='child-life = 40s'
configure_ours
holds 'kept: a tunnel' fresh conn='unique = keep'
lines=$(log_size b) ours=$(log_size a)
printf '[agent]\nport = 1500\n' > "$tmp/a/conf/agent.conf"
kept() {
	local old
	old=$(ike_spis a)
	traffic_begin 55
	sleep 1
	die && until_ok 60 differs "$old" ike_spis a
	traffic_end
}
holds 'kept: the keeper dies, the next one has another port' kept
note "kept: lost $(lost a) on the way to us, $(lost b) to strongSwan"
printf '%-22s lost: %s on the way to us, %s to strongSwan\n' 'keep, another port' "$(lost a)" "$(lost b)" >> "$table"
holds 'kept: it was refused at first' logged_after a "$ours" 'peer refuses IKE_AUTH.*AUTHENTICATION_FAILED'
compare 'kept: more than once' "$(tail -n "+$ours" "$tmp/a/log" | grep -c 'peer refuses IKE_AUTH')" -ge 2
is 'kept: INITIAL_CONTACT was said once' "$(tail -n "+$lines" "$tmp/b/log" | grep -c 'N(INIT_CONTACT')" 1
compare 'kept: the loss is less than a second' "$(($(lost a) + $(lost b)))" -lt $rate
holds 'kept: traffic' pings_both_ways
holds 'kept: one of each at strongSwan' until_ok 20 one_of_each b
note "$(cat "$table")"
is 'nothing but IKE and ESP on the wire' "$(in_clear a b)" 0
finish
