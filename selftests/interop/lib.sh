# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the tests of this folder share: our agent and strongSwan's, each in a namespace, and the
# questions that are put to them. On top of ../lib.sh, which has TAP, namespaces and traffic.
#
#   a: ipsecvtid, ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0, charon: b
#
#   IPSECVTID      the daemon (ipsecvtid)
#   IPSECVTI_LONG  everything at full length
#   IPSECVTI_KEEP  a folder that gets what is left: configurations, logs
#   IPSECVTI_OUT   a folder for tables of results

# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
IPSECVTID=${IPSECVTID:-ipsecvtid}
rate=1000
secret=correct-horse-battery-staple
charon=/usr/lib/ipsec/charon

# xfrm drops a packet of its own when its state is deleted between lookup and output
# (XfrmOutStateInvalid), or between its policy and the lookup (XfrmOutNoStates). Both are done with
# softirqs off, so that it can't happen to a sender that shares its CPU with charon.
peer_cpu=$(($(nproc) - 1))

agents_here() {
	module_here
	need "$IPSECVTID" pgrep
}

charon_here() {
	agents_here
	[ -x $charon ] || skip 'no charon'
	PATH=$PATH:/usr/sbin
	need swanctl
	modprobe -a -q xfrm_interface esp4 xfrm_user
	note "peer: $($charon --version 2>&1 | head -n 1), kernel $(uname -r)"
}

# Namespaces, the wire between them, and what crosses it by kind, at both ends.

make_gateways() { # NS NS
	make_namespace "$1" "$2"
	make_wire "$1" "$2"
	watch_ike "$1"
	watch_ike "$2"
}

# Between the gateways themselves a closed IKE port may be told of.
watch_ike() { # NS [DEV]
	on "$1" nft -f - <<- EOT || exit 1
		table netdev watch {
			counter all_esp { }
			counter all_ike { }
			counter all_natt { }
			counter all_clear { }
			chain ingress {
				type filter hook ingress device "${2:-wire}" priority 0;
				icmpv6 type { 133, 134, 135, 136, 143 } accept
				ip protocol 50 counter name all_esp accept
				udp dport 500 counter name all_ike accept
				udp sport 500 counter name all_ike accept
				udp dport 4500 counter name all_natt accept
				udp sport 4500 counter name all_natt accept
				ip saddr 192.0.2.0/24 icmp type destination-unreachable icmp code port-unreachable accept
				meta protocol { ip, ip6 } counter name all_clear
			}
		}
	EOT
}

in_clear() { # NS...: packets that were neither IKE nor ESP
	local ns sum=0
	for ns; do
		sum=$((sum + $(wire_count "$ns" clear)))
	done
	echo $sum
}

# Routes of one end: into the tunnel, and a twin that keeps packets in while it is down.
make_routes() { # NS N PEER
	ipn "$1" route replace "198.18.$3.0/24" dev ipsec0 src "198.18.$2.254"
	ipn "$1" route replace blackhole "198.18.$3.0/24" metric 4278198272
}

# Our device made by hand, as an administrator has it before the agent starts.
make_ours() { # NS N PEER
	ipn "$1" link add ipsec0 type ipsecvti || return
	ipn "$1" addr add "198.18.$2.254/32" dev ipsec0
	ipn "$1" link set ipsec0 up
	make_routes "$1" "$2" "$3"
}

# Our agent. Configuration, sockets and log of one are in $tmp/NS.

configure() { # NS NAME: keys of [tunnel NAME] from standard input
	local dir=$tmp/$1
	mkdir -p "$dir/conf" "$dir/run"
	[ -e "$dir/secret" ] || (umask 077 && echo "$secret" > "$dir/secret")
	{
		echo "[tunnel $2]"
		echo "psk-file = $dir/secret"
		cat
	} > "$dir/conf/$2.conf"
}

# Behind the last line of a tunnel's configuration: without it old algorithms are refused.
legacy() { # PROPOSAL
	[[ ! $1 =~ sha1|modp1024|modp1536 ]] || printf '\n%s' 'profile = legacy'
}

