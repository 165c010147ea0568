#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A NAT in front of us, of libreswan, and of both: a tunnel in UDP, its rekeys by either side.
#
#   near 10.0.0.1 -- NAT 192.0.2.1 -- 192.0.2.2 far
#   west 10.0.0.1 -- NAT 192.0.2.1 -- 192.0.2.2 NAT -- 10.0.1.1 east
# shellcheck disable=SC2016 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=pluto_lib.sh
. "$(dirname "$0")/pluto_lib.sh"
pluto_here
checked_on 6.1 6.12
one_cpu

# Of each end, and as the other one sees it; the way from pluto to the other.
declare -A address=([near]=10.0.0.1 [west]=10.0.0.1 [far]=192.0.2.2 [east]=10.0.1.1)
declare -A seen_as=([near]=192.0.2.1 [west]=192.0.2.1 [far]=192.0.2.2 [east]=192.0.2.2)
declare -A gateway=([near]=10.0.0.254 [far]=192.0.2.1 [east]=10.0.1.254)
declare -A spis_of=([child]=child_spi [IKE]=ike_spis)

# The tunnel between our agent and pluto, which has the network 198.18.N.0/24 behind it and is begun by
# whoever is on the left.
through() { # NAME US THEM N FOUND
	local name=$1 us=$2 them=$3 n=$4 m=$((3 - $4)) start=initiate old event clear
	[ "$n" = 2 ] || start=respond
	make_ours "$us" $m "$n"
	configure "$us" ipsec0 <<- EOT
		local = ${address[$us]}
		remote = ${seen_as[$them]}
		local-id = us.example
		remote-id = them.example
		start = $start
		retry = 1s
		local-ts = 198.18.$m.0/24
		remote-ts = 198.18.$n.0/24
		esp = aes256gcm16-curve25519-esn
	EOT
	make_pluto_end "$them" "$n" $m "${gateway[$them]}"
	theirs_in "$them" left="${address[$them]}" right="${seen_as[$us]}" \
		leftid=@them.example rightid=@us.example leftsubnet="198.18.$n.0/24" rightsubnet="198.18.$m.0/24" \
		'esp=aes_gcm256;dh31'
	start_pluto "$them" "${address[$them]}" || return
	start_agent "$us" || return
	# What xfrm has decrypted passes its end's counter once more.
	clear=$(in_clear "$us")
	[ "$start" = initiate ] || whack "$them" --name net --initiate > "$tmp/initiate.log" 2>&1
	holds "$name: up" until_ok 20 is_up "$us"
	is "$name: found" "$(show "$us" '[."nat-local", ."nat-remote"] | tostring')" "$5"
	is "$name: encapsulated" "$(show "$us" '."child-sas"[0].encap')" true
	exchange "$name" "$us" "$them" "$n" $m
	for event in child IKE; do
		old=$("${spis_of[$event]}" "$us")
		case $event in
		child) agent "$us" rekey ipsec0 ;;
		IKE) agent "$us" rekey ipsec0 ike ;;
		esac
		holds "$name: $event rekey by us" until_ok 10 differs "$old" "${spis_of[$event]}" "$us"
		until_ok 10 one_at_pluto "$them"
		old=$("${spis_of[$event]}" "$us")
		pluto_rekeys "$them" "${event,,}" > "$tmp/rekey.log" 2>&1
		holds "$name: $event rekey by libreswan" until_ok 10 differs "$old" "${spis_of[$event]}" "$us"
		holds "$name: one of each at libreswan" until_ok 10 one_at_pluto "$them"
	done
	exchange "$name, rekeyed" "$us" "$them" "$n" $m
	is "$name: no plain ESP" "$(wire_count "$us" esp)+$(wire_count "$them" esp)" 0+0
	is "$name: nothing in clear" "$(in_clear "$us")" "$clear"
	[ "$failures" = 0 ] || {
		why "$us" 60
		note "$(tail -n 60 "$tmp/$them/pluto/log")"
	}
	stop "agent-$us"
	stop "pluto-$them"
	# Each end is the other one's next.
	ipn "$us" link del ipsec0
	ipn "$us" route flush type blackhole
	on "$them" nft delete table ip closed
	ipn "$them" addr flush dev lo scope global
	ipn "$them" route del "198.18.$m.0/24"
	ipn "$them" xfrm policy flush
	ipn "$them" xfrm state flush
}
exchange() { # NAME US THEM N M
	holds "$1: traffic from us" pings "$2" "198.18.$4.254" -I "198.18.$5.254"
	holds "$1: traffic from libreswan" pings "$3" "198.18.$5.254" -I "198.18.$4.254"
	holds "$1: 1 MB of TCP" tcp_file "$2" "$3" "198.18.$4.254" 1024
}

make_nat
on nat nft -f - << EOT || exit 1
table ip hide {
	chain post {
		type nat hook postrouting priority 100
		oifname "wire" masquerade random
	}
}
EOT
through 'NAT in front of us' near far 2 '[true,false]'
through 'NAT in front of libreswan' far near 1 '[false,true]'
holds 'NAT on both sides: made' make_nats
through 'NAT on both sides' west east 2 '[true,true]'
finish
