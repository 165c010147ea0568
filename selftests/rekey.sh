#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A rekey loses no packet: numbered packets both ways, a thousand a second, while both ends go from
# one pair of SAs to the next; what arrived is what was sent. The same test with the old inbound SA
# deleted before the switch must report loss.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here

numbered=$(helper numbered)
rate=1000
make_namespace a b
make_wire a b

declare -A in out		# current handles by namespace
spi=0x2000

new_inbound() { # SPI-TO-A SPI-TO-B
	new_in_a=$(add_sa a ipsec0 in "$1" aes128gcm16) && new_in_b=$(add_sa b ipsec0 in "$2" aes128gcm16)
}

new_outbound() { # SPI-TO-A SPI-TO-B
	new_out_a=$(add_sa a ipsec0 out "$2" aes128gcm16 current) &&
		new_out_b=$(add_sa b ipsec0 out "$1" aes128gcm16 current)
}

delete_old() { # DIRECTION
	local -n old=$1
	vti a sa del "${old[a]}" && vti b sa del "${old[b]}"
}

# shellcheck disable=SC2034 # delete_old takes them by name
adopt() {
	in=([a]=$new_in_a [b]=$new_in_b)
	out=([a]=$new_out_a [b]=$new_out_b)
}

# Inbound first, the switch, a pause in which the old inbound SA still receives, the old outbound last.
rekey() {
	spi=$((spi + 2))
	new_inbound "$spi" $((spi + 1)) && new_outbound "$spi" $((spi + 1)) && sleep 0.3 &&
		delete_old in && delete_old out && adopt
}

# The fault: nothing is left to receive what is still sent the old way.
rekey_too_early() {
	spi=$((spi + 2))
	delete_old in && new_inbound "$spi" $((spi + 1)) && new_outbound "$spi" $((spi + 1)) &&
		delete_old out && adopt
}

# Numbered packets for a time, and until there were so many rekeys meanwhile.
run() { # SECONDS REKEYS HOW
	local end
	rekeys=0
	background receive-b b "$numbered" receive 198.18.2.254 7000
	background receive-a a "$numbered" receive 198.18.1.254 7000
	until_ok 20 bound a 7000 && until_ok 20 bound b 7000 || return
	background send-a a "$numbered" send 198.18.2.254 7000 "$rate" 3600 200
	background send-b b "$numbered" send 198.18.1.254 7000 "$rate" 3600 200
	end=$((SECONDS + $1))
	while [ "$SECONDS" -lt "$end" ] || [ "$rekeys" -lt "$2" ]; do
		"$3" || return
		rekeys=$((rekeys + 1))
	done
	stop send-a
	stop send-b
	sleep 1
	stop receive-a
	stop receive-b
}

result() { # FILE NAME
	sed -n "s/.*\<$2=\([0-9]*\).*/\1/p" "$tmp/$1"
}

first_pair() {
	make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2 &&
		make_device b ipsec0 2 1 local 192.0.2.2 remote 192.0.2.1 &&
		new_inbound "$spi" $((spi + 1)) && new_outbound "$spi" $((spi + 1)) && adopt
}

holds "set up" first_pair
until_ok 5 operstate_is a ipsec0 UP
until_ok 5 operstate_is b ipsec0 UP
index=$(field a ipsec0 ifindex)
mark_stats a ipsec0
mark_stats b ipsec0

holds "numbered packets over rekeys" run "$seconds" $((seconds / 3 + 1)) rekey
note "$rekeys rekeys; to b: $(cat "$tmp/receive-b"); to a: $(cat "$tmp/receive-a")"
for end in a b; do
	other=b
	[ $end = a ] || other=a
	# A slow machine sends fewer; still enough to fall into a gap.
	compare "$end sent numbers all the time" "$(result send-$end sent)" -ge $((rate * seconds / 10))
	is "$end was refused none" "$(result send-$end refused)" 0
	is "$other received each of them" "$(result "receive-$other" received)" "$(result send-$end sent)"
	is "$other received none twice" "$(result "receive-$other" duplicates)" 0
	is "$other received none changed" "$(result "receive-$other" corrupt)" 0
	is "no drop on $end" "$(moved $end ipsec0)" ""
done
is "two SAs are left on a" "$(vti a sa list --json | jq length)" 2
is "two SAs are left on b" "$(vti b sa list --json | jq length)" 2
is "the same device" "$(field a ipsec0 ifindex)" "$index"

holds "control: the old inbound SA goes first" run 2 1 rekey_too_early
note "to b: $(cat "$tmp/send-a") $(cat "$tmp/receive-b"); to a: $(cat "$tmp/send-b") $(cat "$tmp/receive-a")"
compare "control: b reports loss" "$(result receive-b received)" -lt "$(result send-a sent)"
compare "control: a reports loss" "$(result receive-a received)" -lt "$(result send-b sent)"

# The outbound set is replaced in one step, and only by whom knows what it replaces.
gen=$(field a ipsec0 gen)
list=$(vti a sa list --json | jq -c 'map({id: ."sa-id", current})')
fails "a stale generation is refused" vti a out set ipsec0 expect-gen $((gen - 1)) sa "${out[a]}"
said "with the true one in the text" "\\b$gen\\b"
is "nothing has changed" "$(field a ipsec0 gen) $(vti a sa list --json | jq -c 'map({id: ."sa-id", current})')" \
	"$gen $list"
holds "the current generation is accepted" vti a out set ipsec0 expect-gen "$gen" sa "${out[a]}"
compare "and the next one differs" "$(field a ipsec0 gen)" != "$gen"

finish