start_agent() { # NS [OPTIONS...]
	local ns=$1
	shift
	spawn "agent-$ns" "$tmp/$ns/log" "$ns" "$IPSECVTID" -c "$tmp/$ns/conf" -r "$tmp/$ns/run" "$@"
	until_ok 20 net_ready "$ns" || {
		note "the agent of $ns does not get ready:"$'\n'"$(tail -n 20 "$tmp/$ns/log")"
		return 1
	}
}

# Like background of ../lib.sh, but the log grows over restarts.
spawn() { # NAME LOG NS COMMAND...
	local name=$1 log=$2 ns=$3
	shift 3
	nsenter --net="/run/netns/vti$$-$ns" "$@" >> "$log" 2>&1 < /dev/null &
	pid_of[$name]=$!
	children+=($!)
}

net_pid() { # NS
	pgrep -P "${pid_of[agent-$1]}" ipsecvti-net
}

net_ready() { # NS: with the pid that net has now
	local pid
	pid=$(net_pid "$1") && grep -q "ready net_pid=$pid\$" "$tmp/$1/log" &&
		[ -S "$tmp/$1/run/control.sock" ]
}

agent() { # NS ARGS...: our command line tool for the agent of a namespace
	local ns=$1
	shift
	on "$ns" "$IPSECVTI" -c "$tmp/$ns/conf" -r "$tmp/$ns/run" "$@"
}

agent_alive() { # NS
	kill -0 "${pid_of[agent-$1]}" && net_ready "$1"
}

show() { # NS FILTER [TUNNEL]: jq over what the agent says of one tunnel
	agent "$1" show "${3:-ipsec0}" --json | jq -r ".[0] | $2 // empty"
}

state_is() { # NS STATE [TUNNEL]
	[ "$(show "$1" .state "${3:-}")" = "$2" ]
}

is_up() { # NS [TUNNEL]
	state_is "$1" up "${2:-}" && operstate_is "$1" "${2:-ipsec0}" UP
}

log_of() { # NS
	cat "$tmp/$1/log"
}

logged() { # NS PATTERN
	grep -q -E -- "$2" "$tmp/$1/log"
}

log_size() { # NS
	wc -l < "$tmp/$1/log"
}

logged_after() { # NS LINES PATTERN: further down than the log was at the time
	tail -n "+$(($2 + 1))" "$tmp/$1/log" | grep -q -E -- "$3"
}

why() { # NS: for the diagnostics of a failure
	[ ! -e "$tmp/$1/log" ] || note "end of the log of $1:"$'\n'"$(tail -n "${2:-15}" "$tmp/$1/log")"
}

