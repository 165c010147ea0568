#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is refused, and what is said about it: wrong secrets, proposals that have nothing in common,
# wrong identities, configurations with errors, a port that somebody holds, malformed messages of
# all kinds. Nothing of it changes anything, and nothing is logged without limit.
# shellcheck disable=SC2016,SC2034 # "eval" sees what stands in quotes
. "$(dirname "$0")/lib.sh"
charon_here
checked_on 6.1
one_cpu

basic='local = 192.0.2.1
remote = 192.0.2.2
retry = 1s'

# One line of the log that holds all the words.
one_line() { # NAME LINES-BEFORE WORD...
	local name=$1 lines=$2 found word
	shift 2
	found=$(tail -n "+$((lines + 1))" "$tmp/a/log")
	for word; do
		found=$(grep -F -- "$word" <<< "$found")
	done
	if [ -n "$found" ]; then
		ok "$name"
		note "$(head -n 1 <<< "$found" | cut -c 1-400)"
	else
		not_ok "$name" "no line with all of: $*"$'\n'"$(tail -n "+$((lines + 1))" "$tmp/a/log" | tail -n 12)"
	fi
}

nothing_is_left() { # NAME
	is "$1: no SA in our kernel" "$(vti a sa list --json | jq length)" 0
	holds "$1: no carrier" operstate_is a ipsec0 DOWN
	is "$1: nothing in clear" "$(in_clear a b)" 0
}

make_gateways a b
make_ours a 1 2
make_xfrm_device b 2 1
configure a ipsec0 <<< "$basic"
peer_is
start_charon b || exit 1
start_agent a || exit 1
holds 'without a mistake the tunnel comes up' until_ok 20 is_up a

# Ours down, and with it whatever IKE SA strongSwan has, or gets of an IKE_AUTH that is under way.
part() {
	agent a down ipsec0
	holds "$1: strongSwan has no IKE SA of the last case" until_ok 10 eval '[ -z "$(peer_ike b)" ]'
}

# Refusals by a peer that answers: the same tunnel with one thing wrong, in both roles.
wrong() { # NAME INITIATOR-WORDS RESPONDER-WORDS KEYS PEER-KEYS...
	local name=$1 ours=$2 theirs=$3 keys=$4 lines
	shift 4
	part "$name"
	peer_is "$@"
	load_peer b
	configure a ipsec0 <<< "$basic"$'\n'"start = respond"$'\n'"$keys"
	agent a reload
	stop agent-a
	lines=$(log_size a)
	start_agent a
	fails "$name, strongSwan begins: refused" initiate b
	eval "one_line \"$name, strongSwan begins: said in one line\" $lines $theirs"
	nothing_is_left "$name, strongSwan begins"
	configure a ipsec0 <<< "$basic"$'\n'"$keys"
	lines=$(log_size a)
	agent a reload
	fails "$name, we begin: refused" agent a up ipsec0
	note "$(head -n 3 "$tmp/output")"
	eval "one_line \"$name, we begin: said in one line\" $lines $ours"
	compare "$name, we begin: shown" "$(show a .note)" != ''
	nothing_is_left "$name, we begin"
}

not_us='"authentication failed" "does not accept our identity or secret"'
wrong 'wrong secret' "$not_us peer=192.0.2.2" '"the secrets differ" 192.0.2.2' '' secret=another-horse
wrong 'no common IKE proposal' 'tunnel=ipsec0 answer=NO_PROPOSAL_CHOSEN ours=aes256gcm16-prfsha256-ecp256' \
	'"no common IKE proposal" "cipher: ours aes256gcm16, theirs aes128gcm16" ours=aes256gcm16-prfsha256-ecp256 theirs=aes128gcm16-prfsha256-curve25519' \
	'ike = aes256gcm16-prfsha256-ecp256' ike=aes128gcm16-prfsha256-curve25519
wrong 'no common ESP proposal' 'tunnel=ipsec0 answer=NO_PROPOSAL_CHOSEN ours=aes256gcm16' \
	'"no common proposal for the child SA" "cipher: ours aes256gcm16, theirs aes128gcm16" ours=aes256gcm16 theirs=aes128gcm16' \
	'esp = aes256gcm16' esp=aes128gcm16-esn
