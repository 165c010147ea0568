#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A device keeps its outer side in the namespace where it was made. Whoever commands that one commands
# the keys, by the device's handle; root of the namespace that it was given to has the device alone.
#
#   c: ipsec0 198.18.1.254 . . a: 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1 7.2
one_cpu
need unshare

spaces() { # all that still take memory
	echo 1 > /sys/kernel/slab/net_namespace/shrink
	awk '$1 == "net_namespace" { print $2 }' /proc/slabinfo
}
# The kernel keeps the last one that went until the next one goes.
only_ours() {
	spaces
	[ "$(spaces)" -le $((others + ${#namespaces[@]} + 1)) ]
}
others=$(spaces)

make_namespace a b c
make_wire a b
watch_wire b

# What a device loses on its way to another namespace.
settle() { # IP...: ip(8) there
	"$@" -batch - <<- EOT
		addr add 198.18.1.254/32 dev ipsec0
		addr add 2001:db8:1::fe/128 dev ipsec0 nodad
		link set ipsec0 up
		route add 198.18.2.0/24 dev ipsec0 src 198.18.1.254
		route add 2001:db8:2::/64 dev ipsec0 src 2001:db8:1::fe
	EOT
}

# From the outer namespace, where it has no name.
add_by_id() { # DIR SPI
	vti a sa add dev-id "$id" dir "$1" spi "$2" suite aes128gcm16 key-file - \
		<<< "$(key_of aes128gcm16 $(($2)))"
}

outer() { # JQ-FILTER
	vti a dev show dev-id "$id" --json | jq -r ".[] | $1"
}

holds "set up" make_pair
id=$(field a ipsec0 dev-id)
sas=$(vti a sa list --json | jq -c 'map(."sa-id")')
mark_stats b ipsec0
holds "moved" ipn a link set ipsec0 netns "vti$$-c"
holds "settled" settle ipn c
holds "operstate UP" until_ok 5 operstate_is c ipsec0 UP
is "the SAs have stayed" "$(vti a sa list --json | jq -c 'map(."sa-id")')" "$sas"
esp=$(wire_count b esp)
holds "IPv4" pings c 198.18.2.254
holds "IPv6" pings c 2001:db8:2::fe
is "by the outer namespace's wire" $(($(wire_count b esp) - esp)) 10
holds "and back" pings b 198.18.1.254
holds "1 MB of TCP" tcp_file c b 198.18.2.254 1024
is "nothing in clear" "$(wire_count b clear)" 0
is "no drops at the peer" "$(moved b ipsec0)" ""

# What can be seen, and under which name.
is "the outer namespace knows it" "$(outer '[.ifname, .local, .carrier] | join(" ")')" "ipsec0 192.0.2.1 true"
compare "and where it is" "$(outer .netnsid)" -ge 0
compare "ip link: where its outer side is" "$(ipn c -j -d link show ipsec0 | jq '.[0].link_netnsid // -1')" -ge 0
fails "the outer namespace has no device of that name" vti a dev show ipsec0
said "it says so" 'no such device'
holds "so another one can have it" ipn a link add ipsec0 type ipsecvti
another=$(field a ipsec0 dev-id)
compare "with another handle" "$another" != "$id"
for who in "$id" "$another"; do
	is "each handle is its own device's" "$(vti a dev show dev-id "$who" --json | jq -c 'map(."dev-id")')" "[$who]"
done
is "the SAs of one" "$(vti a sa list dev-id "$id" --json | jq -c 'map(."sa-id")')" "$sas"
is "the other has none" "$(vti a sa list --json dev-id "$another" | jq -c 'map(."sa-id")')" "[]"
is "the counters of one" "$(vti a stats dev-id "$id" --json | jq '.[0].stats."tx-packets"')" \
	"$(link_stat c ipsec0 tx.packets)"
is "the other's" "$(vti a stats dev-id "$another" --json | jq '.[0].stats."tx-packets"')" 0
holds "which can go again" ipn a link del ipsec0
is "root of both may look from there" "$(field c ipsec0 dev-id)" "$id"

# A sender there is told of the limit.
ipn c link set ipsec0 mtu 1500
on c ping -c 2 -i 0.05 -W 1 -M "do" -s 1419 198.18.2.254 > "$tmp/big" 2>&1
holds "1447 bytes: the limit is said" grep -qE 'mtu ?= ?1446' "$tmp/big"

# What the stack notes of a packet stays in the namespace that noted it.
on c nft -f - << EOT
table inet notes {
	chain output {
		type route hook output priority mangle;
		ip daddr 198.18.2.0/24 meta mark set 7
	}
}
EOT
on a nft -f - << EOT
table inet notes {
	counter esp_out { }
	counter marked { }
	chain output {
		type filter hook output priority 0;
		ip protocol esp counter name esp_out
		ip protocol esp meta mark 7 counter name marked
	}
}
EOT
holds "packets with a mark" pings c 198.18.2.254
is "leave the outer namespace" "$(packets_of a inet notes esp_out)" 5
is "without it" "$(packets_of a inet notes marked)" 0
holds "packets with a mark, of a socket bound to the device" pings c 198.18.2.254 -I ipsec0

# Keys, from the outer namespace.
background monitor-a a "$IPSECVTI" monitor --json
background monitor-c c "$IPSECVTI" monitor --json
until_ok 10 grep -q monitoring "$tmp/monitor-a.err"
until_ok 10 grep -q monitoring "$tmp/monitor-c.err"
old=$(vti a sa list --json | jq '.[] | select(.dir == "out") | ."sa-id"')
holds "an SPI, by handle" vti a spi alloc dev-id "$id"
spi=$(cat "$tmp/output")
holds "an inbound SA" add_by_id in "$spi"
holds "an outbound one" add_by_id out 0x1102
out=$(cat "$tmp/output")
holds "the peer's" add_pair b ipsec0 0x1102 "$spi" aes128gcm16
holds "it is current" vti a out set dev-id "$id" sa "$out"
holds "traffic" pings c 198.18.2.254
is "through the new SA" "$(sa_field a "$out" seq)" 5
holds "the old one goes" vti a sa del "$old"
holds "an event" until_ok 5 grep -q first-auth "$tmp/monitor-a"
is "in the outer namespace alone" "$(cat "$tmp/monitor-c")" ""
stop monitor-a
stop monitor-c
fails "a handle of nobody" vti a dev set dev-id 999 remote 192.0.2.3
said "it says so" 'dev-id 999: no such device'
fails "handle 0" vti a dev show dev-id 0
said "it says so" 'no device has 0'
fails "a handle that is a name" vti a stats dev-id ipsec0
said "it says so" 'dev-id: "ipsec0" is not a number'
fails "a handle and a name" vti a sa list dev-id "$id" ipsec0
said "it says so" 'one word too many: "ipsec0"'
ipn b addr add 192.0.2.3/24 dev wire
holds "the peer moves" vti b dev set ipsec0 local 192.0.2.3
holds "and is followed" vti a dev set dev-id "$id" remote 192.0.2.3
holds "traffic" pings c 198.18.2.254
is "to the new address" "$(outer .remote)" 192.0.2.3
holds "keys from the inner namespace, by root of both" add_sa c ipsec0 in 0x1201 aes128gcm16

# A container: its root commands the namespace, and nothing else.
background container a unshare --user --map-root-user --net sleep 600
container=${pid_of[container]}
ready() {
	[ "$(cat "/proc/$container/comm")" = sleep ]
}
until_ok 10 ready
contained() {
	nsenter -t "$container" --user --net "$@"
}
holds "moved into a container" ipn c link set ipsec0 netns "$container"
holds "its root settles it" settle contained ip
holds "traffic" contained ping -q -c 5 -i 0.02 -W 5 198.18.2.254
before=$(vti a sa list --json | jq -c 'map([."sa-id", .current])')
refused() { # NAME COMMAND...
	fails "its root is refused: $1" contained "${@:2}"
	said "with a text" 'no CAP_NET_ADMIN over the device.s outer namespace'
}
key_of aes128gcm16 1 > "$tmp/key"
refused "the outer side" "$IPSECVTI" dev set ipsec0 remote 192.0.2.9
refused "a look at it" "$IPSECVTI" dev show ipsec0
refused "counters" "$IPSECVTI" stats ipsec0
refused "a key" "$IPSECVTI" sa add ipsec0 dir in spi 0x1301 suite aes128gcm16 key-file "$tmp/key"
refused "an SPI" "$IPSECVTI" spi alloc ipsec0
refused "the outbound set" "$IPSECVTI" out set ipsec0
refused "the SAs' death" "$IPSECVTI" sa del all ipsec0 force
is "it sees no SA" "$(contained "$IPSECVTI" sa list --json | jq length)" 0
fails "nor the handle" contained "$IPSECVTI" dev set dev-id "$id" remote 192.0.2.9
said "it says so" "dev-id $id: no such device"
is "nothing has changed" "$(vti a sa list --json | jq -c 'map([."sa-id", .current])')$(outer .remote)" "${before}192.0.2.3"
holds "the outer namespace still commands the keys" add_by_id in 0x1401
holds "traffic" contained ping -q -c 5 -i 0.02 -W 5 198.18.2.254

# The container goes, and its device with it.
stop container
gone() {
	[ "$(vti a dev show --json | jq length)" = 0 ]
}
holds "the device goes with its namespace" until_ok 10 gone
is "and its SAs" "$(vti a sa list --json | jq length)" 0

# The outer namespace goes. On demand, the device itself meets the packets.
make_namespace d
ipn d link add ipsec0 type ipsecvti
vti d dev set ipsec0 local 192.0.2.1 remote 192.0.2.2 on-demand yes
add_pair d ipsec0 0x1501 0x1502 aes128gcm16
ipn d link set ipsec0 netns "vti$$-c"
settle ipn c
drop_namespace d
holds "the outer namespace is gone: DORMANT" until_ok 5 operstate_is c ipsec0 DORMANT
fails "nobody can command it" vti c dev set ipsec0 remote 192.0.2.9
said "it says why" "ipsec0: .*outer namespace is gone"
fails "nor ask for its counters" vti c stats ipsec0
said "it says why" "ipsec0: .*outer namespace is gone"
is "it has no SAs" "$(vti c sa list ipsec0)" ""
before=$(link_stat c ipsec0 tx.carrier_errors)
on c ping -q -c 3 -i 0.02 -W 0.1 198.18.2.254 > /dev/null 2>&1
is "packets are counted" $(($(link_stat c ipsec0 tx.carrier_errors) - before)) 3
is "and none as sent" "$(link_stat c ipsec0 tx.packets)" 0
holds "it can be deleted" ipn c link del ipsec0

# More than one message holds.
id=$(ipn b -j link show ipsec0 > /dev/null && field b ipsec0 dev-id)
sas=$(vti b sa list --json | jq length)
holds "500 SAs" on b python3 "$here/devid.py" "$id" 0x9000 500
is "500 SAs are listed" "$(vti b sa list --json | jq 'map(."sa-id") | unique | length')" $((sas + 500))
holds "and go at once" vti b sa del all dev-id "$id" force
is "none is left" "$(vti b sa list --json | jq length)" 0
seq -f 'link add many%g type ipsecvti' 200 | ipn b -batch -
is "200 devices are listed" "$(vti b dev show --json | jq 'map(."dev-id") | unique | length')" 201

# Two namespaces, each with the other's device, whose way to the peer they remember.
make_namespace x y
make_wire x y
make_device x ipsec0 1 2 local 2001:db8::1 remote 2001:db8::2
make_device y ipsec0 2 1 local 2001:db8::2 remote 2001:db8::1
add_pair x ipsec0 0x1001 0x1002 aes128gcm16
add_pair y ipsec0 0x1002 0x1001 aes128gcm16
holds "a tunnel over IPv6" pings x 198.18.2.254
ipn x link set ipsec0 netns "vti$$-y" name from-x
ipn y link set ipsec0 netns "vti$$-x"
ipn x addr add 198.18.2.254/32 dev ipsec0
ipn y addr add 198.18.1.254/32 dev from-x
ipn x link set ipsec0 up
ipn y link set from-x up
ipn x route add 198.18.1.0/24 dev ipsec0
ipn y route add 198.18.2.0/24 dev from-x
holds "crosswise" pings x 198.18.1.254
drop_namespace x
drop_namespace y
holds "no namespace is left behind" until_ok 10 only_ours

finish