# Both ends' logs, when something has failed and nobody can ask any more.
test_cleanup() {
	local dir
	[ -z "${IPSECVTI_KEEP:-}" ] || cp -r "$tmp" "$IPSECVTI_KEEP/"
	[ "$failures" != 0 ] || return
	for dir in "$tmp"/*/log; do
		[ -e "$dir" ] || continue
		note "=== $(basename "$(dirname "$dir")")"
		note "$(tail -n 300 "$dir" | cut -c 1-300)"
	done
}

# charon, in a mount namespace of its own, so that /run with its pid file is its own too.

declare -A peer

peer_is() { # KEY=VALUE...: what the peer's configuration says, everything else by default
	local word
	peer=([local]=192.0.2.2 [remote]=192.0.2.1 [local_id]=192.0.2.2 [remote_id]=192.0.2.1
		[ike]=aes256gcm16-prfsha384-ecp384 [esp]=aes256gcm16-esn [secret]=$secret
		[conn]='' [child]='' [ts]=0.0.0.0/0)
	for word; do
		peer[${word%%=*}]=${word#*=}
	done
}

write_peer() { # NS
	cat > "$tmp/$1/swanctl.conf" <<- EOT
		connections {
			left {
				version = 2
				mobike = no
				local_addrs = ${peer[local]}
				remote_addrs = ${peer[remote]}
				proposals = ${peer[ike]}
				${peer[conn]}
				local {
					auth = psk
					id = "${peer[local_id]}"
				}
				remote {
					auth = psk
					id = "${peer[remote_id]}"
				}
				if_id_in = 42
				if_id_out = 42
				children { net {
					local_ts = ${peer[ts]}
					remote_ts = ${peer[ts]}
					replay_window = 1024
					esp_proposals = ${peer[esp]}
					${peer[child]}
				} }
			}
		}
		secrets { ike-left {
			id = "${peer[remote_id]}"
			secret = "${peer[secret]}"
		} }
	EOT
}

make_xfrm_device() { # NS N PEER [WIRE]
	ipn "$1" link add ipsec0 type xfrm dev "${4:-wire}" if_id 42 || return
	ipn "$1" addr add "198.18.$2.254/32" dev ipsec0
	ipn "$1" link set ipsec0 mtu 1400 up
	make_routes "$1" "$2" "$3"
}

start_charon() { # NS [LINES OF ITS CONFIGURATION]
	local dir=$tmp/$1
	mkdir -p "$dir"
	cat > "$dir/strongswan.conf" <<- EOT
		charon {
			load = random nonce openssl aes sha1 sha2 hmac gcm kdf pem x509 kernel-netlink socket-default vici
			install_routes = no
			install_virtual_ip = no
			plugins { vici { socket = unix://$dir/vici } }
			filelog { stderr {
				default = 1
				flush_line = yes
			} }
			${2:-}
		}
		swanctl {
			load = random openssl
		}
	EOT
	rm -f "$dir/vici"
	# shellcheck disable=SC2016 # the inner shell expands
	spawn "charon-$1" "$dir/log" "$1" unshare -m sh -c 'mount -t tmpfs tmpfs /run; exec "$@"' charon \
		env STRONGSWAN_CONF="$dir/strongswan.conf" taskset -c $peer_cpu $charon
	until_ok 20 test -S "$dir/vici" || {
		why "$1"
		return 1
	}
	load_peer "$1"
}

load_peer() { # NS: what peer_is has set
	write_peer "$1"
	swan "$1" --load-all --noprompt --file "$tmp/$1/swanctl.conf" > "$tmp/swanctl.log" 2>&1 || {
		note "$(cat "$tmp/swanctl.log")"
		return 1
	}
}

swan() { # NS ARGS...
	local ns=$1
	shift
	STRONGSWAN_CONF=$tmp/$ns/strongswan.conf on "$ns" swanctl "$@" --uri "unix://$tmp/$ns/vici"
}

initiate() { # NS
	swan "$1" --initiate --child net --timeout 15 > "$tmp/initiate.log" 2>&1
}

terminate() { # NS WORDS...
	local ns=$1
	shift
	swan "$ns" --terminate "$@" --timeout 15 > "$tmp/terminate.log" 2>&1
}

# What charon says of its SAs, in one line: "IKE UNIQUE STATE SPI-I SPI-R" and "CHILD UNIQUE STATE IN OUT".
peer_sas() { # NS
	swan "$1" --list-sas --raw | sed 's/[{}]/ & /g' | awk '
		function word(text) {
			return text == "" ? "-" : text
		}
		/list-sa event/ {
			depth = 0
			children = 0
			delete v
			for (i = 1; i <= NF; i++) {
				if ($i == "{") {
					depth++
					if ($(i - 1) == "child-sas") children = depth
					if (children && depth == children + 1) delete c
					continue
				}
				if ($i == "}") {
					if (children && depth == children + 1)
						print "CHILD", c["uniqueid"], c["state"], c["spi-in"], c["spi-out"],
							word(c["encr-alg"]), word(c["encr-keysize"]),
							c["esn"] + 0, word(c["dh-group"])
					if (depth == children) children = 0
					if (depth == 2)
						print "IKE", v["uniqueid"], v["state"], v["initiator-spi"],
							v["responder-spi"], word(v["encr-alg"]),
							word(v["encr-keysize"]), word(v["integ-alg"]),
							word(v["prf-alg"]), word(v["dh-group"])
					depth--
					continue
				}
				eq = index($i, "=")
				if (!eq) continue
				if (children) c[substr($i, 1, eq - 1)] = substr($i, eq + 1)
				else if (depth == 2) v[substr($i, 1, eq - 1)] = substr($i, eq + 1)
			}
		}'
}

peer_ike() { # NS: unique ids of the established IKE SAs, in one line
	peer_sas "$1" | awk '$1 == "IKE" && $3 == "ESTABLISHED" { printf "%s%s", s, $2; s = " " }'
}

peer_spis() { # NS: our inbound SPIs of the installed children, as charon writes them
	peer_sas "$1" | awk '$1 == "CHILD" && $3 == "INSTALLED" { printf "%s%s", s, $5; s = " " }'
}

# One IKE SA and one child, and nothing on its way out. A child in state DELETED is out: both sides
# have said so. charon keeps its inbound SA for five seconds, and longer when the job that ends it
# finds the IKE SA being rekeyed.
one_of_each() { # NS
	local found
	found=$(peer_sas "$1")
	[ "$(awk '$3 != "DELETED" { print $1, $3 }' <<< "$found" | sort | tr '\n' ' ')" = 'CHILD INSTALLED IKE ESTABLISHED ' ] ||
		{ echo "$found"; false; }
}

# The two gateways with a tunnel that our side initiates, up.
make_tunnel() { # [KEYS OF OUR TUNNEL, one in a line]
	make_gateways a b
	make_ours a 1 2
	make_xfrm_device b 2 1
	start_charon b || return
	our_keys=${1:-}
	configure_ours
	start_agent a && until_ok 20 is_up a
}

configure_ours() { # [MORE KEYS]
	configure a ipsec0 <<- EOT
		local = 192.0.2.1
		remote = 192.0.2.2
		retry = 1s
		$our_keys
		${1:-}
	EOT
}

# From nothing to a tunnel by today's configurations; what is left of the one before goes first.
connect() { # initiator|responder: which is ours
	if [ "$1" = initiator ]; then
		agent a down ipsec0 && agent a reload && load_peer b && agent a up ipsec0
	else
		terminate b --ike left
		agent a reload && load_peer b && initiate b && until_ok 5 is_up a
	fi || {
		cat "$tmp/initiate.log" 2> /dev/null
		why a
		why b
		return 1
	}
}

pings_both_ways() {
	pings a 198.18.2.254 -I 198.18.1.254 && pings b 198.18.1.254 -I 198.18.2.254
}

# A link between two namespaces, up at both ends.
make_link() { # NS DEV ADDRESS NS DEV ADDRESS
	ip link add "$2" netns "vti$$-$1" type veth peer name "$5" netns "vti$$-$4"
	ipn "$1" addr add "$3/24" dev "$2"
	ipn "$4" addr add "$6/24" dev "$5"
	ipn "$1" link set "$2" up
	ipn "$4" link set "$5" up
}

# near 10.0.0.1 -- NAT 192.0.2.1 -- 192.0.2.2 far; what the NAT does is the caller's to say.
make_nat() {
	make_namespace near nat far
	make_link near wire 10.0.0.1 nat inside 10.0.0.254
	make_link nat wire 192.0.2.1 far wire 192.0.2.2
	ipn near route add default via 10.0.0.254
	watch_ike near
	watch_ike far
}

# west 10.0.0.1 -- NAT 192.0.2.1 -- 192.0.2.2 NAT -- 10.0.1.1 east; the second one lets IKE in.
make_nats() {
	local ns
	make_namespace west nat1 nat2 east
	make_link west wire 10.0.0.1 nat1 inside 10.0.0.254
	make_link nat1 wire 192.0.2.1 nat2 wire 192.0.2.2
	make_link nat2 inside 10.0.1.254 east wire 10.0.1.1
	for ns in nat1 nat2; do
		on "$ns" nft -f - <<- EOT || return
			table ip hide {
				chain pre {
					type nat hook prerouting priority -100
					$([ "$ns" = nat1 ] || echo 'iifname "wire" udp dport { 500, 4500 } dnat to 10.0.1.1')
				}
				chain post {
					type nat hook postrouting priority 100
					oifname "wire" masquerade $([ "$ns" = nat2 ] || echo random)
				}
			}
		EOT
	done
	ipn west route add default via 10.0.0.254
	ipn east route add default via 10.0.1.254
	watch_ike west
	watch_ike east
}

# What one end sends takes so long to the other: time for both to ask before either has heard. Not to be
# changed while numbered packets run, which would overtake each other.
wire_ms=0
wire_delay() { # MILLISECONDS
	local ns
	wire_ms=$1
	# All that has waited meanwhile comes at once when the machine was busy elsewhere.
	sysctl -q net.core.netdev_max_backlog=10000
	for ns in a b; do
		# A neighbour who answers after seconds is taken for one who does not.
		ipn $ns neigh show dev wire nud reachable nud stale nud delay nud probe |
			sed -n 's/^\([^ ]*\) lladdr \([^ ]*\).*/neigh replace \1 lladdr \2 dev wire nud permanent/p' |
			ipn $ns -batch - || return
		on $ns tc qdisc replace dev wire root netem delay "$1ms" limit 20000 || return
	done
}

