# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The chains that all cases use, and the subjects in them. Sourced, in a guest that is thrown away.
#
#   host s -------- a =================== b -------- host d      veth: wire between the gateways,
#   198.18.0.1    card "in"           card "out"  198.18.1.1     lan to the hosts
#                 192.0.2.1           192.0.2.2
#
# Packets for 198.19.0.0/16 come in at one card and leave by the other (card/card.c). There are three
# such chains, because xfrm's policies are asked about each packet of their namespace, whoever's it is.
# Conditions are the same for all: ESN, a window of 4096, no conntrack, an inner MTU of 1438.

set -u
export LC_ALL=C
card=/sys/module/card/parameters
dir=$(mktemp -d /tmp/bench.XXXXXX)
key=$(printf '%02x' {1..20})
kernel=$(sed -n "s/^\(.*\) $(uname -r)\$/\1/p" /out/.kernels)

declare -A device=([ipip]=ipip0 [xfrmi]=xfrm0 [xfrmi-offload]=xfrm0 [wireguard]=wg0 [ipsecvti]=ipsec0)

# The chain that is in use: its letter, which begins the names of its namespaces and cards.
chain=

say() { # CASE SUBJECT SIZE SAS CPUS VALUE UNIT: a figure, for report.py
	echo "= $*"
}

note() { # TEXT
	echo "# $*"
}

on() { # NAMESPACE COMMAND...
	nsenter --net="/run/netns/$chain$1" "${@:2}"
}

ipn() { # NAMESPACE ARGS...
	ip -n "$chain$1" "${@:2}"
}

background() { # NAMESPACE COMMAND...: its process in $process
	nsenter --net="/run/netns/$chain$1" "${@:2}" > "$dir/background" &
	# shellcheck disable=SC2034 # for those who source this
	process=$!
}

set_card() { # NAME=VALUE...
	local setting
	for setting; do
		echo "${setting#*=}" > "$card/${setting%%=*}"
	done
}

# The result of a run; those of a counted one, and those of one by rate.
# shellcheck disable=SC2034 # for those who source this
sent='' delivered='' cycles='' idle_us='' due='' missed='' in_time=''
run_card() { # NAME=VALUE...
	local words word
	set_card "$@" run=1
	read -ra words < "$card/result"
	for word in "${words[@]}"; do
		printf -v "${word%%=*}" %s "${word#*=}"
	done
}

link() { # NAME NAMESPACE ADDRESS NAMESPACE ADDRESS
	ip link add "$1" netns "$chain$2" type veth peer name "$1" netns "$chain$4"
	ipn "$2" addr add "$3/24" dev "$1"
	ipn "$4" addr add "$5/24" dev "$1"
	ipn "$2" link set "$1" up
	ipn "$4" link set "$1" up
}

chain_up() { # LETTER
	local ns
	chain=$1
	for ns in s a b d; do
		ip netns add "$chain$ns"
		ipn $ns link set lo up
		# shellcheck disable=SC2016 # the inner shell expands
		ip netns exec "$chain$ns" bash -c 'echo 1 > /proc/sys/net/ipv4/ip_forward
			for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done
			for f in /proc/sys/net/ipv6/conf/{all,default}/disable_ipv6; do echo 1 > $f; done'
	done
	link lan s 198.18.0.1 a 198.18.0.254
	link lan d 198.18.1.1 b 198.18.1.254
	link wire a 192.0.2.1 b 192.0.2.2
	ipn s route add default via 198.18.0.254
	ipn d route add default via 198.18.1.254
	ip link add "$chain-in" netns "${chain}a" type card
	ip link add "$chain-out" netns "${chain}b" type card
	ipn a link set "$chain-in" up
	ipn b link set "$chain-out" up
	ipn a addr add 198.18.8.254/24 dev "$chain-in"
	ipn b route add 198.19.0.0/16 dev "$chain-out"
	until on a ping -q -c 1 -W 1 192.0.2.2 > /dev/null; do :; done
}

ipip_up() {
	ipn a link add ipip0 type ipip local 192.0.2.1 remote 192.0.2.2
	ipn b link add ipip0 type ipip local 192.0.2.2 remote 192.0.2.1
}

