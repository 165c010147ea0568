#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every ESP suite with strongSwan, by IKE, in both roles, with 64-bit sequence numbers and without; over
# IPv4, and over IPv6 native and in UDP. Each carries pings both ways, which both ends count.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1, 2001:db8::1 ==== 192.0.2.2, 2001:db8::2 | 198.18.2.254 ipsec0: b
# shellcheck disable=SC2016 # jq's
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 6.1 6.12
one_cpu

# As proposals are written; "aes-" is a key of 128 bits when we begin and of 256 when strongSwan does.
suites='aes128gcm16 aes192gcm16 aes256gcm16 chacha20poly1305 aes-sha1 aes-sha256 aes-sha384 aes-sha512'
ike=aes128gcm16-prfsha256-curve25519

tunnel() { # ROLE ESP LOCAL REMOTE KEYS: both configurations
	local start=initiate
	[ "$1" = initiator ] || start=respond
	configure a ipsec0 <<- EOT
		local = $3
		remote = $4
		start = $start
		ike = $ike
		esp = $2
		$5$(legacy "$2")
	EOT
	peer_is local="$4" remote="$3" local_id="$4" remote_id="$3" ike=$ike esp="$2"
}

# 10 packets each way, requests and answers, and nothing else. xfrm's sum is of both directions.
carries() { # NAME ROLE ESP LOCAL REMOTE [KEYS]
	local name="$2, $3$1" esn=true
	tunnel "$2" "$3" "$4" "$5" "${6:-}"
	[[ $3 != *-noesn ]] || esn=false
	holds "$name: up" connect "$2"
	holds "$name: pings both ways" pings_both_ways
	is "$name: as both ends have it" \
		"$(show a '. as $t | ."child-sas"[0] | [."encr-alg", ."integ-alg" // empty, $t.initiator, .esn,
			."packets-out", ."packets-in"] | join(" ")') $(xfrm_sum b)" \
		"$(sed 's/-\(no\)\?esn$//; s/-/ /' <<< "$3") $([ "$2" = initiator ] && echo true || echo false) $esn 10 10 20"
}

make_namespace a b
make_wire a b
watch_wire b
make_ours a 1 2
mark_stats a ipsec0
make_xfrm_device b 2 1
tunnel initiator aes128gcm16-esn 192.0.2.1 192.0.2.2 ''
start_charon b || exit 1
start_agent a || exit 1
holds 'up' until_ok 20 is_up a
for role in initiator responder; do
	bits=128
	if [ $role = responder ]; then
		# What waits has never been told "up".
		bits=256
		stop agent-a
		tunnel responder aes128gcm16-esn 192.0.2.1 192.0.2.2 ''
		start_agent a || exit 1
	fi
	for esn in esn noesn; do
		for esp in $suites; do
			carries '' $role "${esp/#aes-/aes$bits-}-$esn" 192.0.2.1 192.0.2.2
		done
	done
	esp=$(wire_count b esp)
	carries ', IPv6' $role aes256gcm16-esn 2001:db8::1 2001:db8::2
	carries ', IPv6' $role aes$bits-sha256-noesn 2001:db8::1 2001:db8::2
	is "$role, IPv6: ESP over it" "$(wire_count b esp)" $((esp + 20))
	carries ', IPv6 in UDP' $role aes128gcm16-esn 2001:db8::1 2001:db8::2 'force-encap = yes'
	is "$role, IPv6 in UDP: no plain ESP" "$(wire_count b esp)" $((esp + 20))
	is "$role: nothing dropped at our end" "$(moved a ipsec0)" ''
	is "$role: nor at strongSwan's" "$(xfrm_errors b)" ''
done
finish