# How often we have seen that both sides had rekeyed the same.
collisions() {
	grep -c 'both sides rekeyed' "$tmp/a/log"
}

# Each side asks before it has heard the other: we, once the peer's request is on its long way. On a
# busy machine we may come too late, and it is no collision: then once more. For a file that has
# "peer_begins child|ike", which returns when the request is out, and "at_rest", of both sides.
at_once() { # child|ike
	local question=child_spi what=() old seen try
	[ "$1" = child ] || question=ike_spis what=(ike)
	for try in 1 2 3; do
		until_ok 60 at_rest || return
		old=$("$question" a) seen=$(collisions)
		peer_begins "$1" || return
		agent a rekey ipsec0 "${what[@]}"
		until_ok 20 differs "$old" "$question" a && until_ok 60 at_rest || return
		[ "$(collisions)" = "$seen" ] || return 0
		note "try $try: no collision"
	done
	return 1
}

# Numbered packets both ways, a thousand a second. Begin, do things, end, compare.

# For a file whose packets run for minutes: a quarter of them, but at full length.
fewer_packets() {
	[ -n "${IPSECVTI_LONG:-}" ] || rate=250
}

traffic_begin() { # SECONDS
	local numbered
	drops > "$tmp/drops-before"
	numbered=$(helper numbered)
	traffic_seconds=$1
	background receive-b b "$numbered" receive 198.18.2.254 7000
	background receive-a a "$numbered" receive 198.18.1.254 7000
	until_ok 20 bound a 7000
	until_ok 20 bound b 7000
	background send-a a "$numbered" send 198.18.2.254 7000 $rate "$1" 200
	background send-b b taskset -c $peer_cpu "$numbered" send 198.18.1.254 7000 $rate "$1" 200
	traffic_until=$((SECONDS + $1))
}

