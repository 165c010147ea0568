#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What an administrator sees: ip, ethtool, and our own counters by device and by SA, which agree with
# each other and with "ip -s link". Each name that can be provoked is: it moves by so much for device
# and SA, "ip -s link" moves in the field that doc/counters.rst says, and nothing else moves.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2: b, which injects; between them ipsec1 at both ends
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1 7.2
one_cpu
need ethtool
python3 -c 'import cryptography' 2> /dev/null || skip "no python3-cryptography"

make_namespace a b
make_wire a b

# Sums: two generations of SAs, traffic over both.
for ns in a b; do
	n=$([ $ns = a ] && echo 3 || echo 4)
	make_device $ns ipsec1 "$n" $((7 - n)) local "192.0.2.$((n - 2))" remote "192.0.2.$((5 - n))"
done
generation() { # FIRST-SPI
	add_sa a ipsec1 in "$1" aes128gcm16 && add_sa b ipsec1 in $(($1 + 1)) aes128gcm16 &&
		add_sa a ipsec1 out $(($1 + 1)) aes128gcm16 current && add_sa b ipsec1 out "$1" aes128gcm16 current
}
sums_agree() { # NS
	local name device sas link
	for name in rx-packets rx-bytes tx-packets tx-bytes; do
		device=$(counter "$1" ipsec1 "$name")
		sas=$(vti "$1" stats ipsec1 --json | jq --arg name "$name" '[.[0].sas[].stats[$name]] | add')
		link=$(link_stat "$1" ipsec1 "${name/-/.}")
		echo "$1: $name: device $device, SAs $sas, link $link"
		[ "$device" -gt 0 ] && [ "$device" = "$sas" ] && [ "$device" = "$link" ] || return
	done
}
holds "first generation" generation 0x6001
until_ok 5 operstate_is a ipsec1 UP
until_ok 5 operstate_is b ipsec1 UP
holds "traffic" pings a 198.18.4.254
holds "second generation" generation 0x6101
holds "IPv6 traffic" pings a 2001:db8:4::fe
holds "1 MB of TCP" tcp_file a b 198.18.4.254 1024
used=$(vti a stats ipsec1 --json | jq '[.[0].sas[] | select((.stats."rx-packets" // 0) + (.stats."tx-packets" // 0) > 4)] | length')
is "all four SAs have carried something" "$used" 4
for ns in a b; do
	holds "sums of $ns: device, SAs and ip -s link" sums_agree $ns
	is "nothing dropped at $ns" "$(vti $ns stats ipsec1 --json |
		jq -c '[.[0] | .stats, .sas[].stats | to_entries[] | select(.value > 0 and (.key | test("^[rt]x-(packets|bytes)$") | not)) | .key]')" "[]"
done
is "what a has sent b has received" "$(counter a ipsec1 tx-packets) $(counter a ipsec1 tx-bytes)" \
	"$(counter b ipsec1 rx-packets) $(counter b ipsec1 rx-bytes)"
sent=$(counter a ipsec1 tx-packets)
vti a sa del all ipsec1 force
is "SAs go, the device keeps its sum" "$(counter a ipsec1 tx-packets)" "$sent"

# What it is
is "ip -d link: kind" "$(ipn a -d -j link show ipsec1 | jq -r '.[0].linkinfo.info_kind')" ipsecvti
is "ip -d link: link layer" "$(ipn a -d -j link show ipsec1 | jq -r '.[0].link_type')" none
holds "ip -s -d link" ipn a -s -d link show ipsec1
said "in words" '^ *ipsecvti'
is "ip link show type" "$(ipn a -j link show type ipsecvti | jq -r '[.[].ifname] | join(" ")')" ipsec1
is "ethtool -i" "$(on a ethtool -i ipsec1 | sed -n 's/^driver: //p')" ipsecvti
is "ethtool: link of one that is up" "$(on b ethtool ipsec1 | sed -n 's/.*Link detected: //p')" yes
is "ethtool: link of one without SAs" "$(on a ethtool ipsec1 | sed -n 's/.*Link detected: //p')" no
ipn a link del ipsec1
ipn b link del ipsec1

# Drops. Dormant rather than without carrier, so that the device sees what it can't send.
make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2 on-demand yes
ipn a link set ipsec0 mtu 1500
injector b
in=$(add_sa a ipsec0 in 0x4001 aes128gcm16)
out=$(add_sa a ipsec0 out 0x4002 aes128gcm16 current)
inject set src=192.0.2.2 dst=192.0.2.1 src-in=198.18.2.254 dst-in=198.18.1.254 spi=0x4001 \
	key="$(key_of aes128gcm16 $((0x4001)))"
until_ok 5 operstate_is a ipsec0 UP

# Everything that isn't 0 and isn't traffic: dev.NAME, sa-ID.NAME, link.FIELD.
snapshot() {
	vti a stats ipsec0 --json | jq -r '.[0] | ("dev", .stats), (.sas[] | "sa-\(."sa-id")", .stats) |
		if type == "string" then . else to_entries[] | select(.value > 0) | "\(.key) \(.value)" end' |
		awk 'NF == 1 { of = $1 } NF == 2 { print of "." $1, $2 }'
	ipn a -s -s -j link show ipsec0 | jq -r '.[0].stats64 | to_entries[] | .key as $way | .value |
		to_entries[] | select(.value > 0) | "link.\($way)_\(.key) \(.value)"'
}

declare -A base now
read_now() {
	local name value
	now=()
	while read -r name value; do
		now[$name]=$value
	done < <(snapshot)
}

rebase() {
	local name
	read_now
	base=()
	for name in "${!now[@]}"; do
		base[$name]=${now[$name]}
	done
}

