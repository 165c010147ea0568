#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The agent as the administrator meets it: two of them, with the command line; what the process
# that talks to strangers is left with, and what its death does.
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.12
need ipsecvtid pgrep setpriv

make_namespace a b
make_wire a b

# The agent and the command line of one end.
agent() { # NS [WORDS...]
	background "agent-$1" "$1" ipsecvtid -d -c "$tmp/$1" -r "$tmp/run-$1" "${@:2}"
	until_ok 20 test -S "$tmp/run-$1/status.sock"
}

cli() { # NS WORDS...
	vti "$1" -c "$tmp/$1" -r "$tmp/run-$1" "${@:2}"
}

tunnel() { # NS FILTER: of the JSON of its tunnel
	cli "$1" show ipsec0 --json | jq -r ".[0] | $2"
}

is_state() { # NS STATE
	[ "$(tunnel "$1" .state)" = "$2" ]
}

net_of() { # NS: the process that talks to strangers
	pgrep -P "${pid_of[agent-$1]}" -x ipsecvti-net
}

pings_through() {
	pings a 198.18.2.254 -I 198.18.1.254
}

for ns in a b; do
	mkdir "$tmp/$ns"
	(umask 077 && echo 'a secret that both of them know' > "$tmp/$ns/psk")
done
cat > "$tmp/a/a.conf" <<- EOT
	[tunnel ipsec0]
	local = 192.0.2.1
	remote = 192.0.2.2
	psk-file = psk
	address = 198.18.1.254/32
EOT
cat > "$tmp/b/b.conf" <<- EOT
	[tunnel ipsec0]
	local = 192.0.2.2
	remote = 192.0.2.1
	psk-file = psk
	start = respond
	address = 198.18.2.254/32
EOT

holds "an agent" agent a
holds "and another" agent b
cli a show ipsec0 > /dev/null
is "a tunnel without its device: status 2" $? 2
is "it says why" "$(tunnel a .note)" "its device does not exist (ipsecvti up, or ip link add)"
fails "a second agent with the same run directory" on a timeout 20 ipsecvtid -c "$tmp/a" -r "$tmp/run-a"
said "it says so" 'another ipsecvtid uses this run directory'
fails "a second agent on the same ports" on a timeout 20 ipsecvtid -c "$tmp/a" -r "$tmp/run-c"
said "it names the holder" "UDP port 500 is held by ipsecvtid \(pid ${pid_of[agent-a]}\)"

holds "up, at the end that waits" cli b up ipsec0
holds "up, at the end that starts" cli a up ipsec0
said "it is up" 'ipsec0: up'
cli a show ipsec0 > /dev/null
is "show: status 0" $? 0
holds "both are up" until_ok 10 is_state b up
ipn a route add 198.18.2.254 dev ipsec0
ipn b route add 198.18.1.254 dev ipsec0
holds "ping" pings_through
index=$(ipn a -j link show ipsec0 | jq '.[0].ifindex')
is "the SAs of both ends fit" "$(tunnel a '.["child-sas"][0]["spi-in"]')" \
	"$(tunnel b '.["child-sas"][0]["spi-out"]')"
fails "the device is held by the agent" vti a dev set ipsec0 mark 1
said "its name is told" 'held by ipsecvtid'

spi=$(tunnel a '.["child-sas"][0]["spi-in"]')
new_child() { [ "$(tunnel a '.["child-sas"][0]["spi-in"]')" != "$spi" ] && is_state a up; }
holds "rekey" cli a rekey ipsec0
holds "a new child SA" until_ok 10 new_child
ike=$(tunnel a '.["initiator-spi"]')
new_ike() { [ "$(tunnel a '.["initiator-spi"]')" != "$ike" ] && is_state a up; }
holds "rekey ike" cli a rekey ipsec0 ike
holds "a new IKE SA" until_ok 10 new_ike
holds "ping" pings_through

# What a taken-over net would have.
status=/proc/$(net_of a)/status
is "no capability, not even to gain" "$(grep -E '^Cap(Prm|Eff|Inh|Bnd|Amb):' "$status" | grep -c '0000000000000000$')" 5
is "not root" "$(awk '/^Uid:/ && !$2 || /^Gid:/ && !$2' "$status")" ""
is "seccomp" "$(awk '/^Seccomp:/ { print $2 }' "$status")" 2
is "no new privileges" "$(awk '/^NoNewPrivs:/ { print $2 }' "$status")" 1
is "only sockets, epoll and a timer" "$(find "/proc/$(net_of a)/fd" -type l -printf '%f %l\n' |
	awk '$1 > 2' | grep -vcE 'socket:|eventpoll|timerfd')" 0