traffic_on() {
	[ $SECONDS -lt "$traffic_until" ]
}

traffic_end() {
	await send-a
	await send-b
	sleep $((1 + (wire_ms + 999) / 1000))
	stop receive-a
	stop receive-b
	drops > "$tmp/drops-after"
}

# Every counter of both ends that a lost packet may be found in, one in a line.
drops() {
	local ns
	for ns in a b; do
		{
			xfrm_errors $ns | tr ' ' '\n'
			on $ns nstat -a -s | awk '$1 ~ /Err|Drop|Discard|NoRoute|Unreach/ { print $1 "+" $2 }'
			ipn $ns -j -s link show | jq -r '.[] | .ifname as $name | .stats64 | to_entries[] |
				"\($name)-\(.key)-dropped+\(.value.dropped) \($name)-\(.key)-errors+\(.value.errors)"'
			on $ns tc -s qdisc show dev wire | awk '/dropped/ { print "wire-qdisc-dropped+" $7 }'
			vti $ns stats ipsec0 2> /dev/null | grep -v packets
		} | sed "s/^/$ns /"
	done
	awk '{ print "backlog of CPU " NR - 1 "+" $2 }' /proc/net/softnet_stat
}

result() { # FILE NAME
	sed -n "s/.*\<$2=\([0-9]*\).*/\1/p" "$tmp/$1"
}

lost() { # NS: of what was sent to it
	echo $((rate * traffic_seconds - $(result "receive-$1" received)))
}

none_lost() { # NAME
	local end other
	for end in a b; do
		other=b
		[ $end = a ] || other=a
		is "$1: $end sent all its numbers" "$(cat "$tmp/send-$end")" \
			"sent=$((rate * traffic_seconds)) refused=0"
		is "$1: lost on the way to $other" "$(lost $other)" 0 ||
			note "$(cat "$tmp/receive-$other.err"); counters: $(diff "$tmp/drops-before" "$tmp/drops-after")"
		is "$1: twice at $other" "$(result "receive-$other" duplicates)" 0
		is "$1: changed at $other" "$(result "receive-$other" corrupt)" 0
	done
}

