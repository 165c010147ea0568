#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Our agent at both ends. Two addresses and a file with the secret make a tunnel; what the carrier
# says; what must outlive everything; what a reload leaves alone.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
agents_here

make_gateways a b
configure a ipsec0 <<- EOT
	local = 192.0.2.1
	remote = 192.0.2.2
EOT
configure b ipsec0 <<- EOT
	local = 192.0.2.2
	remote = 192.0.2.1
EOT
note "$(sed "s,$tmp,TMP," "$tmp/a/conf/ipsec0.conf")"

identity() { # NS: what must not change while the device exists
	ipn "$1" -j link show ipsec0 | jq -c '.[0] | [.ifindex, .mtu, .ifname]'
	ipn "$1" -j addr show ipsec0 | jq -c '[.[0].addr_info[] | select(.scope == "global") | .local]'
	ipn "$1" route show dev ipsec0 | sed 's/ linkdown//'
	ipn "$1" route show type blackhole
}

one_pair() { # on both sides one IKE SA, the same; two SAs in each kernel
	[ "$(ike_spis a)" = "$(ike_spis b)" ] && [ -n "$(ike_spis a)" ] &&
		[ "$(vti a sa list --json | jq length)" = 2 ] && [ "$(vti b sa list --json | jq length)" = 2 ]
}

carriers() { # STATE
	operstate_is a ipsec0 "$1" && operstate_is b ipsec0 "$1"
}

# Two addresses and a secret; both sides begin at once.
holds 'the agents start without devices' eval 'start_agent a && start_agent b'
is 'no device: shown' "$(show a .state)" idle
holds 'no device: said why' eval 'show a .note | grep -q "does not exist"'
agent b up ipsec0 --no-wait &
holds 'up' agent a up ipsec0
wait $!
holds 'up, on both sides' until_ok 10 eval 'is_up a && is_up b'
holds 'one pair of SAs' until_ok 20 one_pair
ipn a addr add 198.18.1.254/32 dev ipsec0
ipn b addr add 198.18.2.254/32 dev ipsec0
make_routes a 1 2
make_routes b 2 1
holds 'traffic both ways' pings_both_ways
holds '1 MB of TCP' tcp_file a b 198.18.2.254 1024
index_a=$(identity a) index_b=$(identity b)

# show --json
json=$(agent a show --json)
is 'show: one tunnel' "$(jq length <<< "$json")" 1
is 'show: names, addresses, identities' \
	"$(jq -r '.[0] | "\(.name) \(.state) \(."local-host") \(."remote-host") \(."local-id") \(."remote-id") \(.carrier)"' <<< "$json")" \
	'ipsec0 up 192.0.2.1 192.0.2.2 192.0.2.1 192.0.2.2 true'
is 'show: a child with traffic' "$(jq '.[0]."child-sas" | length' <<< "$json")" 1
compare 'show: its packets' "$(jq '.[0]."child-sas"[0]."packets-out"' <<< "$json")" -gt 10
is 'show: our SPIs are theirs' "$(show a '."child-sas"[0] | "\(."spi-in") \(."spi-out")"')" \
	"$(show b '."child-sas"[0] | "\(."spi-out") \(."spi-in")"')"
is 'show: 64-bit sequence numbers by default' "$(show a '."child-sas"[0].esn')" true
holds 'show: for people' eval 'agent a show | grep -q "^ipsec0 *up *192.0.2.2"'
holds 'show: its exit status is 0 when up' agent a show ipsec0
fails 'show: no such tunnel' agent a show ipsec7

# Rekeys by hand change neither the device nor a packet.
traffic_begin 8
holds 'rekey the child' rekey_child_a
holds 'rekey the IKE SA' rekey_ike_a
holds 'rekey the child again' rekey_child_a
holds 'both agents together' eval 'old=$(child_spi a); agent a rekey ipsec0; agent b rekey ipsec0; until_ok 10 differs "$old" child_spi a'
traffic_end
none_lost 'over rekeys'
holds 'one pair of SAs is left' until_ok 20 one_pair
is 'a: device, addresses, routes' "$(identity a)" "$index_a"
is 'b: device, addresses, routes' "$(identity b)" "$index_b"

# down and up
holds 'down' agent a down ipsec0
holds 'down: no carrier here' until_ok 2 operstate_is a ipsec0 DOWN
holds 'down: none there' until_ok 5 operstate_is b ipsec0 DOWN
is 'down: shown' "$(show a .state)" down
fails 'down: the exit status of show says so' agent a show ipsec0
on a ping -q -c 3 -i 0.1 -W 0.3 198.18.2.254 > /dev/null
is 'down: nothing in clear' "$(in_clear a b)" 0
sleep 2
holds 'down: it stays down, whatever the peer wants' eval 'state_is a down && operstate_is a ipsec0 DOWN'
is 'down: the device stays' "$(identity a)" "$index_a"
holds 'up' agent a up ipsec0
holds 'up: traffic' until_ok 10 pings_both_ways
holds 'up: one pair of SAs' until_ok 30 one_pair

