#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Soft and hard limits in packets, bytes and seconds, of either direction: events, each once; nothing
# past the hard limit, to the packet where packets are counted on the way out; drops and carrier. How
# many packets left is what the other end of the wire has counted.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 7.2
one_cpu mostly

make_namespace a b
make_wire a b
watch_wire b
# Dormant rather than without carrier: what is sent past a limit reaches the device and is counted.
make_device a ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2 on-demand yes
make_device b ipsec0 2 1 local 192.0.2.2 remote 192.0.2.1 on-demand yes
for ns in a b; do
	# b's answers to ports that nobody listens to would be a's packets.
	on $ns nft add rule inet quiet output oifname '"ipsec*"' icmp type destination-unreachable drop
done
numbered=$(helper numbered)
background monitor a "$IPSECVTI" monitor
until_ok 10 grep -q monitoring "$tmp/monitor.err"

# New SAs at both ends; those of a have limits. Sets $in and $out, a's SAs.
spi=0x2000
fresh() { # LIMITS-OF-IN LIMITS-OF-OUT
	local of_in of_out
	read -ra of_in <<< "$1"
	read -ra of_out <<< "$2"
	vti a sa del all ipsec0 force && vti b sa del all ipsec0 force || return
	spi=$((spi + 2))
	add_pair b ipsec0 $((spi + 1)) "$spi" aes128gcm16 &&
		in=$(add_sa a ipsec0 in "$spi" aes128gcm16 "${of_in[@]}") &&
		out=$(add_sa a ipsec0 out $((spi + 1)) aes128gcm16 "${of_out[@]}" current) &&
		until_ok 5 operstate_is a ipsec0 UP && until_ok 5 operstate_is b ipsec0 UP
	mark_stats a ipsec0
	before=$(wire_count b esp)
}

left() { # packets on the wire since then
	echo $(($(wire_count b esp) - before))
}

events() { # SA-ID: its events in order
	awk -v id="$1" '/expire/ && $5 == "sa" && $6 == id { printf "%s%s", s, $1; s = " " }' "$tmp/monitor"
}

events_are() { # SA-ID EVENTS
	[ "$(events "$1")" = "$2" ]
}

sa_counter() { # SA-ID NAME
	sa_field a "$1" stats | jq -r --arg name "$2" '.[$name] // 0'
}

train() { # SEGMENTS [TRAINS]
	on a python3 "$here/train.py" 198.18.2.254 "$1" "${2:-1}" > /dev/null
}

# Packets, outbound: trains of 50 of which one reaches past either limit.
holds "packets: set up" fresh "" "soft-packets 60 hard-packets 120"
train 50
is "50 packets of 60 and 120: no event" "$(events "$out")" ""
train 50
holds "100: soft" until_ok 5 events_are "$out" soft-expire
is "100: all have left" "$(left)" 100
train 50
holds "150: hard" until_ok 5 events_are "$out" "soft-expire hard-expire"
is "of the train that reaches past the limit what may go has left" "$(left)" 120
is "the rest is counted" "$(moved a ipsec0)" "sa-expired+30"
is "by the SA too" "$(sa_counter "$out" sa-expired)" 30
is "it is dead" "$(sa_field a "$out" dead)" true
holds "dormant" until_ok 5 operstate_is a ipsec0 DORMANT
train 50 2
train 1 3
is "later ones: none has left" "$(left)" 120
is "later ones: counted" "$(moved a ipsec0)" "sa-expired+35"
is "later ones: as sent is counted what was" "$(since_mark a ipsec0 tx-packets)" 120
is "no further event" "$(events "$out")" "soft-expire hard-expire"

gen=$(field a ipsec0 gen)
fails "out set with an SA past its limit" vti a out set ipsec0 sa "$out"
said "it says so" "past its hard limit"
is "and changes nothing" "$(field a ipsec0 gen)" "$gen"

# The soft limits of who says none: 30 seconds, 2^24 packets or an eighth before the hard ones; without
# extended numbers these end, too.
spi=0x7f00
soft_is() { # NAME FIELD WANTED WORDS...
	spi=$((spi + 1))
	is "soft by default: $1" "$(sa_field a "$(add_sa a ipsec0 in $spi aes128gcm16 "${@:4}")" "$2")" "$3"
}
soft_is "an hour" soft-seconds 3570 hard-seconds 3600
soft_is "80 seconds" soft-seconds 70 hard-seconds 80
soft_is "2^30 packets" soft-packets $(((1 << 30) - (1 << 24))) hard-packets $((1 << 30))
soft_is "100 packets" soft-packets 88 hard-packets 100
soft_is "800 bytes" soft-bytes 700 hard-bytes 800
soft_is "the end of 32-bit numbers" soft-packets $(((1 << 32) - 1 - (1 << 24))) esn no
soft_is "extended numbers" soft-packets 0 esn yes
soft_is "what is said stays" soft-seconds 1 soft-seconds 1 hard-seconds 3600

