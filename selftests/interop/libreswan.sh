#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A tunnel with libreswan by pre-shared key, in both roles: suites and groups of IKE and ESP,
# encapsulation forced by either side, another group asked for, selectors narrowed, a wrong secret.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=pluto_lib.sh
. "$(dirname "$0")/pluto_lib.sh"
pluto_here
checked_on 6.1 6.12

# IKE as we write it and as libreswan does, ESP likewise, and whether ESN. Every algorithm that both have is
# here; group 2 it has no more.
suites='
aes128gcm16-prfsha256-modp2048   aes_gcm128-sha2_256-modp2048 aes128gcm16      aes_gcm128         yes
aes256gcm16-prfsha384-ecp384     aes_gcm256-sha2_384-dh20     aes256gcm16      aes_gcm256         no
aes256gcm16-prfsha512-curve25519 aes_gcm256-sha2_512-dh31     aes256-sha256    aes256-sha2_256    yes
aes128-sha256-ecp256             aes128-sha2_256-dh19         aes128-sha512    aes128-sha2_512    no
aes256-sha384-modp2048           aes256-sha2_384-modp2048     chacha20poly1305 chacha20_poly1305  yes
aes256-sha512-curve25519         aes256-sha2_512-dh31         aes192gcm16      aes_gcm192         yes
aes192gcm16-prfsha256-ecp521     aes_gcm192-sha2_256-dh21     aes128-sha256    aes128-sha2_256    no
chacha20poly1305-prfsha256-modp3072 chacha20_poly1305-sha2_256-dh15 aes128-sha384 aes128-sha2_384 yes
aes192-sha256-modp4096           aes192-sha2_256-dh16         aes256-sha384    aes256-sha2_384    no
aes128-sha256-ecp256             aes128-sha2_256-dh19         aes256-sha512    aes256-sha2_512    yes
aes256-sha1-modp1536             aes256-sha1-modp1536         aes128-sha1      aes128-sha1        yes
aes128-sha1-modp1536             aes128-sha1-modp1536         aes256-sha1      aes256-sha1        no
'
test_suites() {
	local ike ike_theirs esp esp_theirs esn
	while read -r ike ike_theirs esp esp_theirs esn; do
		[ -n "$ike" ] || continue
		ours "ike = $ike"$'\n'"esp = $esp-$([ "$esn" = yes ] || echo no)esn$(legacy "$ike $esp")"
		theirs ike="$ike_theirs" esp="$esp_theirs" esn="$esn"
		holds "$role, $ike, $esp: up" connect_pluto
		is "$role, $ike, $esp: as we have it" "$(show a '. as $t | ."child-sas"[0] |
			"\($t.initiator) \([."encr-alg", ."integ-alg" // empty] | join("-")) \(.esn)"')" \
			"$([ "$role" = initiator ] && echo true || echo false) $esp $([ "$esn" = yes ] && echo true || echo false)"
		holds "$role, $ike, $esp: traffic both ways" pings_both_ways
	done <<< "$suites"
	holds "$role: 1 MB of TCP to libreswan" tcp_file a b 198.18.2.254 1024
	holds "$role: 1 MB of TCP from libreswan" tcp_file b a 198.18.1.254 1024
}

test_encapsulation() {
	local esp natt
	ours 'force-encap = yes'
	theirs
	holds "$role, encapsulation forced: up" connect_pluto
	esp=$(wire_count b esp)+$(wire_count a esp)
	natt=$(wire_count b natt)
	holds "$role, encapsulation forced: traffic" pings_both_ways
	is "$role, encapsulation forced: no plain ESP" "$(wire_count b esp)+$(wire_count a esp)" "$esp"
	compare "$role, encapsulation forced: ESP in UDP" "$(wire_count b natt)" -ge $((natt + 10))
	ours ''
	theirs encapsulation=yes
	holds "$role, encapsulation forced by libreswan: up" connect_pluto
	holds "$role, encapsulation forced by libreswan: traffic" pings_both_ways
	is "$role, encapsulation forced by libreswan: shown" "$(show a '."child-sas"[0].encap')" true
}

# The group of the first value is not the one that the other side takes.
test_other_group() {
	if [ "$role" = initiator ]; then
		ours 'ike = aes256gcm16-prfsha256-curve25519-ecp256'
		theirs ike=aes_gcm256-sha2_256-dh19
	else
		ours 'ike = aes256gcm16-prfsha256-ecp256'
		theirs ike=aes_gcm256-sha2_256-dh31+dh19
	fi
	holds "$role, another group asked for: up" connect_pluto
	is "$role, another group asked for: that one" "$(show a '."dh-group"')" ecp256
	holds "$role, another group asked for: traffic" pings_both_ways
}

test_narrowing() {
	local all=$our_ts
	our_ts=
	ours ''
	theirs narrowing=yes
	holds "$role, selectors narrowed: up" connect_pluto
	is "$role, selectors narrowed: to libreswan's" \
		"$(show a '."child-sas"[0] | [."local-ts", ."remote-ts"] | tostring')" \
		'[["198.18.1.0/24"],["198.18.2.0/24"]]'
	holds "$role, selectors narrowed: traffic" pings_both_ways
	our_ts=$all
}

test_secret() {
	local lines
	lines=$(log_size a)
	ours ''
	pluto_secret=wrong-horse theirs
	fails "$role, a wrong secret: not up" connect_pluto
	holds "$role, a wrong secret: said" logged_after a "$lines" 'AUTHENTICATION_FAILED|wrong secret|not the same secret'
	is "$role, a wrong secret: no SA in our kernel" "$(vti a sa list --json | jq length)" 0
	theirs
	holds "$role, the right one again: up" connect_pluto
}

make_pluto_gateways || exit 1
ours ''
theirs
start_pluto b 192.0.2.2 || exit 1
start_agent a || exit 1
holds 'up' until_ok 20 is_up a
for role in initiator responder; do
	if [ "$role" = responder ]; then
		# What waits has never been told "up".
		stop agent-a
		ours ''
		start_agent a || exit 1
	fi
	test_suites
	test_encapsulation
	test_other_group
	test_narrowing
	test_secret
done

# What xfrm has decrypted passes b's counter once more.
is 'nothing but IKE and ESP on the wire' "$(in_clear a)" 0
[ "$failures" = 0 ] || note "$(tail -n 60 "$tmp/b/pluto/log")"
finish
