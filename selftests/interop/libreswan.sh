#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A tunnel with libreswan by pre-shared key, in both roles: suites and groups of IKE and ESP,
# encapsulation forced and by a NAT on either side, another group asked for, a wrong secret; rekeys by
# either side, one by one and both at once, and by lifetimes of seconds, under numbered packets; liveness
# checks and deletes by either side; ipsecvti-net killed, pluto killed, our keeper killed.
#
#   a: ipsecvtid, ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 lo, pluto: b
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=pluto_lib.sh
. "$(dirname "$0")/pluto_lib.sh"
pluto_here
once_on 6.12

# IKE as we write it and as libreswan does, ESP likewise, and whether ESN.
suites='
aes128gcm16-prfsha256-modp2048   aes_gcm128-sha2_256-modp2048 aes128gcm16      aes_gcm128         yes
aes256gcm16-prfsha384-ecp384     aes_gcm256-sha2_384-dh20     aes256gcm16      aes_gcm256         no
aes256gcm16-prfsha512-curve25519 aes_gcm256-sha2_512-dh31     aes256-sha256    aes256-sha2_256    yes
aes128-sha256-ecp256             aes128-sha2_256-dh19         aes128-sha512    aes128-sha2_512    no
aes256-sha384-modp2048           aes256-sha2_384-modp2048     chacha20poly1305 chacha20_poly1305  yes
aes256-sha512-curve25519         aes256-sha2_512-dh31         aes192gcm16      aes_gcm192         yes
'
role=initiator
# libreswan refuses selectors that are more than its own, unless told to narrow.
our_ts=$'local-ts = 198.18.1.0/24\nremote-ts = 198.18.2.0/24'

ours() { # KEYS, one in a line: our side, which initiates or waits as $role says
	local start=initiate
	[ "$role" = initiator ] || start=respond
	configure a ipsec0 <<- EOT
		local = 192.0.2.1
		remote = 192.0.2.2
		retry = 1s
		start = $start
		$our_ts
		$1
	EOT
}

theirs() { # KEY=VALUE...
	{
		printf '%s\n' left=192.0.2.2 right=192.0.2.1 leftsubnet=198.18.2.0/24 rightsubnet=198.18.1.0/24 \
			ike=aes_gcm128-sha2_256-dh31 esp=aes_gcm256 esn=yes replay-window=4096
		printf '%s\n' "$@"
	} | write_pluto b
}

# From nothing to a tunnel by today's configurations; what is left of the one before goes first.
reconnect() {
	if [ "$role" = initiator ]; then
		agent a down ipsec0 && agent a reload && load_pluto b && agent a up ipsec0
	else
		whack b --name net --terminate
		agent a reload && load_pluto b && whack b --name net --initiate && until_ok 5 is_up a
	fi && until_ok 10 one_at_pluto b
}

connect_pluto() {
	reconnect && return
	pluto_has b
	why a
	why b/pluto
	return 1
}

test_suites() {
	local ike ike_theirs esp esp_theirs esn
	while read -r ike ike_theirs esp esp_theirs esn; do
		[ -n "$ike" ] || continue
		ours "ike = $ike"$'\n'"esp = $esp-$([ "$esn" = yes ] || echo no)esn"
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

make_gateways a b
make_ours a 1 2
ipn b addr add 198.18.2.254/32 dev lo
ipn b route add 198.18.1.0/24 via 192.0.2.1 src 198.18.2.254
# What pluto's policies don't take must not go in clear.
on b nft -f - <<- EOT || exit 1
	table ip closed {
		chain output {
			type filter hook output priority 0;
			ip daddr 198.18.1.0/24 rt ipsec missing drop
		}
	}
EOT
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

# Rekeys.
role=initiator
stop agent-a
our_keys=$our_ts$'\nesp = aes256gcm16-ecp256-esn'
configure_ours
theirs 'esp=aes_gcm256;dh19'
start_agent a || exit 1
holds 'rekeys: a tunnel' connect_pluto

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
traffic_begin $((seconds > 30 ? seconds : 30))
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
our_keys=$our_ts$'\nesp = aes256gcm16-ecp256-esn\nchild-life = 20s\nike-life = 40s'
configure_ours
theirs 'esp=aes_gcm256;dh19' salifetime=24s ikelifetime=48s rekeymargin=6s
holds 'lifetimes: a tunnel' connect_pluto
before=$(child_spi a) ike=$(ike_spis a)
traffic_begin 50
traffic_end
none_lost 'lifetimes'
holds 'lifetimes: another child' differs "$before" child_spi a
holds 'lifetimes: another IKE SA' differs "$ike" ike_spis a
holds 'lifetimes: one of each at libreswan' until_ok 15 one_at_pluto b
our_keys=$our_ts$'\nesp = aes256gcm16-ecp256-esn'
configure_ours
theirs 'esp=aes_gcm256;dh19'
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
