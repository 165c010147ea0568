#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The path narrows behind the next router: what ICMP errors say of it is heeded, native and in UDP, in
# both families, by mark and in a VRF; hosts behind the gateway are told by an address that they know,
# and TCP goes on. What is forged teaches nothing, or no more than the floor allows.
#
#   l 198.18.1.2 -- 198.18.1.1 a 192.0.2.1 -- 192.0.2.9 m 203.0.113.9 -- 203.0.113.1 b 198.18.2.1 -- 198.18.2.2 r
#                              a 2001:db8:a::1 ------- m ------- 2001:db8:b::1 b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1 7.2
one_cpu

make_namespace l a m b r
join() { # NS ADDRESS4 ADDRESS6
	ip link add wire netns "vti$$-$1" type veth peer name "to-$1" netns "vti$$-m" || exit 1
	ipn "$1" -batch - <<- EOT
		addr add $2.1/24 dev wire
		addr add $3::1/64 dev wire nodad
		link set wire up
	EOT
	ipn m -batch - <<- EOT
		addr add $2.9/24 dev to-$1
		addr add $3::9/64 dev to-$1 nodad
		link set to-$1 up
	EOT
}
join a 192.0.2 2001:db8:a
join b 203.0.113 2001:db8:b
ipn b route add default via 203.0.113.9
ipn b route add default via 2001:db8:b::9
to_b() { # WORDS: a's routes to its peer
	ipn a route add 203.0.113.0/24 via 192.0.2.9 "$@" && ipn a route add 2001:db8:b::/64 via 2001:db8:a::9 "$@"
}
to_b
make_lan a l 1
make_lan b r 2
for address in 192.0.2.1 2001:db8:a::1; do
	espinudp a $address 4500
done
for address in 203.0.113.1 2001:db8:b::1; do
	espinudp b $address 4500
done

path() { # MTU
	ipn m link set to-b mtu "$1" && ipn b link set wire mtu "$1"
}

# Both devices anew, with nothing learned by anybody.
devices() { # FAMILY WORDS...: words are for both ends
	local ns here=192.0.2.1 there=203.0.113.1
	[ "$1" = 4 ] || here=2001:db8:a::1 there=2001:db8:b::1
	shift
	ipn a link del ipsec0 2> /dev/null
	ipn b link del ipsec0 2> /dev/null
	for ns in l a b r; do
		ipn "$ns" route flush cache
		ipn "$ns" -6 route flush cache
	done
	make_device a ipsec0 1 2 local "$here" remote "$there" "$@" &&
		make_device b ipsec0 2 1 local "$there" remote "$here" "$@" &&
		add_pair a ipsec0 0x1001 0x1002 aes128gcm16 && add_pair b ipsec0 0x1002 0x1001 aes128gcm16 &&
		ipn a link set ipsec0 mtu 1500 && ipn b link set ipsec0 mtu 1500
}

mtu_is() { # effective-mtu of a
	[ "$(field a ipsec0 effective-mtu)" = "$1" ]
}

# The largest inner packet of a path: outer headers, 32 bytes of ESP, trailer and padding to 4.
limit_of() { # FAMILY KIND PATH
	local outer=$(($1 == 4 ? 20 : 40))
	[ "$2" = native ] || outer=$((outer + 8))
	echo $((($3 - outer - 32) / 4 * 4 - 2))
}

# Echo requests whose IP packet has so many bytes, from l to r.
ping_of() { # FAMILY BYTES ARGS...
	local address=198.18.2.2 header=28
	[ "$1" = 4 ] || address=2001:db8:2::2 header=48
	on l ping -c 2 -i 0.05 -W 2 -M "do" -s $(($2 - header)) "${@:3}" $address
}

answer() { # FAMILY BYTES: who says how much is possible, to a host that doesn't know yet
	on l ip route flush cache
	on l ip -6 route flush cache
	ping_of "$1" "$2" -W 0.2 2>&1 |
		sed -nE 's/^From ([0-9a-f.:]*[0-9a-f]):? .*mtu ?[=:]? ?([0-9]+).*/\1 \2/p' | head -n 1
}

learned() { # NAME LIMIT: by all that it concerns
	holds "$1: the path of 1400 is learned, $2 bytes" until_ok 3 mtu_is "$2"
	is "$1: a host is told" "$(answer 4 1400)" "198.18.1.1 $2"
	is "$1: a host is told of IPv6" "$(answer 6 1400)" "2001:db8:1::1 $2"
	holds "$1: $2 bytes pass" ping_of 4 "$2"
	holds "$1: $2 bytes of IPv6 pass" ping_of 6 "$2"
}