# A limit that is reached in the last packet of a train, and one of a single packet.
holds "a limit of 100: set up" fresh "" "hard-packets 100"
train 50 2
holds "a limit of 100: soft by default, then hard" until_ok 5 events_are "$out" "soft-expire hard-expire"
train 1
is "a limit of 100: 100 have left" "$(left)" 100
holds "soft is hard: set up" fresh "" "soft-packets 1 hard-packets 1"
train 1 2
holds "soft is hard: both events" until_ok 5 events_are "$out" "soft-expire hard-expire"
is "soft is hard: 1 has left" "$(left)" 1

# Without on-demand the carrier goes.
vti a dev set ipsec0 on-demand no
holds "carrier: set up" fresh "" "hard-packets 3"
train 1 5
holds "carrier: it drops" until_ok 5 operstate_is a ipsec0 DOWN
is "carrier: 3 have left" "$(left)" 3
is "carrier: dev show" "$(field a ipsec0 carrier)" false
vti a dev set ipsec0 on-demand yes

# The end of the sequence space: without extended numbers that of the SA, with them nothing, though what
# stands in the packet begins anew. Numbers that far apart are one SA's for b, and two in turn for a.
first_seq=/sys/module/ipsecvti/parameters/first_seq
begins_at() { # NUMBER WORDS...
	echo "$1" > "$first_seq" && vti a sa del all ipsec0 force &&
		out=$(add_sa a ipsec0 out "$spi" aes128gcm16 "${@:2}" current) && until_ok 5 operstate_is a ipsec0 UP
	mark_stats a ipsec0
	before=$(wire_count b esp)
}
if [ -w $first_seq ]; then
	spi=0x7e00
	there=$(add_sa b ipsec0 in $spi aes128gcm16 esn no)
	holds "32-bit numbers: ten are left" begins_at $(((1 << 32) - 10)) esn no
	mark_stats b ipsec0
	train 8
	train 4
	is "32-bit numbers: ten have left, and arrived" "$(left) $(since_mark b ipsec0 rx-packets)" "10 10"
	is "32-bit numbers: the last one is the last" "$(sa_field b "$there" seq)" $(((1 << 32) - 1))
	is "32-bit numbers: the rest is counted" "$(moved a ipsec0)" "seq-exhausted+2"
	holds "32-bit numbers: both events" until_ok 5 events_are "$out" "soft-expire hard-expire"
	is "32-bit numbers: it is dead" "$(sa_field a "$out" dead)" true
	train 1 3
	is "32-bit numbers: none is used twice" "$(left) $(moved a ipsec0)" "10 sa-expired+3 seq-exhausted+2"
	spi=0x7e01
	there=$(add_sa b ipsec0 in $spi aes128gcm16)
	holds "extended numbers: half way" begins_at $((1 << 31))
	mark_stats b ipsec0
	train 1
	holds "extended numbers: ten to 2^32" begins_at $(((1 << 32) - 10))
	train 8
	train 8
	is "extended numbers: all have left, and arrived" "$(left) $(since_mark b ipsec0 rx-packets)" "16 17"
	is "extended numbers: they go on" "$(sa_field b "$there" seq)" $(((1 << 32) + 5))
	is "extended numbers: no event" "$(events "$out")" ""
	echo 0 > $first_seq
fi