# Events, from either side. Each waits until the SAs are other ones.

child_spi() { # NS
	show "$1" '."child-sas"[0]."spi-in"'
}

ike_spis() { # NS
	show "$1" '."initiator-spi" + "-" + ."responder-spi"'
}

differs() { # OLD COMMAND...: whether the command now prints something else, and something
	local old=$1 now
	shift
	now=$("$@") && [ -n "$now" ] && [ "$now" != "$old" ]
}

rekey_child_a() {
	local old
	old=$(child_spi a)
	agent a rekey ipsec0 && until_ok 10 differs "$old" child_spi a
}

# strongSwan loses its way when it rekeys a child before the one that we have replaced by it is
# deleted (6.0.1: it takes that for a collision and drops the wrong one).
settled() {
	! peer_sas b | grep -q REKEY
}

rekey_child_b() {
	local old
	until_ok 10 settled
	old=$(child_spi a)
	swan b --rekey --child net > "$tmp/rekey.log" 2>&1 && until_ok 10 differs "$old" child_spi a
}

rekey_ike_a() {
	local old
	old=$(ike_spis a)
	agent a rekey ipsec0 ike && until_ok 10 differs "$old" ike_spis a
}

# Who rekeys an IKE SA while the other deletes one of its children hears TEMPORARY_FAILURE (RFC 7296
# 2.25.2) and tries again later than an event may take here.
no_old_child() {
	[ "$(vti a sa list --json | jq length)" = 2 ]
}

rekey_ike_b() {
	local old
	until_ok 10 no_old_child
	old=$(ike_spis a)
	swan b --rekey --ike left > "$tmp/rekey.log" 2>&1 && until_ok 10 differs "$old" ike_spis a
}

# DPD: an INFORMATIONAL without payloads, from either side, answered.
dpd_count() { # PATTERN
	grep -c -E "$1" "$tmp/b/log"
}

dpd_goes_on() { # PATTERN
	local before
	before=$(dpd_count "$1")
	until_ok "${2:-10}" dpd_more "$1" "$before"
}

dpd_more() {
	[ "$(dpd_count "$1")" -gt "$2" ]
}

# Whoever hears the other has no reason to ask, so one side asks at a time.
dpd_a() {
	configure_ours 'dpd = 1s' && agent a reload &&
		dpd_goes_on 'generating INFORMATIONAL response [0-9]+ \[ \]'
}

dpd_b() { # its dpd_delay is 2 s
	configure_ours 'dpd = off' && agent a reload &&
		dpd_goes_on 'parsed INFORMATIONAL response [0-9]+ \[ \]'
}

# Deaths of ipsecvti-net.

# Who dies often is started again later and later.
kill_net() {
	local old
	old=$(net_pid a) && kill -KILL "$old" && until_ok 45 other_net "$old" && until_ok 10 net_ready a
}

other_net() { # OLD-PID
	local now
	now=$(net_pid a) && [ "$now" != "$1" ]
}

peer_age() { # how long strongSwan has had its IKE SA, in seconds
	swan b --list-sas --raw | sed -n 's/.* established=\([0-9]*\).*/\1/p' | head -n 1
}

age_grows() { # SECONDS: at least so long
	local age
	age=$(peer_age)
	note "strongSwan's IKE SA is ${age:-0} s old, the test $1 s"
	[ "${age:-0}" -ge "$1" ]
}

everything_works() { # NAME
	holds "$1: traffic both ways" eval 'pings a 198.18.2.254 -I 198.18.1.254 && pings b 198.18.1.254 -I 198.18.2.254'
	holds "$1: strongSwan sees us alive" dpd_b
	holds "$1: we see strongSwan alive" dpd_a
	holds "$1: child rekey by us" rekey_child_a
	holds "$1: child rekey by strongSwan" rekey_child_b
	holds "$1: IKE rekey by us" rekey_ike_a
	holds "$1: IKE rekey by strongSwan" rekey_ike_b
	holds "$1: one of each at strongSwan" until_ok 15 one_of_each b
	holds "$1: traffic after it" pings a 198.18.2.254 -I 198.18.1.254
}