# What has changed since, sorted; what comes late is waited for. The counters are read one after the other,
# so that only what is read twice is so. One reading serves as the next base.
changed() { # NAME CHANGES
	local end=$((SECONDS + 3)) name delta changes=- before=
	until [ "$changes" = "$2" ] || { [ $SECONDS -ge $end ] && [ "$changes" = "$before" ]; }; do
		before=$changes
		read_now
		changes=$(for name in "${!now[@]}"; do
			case $name in
			*.[rt]x[-_]packets | *.[rt]x[-_]bytes) continue ;;
			esac
			delta=$((now[$name] - ${base[$name]:-0}))
			[ $delta = 0 ] || echo "$name+$delta"
		done | sort | xargs)
	done
	base=()
	for name in "${!now[@]}"; do
		base[$name]=${now[$name]}
	done
	is "$1" "$changes" "$2"
}

seen= # names provoked so far
# The field is looked up on the page; its sum is one more.
provoked() { # NAME COUNT SA-ID|-: what has been done since "rebase" did just that
	local field sum wanted
	field=$(awk -v name="$1" '/^-+$/ { here = last } here == name && /^:Adds to: ``/ { gsub("`", ""); print $3 } { last = $0 }' \
		"$here/../doc/counters.rst")
	wanted="dev.$1+$2"
	[ "$3" = - ] || wanted="$wanted sa-$3.$1+$2"
	case $field in
	rx_length_errors | rx_crc_errors | rx_frame_errors | rx_fifo_errors) sum=rx_errors ;;
	tx_carrier_errors) sum=tx_errors ;;
	collisions) sum=tx_errors field=tx_collisions ;;
	*) sum= ;;
	esac
	wanted="$wanted${field:+ link.$field+$2}${sum:+ link.$sum+$2}"
	wanted=$(tr ' ' '\n' <<< "$wanted" | sort | xargs)
	changed "$1: device, SA and ip -s link" "$wanted"
	seen="$seen $1"
}

try() { # COUNT
	on a ping -q -c "$1" -i 0.02 -W 0.05 "${@:2}" 198.18.2.254 > /dev/null 2>&1
}

rebase
try 3
changed "control: what is sent is no drop" ""
inject esp seq=1
changed "control: nor what is received" ""

vti a out set ipsec0 > /dev/null
try 3
provoked no-sa 3 -
vti a out set ipsec0 sa "$out" > /dev/null
vti a dev set ipsec0 remote 203.0.113.9
rebase
try 3
provoked no-route 3 "$out"
ipn a route add 203.0.113.9/32 dev ipsec0
try 3
provoked loop 3 "$out"
vti a dev set ipsec0 remote 192.0.2.2
try 1 -M "do" -s 1472
provoked too-big 1 "$out"
on a nft -f - << EOT
table inet refuse {
	chain output {
		type filter hook output priority 0;
		ip protocol esp drop
	}
}
EOT
try 3
provoked outer-drop 3 "$out"
on a nft delete table inet refuse
on a python3 -c 'import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
for protocol, packet in ((0x88b5, bytes(40)), (0x800, b"\x60" + bytes(39)), (0x800, b"\x45"), (0x86dd, b"\x45" + bytes(39))):
    s.sendto(packet, ("ipsec0", protocol))'
provoked not-ip 4 -
short=$(add_sa a ipsec0 out 0x4003 aes128gcm16 hard-packets 2 current)
rebase
try 5
provoked sa-expired 3 "$short"
vti a out set ipsec0 sa "$out" > /dev/null

# Received. Numbers go on from 2.
seq=10
bad() { # COUNTER WORDS...
	seq=$((seq + 1))
	inject esp seq=$seq "${@:2}"
	provoked "$1" 1 "$in"
}
inject truncated 20 23 seq=5
provoked truncated 3 "$in"
inject esp seq=1
provoked replay 1 "$in"
bad icv-failed flip=-1
bad bad-padding pad=0000
bad bad-next-header next=17
bad bad-inner next=41
bad bad-ecn tos=3
bad rx-dummy next=59
# With ESN a number that is too old is taken for one of the next 2^32.
plain=$(add_sa a ipsec0 in 0x4007 aes128gcm16 esn no)
no_esn="spi=0x4007 key=$(key_of aes128gcm16 $((0x4007))) esn=no"
for number in 10000 3; do
	# shellcheck disable=SC2086 # words
	inject esp seq=$number $no_esn
done
provoked replay-old 1 "$plain"
ipn a link set ipsec0 down
bad device-down
ipn a link set ipsec0 up
ipn a route replace 198.18.2.0/24 dev ipsec0 src 198.18.1.254
inject esp seq=1 spi="$(vti a spi alloc ipsec0)"
provoked larval 1 -
old=$(add_sa a ipsec0 in 0x4005 aes128gcm16 hard-seconds 1)
dead() {
	[ "$(sa_field a "$old" dead)" = true ]
}
until_ok 4 dead
inject esp seq=1 spi=0x4005 key="$(key_of aes128gcm16 $((0x4005)))"
provoked rx-expired 1 "$old"

# Names that nothing here can provoke: no memory, ciphers that fail, a lane that is full, 2^32 packets,
# and what an SA's absence comes before.
# Traffic selectors and redirects have tests of their own.
not_provoked="crypto-error lane-full no-address no-memory no-selector outer-gone rx-crypto-error rx-no-memory rx-redirect rx-selector seq-exhausted tx-lane-full"
all=$(vti a stats ipsec0 --json | jq -r '.[0].stats | keys[]' | grep -v -E '^[rt]x-(packets|bytes)$' | sort | xargs)
is "no name was forgotten" "$(echo "$seen" "$not_provoked" | tr ' ' '\n' | grep . | sort | xargs)" "$all"

finish
