#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The process that talks to the network dies at labelled steps of exchanges (agent/impair.h) that we
# or strongSwan have started, under numbered packets: strongSwan keeps the same IKE SA, nothing is
# lost, and everything that IKE can do to an SA goes on working. What strongSwan saw of each death
# goes to restart-strongswan in $IPSECVTI_OUT. With a build that takes over nothing from the dead
# process the same questions must be answered differently.
#
# At full length all steps are gone through, until an exchange has no more; else some of each.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 7.2
fewer_packets
builds=${IPSECVTI_BUILDS:-${IPSECVTI_HELPERS:-}/..}
test_net=$builds/test/ipsecvti-net forget_net=$builds/forget/ipsecvti-net
[ -x "$test_net" ] || skip 'the build for tests is not there'
shipped=$(dirname "$(command -v "$IPSECVTID")")/../libexec/ipsecvti/ipsecvti-net
IPSECVTID=$builds/test/ipsecvtid
fails 'what is shipped has no such steps' grep -q before-store "$shipped"
holds 'the build for tests has them' grep -q before-store "$test_net"

table=${IPSECVTI_OUT:-$tmp}/restart-strongswan
peer_is conn='dpd_delay = 2s'
make_gateways a b
make_ours a 1 2
make_xfrm_device b 2 1
start_charon b
our_keys='' deaths=0
configure_ours
holds 'a tunnel with strongSwan' eval 'start_agent a --net "$test_net" && until_ok 20 is_up a'

# How strongSwan sees us: requests for authentication, requests that came twice, its own
# retransmissions, its IKE SA.
seen() {
	local log=$tmp/b/log
	echo "$(grep -c 'parsed IKE_AUTH request' "$log") $(grep -c 'received retransmit of request' "$log")" \
		"$(grep -cE 'retransmit [0-9]+ of request' "$log") $(peer_ike b)"
}

declare -A exchange=(
	[child rekey by us]=rekey_child_a
	[child rekey by strongSwan]=rekey_child_b
	[IKE rekey by us]=rekey_ike_a
	[IKE rekey by strongSwan]=rekey_ike_b
	[liveness check by us]=dpd_a
	[liveness check by strongSwan]=dpd_b
)

# One death. 0: as it should be; 1: not; 2: the exchange has no such step.
step() { # EXCHANGE N
	local old start=$SECONDS was is auth twice again ike label verdict=good lines
	until_ok 15 no_old_child
	old=$(net_pid a) lines=$(log_size a) label=
	read -r -a was <<< "$(seen)"
	traffic_begin 8
	env kill -s RTMIN -q "$2" "$old"
	# Who dies before the order has become a request is to be told again.
	"${exchange[$1]}" || "${exchange[$1]}" || verdict='the exchange did not come to its end'
	until_ok 3 other_net "$old" || {
		env kill -s RTMIN -q 0 "$old"
		traffic_end
		return 2
	}
	label=$(tail -n "+$((lines + 1))" "$tmp/a/log" | sed -n 's/^killed: //p')
	until_ok 40 net_ready a || verdict='no new process'
	traffic_end
	until_ok 15 one_of_each b || verdict='strongSwan has more than one of each, or none'
	read -r -a is <<< "$(seen)"
	auth=$((is[0] - was[0])) twice=$((is[1] - was[1])) again=$((is[2] - was[2])) ike='the same'
	[ "${is[*]:3}" = "${was[*]:3}" ] || ike='rekeyed'
	case $1 in
	*IKE*) ;;
	*) [ "$ike" = 'the same' ] || verdict='another IKE SA' ;;
	esac
	[ $auth = 0 ] || verdict='authenticated anew'
	[ "$(lost a) $(lost b)" = '0 0' ] || {
		verdict="lost: $(lost a) on the way to us, $(lost b) to strongSwan"
		note "$(cat "$tmp"/receive-*.err)"$'\n'"$(diff "$tmp/drops-before" "$tmp/drops-after")"
	}
	printf '%-30s %3s %-20s %-10s %3s %3s %3s\n' "$1" "$2" "$label" "$ike" "$twice" "$again" \
		"$(($(lost a) + $(lost b)))" >> "$table"
	note "$1, step $2, $label, $((SECONDS - start)) s: $verdict"
	deaths=$((deaths + 1))
	[ "$verdict" = good ] || wrong+="$1, $2, $label: $verdict"$'\n'
}

all_steps() { # EXCHANGE
	local n status
	for ((n = 1; n < 100; n++)); do
		step "$1" $n
		status=$?
		[ $status != 2 ] || break
		afterwards "$1, step $n"
	done
	compare "$1: it has steps" $n -gt 5
}

# What RESTART.md asks for besides.
afterwards() { # NAME
	local name
	for name in rekey_child_a rekey_child_b rekey_ike_a rekey_ike_b; do
		"$name" || wrong+="$1: then $name"$'\n'
	done
	until_ok 15 one_of_each b || wrong+="$1: then not one of each"$'\n'
}

{
	echo "# $($charon --version 2>&1 | head -n 1), kernel $(uname -r)"
	echo '# exchange, step, where we died, its IKE SA, requests that came to it twice, its own'
	echo '# retransmissions, packets lost'
} > "$table"
wrong=
started=$SECONDS age=$(peer_age)
if [ -n "${IPSECVTI_LONG:-}" ]; then
	for e in 'child rekey by us' 'child rekey by strongSwan' 'IKE rekey by us' 'IKE rekey by strongSwan'; do
		all_steps "$e"
	done
else
	while read -r n e; do
		step "$e" "$n"
	done <<- EOT
		7 child rekey by us
		11 child rekey by us
		15 child rekey by us
		2 child rekey by strongSwan
		9 child rekey by strongSwan
		13 child rekey by strongSwan
	EOT
	compare 'its IKE SA grew older all the time' "$(peer_age)" -ge $((age + SECONDS - started - 1))
	while read -r n e; do
		step "$e" "$n"
	done <<- EOT
		5 IKE rekey by us
		9 IKE rekey by us
		4 IKE rekey by strongSwan
		8 IKE rekey by strongSwan
	EOT
fi
for e in us strongSwan; do
	step "liveness check by $e" 2
done
compare 'it died where it was told to' $deaths -ge $((${IPSECVTI_LONG:+60} + 12))
is 'each death is as if nothing had been' "$wrong" ''
configure_ours && agent a reload
everything_works 'in the end'
[ -z "${IPSECVTI_LONG:-}" ] || sleep 200
holds 'one of each at strongSwan' until_ok 15 one_of_each b
lines=$(log_size b)
holds 'killed, then we delete' eval 'kill_net && agent a down ipsec0'
holds 'strongSwan hears of it' until_ok 10 logged_after b "$lines" 'received DELETE for IKE_SA'
holds 'up again' eval 'agent a up ipsec0 && until_ok 20 is_up a'
ike=$(ike_spis a)
holds 'killed, then strongSwan deletes' eval 'kill_net && terminate b --ike left'
holds 'a new IKE SA' until_ok 20 differs "$ike" ike_spis a

# Control: a process that takes over nothing.
stop agent-a
note "$(cat "$table")"
table=/dev/null
holds 'control: a tunnel' eval 'start_agent a --net "$forget_net" && until_ok 20 is_up a'
wrong=
step 'child rekey by us' 7
compare 'control: the same questions notice it' "$wrong" != ''
note "$wrong"
is 'nothing but IKE and ESP on the wire' "$(in_clear a b)" 0
finish
