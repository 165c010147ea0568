#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A child SA for each pair of selectors with strongSwan, which has a child of its own for each: made
# by either side, rekeyed and deleted one by one and together, taken over when ipsecvti-net dies.
#
#   a: ipsec0 198.18.1.254, .4.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254, .3.254 ipsec0: b
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 7.2
fewer_packets
one_cpu

near=(198.18.1 198.18.1 198.18.4 198.18.4)
far=(198.18.2 198.18.3 198.18.2 198.18.3)
# The first is "net", the others "net1" ...
others=
for i in 1 2 3; do
	others+=" } net$i {
		local_ts = ${far[i]}.0/24
		remote_ts = ${near[i]}.0/24
		esp_proposals = aes256gcm16-esn
		replay_window = 1024"
done
peer_is child="local_ts = ${far[0]}.0/24
	remote_ts = ${near[0]}.0/24$others"
keys='local-ts = 198.18.1.0/24, 198.18.4.0/24
remote-ts = 198.18.2.0/24, 198.18.3.0/24
children = per-pair'

children() { # our inbound SPIs, in the order of the pairs
	show a '[."child-sas"[]."spi-in"] | join(" ")'
}

four() { # both sides have four, and nothing on its way out
	[ "$(show a '."child-sas" | length')" = 4 ] && [ "$(vti a sa list --json | jq length)" = 8 ] &&
		[ "$(peer_sas b | awk '$1 == "CHILD" && $3 == "INSTALLED"' | wc -l)" = 4 ]
}

changed() { # OLD NEW: how many of the SPIs are other ones
	local was is n=0
	read -ra was <<< "$1"
	read -ra is <<< "$2"
	for i in "${!was[@]}"; do
		[ "${was[i]}" = "${is[i]:-}" ] || n=$((n + 1))
	done
	echo "$n"
}

packets() { # of each pair, sent and received, by our SAs
	show a '[."child-sas"[] | "\(."packets-out")/\(."packets-in")"] | join(" ")'
}

each_by_itself() { # NAME: five packets in each pair, in that one's SAs
	local i before after want
	for i in 0 1 2 3; do
		before=$(packets)
		holds "$1: ${near[i]}.254 to ${far[i]}.254" pings a "${far[i]}.254" -I "${near[i]}.254"
		after=$(packets)
		want=$(awk -v i="$i" '{
			split($(i + 1), n, "/")
			$(i + 1) = n[1] + 5 "/" n[2] + 5
			print
		}' <<< "$before")
		is "$1: counted by child $i alone" "$after" "$want"
	done
}

make_tunnel "$keys" || exit 1
ipn a -batch - <<- EOT
	addr add 198.18.4.254/32 dev ipsec0
	route add 198.18.3.0/24 dev ipsec0 src 198.18.1.254
EOT
ipn b -batch - <<- EOT
	addr add 198.18.3.254/32 dev ipsec0
	route add 198.18.4.0/24 dev ipsec0 src 198.18.2.254
EOT

holds 'we begin: four children' until_ok 20 four
is 'in one IKE SA' "$(peer_ike b | wc -w)" 1
is 'shown with their selectors' \
	"$(show a '[."child-sas"[] | ."local-ts"[0] + "=" + ."remote-ts"[0]] | join(" ")')" \
	"$(for i in 0 1 2 3; do printf '%s.0/24=%s.0/24 ' "${near[i]}" "${far[i]}"; done | sed 's/ $//')"
each_by_itself 'we begin'

seconds=${IPSECVTI_SECONDS:-10}
traffic_begin $((seconds < 30 ? 30 : seconds))
rekeys=0
while traffic_on; do
	old=$(children)
	if [ $((rekeys % 2)) = 0 ]; then
		agent a rekey ipsec0
		until_ok 20 eval '[ "$(changed "$old" "$(children)")" = 4 ]' || break
	else
		until_ok 10 settled
		swan b --rekey --child "net$((rekeys % 3 + 1))" > "$tmp/rekey.log" 2>&1
		until_ok 20 eval '[ "$(changed "$old" "$(children)")" = 1 ]' || break
	fi
	until_ok 20 four || break
	rekeys=$((rekeys + 1))
done
traffic_end
compare 'rekeys of all by us, of one by strongSwan' $rekeys -ge 2
none_lost 'rekeyed'
each_by_itself 'rekeyed'

ike=$(peer_ike b) net=$(net_pid a) old=$(children)
kill -KILL "$net"
holds 'ipsecvti-net killed: another' until_ok 20 eval 'differs "$net" net_pid a && net_ready a'
is 'ipsecvti-net killed: the same four' "$(children)" "$old"
each_by_itself 'ipsecvti-net killed'
is 'ipsecvti-net killed: the same IKE SA' "$(peer_ike b)" "$ike"
agent a rekey ipsec0
holds 'ipsecvti-net killed: rekeyed' until_ok 20 eval '[ "$(changed "$old" "$(children)")" = 4 ] && four'

# strongSwan deletes one: it is made again, and the others stay what they are.
until_ok 10 settled
old=$(children)
terminate b --child net2
holds 'one deleted by strongSwan: made again' until_ok 30 eval '[ "$(changed "$old" "$(children)")" = 1 ] && four'
each_by_itself 'one deleted by strongSwan'

# strongSwan makes them, in another order.
our_keys="$keys"$'\n''start = respond'
configure_ours
holds 'strongSwan begins' connect responder
for i in 3 1 2; do
	holds "strongSwan makes child $i" swan b --initiate --child net$i --timeout 15
done
holds 'strongSwan begins: four children' until_ok 20 four
each_by_itself 'strongSwan begins'
old=$(children)
terminate b --child net1
holds 'strongSwan deletes one' until_ok 10 eval '[ "$(show a ".\"child-sas\" | length")" = 3 ]'
is 'the others are as they were' "$(children)" "$(awk '{ print $1, $3, $4 }' <<< "$old")"
fails 'and its packets have no way' pings a 198.18.3.254 -I 198.18.1.254 -W 0.2
holds 'theirs have' pings a 198.18.3.254 -I 198.18.4.254

is 'nothing but IKE and ESP on the wire' "$(in_clear a b)" 0
finish