# Several CPUs at once, with and without trains. b counts by the sender's port. There are so many that
# none is through before the last one begins, on a machine whose CPUs come and go.
cpus=$(nproc)
on b nft -f - << EOT
table inet senders {
$(for sender in 0 1 2 3; do echo "counter from-$sender { }"; done)
	chain input {
		type filter hook input priority 0;
$(for sender in 0 1 2 3; do echo "udp sport 700$sender counter name from-$sender"; done)
	}
}
EOT
for limit in 6001 6502; do
	holds "$limit by $cpus CPUs: set up" fresh "" "soft-packets 1000 hard-packets $limit"
	rm -f "$tmp/go"
	for sender in 0 1 2 3; do
		background "sender-$sender" a python3 "$here/train.py" 198.18.2.254 \
			$((sender < 2 ? 7 : 1)) $((sender < 2 ? 500 : 3500)) "700$sender" $((sender % cpus)) "$tmp/go"
	done
	on b nft reset counters table inet senders > /dev/null
	for sender in 0 1 2 3; do
		until_ok 20 grep -q ready "$tmp/sender-$sender"
	done
	touch "$tmp/go"
	for sender in 0 1 2 3; do
		await "sender-$sender"
	done
	is "$limit by $cpus CPUs: so many have left" "$(left)" $limit
	is "$limit by $cpus CPUs: so many are counted" \
		"$(since_mark a ipsec0 tx-packets) $(sa_counter "$out" tx-packets)" "$limit $limit"
	holds "$limit by $cpus CPUs: one event of each kind" \
		until_ok 5 events_are "$out" "soft-expire hard-expire"
	for sender in 0 1 2 3; do
		compare "$limit by $cpus CPUs: sender $sender had a part in it" \
			"$(packets_of b inet senders "from-$sender")" -ge 1
	done
	is "$limit by $cpus CPUs: other drops" "$(moved a ipsec0 | tr ' ' '\n' | grep -v sa-expired)" ""
done

# Bytes, of either direction, and packets that are received are looked at once a second. 200 packets
# of 1000 bytes a second are offered for 3 seconds; what passes after the limit came in a second and
# what a busy machine takes to notice.
stream() {
	background to-b a "$numbered" send 198.18.2.254 7000 200 3 972
	background to-a b "$numbered" send 198.18.1.254 7000 200 3 972
	await to-b
	await to-a
}

within() { # NAME VALUE LEAST MOST
	if [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; then
		ok "$1: $2 of $3 to $4"
	else
		not_ok "$1" "$2 is not in $3 to $4"
	fi
}

expired() { # NAME: both of a's SAs are; 5 packets more each way
	local in_before out_before
	holds "$1, in: one event of each kind" until_ok 5 events_are "$in" "soft-expire hard-expire"
	holds "$1, out: one event of each kind" until_ok 5 events_are "$out" "soft-expire hard-expire"
	holds "$1: dormant" until_ok 5 operstate_is a ipsec0 DORMANT
	in_before=$(sa_counter "$in" rx-expired) out_before=$(sa_counter "$out" sa-expired)
	before=$(wire_count b esp)
	mark_stats a ipsec0
	on a ping -q -c 5 -i 0.02 -W 0.1 198.18.2.254 > /dev/null
	on b ping -q -c 5 -i 0.02 -W 0.1 198.18.1.254 > /dev/null
	is "$1: nothing passes any more" "$(left) $(since_mark a ipsec0 rx-packets)" "0 0"
	is "$1: counted" "$(moved a ipsec0)" "rx-expired+5 sa-expired+5"
	is "$1: by the SAs too" \
		"$(($(sa_counter "$in" rx-expired) - in_before)) $(($(sa_counter "$out" sa-expired) - out_before))" "5 5"
}

limits="soft-bytes 20000 hard-bytes 50000"
holds "bytes: set up" fresh "$limits" "$limits"
stream
within "bytes, in" "$(sa_counter "$in" rx-bytes)" 50000 350000
within "bytes, out" "$(sa_counter "$out" tx-bytes)" 50000 350000
expired "bytes"

limits="soft-seconds 1 hard-seconds 2"
holds "packets in, seconds out: set up" fresh "soft-packets 20 hard-packets 50" "$limits"
stream
within "packets, in" "$(sa_counter "$in" rx-packets)" 50 350
within "seconds, out: packets" "$(sa_counter "$out" tx-packets)" 1 550
expired "packets in, seconds out"
compare "seconds: age" "$(sa_field a "$out" age)" -ge 2

# An inbound SA dies of age without a packet.
vti a dev set ipsec0 on-demand no
started=${EPOCHREALTIME/./}
holds "seconds, in: set up" fresh "soft-seconds 1 hard-seconds 2" ""
holds "seconds, in: both events" until_ok 5 events_are "$in" "soft-expire hard-expire"
within "seconds, in: after so many milliseconds" $(((${EPOCHREALTIME/./} - started) / 1000)) 1000 3500
holds "seconds, in: the carrier drops with it" until_ok 5 operstate_is a ipsec0 DOWN
is "seconds, in: the outbound one lives" "$(sa_field a "$out" dead)" false

# No SA has told anything twice.
is "every event came once" "$(grep expire "$tmp/monitor" | sort | uniq -d)" ""
compare "control: there were events" "$(grep -c expire "$tmp/monitor")" -ge 15

finish