wrong 'wrong identity of the peer' "$not_us asked_for=other.example" \
	'"authentication failed" "peer_id is not the one expected" peer_id=192.0.2.2 expected=other.example' 'remote-id = other.example'
wrong 'identity of a peer outside the pattern' '"authentication failed" peer_id=192.0.2.2 expected=*.other.example' \
	'"authentication failed" peer_id=192.0.2.2 expected=*.other.example' 'remote-id = *.other.example'
wrong 'wrong identity of ours' "$not_us local_id=stranger.example" \
	'"authentication failed" "asked_for is not our local_id" asked_for=192.0.2.1 local_id=stranger.example' 'local-id = stranger.example' remote_id=192.0.2.1
wrong 'selectors without a common part' 'tunnel=ipsec0 TS_UNACCEPTABLE remote_ours=10.9.0.0/16' \
	'"no common traffic selectors" "our end: ours 10.8.0.0/16, theirs 198.18.0.0/15" remote_ours=10.9.0.0/16 remote_theirs=198.18.0.0/15' \
	$'local-ts = 10.8.0.0/16\nremote-ts = 10.9.0.0/16' ts=198.18.0.0/15

agent a down ipsec0
peer_is
load_peer b
configure a ipsec0 <<< "$basic"
holds 'with the mistakes mended' agent a reload
holds 'the tunnel comes up again' eval 'agent a up ipsec0 && pings a 198.18.2.254 -I 198.18.1.254'
before=$(ike_spis a)-$(child_spi a)-$(peer_ike b)

# Configurations: refused with file and line, and nothing changes for the tunnel that runs.
bad_conf() { # NAME PATTERN, the file from standard input
	cat > "$tmp/a/conf/zz.conf"
	chmod "${mode:-600}" "$tmp/a/secret-of-mine"
	fails "$1: check refuses it" agent a check
	sed -i "s,$tmp/a/conf/,," "$tmp/output"
	said "$1: check" "$2"
	lines=$(log_size a)
	fails "$1: reload refuses it" agent a reload
	sed -i "s,$tmp/a/conf/,," "$tmp/output"
	said "$1: reload" "$2"
	holds "$1: and the log" logged_after a "$lines" "$2"
	rm "$tmp/a/conf/zz.conf"
}
cp -p "$tmp/a/secret" "$tmp/a/secret-of-mine"
bad_conf 'unknown key' 'zz\.conf:3: .*"?remotes"?' <<- EOT
	[tunnel ipsec9]
	psk-file = ../secret
	remotes = 192.0.2.9
EOT
bad_conf 'unknown section' 'zz\.conf:1: ' <<< '[tunnels ipsec9]'
bad_conf 'a value that is none' 'zz\.conf:4: dpd: ' <<- EOT
	[tunnel ipsec9]
	psk-file = ../secret
	remote = 192.0.2.9
	dpd = often
EOT
bad_conf 'an algorithm that is none' 'zz\.conf:4: ike: .*rot13' <<- EOT
	[tunnel ipsec9]
	psk-file = ../secret
	remote = 192.0.2.9
	ike = rot13-sha256-ecp256
EOT
bad_conf 'no secret' 'zz\.conf:1: psk-file: ' <<- EOT
	[tunnel ipsec9]
	remote = 192.0.2.9
EOT
mode=644 bad_conf 'a secret that others may read' 'zz\.conf:2: psk-file: .*mode 0644.*0600' <<- EOT
	[tunnel ipsec9]
	psk-file = ../secret-of-mine
	remote = 192.0.2.9
EOT
bad_conf 'a secret that is not there' 'zz\.conf:2: psk-file: .*No such file' <<- EOT
	[tunnel ipsec9]
	psk-file = ../no-secret
	remote = 192.0.2.9
EOT
bad_conf 'selectors that take in the peer' 'zz\.conf:4: remote-ts: .*outer address' <<- EOT
	[tunnel ipsec9]
	psk-file = ../secret
	remote = 192.0.2.9
	remote-ts = 192.0.2.0/24