# Two files over TCP, one over IPv4 and one over IPv6. When half of both is there, the path narrows.
begin_file() { # FAMILY ADDRESS
	rm -f "$tmp/received-$1" "$tmp/pipe-$1"
	mkfifo "$tmp/pipe-$1"
	background "sink-$1" r socat -u "TCP$1-LISTEN:500$1,reuseaddr,bind=$2" "CREATE:$tmp/received-$1"
	until_ok 10 listening r "500$1"
	background "source-$1" l socat -u "PIPE:$tmp/pipe-$1" "TCP$1:$2:500$1"
}

half_there() {
	[ "$(stat -c %s "$tmp/received-4") $(stat -c %s "$tmp/received-6")" = "524288 524288" ]
}

ended() {
	! kill -0 "${pid_of[sink-4]}" && ! kill -0 "${pid_of[sink-6]}"
}

narrowing() {
	begin_file 4 198.18.2.2
	begin_file 6 '[2001:db8:2::2]'
	exec 8> "$tmp/pipe-4" 9> "$tmp/pipe-6"
	head -c 512K "$tmp/file" | tee /dev/fd/8 >&9
	until_ok 20 half_there || return
	path 1400
	tail -c 512K "$tmp/file" | tee /dev/fd/8 >&9
	exec 8>&- 9>&-
	until_ok 20 ended
	cmp "$tmp/file" "$tmp/received-4" && cmp "$tmp/file" "$tmp/received-6"
}

head -c 1M /dev/urandom > "$tmp/file"
for family in 4 6; do
	for kind in native "in UDP"; do
		name="over IPv$family, $kind"
		encap=none
		[ "$kind" = native ] || encap='udp 4500 4500'
		# shellcheck disable=SC2086 # words
		holds "$name: set up" devices $family encap $encap
		holds "$name: 1400 bytes pass" ping_of 4 1400
		holds "$name: TCP goes on when the path narrows" narrowing
		learned "$name" "$(limit_of $family "$kind" 1400)"
		path 1500
	done
done

# Forged errors come from an address that isn't on the way, and are counted where they arrive.
coproc FORGER { on m python3 "$here/forge.py" 2> "$tmp/forge.err"; }
# shellcheck disable=SC2153 # coproc sets it
children+=("$FORGER_PID")
read -r -t 60 -u "${FORGER[0]}" _ || exit 1
on a nft -f - << EOT
table netdev forged {
	counter seen { }
	chain ingress {
		type filter hook ingress device "wire" priority 0;
		ip saddr 192.0.2.77 ip protocol icmp counter name seen
		ip6 saddr 2001:db8:a::77 icmpv6 type != { 135, 136 } counter name seen
	}
}
EOT
seen=0
saw() {
	[ "$(packets_of a netdev forged seen)" = "$seen" ]
}

forge() { # WORDS...: about a's ESP, if nothing else is said
	local answer
	echo "$about $*" >&"${FORGER[1]}"
	read -r -t 20 -u "${FORGER[0]}" answer
	[ "$answer" = ok ] || note "$answer"
	seen=$((seen + 1))
	[[ " $* " == *" from="* ]] && seen=$((seen - 1)) && return
	until_ok 3 saw || not_ok "arrived: $*"
}

believed() { # what ICMP has taught, and what follows
	vti a dev show ipsec0 --json | jq -r '.[0] | "\(.pmtu // "-") \(."effective-mtu")"'
}

unmoved() { # NAME WORDS...
	forge "${@:2}"
	is "forged over IPv$family: $1: nothing learned" "$(believed)" "- $limit"
}

taught() { # NAME MTU LIMIT
	forge "$too_big" "info=$2"
	is "forged over IPv$family: $1" "$(believed)" "$2 $3"
}

# A gateway does not follow redirects; even one that does is not to for the sake of its ESP.
for setting in all wire; do
	on a sh -c "echo 1 > /proc/sys/net/ipv4/conf/$setting/accept_redirects"