xfrm_up() {
	local ns src dst dirs dir
	for ns in a b; do
		ipn $ns link add xfrm0 type xfrm dev wire if_id 1
		for src in 1 2; do
			dst=192.0.2.$((3 - src))
			ipn $ns xfrm state add src 192.0.2.$src dst $dst proto esp spi $((0x1000 + src)) mode tunnel \
				if_id 1 aead 'rfc4106(gcm(aes))' "0x$key" 128 replay-window 4096 flag esn
			dirs=(in fwd)
			[ $ns$src != a1 ] && [ $ns$src != b2 ] || dirs=(out)
			for dir in "${dirs[@]}"; do
				ipn $ns xfrm policy add dir "$dir" if_id 1 tmpl src 192.0.2.$src dst $dst proto esp mode tunnel
			done
		done
	done
}

wireguard_up() {
	local ns far=2
	umask 077
	for ns in a b; do
		wg genkey > "$dir/wg-$ns"
		ipn $ns link add wg0 type wireguard
		ipn $ns link set wg0 up
	done
	for ns in a b; do
		on $ns wg set wg0 private-key "$dir/wg-$ns" listen-port 51820 \
			peer "$(cat "$dir/wg-"[!$ns] | wg pubkey)" allowed-ips 0.0.0.0/0 \
			endpoint 192.0.2.$far:51820 persistent-keepalive 1
		far=1
	done
	umask 022
	until [[ $(on a wg show wg0 latest-handshakes) =~ [1-9][0-9]+$ ]]; do
		sleep 0.1
	done
	for ns in a b; do
		on $ns wg set wg0 peer "$(on $ns wg show wg0 peers)" persistent-keepalive 0
	done
}

ipsecvti_up() {
	local ns near=1 far=2
	(umask 077 && echo "$key" > "$dir/key")
	for ns in a b; do
		ipn $ns link add ipsec0 type ipsecvti
		ipsecvti -n "$chain$ns" -b - <<- EOT > "$dir/out"
			dev set ipsec0 local 192.0.2.$near remote 192.0.2.$far
			sa add ipsec0 dir in spi $((0x1000 + near)) suite aes128gcm16 key-file $dir/key
			sa add ipsec0 dir out spi $((0x1000 + far)) suite aes128gcm16 key-file $dir/key current
		EOT
		near=2 far=1
	done
}

up() { # DEVICE...
	local dev
	for dev; do
		ipn a link set "$dev" up mtu 1438
		ipn b link set "$dev" up mtu 1438
	done
}

modules_up() {
	modprobe -a veth ipip esp4 xfrm_interface wireguard ipsecvti
	insmod "/build/$kernel/card/card.ko"
}

# Chain k has what has no policies, x xfrm as it is, and o xfrm with esp4_offload.
chains_up() { # SUBJECT...: those that are wanted
	modules_up
	[[ " $* " != *' xfrmi-offload '* ]] || chain_up o
	if [[ " $* " = *' xfrmi '* ]]; then
		chain_up x
		xfrm_up
		up xfrm0
	fi
	chain_up k
	ipip_up
	wireguard_up
	ipsecvti_up
	up ipip0 wg0 ipsec0
}

# esp4_offload has its hands on all ESP, so it is there only while it is the subject.
offload=
offload_up() {
	[ -z "$offload" ] || return
	offload=1
	modprobe esp4_offload
	xfrm_up
	up xfrm0
}

offload_down() {
	local ns try
	[ -n "$offload" ] || return
	offload=
	chain=o
	for ns in a b; do
		ipn $ns link del xfrm0
		ipn $ns xfrm state flush
		ipn $ns xfrm policy flush
	done
	# The states hold it until they are collected.
	for ((try = 0; try < 100; try++)); do
		! rmmod esp4_offload 2> /dev/null || return 0
		sleep 0.1
	done
	echo 'bench: esp4_offload stays' >&2
	exit 1
}

# From here on the chain of a subject is in use, and all traffic between its gateways goes that way.
use() { # SUBJECT
	local near=(via 192.0.2.2 dev wire) far=(via 192.0.2.1 dev wire)
	case $1 in
	xfrmi-offload)
		chain=o
		offload_up
		;;
	*)
		offload_down
		chain=k
		[ "$1" != xfrmi ] || chain=x
		;;
	esac
	[ "$1" = plain ] || near=(dev "${device[$1]}") far=(dev "${device[$1]}")
	ipn a route replace 198.18.1.0/24 "${near[@]}"
	ipn a route replace 198.19.0.0/16 "${near[@]}"
	ipn b route replace 198.18.0.0/24 "${far[@]}"
	on s ping -q -c 1 -W 2 198.18.1.1 > "$dir/ping" || cat "$dir/ping" >&2
	set_card source=$chain-in
}