# Its death: the same IKE SA afterwards.
ike=$(tunnel a '.["initiator-spi"]')
old=$(net_of a)
kill -KILL "$old"
new_net() { [ -n "$(net_of a)" ] && [ "$(net_of a)" != "$old" ]; }
holds "net is killed, and comes back" until_ok 10 new_net
holds "ping meanwhile" pings_through
holds "the tunnel is up" until_ok 10 is_state a up
is "the IKE SA is the same" "$(tunnel a '.["initiator-spi"]')" "$ike"
spi=$(tunnel a '.["child-sas"][0]["spi-in"]')
holds "rekey" cli a rekey ipsec0
holds "a new child SA" until_ok 10 new_child
holds "ping" pings_through

# Reload.
before=$(tunnel a '.["initiator-spi"]')
echo 'colour = red' >> "$tmp/a/a.conf"
fails "a wrong configuration" cli a reload
said "has its line" 'a.conf:6: unknown key "colour"'
is "it changes nothing" "$(tunnel a '.["initiator-spi"]')" "$before"
sed -i 's/^colour.*/dpd = 25s/' "$tmp/a/a.conf"
holds "a right one" cli a reload
is "keeps the tunnel" "$(tunnel a '.state + .["initiator-spi"]')" "up$before"
sed -i 's/^dpd.*/start = demand/' "$tmp/a/a.conf"
holds "another way to start" cli a reload
is "keeps it too" "$(tunnel a '.state + .["initiator-spi"]')" "up$before"
is "the device is told" "$(field a ipsec0 on-demand)" true

# Down, on demand, delete.
holds "down" cli a down ipsec0
holds "the peer hears of it" until_ok 10 is_state b idle
cli a show ipsec0 > /dev/null
is "show: status 2" $? 2
is "no SA is left" "$(vti a sa list --json | jq length)" 0
is "the device is the same" "$(ipn a -j link show ipsec0 | jq '.[0].ifindex')" "$index"
sed -i 's/^start = demand/start = initiate/' "$tmp/a/a.conf"
holds "reload" cli a reload
holds "up" cli a up ipsec0
holds "ping" pings_through
ike=$(tunnel a '.["initiator-spi"]')
holds "reconnect" cli a reconnect ipsec0
holds "a new IKE SA" until_ok 10 new_ike
holds "ping" pings_through

# Sockets.
is "control.sock is root's" "$(stat -c %a "$tmp/run-a/control.sock")" 600
chmod 755 "$tmp" "$tmp/run-a"
chmod 666 "$tmp/run-a/control.sock" "$tmp/run-a/status.sock"
fails "another user finds no open door, whatever the file's mode" \
	setpriv --reuid 65534 --regid 65534 --clear-groups "$IPSECVTI" -r "$tmp/run-a" down ipsec0
holds "but may look" setpriv --reuid 65534 --regid 65534 --clear-groups "$IPSECVTI" -r "$tmp/run-a" show
is "the tunnel is still up" "$(tunnel a .state)" up

# The end.
holds "delete" cli a delete ipsec0
is "the device is gone" "$(ipn a -j link show type ipsecvti | jq 'map(select(.ifname)) | length')" 0
holds "up once more" cli a up ipsec0
stop agent-a
is "the agent ends well" $? 0
holds "the peer hears of it" until_ok 10 is_state b idle
is "no SA is left" "$(vti a sa list --json | jq length)" 0
is "the device is still there" "$(ipn a -j link show ipsec0 | jq -r '.[0].ifname')" ipsec0
is "nothing is left in the run directory" "$(ls "$tmp/run-a")" ""
stop agent-b
if grep -E 'secret that both' "$tmp"/agent-*; then
	not_ok "no secret is in a log"
else
	ok "no secret is in a log"
fi
[ $failures = 0 ] || tail -n 30 "$tmp"/agent-*.err | sed 's/^/# /'
finish