done
for family in 4 6; do
	holds "forged over IPv$family: set up" devices $family
	limit=$(limit_of $family native 1500)
	if [ $family = 4 ]; then
		about="from=192.0.2.77 to=192.0.2.1 src=192.0.2.1 dst=203.0.113.1 spi=0x1002"
		too_big="type=unreachable code=4"
		other=203.0.113.2
	else
		about="from=2001:db8:a::77 to=2001:db8:a::1 src=2001:db8:a::1 dst=2001:db8:b::1 spi=0x1002"
		too_big="type=too-big"
		other=2001:db8:b::2
	fi
	# shellcheck disable=SC2086 # words
	{
		unmoved "an SPI of nobody" $too_big info=1300 spi=0x1003
		unmoved "an inbound SPI" $too_big info=1300 spi=0x1001
		unmoved "another destination" $too_big info=1300 dst=$other
		unmoved "too short a quote" $too_big info=1300 quote=4
		unmoved "MTU 0" $too_big info=0
		unmoved "MTU 67" $too_big info=67
	}
	for type in unreachable exceeded parameter quench; do
		[ $type$family != quench6 ] || continue
		forge type=$type code=0 info=1300
		forge type=$type code=1 info=1300
		unmoved "$type" type=$type code=3 info=1300
	done
	holds "forged over IPv$family: traffic passes" ping_of 4 1400
	if [ $family = 4 ]; then
		unmoved "administratively prohibited" type=unreachable code=13
		# From the router itself, to a neighbour, as it would have to be.
		ipn a neigh replace 192.0.2.77 lladdr 02:00:00:00:00:77 dev wire
		for code in 0 1; do
			forge type=redirect code=$code info=192.0.2.77 from=192.0.2.9
		done
		holds "redirects of our ESP: traffic passes" ping_of 4 1400
		forge type=redirect code=1 info=192.0.2.77 from=192.0.2.9 proto=1
		fails "control: a redirect of something else is followed" ping_of 4 1400 -c 1 -W 0.2
		ipn a route flush cache
		holds "traffic passes again" ping_of 4 1400
	fi
	taught "control: MTU 1300" 1300 "$(limit_of $family native 1300)"
	floor=$(limit_of $family native 1280)
	for mtu in 1000 68; do
		# No link of IPv6 is so narrow; of IPv4 it may be, but the floor holds.
		believed="$mtu $floor"
		[ $family = 4 ] || believed="1300 $(limit_of 6 native 1300)"
		forge "$too_big" info=$mtu
		is "forged over IPv$family: MTU $mtu" "$(believed)" "$believed"
		holds "MTU $mtu: $floor bytes pass" ping_of 4 "$floor"
		holds "MTU $mtu: $floor bytes of IPv6 pass" ping_of 6 "$floor"
	done
	holds "MTU 68: TCP passes" tcp_file l r 198.18.2.2 512
done

# In UDP the kernel heeds errors before it knows whose they are: the floor is what holds.
for family in 4 6; do
	if [ $family = 4 ]; then
		about="from=192.0.2.77 to=192.0.2.1 src=192.0.2.1 dst=203.0.113.1 spi=0x1002 udp=4500:4500"
		too_big="type=unreachable code=4"
		other=203.0.113.2
	else
		about="from=2001:db8:a::77 to=2001:db8:a::1 src=2001:db8:a::1 dst=2001:db8:b::1 spi=0x1002 udp=4500:4500"
		too_big="type=too-big"
		other=2001:db8:b::2
	fi
	holds "forged in UDP over IPv$family: set up" devices $family encap udp 4500 4500
	limit=$(limit_of $family udp 1500)
	# shellcheck disable=SC2086 # words
	unmoved "in UDP, another destination" $too_big info=1300 dst=$other
	forge type=unreachable code=0
	forge type=unreachable code=1
	unmoved "in UDP, unreachable" type=unreachable code=3
	holds "forged in UDP over IPv$family: traffic passes" ping_of 4 1400
	floor=$(limit_of $family udp 1280)
	for mtu in 1000 600 0; do
		# shellcheck disable=SC2086 # words
		forge $too_big info=$mtu
	done
	compare "forged in UDP over IPv$family: effective-mtu" "$(field a ipsec0 effective-mtu)" -ge "$floor"
	holds "forged in UDP over IPv$family: $floor bytes pass" ping_of 4 "$floor"
	holds "forged in UDP over IPv$family: TCP passes" tcp_file l r 198.18.2.2 512
done

# By mark, where the route without it doesn't lead there.
ipn a route del 203.0.113.0/24
ipn a route del 2001:db8:b::/64
to_b table 100
ipn a rule add fwmark 7 lookup 100
ipn a -6 rule add fwmark 7 lookup 100
narrow() { # NAME WORDS...: words are for a's device
	local family kind encap
	for family in 4 6; do
		for kind in native "in UDP"; do
			encap=none
			[ "$kind" = native ] || encap='udp 4500 4500'
			# shellcheck disable=SC2086 # words
			holds "$1, over IPv$family, $kind: set up" devices $family encap $encap
			vti a dev set ipsec0 "${@:2}"
			path 1400
			ping_of 4 1400 -c 1 -W 0.1 > /dev/null
			learned "$1, over IPv$family, $kind" "$(limit_of $family "$kind" 1400)"
			path 1500
		done
	done
}
narrow "by mark" mark 7

# In a VRF.
ipn a link add red type vrf table 10
ipn a link set red up
ipn a link set wire master red
ipn a addr replace 2001:db8:a::1/64 dev wire nodad
to_b vrf red
on a sh -c 'echo 1 > /proc/sys/net/ipv4/udp_l3mdev_accept'
narrow "in a VRF" oif red

finish
