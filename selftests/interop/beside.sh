#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# charon at both ends with a tunnel of its own, by policies of the kernel's xfrm, and beside it ours,
# keyed by hand between the same addresses: both carry traffic, and neither counts an error. Then
# charon's policies cover everything, and our device has to be taken out of them.
#
#   a: ipsec0 198.18.1.254, charon 198.18.3.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.4.254 charon, 198.18.2.254 ipsec0: b
# shellcheck disable=SC2034 # lib.sh reads what is set here
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 6.12
need ethtool

declare -A selectors=([a]=198.18.3.0/24 [b]=198.18.4.0/24)
conn=

# In place of the library's: policies instead of an xfrm interface, either end.
write_peer() { # NS
	local other=b here_is=192.0.2.1 there_is=192.0.2.2
	[ "$1" = a ] || other=a here_is=192.0.2.2 there_is=192.0.2.1
	cat > "$tmp/$1/swanctl.conf" <<- EOT
		connections { left {
			version = 2
			mobike = no
			local_addrs = $here_is
			remote_addrs = $there_is
			proposals = aes128gcm16-prfsha256-ecp256
			$conn
			local {
				auth = psk
				id = $here_is
			}
			remote {
				auth = psk
				id = $there_is
			}
			children { net {
				local_ts = ${selectors[$1]}
				remote_ts = ${selectors[$other]}
				replay_window = 1024
				esp_proposals = aes128gcm16-esn
			} }
		} }
		secrets { ike-left {
			id = $there_is
			secret = "$secret"
		} }
	EOT
}

# charon's tunnel anew, as configured now.
reconnect() {
	terminate a --ike left
	load_peer a && load_peer b && until_ok 10 no_states && initiate a
}

no_states() {
	[ -z "$(ipn b xfrm state list)" ]
}

both() { # NAME
	local before
	errors=$(xfrm_errors a)$(xfrm_errors b)
	before=$(xfrm_sum b)
	mark_stats a ipsec0
	mark_stats b ipsec0
	holds "$1: ours" pings a 198.18.2.254 -I 198.18.1.254
	holds "$1: ours, back" pings b 198.18.1.254 -I 198.18.2.254
	is "$1: it was ours" "$(since_mark a ipsec0 rx-packets) $(since_mark b ipsec0 rx-packets)" "10 10"
	is "$1: and not charon's" "$(xfrm_sum b)" "$before"
	holds "$1: charon's" pings a 198.18.4.254 -I 198.18.3.254
	holds "$1: charon's, back" pings b 198.18.3.254 -I 198.18.4.254
	is "$1: it was charon's" $(($(xfrm_sum b) - before)) 20
	is "$1: and not ours" "$(since_mark b ipsec0 rx-packets)" 10
	holds "$1: 1 MB of TCP, ours" tcp_file a b 198.18.2.254 1024
	holds "$1: 1 MB of TCP, charon's" tcp_file b a 198.18.3.254 1024
	is "$1: no drop of ours" "$(moved a ipsec0)$(moved b ipsec0)" ""
	is "$1: no error of xfrm's" "$(xfrm_errors a)$(xfrm_errors b)" "$errors"
}

make_gateways a b
# What leaves in clear. On the way in, what xfrm has decrypted passes the same device once more.
leaked() {
	echo $(($(packets_of a netdev leaks clear) + $(packets_of b netdev leaks clear)))
}

for ns in a b; do
	on $ns nft -f - <<- EOT || exit 1
		table netdev leaks {
			counter clear { }
			chain egress {
				type filter hook egress device "wire" priority 0;
				ip saddr 198.18.0.0/15 counter name clear
			}
		}
	EOT
	n=$([ $ns = a ] && echo 3 || echo 4)
	ipn $ns addr add "198.18.$n.254/32" dev lo
	ipn $ns route add "198.18.$((7 - n)).0/24" via "192.0.2.$((5 - n))" src "198.18.$n.254"
	start_charon $ns 'delete_rekeyed_delay = 1' || exit 1
done
on a ping -q -c 1 -W 0.1 -I 198.18.3.254 198.18.4.254 > /dev/null
compare 'control: without policies it leaves in clear' "$(leaked)" -ge 1
on a nft reset counters > /dev/null
on b nft reset counters > /dev/null
holds 'charon connects' initiate a
holds 'ours by hand' make_pair
both 'side by side'

before=$(peer_spis a)
swan a --rekey --child net > "$tmp/rekey.log" 2>&1
holds 'charon rekeys its child' until_ok 10 differs "$before" peer_spis a
settled() {
	[ "$(ipn a xfrm state list | grep -c ' spi 0x')$(ipn b xfrm state list | grep -c ' spi 0x')" = 22 ]
}
until_ok 10 settled
both 'charon has rekeyed'

# With GRO the offload code sees all ESP before we do.
modprobe -q esp4_offload && holds 'esp4_offload is loaded' test -d /sys/module/esp4_offload
on a ethtool -K wire gro on
on b ethtool -K wire gro on
both 'esp4_offload and GRO'

# UDP: the socket is charon's, whose packets are whose follows from the SPI.
for ns in a b; do
	vti $ns dev set ipsec0 encap udp 4500 4500
done
both "ours in UDP, by charon's socket"
conn='encap = yes'
holds 'charon connects anew, in UDP' reconnect
natt=$(wire_count b natt)
both 'both in UDP, on one port'
compare 'both in UDP: it was so' "$(wire_count b natt)" -gt $((natt + 20))
for ns in a b; do
	vti $ns dev set ipsec0 encap none
done
both "charon's in UDP"

# Policies for everything take what is routed to our device before it sees it, and drop what comes
# from it, because that has not passed xfrm.
selectors=([a]=0.0.0.0/0 [b]=0.0.0.0/0)
conn=
holds 'charon connects anew, for 0.0.0.0/0' reconnect
setting() { # NAME: on for our device at both ends
	local ns
	for ns in a b; do
		on "$ns" sh -c "echo 1 > /proc/sys/net/ipv4/conf/ipsec0/$1" || return
	done
}
mark_stats a ipsec0
holds 'policies for everything: a ping' pings a 198.18.2.254 -I 198.18.1.254
is "control: it went charon's way" "$(since_mark a ipsec0 tx-packets)" 0
holds 'disable_xfrm' setting disable_xfrm
mark_stats a ipsec0
mark_stats b ipsec0
errors=$(xfrm_errors b)
fails 'with disable_xfrm: a ping' pings a 198.18.2.254 -I 198.18.1.254 -W 0.5
is 'it went our way' "$(since_mark a ipsec0 tx-packets) $(since_mark b ipsec0 rx-packets)" '5 5'
holds "but a policy wanted it to have gone charon's" test "$(xfrm_errors b)" != "$errors"
note "$(xfrm_errors b)"
holds 'disable_policy' setting disable_policy
both 'disable_xfrm and disable_policy'
for ns in a b; do
	vti $ns dev set ipsec0 encap udp 4500 4500
done
both "ours in UDP, by charon's socket, policies for everything"

# A socket that is not excepted from the policies gets none of our ESP.
espinudp b 192.0.2.2 4501
vti a dev set ipsec0 encap udp 4500 4501
vti b dev set ipsec0 encap udp 4501 4500
mark_stats b ipsec0
fails 'a socket without a bypass policy' pings a 198.18.2.254 -I 198.18.1.254 -W 0.5
is 'gets none of our ESP' "$(since_mark b ipsec0 rx-packets)" 0
for ns in a b; do
	vti $ns dev set ipsec0 encap none
done
both 'native again'
is 'nothing has left in clear' "$(leaked)" 0

finish