# A second tunnel; then a reload that changes only it.
ipn a addr add 192.0.2.11/24 dev wire
ipn b addr add 192.0.2.12/24 dev wire
second() { # KEYS
	configure a ipsec1 <<< $'local = 192.0.2.11\nremote = 192.0.2.12\n'"$1"
	configure b ipsec1 <<< $'local = 192.0.2.12\nremote = 192.0.2.11\nstart = respond\n'"$1"
}
second ''
first=$(ike_spis a)-$(child_spi a)
traffic_begin 10
ipn b link add ipsec1 type ipsecvti
ipn b link set ipsec1 up
holds 'reload with a second tunnel' eval 'agent a reload && agent b reload'
holds 'the second comes up' agent a up ipsec1
holds 'the second is up on both sides' until_ok 5 eval 'is_up a ipsec1 && is_up b ipsec1'
old=$(show a '."initiator-spi"' ipsec1)
second 'esp = aes128gcm16'
holds 'reload with another proposal for the second' eval 'agent b reload && agent a reload'
holds 'the second is made anew' until_ok 15 eval 'differs "$old" show a ".\"initiator-spi\"" ipsec1 && is_up a ipsec1'
is 'the second has what was asked for' "$(show a '."child-sas"[0]."encr-alg"' ipsec1)" aes128gcm16
rm "$tmp/a/conf/ipsec1.conf" "$tmp/b/conf/ipsec1.conf"
holds 'reload without the second' eval 'agent a reload && agent b reload'
holds 'the second has no carrier' until_ok 10 eval 'operstate_is a ipsec1 DOWN && operstate_is b ipsec1 DOWN'
holds 'its device stays' ipn a link show ipsec1
traffic_end
none_lost 'over reloads'
is 'the first was not touched' "$(ike_spis a)-$(child_spi a)" "$first"
holds 'a reload without a change' agent a reload
is 'changes nothing' "$(ike_spis a)-$(child_spi a)" "$first"

# What the device writes outside: by the file, and what the file leaves out by hand.
outside() {
	vti a dev show ipsec0 --json | jq -r '.[0] | [.df, .dscp, .ttl, ."min-pmtu", .mark, .oif] | join(" ")'
}
with_keys() { # KEYS: the first tunnel of a, with these
	configure a ipsec0 <<< $'local = 192.0.2.1\nremote = 192.0.2.2\n'"$1"
}
is 'nothing is said of the device: its defaults' "$(outside)" 'copy copy 0 1280 0 0'
holds 'TTL by hand' vti a dev set ipsec0 ttl 77 force
with_keys $'df = set\ndscp = 46\nmin-pmtu = 1400\nmark = 0x2a\noif = wire'
holds 'reload with what the device shall write' agent a reload
is 'written, and what was set by hand stays' "$(outside)" "set 46 77 1400 42 $(ipn a -j link show wire | jq '.[0].ifindex')"
with_keys $'df = copy\nmark = 0\noif = any'
holds 'reload with other values, and fewer' agent a reload
is 'what is said is written, the rest stays' "$(outside)" 'copy 46 77 1400 0 0'
with_keys 'oif = nowhere'
holds 'reload with an interface that is not there' agent a reload
holds 'it is said so' logged a 'interface is missing.* oif=nowhere'
with_keys $'dscp = copy\nttl = 300'
fails 'a value that is none' agent a reload
said 'is refused with its place' 'ipsec0.conf:6: ttl: "300" is neither auto nor'
is 'and nothing is changed' "$(outside)" 'copy 46 77 1400 0 0'
with_keys $'dscp = copy\nttl = auto\nmin-pmtu = 1280'
holds 'reload with the defaults' agent a reload
is 'they are written' "$(outside)" 'copy copy 0 1280 0 0'
is 'no SA has noticed' "$(ike_spis a)-$(child_spi a)" "$first"
holds 'traffic after all that' pings_both_ways
with_keys 'dscp = 10'

# The agent ends and starts again.
holds 'the agent ends' eval 'stop agent-a; ! kill -0 ${pid_of[agent-a]}'
holds 'ended: no carrier on either side' until_ok 10 carriers DOWN
is 'ended: no SA in its kernel' "$(vti a sa list --json | jq length)" 0
is 'ended: the device stays' "$(identity a)" "$index_a"
fails 'ended: show says that nobody is there' agent a show
holds 'it starts' start_agent a
holds 'started: both up' until_ok 30 carriers UP
holds 'started: traffic' until_ok 5 pings_both_ways
is 'started: what the device writes outside' "$(outside)" 'copy 10 0 1280 0 0'
holds 'started: one pair of SAs' until_ok 30 one_pair
fails 'a second agent for the same directory' on a timeout 10 "$IPSECVTID" -c "$tmp/a/conf" -r "$tmp/a/run"
said 'is told so' 'another ipsecvtid'

# The device goes, and comes back.
ipn a link del ipsec0
holds 'device deleted: shown' until_ok 5 eval 'show a .note | grep -q -E "device is gone|does not exist"'
holds 'device deleted: the peer hears of it' until_ok 10 operstate_is b ipsec0 DOWN
holds 'device deleted: up makes it again' agent a up ipsec0
ipn a addr add 198.18.1.254/32 dev ipsec0
make_routes a 1 2
holds 'device made again: up on both sides' until_ok 30 carriers UP
holds 'device made again: traffic' until_ok 10 pings_both_ways
index_new=$(identity a)

# The keeper killed outright: its SAs go on, the next one makes new ones beside them.
kill -KILL "${pid_of[agent-a]}"
wait "${pid_of[agent-a]}" 2> /dev/null
holds 'the keeper is killed: traffic goes on' pings_both_ways
holds 'the keeper is killed: it starts again' start_agent a
holds 'the keeper is killed: up' until_ok 30 is_up a
# The other side believes a new IKE SA once a packet has come through it.
holds 'the keeper is killed: traffic' until_ok 5 pings_both_ways
holds 'the keeper is killed: the new IKE SA on both sides' until_ok 10 eval '[ "$(ike_spis a)" = "$(ike_spis b)" ]'
is 'the keeper is killed: the device stays' "$(identity a)" "$index_new"

holds 'delete' agent a delete ipsec0
fails 'deleted' ipn a link show ipsec0

is 'nothing but IKE and ESP on the wire' "$(in_clear a b)" 0
finish
