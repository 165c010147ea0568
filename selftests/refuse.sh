#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What the kernel refuses, in which words, and that a refusal changes nothing.
. "$(dirname "$0")/lib.sh"
module_here
one_cpu
need setpriv

make_namespace a b
make_wire a b

# All that can be seen, but for what time changes.
state() {
	{
		vti a dev show --json
		vti a sa list --json
		ipn a link show type ipsecvti
	} | grep -v -e '"age":' -e '"last-used":'
}

before=
refused() { # NAME TEXT COMMAND...
	local name=$1 text=$2
	shift 2
	[ -n "$before" ] || before=$(state)
	fails "$name" "$@"
	said "$name" "$text"
	after=$(state)
	if [ "$after" = "$before" ]; then
		ok "$name: nothing has changed"
	else
		not_ok "$name: nothing has changed" "$(diff <(echo "$before") <(echo "$after"))"
	fi
	before=$after
}

allowed() { # NAME COMMAND...: what changes the state by right
	holds "$@"
	before=
}

add() { # KEY-SUITE WORDS...: an SA with a key of that suite, or of so many bytes
	local key=$1
	shift
	key_of "$key" 1 | vti a sa add ipsec0 key-file - "$@"
}

zero_key() {
	printf '%040d' 0 | vti a sa add ipsec0 key-file - "$@"
}

ipn a link add ipsec0 type ipsecvti
refused "an SA on a device without addresses" 'address' \
	add aes128gcm16 dir in spi 0x5001 suite aes128gcm16
allowed "addresses" vti a dev set ipsec0 local 192.0.2.1 remote 192.0.2.2

# Control: what follows is refused for what is said there.
in=$(add aes128gcm16 dir in spi 0x5001 suite aes128gcm16)
out=$(add aes128gcm16 dir out spi 0x5002 suite aes128gcm16 current)
allowed "control: both SAs are there" test -n "$in" -a -n "$out"
is "control: two SAs" "$(vti a sa list --json | jq length)" 2

refused "a key of another suite" 'key' add aes256gcm16 dir in spi 0x5003 suite aes128gcm16
refused "a key one byte short" 'key.*20|20.*key' add 19 dir in spi 0x5003 suite aes128gcm16
refused "a key one byte long" 'key.*20|20.*key' add 21 dir in spi 0x5003 suite aes128gcm16
refused "a key longer than any" 'key' add 64 dir in spi 0x5003 suite aes128gcm16
refused "a key of zeros" 'zero' zero_key dir in spi 0x5003 suite aes128gcm16
refused "an unknown suite" 'suite' add aes128gcm16 dir in spi 0x5003 suite rot13
refused "an SPI that is in use" 'spi' add aes128gcm16 dir in spi 0x5001 suite aes128gcm16
refused "SPI 0" 'spi' add aes128gcm16 dir in spi 0 suite aes128gcm16
refused "SPI 255, inbound" 'spi' add aes128gcm16 dir in spi 255 suite aes128gcm16
refused "SPI 255, outbound" 'spi' add aes128gcm16 dir out spi 255 suite aes128gcm16
refused "a window of 31" 'window' add aes128gcm16 dir in spi 0x5003 suite aes128gcm16 replay-window 31
refused "a window of 65537" 'window' \
	add aes128gcm16 dir in spi 0x5003 suite aes128gcm16 replay-window 65537
refused "a soft limit above the hard one" 'soft|limit' \
	add aes128gcm16 dir in spi 0x5003 suite aes128gcm16 soft-seconds 20 hard-seconds 10
refused "a device that is not there" 'device|ipsec7' vti a dev set ipsec7 local 192.0.2.1
refused "a device of another kind" 'ipsecvti' vti a dev set wire local 192.0.2.1
refused "an SA on a device of another kind" 'ipsecvti' eval \
	'key_of aes128gcm16 1 | vti a sa add wire dir in spi 0x5003 suite aes128gcm16 key-file -'
