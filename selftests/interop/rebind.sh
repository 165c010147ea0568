#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# strongSwan behind a NAT that forgets its mappings and makes others: we, outside, follow it by its
# ESP and by its IKE messages.
#
#   near: charon, ipsec0 198.18.1.254 | 10.0.0.1 -- NAT 192.0.2.1 -- 192.0.2.2 | 198.18.2.254 ipsec0, ipsecvtid: far
# shellcheck disable=SC2016 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 6.12
one_cpu

make_nat

# The NAT's ports from now on; what it knew is gone.
map_to() { # PORTS
	on nat nft -f - <<- EOT || return
		table ip hide
		delete table ip hide
		table ip hide {
			chain post {
				type nat hook postrouting priority 100
				oifname "wire" meta l4proto udp masquerade to :$1
			}
		}
	EOT
	# IPCTNL_MSG_CT_DELETE of everything: what "conntrack -F" does.
	on nat python3 - <<- 'EOT'
		import socket, struct
		s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
		s.send(struct.pack("=IHHIIBBH", 20, 0x102, 5, 1, 0, 0, 0, 0))
		raise SystemExit(-struct.unpack_from("=i", s.recv(4096), 16)[0])
	EOT
}

esp_port() { # where our ESP goes to
	vti far dev show ipsec0 --json | jq -r '.[0].dport'
}

esp_goes_to() { # FIRST LAST
	local port
	port=$(esp_port)
	[ "$port" -ge "$1" ] && [ "$port" -le "$2" ]
}

holds 'the NAT' map_to 20000-20999
make_ours far 2 1
make_xfrm_device near 1 2
peer_is local=10.0.0.1 remote=192.0.2.2 local_id=left.example remote_id=right.example
start_charon near || exit 1
configure far ipsec0 <<- EOT
	local = 192.0.2.2
	remote = 192.0.2.1
	start = respond
	local-id = right.example
	remote-id = left.example
	dpd = off
EOT
start_agent far || exit 1
holds 'up' initiate near
until_ok 5 is_up far
is 'the NAT was found' "$(show far '[."nat-local", ."nat-remote"] | tostring')" '[false,true]'
holds 'ping from inside' pings near 198.18.2.254 -I 198.18.1.254
holds 'ESP goes to the mapping' esp_goes_to 20000 20999
before=$(ike_spis far)-$(child_spi far)

# Pings of the one behind the NAT, ten a second, over a change: they lose what is answered before we
# follow, and nothing after it.
answered() { # COUNT
	[ "$(grep -c 'bytes from' "$tmp/ping")" -ge "$1" ]
}
lines=$(log_size far)
background ping near ping -i 0.1 -c 60 -W 1 -I 198.18.1.254 198.18.2.254
holds 'pings' until_ok 10 answered 10
start=${EPOCHREALTIME/./}
holds 'another mapping' map_to 30000-30999
holds 'ESP follows' until_ok 5 esp_goes_to 30000 30999
meanwhile=$(((${EPOCHREALTIME/./} - start) / 100000))
await ping
note "$(grep received "$tmp/ping"); $meanwhile were sent before we were seen to follow"
holds 'pings go on' answered $((60 - meanwhile - 2))
holds 'it is logged' logged_after far "$lines" "NAT mapping moved.* from=192\.0\.2\.1:20[0-9]* to=192\.0\.2\.1:30[0-9]*"
holds 'ping from outside' pings far 198.18.1.254 -I 198.18.2.254
is 'the same SAs' "$(ike_spis far)-$(child_spi far)" "$before"
old=$(child_spi far)
holds 'our rekey goes there too' eval 'agent far rekey ipsec0 && until_ok 10 differs "$old" child_spi far'
holds 'ping with the new SAs' pings far 198.18.1.254 -I 198.18.2.254

# Without a packet of its own, by an IKE message alone.
until_ok 10 eval '! peer_sas near | grep -q REKEY'
holds 'a third mapping' map_to 40000-40999
fails 'nobody outside knows it' pings far 198.18.1.254 -I 198.18.2.254 -W 0.3
old=$(child_spi far)
swan near --rekey --child net > "$tmp/rekey.log" 2>&1
holds 'strongSwan rekeys' until_ok 10 differs "$old" child_spi far
holds 'ESP follows its message' esp_goes_to 40000 40999
holds 'ping from outside, at once' pings far 198.18.1.254 -I 198.18.2.254
holds 'ping from inside' pings near 198.18.2.254 -I 198.18.1.254

is 'one IKE SA there' "$(peer_ike near | wc -w)" 1
is 'no plain ESP' "$(wire_count far esp)" 0
is 'nothing in clear' "$(in_clear near far)" 0
finish