EOT
holds 'without them: check is content' agent a check
holds 'without them: reload too' agent a reload
is 'the tunnel that runs did not notice' "$(ike_spis a)-$(child_spi a)-$(peer_ike b)" "$before"

# UDP 500 belongs to somebody else.
make_namespace c
mkdir -p "$tmp/c/conf" "$tmp/c/run"
busy() { # PORT
	background holder c socat "UDP4-LISTEN:$1" STDOUT
	until_ok 20 bound c "$1"
	fails "UDP $1 is held: the agent does not start" on c timeout 20 "$IPSECVTID" -c "$tmp/c/conf" -r "$tmp/c/run"
	said "UDP $1 is held: by whom" "UDP port $1 is held by socat \(pid ${pid_of[holder]}\)"
	stop holder
}
busy 500
busy 4500
fails 'beside charon: it does not start' on b timeout 20 "$IPSECVTID" -c "$tmp/c/conf" -r "$tmp/c/run"
said 'beside charon: it is named' 'UDP port 500 is held by charon'
printf '[agent]\nport = 1500\nnat-port = 14500\n' > "$tmp/c/conf/agent.conf"
fails 'beside charon: other ports are free' on b timeout 3 "$IPSECVTID" -c "$tmp/c/conf" -r "$tmp/c/run"
said 'beside charon: it starts there' 'ready net_pid'

# Malformed messages, from the peer's own address.
two_sas() {
	[ "$(vti a sa list --json | jq length)" = 2 ]
}

alive() { # NAME
	holds "$1: the agent lives" agent_alive a
	is "$1: net was never killed" "$(net_pid a)" "$net"
	is "$1: the SAs are the same" "$(ike_spis a)-$(child_spi a)-$(peer_ike b)" "$before"
	# An earlier inbound SA may linger for its three seconds.
	holds "$1: two SAs in our kernel" until_ok 5 two_sas
	holds "$1: traffic" pings a 198.18.2.254 -I 198.18.1.254
}
ike() { # MODE ARGS...
	on b python3 "$here/interop/ike.py" "$1" 192.0.2.2 5500 192.0.2.1 500 "${@:2}" 2> "$tmp/ike.err"
}
configure a ipsec0 <<< "$basic"$'\n'"ike = aes256gcm16-prfsha384-ecp384, aes256gcm16-prfsha256-modp2048"
agent a reload
until_ok 20 eval 'is_up a && one_of_each b'
before=$(ike_spis a)-$(child_spi a)-$(peer_ike b)
net=$(net_pid a)
lines=$(log_size a)
said=$(ike lies "$(show a '."initiator-spi"')" "$(show a '."responder-spi"')")
note "lies: $said"
compare 'lies: many' "$(sed -n 's/sent=\([0-9]*\).*/\1/p' <<< "$said")" -gt 1500
is 'lies: none is agreed to' "$(sed -n 's/.*agreed=\([0-9]*\).*/\1/p' <<< "$said")" 0
[ ! -s "$tmp/ike.err" ] || note "$(sort "$tmp/ike.err" | uniq -c | head -n 20)"
holds 'lies: an unknown critical payload is named so' grep -q -E 'notifies=(.*,)?1:' <<< "$said"
holds 'lies: a higher major version is named so' grep -q -E 'notifies=(.*,)?5:' <<< "$said"
alive lies
compare 'lies: the log is limited' $(($(log_size a) - lines)) -lt 60
holds 'lies: and says how' logged_after a "$lines" 'datagram dropped'
said=$(ike init)
holds 'the truth is agreed to' grep -q 'agreed=1' <<< "$said"
note "truth: $said"

lines=$(log_size a)
said=$(ike flood 3000)
note "flood: $said"
compare 'flood: few answers' "$(sed -n 's/.*answers=\([0-9]*\).*/\1/p' <<< "$said")" -lt 60
compare 'flood: the log is limited' $(($(log_size a) - lines)) -lt 60
alive flood
is 'nothing in clear but what was a lie' "$(in_clear a)" 0
finish