refused "UDP without ports" 'port' vti a dev set ipsec0 encap udp 0 0
refused "an IPv6 peer of an IPv4 address" 'famil|IPv6|address' vti a dev set ipsec0 remote 2001:db8::2
refused "a multicast peer" 'multicast|unicast|address' vti a dev set ipsec0 remote 224.0.0.1
refused "peer 0.0.0.0" 'address|remote|peer' vti a dev set ipsec0 remote 0.0.0.0
refused "an interface that is not there" 'interface' vti a dev set ipsec0 oif nowhere

# The outbound set
refused "an outbound set without an SA for any CPU" 'any' vti a out set ipsec0 sa "$out" cpu 0
refused "an inbound SA in it" 'inbound|outbound|direction' vti a out set ipsec0 sa "$in"
refused "an SA of nobody in it" 'SA' vti a out set ipsec0 sa 4294967294
refused "the same CPU twice" 'twice|CPU' vti a out set ipsec0 sa "$out" sa "$out"
refused "a CPU that cannot be" 'CPU' vti a out set ipsec0 sa "$out" sa "$out" cpu 100000
gen=$(field a ipsec0 gen)
refused "a stale generation" "\\b$gen\\b" vti a out set ipsec0 expect-gen $((gen + 5)) sa "$out"
refused "deleting an SA that is current" 'current|outbound set|force' vti a sa del "$out"
refused "deleting all while one is current" 'current|outbound set|force' vti a sa del all ipsec0
refused "deleting an SA of nobody" 'SA' vti a sa del 4294967294

# Owners
allowed "an owner" vti a dev set ipsec0 owner alice
refused "another owner sets the device" 'alice' vti a dev set ipsec0 remote 192.0.2.9 owner bob
refused "another owner adds an SA" 'alice' add aes128gcm16 dir in spi 0x5003 suite aes128gcm16 owner bob
refused "another owner deletes one" 'alice' vti a sa del "$in" owner bob
refused "another owner sets the outbound set" 'alice' vti a out set ipsec0 sa "$out" owner bob
refused "another owner reserves an SPI" 'alice' vti a spi alloc ipsec0 owner bob
refused "nobody in particular sets the device" 'alice' vti a dev set ipsec0 remote 192.0.2.9
allowed "the owner may" vti a dev set ipsec0 remote 192.0.2.2 owner alice
allowed "by force another may" vti a dev set ipsec0 owner bob force
is "and owns it then" "$(field a ipsec0 owner)" bob

# A reserved SPI is on its device's list, is not given out twice, and can be used.
spi=$(vti a spi alloc ipsec0 owner bob | grep -oE '0x[0-9a-f]+' | head -n 1)
allowed "an SPI is reserved" test -n "$spi"
listed() {
	field a ipsec0 reserved-spi | grep -q "$spi"
}
holds "it is listed" listed
allowed "it can be used" add aes128gcm16 dir in spi "$spi" suite aes128gcm16 owner bob
fails "once" add aes128gcm16 dir in spi "$spi" suite aes128gcm16 owner bob
fails "it is no longer listed" listed

# No capability, no view: peers and SPIs are nobody's business.
unprivileged() {
	on a setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all "$IPSECVTI" "$@"
}
refused "an ordinary user sets the device" 'permi' unprivileged dev set ipsec0 remote 192.0.2.9
refused "an ordinary user reads devices" 'permi' unprivileged dev show --json
refused "an ordinary user reads SAs" 'permi' unprivileged sa list --json
refused "an ordinary user reads events" 'permi' timeout 2 \
	ip netns exec "vti$$-a" setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$IPSECVTI" monitor
# Root of a user namespace has no say over a device that it was given.
unshared() {
	on a unshare --user --map-root-user "$IPSECVTI" "$@"
}
refused "root of another user namespace" 'permi' unshared dev set ipsec0 remote 192.0.2.9 owner bob

# No reply carries a key.
key=$(key_of aes128gcm16 1)
vti a sa list --json > "$tmp/all"
vti a dev show --json >> "$tmp/all"
fails "no key in what is shown" grep -qi "${key:0:16}" "$tmp/all"

finish
