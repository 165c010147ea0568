#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Ciphers that answer later: the parallel crypto engine takes every request away and brings it back
# from another context. Nothing is lost, nothing is counted as an error, and everything that is
# deleted while requests are under way goes.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_is_ours
numbered=$(helper numbered)

cipher='pcrypt(rfc4106(gcm(aes)))'
# Asking for a template by its name makes an instance of it; the module's own loading fails by design.
modprobe tcrypt alg="$cipher" type=3 2> /dev/null
modprobe -a aesni_intel pcrypt 2> /dev/null

preferred() { # prints the driver of AES-GCM that has the highest priority
	awk '/^name/ { name = $3 } /^driver/ { driver = $3 }
		/^priority/ && name == "rfc4106(gcm(aes))" && $3 > best { best = $3; is = driver }
		END { print is }' /proc/crypto
}
compare "the kernel prefers the cipher that answers later: $(preferred)" "$(preferred | cut -c 1-6)" = pcrypt

holders() { # of the engine's cipher
	awk '/^driver/ { on = index($3, "pcrypt(") } /^refcnt/ && on { print $3; exit }' /proc/crypto
}

mark_log
make_namespace a b
make_wire a b
before=$(holders)
make_pair aes128gcm16
compare "our SAs hold it" "$(holders)" -gt "${before:-0}"

mark_stats a ipsec0
mark_stats b ipsec0
holds "IPv4" pings a 198.18.2.254
holds "IPv6" pings b 2001:db8:1::fe
holds "fragments" pings a 198.18.2.254 -s 8000
holds "TCP" tcp_file a b 198.18.2.254 2048
holds "TCP, the other way" tcp_file b a 198.18.1.254 2048
is "no drop on a" "$(moved a ipsec0)" ""
is "no drop on b" "$(moved b ipsec0)" ""
is "as many received as sent" "$(since_mark b ipsec0 rx-packets)" "$(since_mark a ipsec0 tx-packets)"

new_tunnel() { # says where packets went when one does not come back
	mark_stats a ipsec0
	mark_stats b ipsec0
	pings a 198.18.2.254 && return
	echo "a: sent $(since_mark a ipsec0 tx-packets), $(moved a ipsec0)"
	echo "b: received $(since_mark b ipsec0 rx-packets), sent $(since_mark b ipsec0 tx-packets), $(moved b ipsec0)"
	echo "a: received $(since_mark a ipsec0 rx-packets)"
	return 1
}

for round in 1 2 3; do
	background "udp-a-$round" a "$numbered" send 198.18.2.254 7000 2000 600 1000
	background "udp-b-$round" b "$numbered" send 198.18.1.254 7000 2000 600 1000
	sleep 1
	holds "round $round: all SAs deleted under traffic" vti a sa del all ipsec0 force
	holds "round $round: device deleted under traffic" ipn b link del ipsec0
	holds "round $round: the other one" ipn a link del ipsec0
	stop "udp-a-$round"
	stop "udp-b-$round"
	is "round $round: module reference count" "$(cat /sys/module/ipsecvti/refcnt)" 0
	make_pair aes256gcm16 || break
	holds "round $round: a new tunnel" new_tunnel
done

drop_namespace a
drop_namespace b
idle() {
	[ "$(cat /sys/module/ipsecvti/refcnt)" = 0 ] && ! ip -j link show type ipsecvti | jq -e 'any(.ifname?)'
}
holds "namespaces gone" until_ok 10 idle
holds "rmmod" rmmod ipsecvti
fails "our slab caches are gone" grep -q '^ipsecvti' /proc/slabinfo
is "the kernel's log" "$(log_complaints)" ""

# The other tests want the cipher that they had.
rmmod pcrypt
compare "the kernel prefers another one again: $(preferred)" "$(preferred | cut -c 1-6)" != pcrypt
finish
