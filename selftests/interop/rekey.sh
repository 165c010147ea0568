#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rekeys of child and IKE SA and liveness checks, started by us and by strongSwan, under numbered
# packets both ways: what arrived is what was sent. The same with the old inbound SA deleted before
# the switch must report loss. Then deletes from both sides.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here

peer_is conn='dpd_delay = 2s' esp=aes256gcm16-ecp256-esn,aes256gcm16-esn
holds 'a tunnel with strongSwan' make_tunnel 'esp = aes256gcm16-ecp256-esn'
index=$(show a '."dev-id"') ifindex=$(ipn a -j link show ipsec0 | jq '.[0].ifindex')

declare -A done_of
event() { # NAME
	if "$1"; then
		done_of[$1]=$((${done_of[$1]:-0} + 1))
		events=$((events + 1))
	else
		missed+="$1 "
	fi
}

kinds=(rekey_child_a rekey_ike_a rekey_ike_b rekey_child_b)
turn=0
# One event after the other while the packets run. The next round goes on where this one ended, or a
# slow machine would never come to the last of them.
rekeys() { # SECONDS
	traffic_begin "$1"
	while traffic_on; do
		event "${kinds[turn % ${#kinds[@]}]}"
		turn=$((turn + 1))
	done
	traffic_end
}

all_happened() {
	for e in "${kinds[@]}"; do
		[ "${done_of[$e]:-0}" -ge 1 ] || return
	done
}

# A slow machine has not seen them all in that time.
[ "$seconds" -ge 20 ] || seconds=20
mark_stats a ipsec0
events=0 missed=
for round in 1 2 3; do
	rekeys "$seconds"
	none_lost "over rekeys, round $round"
	! all_happened || break
done
note "$events events: $(for e in "${!done_of[@]}"; do echo "$e ${done_of[$e]}"; done | sort | tr '\n' ' ')"
note "to strongSwan: $(cat "$tmp/receive-b"); to us: $(cat "$tmp/receive-a")"
is 'every event came to its end' "$missed" ''
for e in "${kinds[@]}"; do
	compare "$e happened" "${done_of[$e]:-0}" -ge 1
done
[ -z "${IPSECVTI_LONG:-}" ] || compare 'twenty events at least' $events -ge 20
is 'no drop was counted' "$(moved a ipsec0)" ''
[ "$(moved a ipsec0)" = '' ] || note "strongSwan's end: $(xfrm_errors b)"
is 'the same device' "$(show a '."dev-id"') $(ipn a -j link show ipsec0 | jq '.[0].ifindex')" "$index $ifindex"
holds 'one IKE SA and one child are left at strongSwan' until_ok 15 one_of_each b
holds 'two SAs are left in our kernel' until_ok 15 no_old_child
counts=$(show a '.counts | "\(."ike-rekeys") \(."child-rekeys")"')
compare 'IKE rekeys are counted' "${counts% *}" -ge $((${done_of[rekey_ike_a]:-0} + ${done_of[rekey_ike_b]:-0}))
compare 'child rekeys are counted' "${counts#* }" -ge $((${done_of[rekey_child_a]:-0} + ${done_of[rekey_child_b]:-0}))
is 'the child has its own key exchange' "$(peer_sas b | awk '$1 == "CHILD" && $3 == "INSTALLED" { print $9 }')" ECP_256

# The fault: what is still on its way on the old SA finds nobody.
rekey_too_early() {
	local old
	old=$(vti a sa list --json | jq '.[] | select(.dir == "in") | ."sa-id"' | tail -n 1)
	vti a sa del "$old" force && sleep 0.3 && rekey_child_a
}
control() {
	traffic_begin 4
	sleep 1
	rekey_too_early
	traffic_end
}
holds 'control: the old inbound SA goes before the switch' control
compare 'control: loss on the way to us is reported' "$(lost a)" -gt 0
note "lost: to us $(lost a), to strongSwan, by the carrier that went with the SA, $(lost b)"

# Liveness: the exchange goes on from both sides, without traffic.
holds 'strongSwan looks whether we live' dpd_b
holds 'we look whether strongSwan lives' dpd_a

# Deletes. Each is told to the other side, the tunnel comes back, nothing leaves in clear.
again() { # NAME
	holds "$1: the tunnel comes back" until_ok 20 is_up a
	holds "$1: traffic" until_ok 5 pings a 198.18.2.254 -I 198.18.1.254
	holds "$1: one of each at strongSwan" until_ok 15 one_of_each b
}

on a ping -q -i 0.05 198.18.2.254 > /dev/null 2>&1 &
pinger=$!
children+=("$pinger")

ike=$(ike_spis a) spi=$(child_spi a)
holds 'strongSwan deletes the child' terminate b --child net
holds 'child deleted by strongSwan: a new one' until_ok 10 differs "$spi" child_spi a
again 'child deleted by strongSwan'
is 'child deleted by strongSwan: the same IKE SA' "$(ike_spis a)" "$ike"

lines=$(log_size b)
holds 'we rekey the child' rekey_child_a
holds 'the old child is deleted by us' until_ok 10 logged_after b "$lines" 'received DELETE for ESP CHILD_SA'

ike=$(ike_spis a)
holds 'strongSwan deletes the IKE SA' terminate b --ike left
holds 'IKE SA deleted by strongSwan: a new one' until_ok 15 differs "$ike" ike_spis a
again 'IKE SA deleted by strongSwan'

lines=$(log_size b)
holds 'we delete the IKE SA' agent a down ipsec0
holds 'strongSwan hears of it' until_ok 5 logged_after b "$lines" 'received DELETE for IKE_SA'
holds 'it has nothing left' until_ok 10 eval '[ -z "$(peer_sas b)" ]'
holds 'our kernel has nothing left' until_ok 10 eval '[ "$(vti a sa list --json | jq length)" = 0 ]'
holds 'the carrier is off' until_ok 2 operstate_is a ipsec0 DOWN
holds 'the device stays' [ "$(ipn a -j link show ipsec0 | jq '.[0].ifindex')" = "$ifindex" ]
sleep 2
is 'it stays down' "$(show a .state)" down
holds 'up again' agent a up ipsec0
again 'IKE SA deleted by us'
kill $pinger

# A peer that is gone without a word.
if [ -n "${IPSECVTI_LONG:-}" ]; then
	ipn b link set wire down
	holds 'a silent peer is given up' until_ok 120 operstate_is a ipsec0 DOWN
	compare 'and counted' "$(show a '.counts."dpd-timeouts"')" -ge 1
	ipn b link set wire up
	holds 'back when it speaks again' until_ok 60 is_up a
fi
is 'nothing but IKE and ESP on the wire' "$(in_clear a b)" 0
finish
