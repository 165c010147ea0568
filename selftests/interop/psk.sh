#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A tunnel with strongSwan by pre-shared key, in both roles: suites and groups, ESN, identities,
# UDP encapsulation forced and by a NAT, another group asked for, cookies. Nothing but IKE and ESP
# crosses the wire.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 6.1 6.12
one_cpu

# IKE and ESP proposal as both configurations write them, and what strongSwan says it took.
suites='
aes128gcm16-prfsha256-modp2048   aes128gcm16-esn    AES_GCM_16 128 - PRF_HMAC_SHA2_256 MODP_2048
aes256gcm16-prfsha384-ecp384     aes256gcm16-noesn  AES_GCM_16 256 - PRF_HMAC_SHA2_384 ECP_384
aes256gcm16-prfsha512-curve25519 aes256gcm16-esn    AES_GCM_16 256 - PRF_HMAC_SHA2_512 CURVE_25519
aes128-sha256-ecp256             aes128gcm16-noesn  AES_CBC 128 HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 ECP_256
aes256-sha384-modp2048           aes256gcm16-esn    AES_CBC 256 HMAC_SHA2_384_192 PRF_HMAC_SHA2_384 MODP_2048
aes256-sha512-curve25519         aes128gcm16-esn    AES_CBC 256 HMAC_SHA2_512_256 PRF_HMAC_SHA2_512 CURVE_25519
aes192gcm16-prfsha256-ecp521     aes128gcm16-noesn  AES_GCM_16 192 - PRF_HMAC_SHA2_256 ECP_521
chacha20poly1305-prfsha256-modp3072 aes256gcm16-esn CHACHA20_POLY1305 - - PRF_HMAC_SHA2_256 MODP_3072
aes192-sha256-modp4096           aes256gcm16-noesn  AES_CBC 192 HMAC_SHA2_256_128 PRF_HMAC_SHA2_256 MODP_4096
aes256-sha1-modp1536             aes128gcm16-esn    AES_CBC 256 HMAC_SHA1_96 PRF_HMAC_SHA1 MODP_1536
aes128-sha1-modp1024             aes128gcm16-noesn  AES_CBC 128 HMAC_SHA1_96 PRF_HMAC_SHA1 MODP_1024
'

role=initiator

ours() { # KEYS, one in a line: our side, which initiates or waits as $role says
	local start=initiate
	[ $role = initiator ] || start=respond
	configure a ipsec0 <<- EOT
		local = 192.0.2.1
		remote = 192.0.2.2
		retry = 1s
		start = $start
		$1
	EOT
}

took() { # CHILD|IKE FIELDS: as charon has it, of what peer_sas has said
	awk -v kind="$1" '$1 == kind && $3 ~ /ESTABLISHED|INSTALLED/' <<< "$sas" | cut -d ' ' -f "$2"
}

test_suites() {
	local ike esp wanted esn bits sas mine flags
	while read -r ike esp wanted; do
		[ -n "$ike" ] || continue
		esn=1 flags=true bits=${esp:3:3}
		[[ $esp != *noesn ]] || esn=0 flags=false
		ours "ike = $ike"$'\n'"esp = $esp$(legacy "$ike")"
		peer_is ike="$ike" esp="$esp"
		holds "$role, $ike, $esp: up" connect $role
		sas=$(peer_sas b)
		mine=$(show a '. as $t | ."child-sas"[0] | "\(if $t.initiator then "initiator" else "responder" end) \(."encr-alg") \(.esn) \(."spi-out"[2:]) \(."spi-in"[2:])"')
		is "$role, $ike: as strongSwan has it" "$(took IKE 6-)" "$wanted"
		is "$role, $esp: as strongSwan has it" "$(took CHILD 6-8)" "AES_GCM_16 $bits $esn"
		is "$role, $ike, $esp: as we have it" "$mine" "$role aes${bits}gcm16 $flags $(took CHILD 4,5)"
		holds "$role, $ike, $esp: traffic both ways" pings_both_ways
	done <<< "$suites"
	holds "$role: 1 MB of TCP to strongSwan" tcp_file a b 198.18.2.254 1024
	holds "$role: 1 MB of TCP from strongSwan" tcp_file b a 198.18.1.254 1024
}

# Identity as each side writes it, for both ends.
identities='
192.0.2.1               192.0.2.1               192.0.2.2              192.0.2.2
left.example            left.example            right.example          right.example
left@example.org        left@example.org        right@example.org      right@example.org
keyid:left-gateway      keyid:left-gateway      keyid:right-gateway    keyid:right-gateway
'

test_identities() {
	local left left_peer right right_peer
	while read -r left left_peer right right_peer; do
		[ -n "$left" ] || continue
		ours "local-id = $left"$'\n'"remote-id = $right"
		peer_is remote_id="$left_peer" local_id="$right_peer"
		holds "$role, identities $left and $right: up" connect $role
		is "$role, identity $right: as shown" "$(show a '."remote-id"' | sed 's/^[a-z0-9]*://')" "${right#*:}"
		holds "$role, identities $left and $right: traffic" pings_both_ways
	done <<< "$identities"
}

