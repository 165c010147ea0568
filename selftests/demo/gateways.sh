# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# In the guest: two gateways with a host behind each, in namespaces. Sourced.
#
#   left-host ---- left ======== wan ======== right ---- right-host
#   198.18.1.2    .1.1  192.0.2.1   192.0.2.2  .2.1    198.18.2.2
#
#   PEER=strongswan  charon on the right    BREAK=psk  the right has another secret

run=/run/demo
secret=correct-horse-battery-staple
peer=${IPSECVTI_PEER:-ipsecvti}

on() { # NAMESPACE COMMAND...
	ip netns exec "$@"
}

link_gateways() {
	local n
	for n in left-host left right right-host; do
		ip netns add $n
		ip -n $n link set lo up
		on $n sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'
		on $n sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
	done
	ip link add lan netns left type veth peer name eth0 netns left-host
	ip link add lan netns right type veth peer name eth0 netns right-host
	ip link add wan netns left type veth peer name wan netns right
	ip -n left-host addr add 198.18.1.2/24 dev eth0
	ip -n left addr add 198.18.1.1/24 dev lan
	ip -n left addr add 192.0.2.1/24 dev wan
	ip -n right addr add 192.0.2.2/24 dev wan
	ip -n right addr add 198.18.2.1/24 dev lan
	ip -n right-host addr add 198.18.2.2/24 dev eth0
	for n in left-host:eth0 left:lan left:wan right:wan right:lan right-host:eth0; do
		ip -n "${n%:*}" link set "${n#*:}" up
	done
	ip -n left-host route add default via 198.18.1.1
	ip -n right-host route add default via 198.18.2.1
	# What would be lost in clear without the tunnel's route: the way to the other side exists.
	ip -n left route add default via 192.0.2.2
	ip -n right route add default via 192.0.2.1
}

# Counts every packet on the wire between the gateways by what it is.
watch_wan() {
	on right nft -f - <<- 'EOT'
		table netdev demo {
			counter n_esp { }
			counter n_ike { }
			counter n_clear { }
			chain ingress {
				type filter hook ingress device "wan" priority 0;
				ip protocol 50 counter name n_esp accept
				udp dport { 500, 4500 } counter name n_ike accept
				meta protocol { ip, ip6 } counter name n_clear
			}
		}
	EOT
	on left nft -f - <<- 'EOT'
		table netdev demo {
			counter n_clear { }
			chain ingress {
				type filter hook ingress device "wan" priority 0;
				ip protocol 50 accept
				udp dport { 500, 4500 } accept
				meta protocol { ip, ip6 } counter name n_clear
			}
		}
	EOT
}

wan_packets() { # NAMESPACE COUNTER
	on "$1" nft -j list counter netdev demo "n_$2" | jq '.nftables[] | .counter? // empty | .packets'
}

configure() { # SIDE LOCAL REMOTE INNER SECRET START
	local dir=$run/$1
	mkdir -p "$dir/conf" "$dir/run"
	(umask 077 && echo "$5" > "$dir/conf/secret")
	cat > "$dir/conf/demo.conf" <<- EOT
		[tunnel ipsec0]
		local = $2
		remote = $3
		psk-file = $dir/conf/secret
		address = $4
		start = $6
	EOT
}

agent() { # SIDE
	on "$1" ipsecvtid -c "$run/$1/conf" -r "$run/$1/run" > "$run/$1/log" 2>&1 &
}

control() { # SIDE ARGS...: the command line tool, for one side's agent
	local side=$1
	shift
	on "$side" ipsecvti -c "$run/$side/conf" -r "$run/$side/run" "$@"
}

# The route into the tunnel, and its twin that keeps packets in when the tunnel is down.
route() { # SIDE PREFIX DEVICE
	ip -n "$1" route add "$2" dev "$3"
	ip -n "$1" route add blackhole "$2" metric 4278198272
}

charon() { # SECRET
	mkdir -p $run/right
	cat > $run/right/strongswan.conf <<- EOT
		charon {
			load = random nonce openssl aes sha1 sha2 hmac gcm kdf pem x509 kernel-netlink socket-default vici updown
			install_routes = no
			install_virtual_ip = no
			plugins { vici { socket = unix://$run/right/vici } }
			filelog { stderr { default = 1 } }
		}
		swanctl { load = random openssl pem pkcs1 x509 pubkey }
	EOT
	cat > $run/right/swanctl.conf <<- EOT
		connections {
			left {
				version = 2
				local_addrs = 192.0.2.2
				remote_addrs = 192.0.2.1
				local { auth = psk }
				remote { auth = psk }
				if_id_in = 42
				if_id_out = 42
				children { net {
					local_ts = 0.0.0.0/0
					remote_ts = 0.0.0.0/0
					esp_proposals = aes256gcm16-esn,aes128gcm16-esn
				} }
			}
		}
		secrets { ike-left {
			id = 192.0.2.1
			secret = "$1"
		} }
	EOT
	modprobe -a xfrm_interface esp4 xfrm_user
	ip -n right link add ipsec0 type xfrm dev wan if_id 42
	ip -n right link set ipsec0 up
	on right env STRONGSWAN_CONF=$run/right/strongswan.conf /usr/lib/ipsec/charon > $run/right/log 2>&1 &
	within 10 test -S $run/right/vici
	swanctl right --load-all --file $run/right/swanctl.conf > $run/right/swanctl.log 2>&1
}

swanctl() { # SIDE ARGS...
	local side=$1
	shift
	STRONGSWAN_CONF=$run/right/strongswan.conf on "$side" /usr/sbin/swanctl "$@" --uri unix://$run/right/vici
}

within() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@" > /dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

start_gateways() {
	local theirs=$secret
	[ "${IPSECVTI_BREAK:-}" != psk ] || theirs=something-else-entirely
	# The IKE sockets ask for a policy of their own, which only this module takes.
	modprobe -a ipsecvti xfrm_user &&
		link_gateways &&
		watch_wan &&
		configure left 192.0.2.1 192.0.2.2 198.18.3.1/32 $secret initiate || return
	case $peer in
	strongswan) charon $theirs || return ;;
	*)
		configure right 192.0.2.2 192.0.2.1 198.18.4.1/32 $theirs respond
		# Made by hand, where the other side leaves it to "ipsecvti up".
		ip -n right link add ipsec0 type ipsecvti &&
			ip -n right addr add 198.18.4.1/32 dev ipsec0 &&
			ip -n right link set ipsec0 up || return
		agent right
		within 10 control right show || return
		;;
	esac
	agent left
	within 10 control left show || return
}

# Makes the devices and starts the negotiation. The command waits for the tunnel, and its exit
# status says whether it came.
start_tunnel() {
	local status=0
	timeout 30 "$BASH" -c ". /ipsecvti/selftests/demo/gateways.sh; control left up ipsec0" || status=$?
	route left 198.18.2.0/24 ipsec0
	route right 198.18.1.0/24 ipsec0
	return $status
}