test_encapsulation() {
	local esp natt
	ours 'force-encap = yes'
	peer_is
	holds "$role, encapsulation forced: up" connect $role
	is "$role, encapsulation forced: shown" "$(show a '."child-sas"[0].encap')" true
	esp=$(wire_count b esp)+$(wire_count a esp)
	natt=$(wire_count b natt)
	holds "$role, encapsulation forced: traffic" pings_both_ways
	is "$role, encapsulation forced: no plain ESP" "$(wire_count b esp)+$(wire_count a esp)" "$esp"
	compare "$role, encapsulation forced: ESP in UDP" "$(wire_count b natt)" -ge $((natt + 10))
	ours ''
	peer_is conn='encap = yes'
	holds "$role, encapsulation forced by strongSwan: up" connect $role
	holds "$role, encapsulation forced by strongSwan: traffic" pings_both_ways
	is "$role, encapsulation forced by strongSwan: shown" "$(show a '."child-sas"[0].encap')" true
}

# The group of the first value is not the one the other side takes.
test_other_group() {
	local lines
	lines=$(log_size b)
	if [ "$role" = initiator ]; then
		ours 'ike = aes256gcm16-prfsha256-curve25519-ecp256'
		peer_is ike=aes256gcm16-prfsha256-ecp256
	else
		ours 'ike = aes256gcm16-prfsha256-ecp256'
		peer_is ike=aes256gcm16-prfsha256-curve25519-ecp256
	fi
	holds "$role, another group asked for: up" connect $role
	is "$role, another group asked for: that one" "$(show a '."dh-group"')" ecp256
	holds "$role, another group asked for: it was refused first" logged_after b "$lines" \
		"(CURVE_25519 unacceptable, requesting|didn't accept .*CURVE_25519, it requested) ECP_256"
	holds "$role, another group asked for: traffic" pings_both_ways
}

make_gateways a b
make_ours a 1 2
make_xfrm_device b 2 1
ours ''
peer_is
start_charon b || exit 1
start_agent a || exit 1
holds 'up' until_ok 20 is_up a
for role in initiator responder; do
	if [ $role = responder ]; then
		# What waits has never been told "up".
		stop agent-a
		ours ''
		start_agent a || exit 1
	fi
	test_suites
	test_identities
	test_encapsulation
	test_other_group
done
is 'nothing but IKE and ESP on the wire' "$(in_clear a b)" 0
compare 'ESP went over it' "$(wire_count b esp)" -gt 500
holds 'the counter of clear packets counts' eval \
	'on a ping -q -c 1 192.0.2.2 > /dev/null; [ $(in_clear b) -ge 1 ]'

# Cookies: strongSwan asks for them once somebody's half-open IKE SA is there.
role=initiator
stop agent-a
stop charon-b
ours ''
peer_is ike=aes256gcm16-prfsha256-modp2048,aes256gcm16-prfsha384-ecp384
start_charon b 'cookie_threshold = 1
	filelog { stderr {
		net = 2
	} }' || exit 1
half_open=$(on a python3 "$here/interop/ike.py" init 192.0.2.1 5500 192.0.2.2 500)
holds 'cookies: somebody is half way in' eval '[[ $half_open = *agreed=1* ]]'
start_agent a
holds 'cookies: up' until_ok 20 is_up a
holds 'cookies: one was asked for' logged b 'sending COOKIE notify'
holds 'cookies: traffic' pings_both_ways
stop agent-a
stop charon-b

# A NAT in front of us, then in front of strongSwan.
make_nat
on nat nft -f - <<- EOT || exit 1
	table ip hide {
		chain post {
			type nat hook postrouting priority 100
			oifname "wire" masquerade random
		}
	}
EOT

behind_nat() { # OUR-NS PEER-NS: keys of our tunnel from standard input
	local us=$1 them=$2 n=1 m=2 name
	[ "$us" = near ] || n=2 m=1
	name="NAT in front of $([ "$us" = near ] && echo us || echo strongSwan)"
	make_ours "$us" $n $m
	make_xfrm_device "$them" $m $n
	start_charon "$them" || return
	configure "$us" ipsec0
	start_agent "$us" || return
	if [ "$us" = near ]; then
		holds "$name: up" until_ok 20 is_up near
	else
		holds "$name: up" initiate near
		until_ok 5 is_up far
	fi
	is "$name: found" "$(show "$us" '[."nat-local", ."nat-remote"] | tostring')" \
		"$([ "$us" = near ] && echo '[true,false]' || echo '[false,true]')"
	is "$name: encapsulated" "$(show "$us" '."child-sas"[0].encap')" true
	holds "$name: traffic from inside" pings near 198.18.2.254 -I 198.18.1.254
	holds "$name: traffic from outside" pings far 198.18.1.254 -I 198.18.2.254
	holds "$name: 1 MB of TCP" tcp_file near far 198.18.2.254 1024
	is "$name: no plain ESP" "$(wire_count far esp)" 0
	is "$name: nothing in clear" "$(in_clear near far)" 0
	compare "$name: ESP in UDP" "$(wire_count far natt)" -gt 100
	[ $failures = 0 ] || why "$us"
	stop "agent-$us"
	stop "charon-$them"
	ipn "$us" link del ipsec0
	ipn "$them" link del ipsec0
}

peer_is local=192.0.2.2 remote=%any local_id=right.example remote_id=left.example
behind_nat near far <<- EOT
	local = 10.0.0.1
	remote = 192.0.2.2
	local-id = left.example
	remote-id = right.example
	retry = 1s
EOT
peer_is local=10.0.0.1 remote=192.0.2.2 local_id=left.example remote_id=right.example
behind_nat far near <<- EOT
	local = 192.0.2.2
	remote = 192.0.2.1
	start = respond
	local-id = right.example
	remote-id = left.example
EOT

finish
