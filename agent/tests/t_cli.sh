#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The command lines with bad arguments: one clear line, exit status 2, nothing done. No kernel
# module and no agent are needed. The programs lie beside this script.
set -u
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d /tmp/t_cli.XXXXXX)
trap 'rm -rf "$dir"' EXIT
run=0 failed=0

ok() { # STATUS TEXT
	run=$((run + 1))
	if [ "$1" = 0 ]; then
		echo "ok $run - $2"
	else
		echo "not ok $run - $2"
		failed=$((failed + 1))
	fi
}

# says STATUS TEXT WORDS...: the exit status, and the one line on standard error.
says() {
	local want=$1 text=$2 got status
	shift 2
	got=$("$here/$program" "$@" 2>&1 > "$dir/out")
	status=$?
	if [ "$status" = "$want" ] && [ "$got" = "$text" ]; then
		ok 0 "$program $*"
	else
		ok 1 "$program $*"
		echo "# status $status instead of $want; it said:"
		echo "# $got"
		echo "# $text (wanted)"
	fi
}

program=ipsecvti
bad() { # TEXT WORDS...
	local text=$1
	shift
	says 2 "ipsecvti: $text" "$@"
}

echo 000102030405060708090a0b0c0d0e0f10111213 > "$dir/key"
echo 0g > "$dir/letters"
echo 123 > "$dir/odd"
: > "$dir/empty"
head -c 2000 /dev/zero | tr '\0' 'a' > "$dir/long"
printf 'a%.0s' {1..258} > "$dir/wide"
chmod 600 "$dir"/*

bad 'no command (see ipsecvti -h)'
bad 'unknown command "dance" (see ipsecvti -h)' dance
bad 'unknown option or missing value: "-x" (see ipsecvti -h)' -x
bad 'unknown option or missing value: "-c" (see ipsecvti -h)' -c

bad 'no network namespace "nowhere"' -n nowhere show
bad 'no network namespace "../netns"' -n ../netns show
bad "$dir/none: No such file or directory" -b "$dir/none"
bad 'a batch or a command, not both: "show"' -b "$dir/none" show
printf '%s\n' '# a remark' '' 'help # and another' ' dance  now' 'up' > "$dir/batch"
bad "$dir/batch:4: unknown command \"dance\" (see ipsecvti -h)" -b "$dir/batch"
bad '-:1: up: which tunnel?' -b - <<< up
bad '-:1: sa add: the batch is the standard input, the key needs a file' -b - \
	<<< 'sa add ipsec9 dir in spi 0x1000 suite aes128gcm16 key-file -'
printf 'x %.0s' {1..101} > "$dir/wordy"
bad "$dir/wordy:1: more than 100 words" -b "$dir/wordy"

bad 'up: which tunnel?' up
bad 'up: one tunnel'"'"'s name' up a b
bad '"a/b" cannot be a tunnel'"'"'s name' down a/b
bad '"this-is-too-long" cannot be a tunnel'"'"'s name' reconnect this-is-too-long
bad 'rekey: one tunnel'"'"'s name' rekey a sideways
bad 'delete: which tunnel?' delete
bad 'reload takes no argument' reload now
bad 'unknown option "--xml"' show --xml
bad 'one word too many: "b"' show a b
bad 'check: at most one directory' check a b

bad 'dev: set or show (see ipsecvti -h)' dev
bad 'dev: set or show (see ipsecvti -h)' dev drop
bad 'dev set: which device?' dev set
bad '"a b" cannot be an interface name' dev set 'a b'
bad '"interface-name-x" cannot be an interface name' dev set interface-name-x
bad 'local needs a value' dev set i local
bad 'local: "here" is not an IP address' dev set i local here
bad 'remote: "192.0.2.1:500" is not an IP address' dev set i remote 192.0.2.1:500
bad 'remote: "any" is not an IP address' dev set i remote any
bad 'encap: "tcp" is neither udp nor none' dev set i encap tcp
bad 'encap udp needs a source and a destination port' dev set i encap udp
bad 'encap udp needs a source and a destination port' dev set i encap udp 4500
bad 'encap udp: source port "x" is not a port number' dev set i encap udp x 4500
bad 'encap udp: destination port "65536" is not a port number' dev set i encap udp 4500 65536
bad 'oif: no interface "nowhere"' dev set i oif nowhere
bad 'min-pmtu: "500" is not a number from 576 to 65535' dev set i min-pmtu 500
bad 'mark: "blue" is not a number from 0 to 4294967295' dev set i mark blue
bad 'mark: "4294967296" is not a number from 0 to 4294967295' dev set i mark 4294967296
bad 'on-demand: "often" is neither yes nor no' dev set i on-demand often
bad 'owner needs a value' dev set i owner
bad 'dev set: unknown word "colour"' dev set i colour red
bad 'one word too many: "b"' dev show a b

key=(dir in spi 0x100 suite aes128gcm16)
bad 'sa: add, del or list (see ipsecvti -h)' sa
bad 'sa add: which device?' sa add
bad 'sa add: dir is missing' sa add i
bad 'dir: "up" is neither in nor out' sa add i dir up
bad 'sa add: spi is missing' sa add i dir in
bad 'spi: "0xzz" is not a number from 0 to 4294967295' sa add i spi 0xzz
bad 'spi: "-1" is not a number from 0 to 4294967295' sa add i spi -1
bad 'spi: "0x" is not a number from 0 to 4294967295' sa add i spi 0x
bad 'spi: " 1" is not a number from 0 to 4294967295' sa add i spi ' 1'
bad 'sa add: suite is missing' sa add i dir in spi 1
bad 'unknown suite "rot13"; ipsecvti(8) lists them' sa add i suite rot13
bad 'sa add: key-file is missing' sa add i "${key[@]}"
bad 'esn: "perhaps" is neither yes nor no' sa add i esn perhaps
bad 'sa add: unknown word "quickly"' sa add i "${key[@]}" quickly
bad 'sa add: current is for outbound SAs (dir out)' sa add i "${key[@]}" key-file "$dir/key" current
bad 'sa add: cpu goes with current (or use: out set)' \
	sa add i dir out spi 0x100 suite aes128gcm16 key-file "$dir/key" cpu 1
bad "$dir/none: No such file or directory" sa add i "${key[@]}" key-file "$dir/none"
bad "$dir/letters: a key is hexadecimal digits only" sa add i "${key[@]}" key-file "$dir/letters"
bad "$dir/odd: 3 hexadecimal digits are no whole key" sa add i "${key[@]}" key-file "$dir/odd"
bad "$dir/empty: 0 hexadecimal digits are no whole key" sa add i "${key[@]}" key-file "$dir/empty"
bad "$dir/long: too long for a key" sa add i "${key[@]}" key-file "$dir/long"
bad "$dir/wide: a key has at most 128 bytes" sa add i "${key[@]}" key-file "$dir/wide"
bad 'soft-bytes: "18446744073709551616" is not a number from 0 to 18446744073709551615' \
	sa add i soft-bytes 18446744073709551616
bad 'sa del: which SA? (an id, or: all IF)' sa del
bad 'sa del: "some" is neither an SA'"'"'s id nor all' sa del some
bad 'sa del: "0" is neither an SA'"'"'s id nor all' sa del 0
bad 'sa del all: of which device?' sa del all
bad 'sa del: unknown word "again"' sa del all i again
bad 'one word too many: "b"' sa list a b

bad 'spi: alloc IF' spi
bad 'spi: alloc IF' spi alloc
bad 'spi alloc: unknown word "fast"' spi alloc i fast
bad 'out: set IF [sa ID [cpu N]]...' out
bad 'out set: "x" is no SA'"'"'s id' out set i sa x
bad 'sa needs an id' out set i sa
bad 'out set: "0" is no SA'"'"'s id' out set i sa 0
bad 'out set: "cpu" is no SA'"'"'s id' out set i cpu 1
bad 'expect-gen needs a value' out set i expect-gen
bad 'one word too many: "b"' stats a b
bad 'one word too many: "a"' monitor a

says 1 "ipsecvti: the agent is not running (no answer at $dir/control.sock; try: systemctl start ipsecvtid)" \
	-r "$dir" show
mkdir "$dir/conf"
printf '[tunnel t]\nremote = 192.0.2.1\npsk-file = psk\n' > "$dir/conf/a.conf"
says 1 "$dir/conf/a.conf:3: psk-file: $dir/conf/psk cannot be opened: No such file or directory
ipsecvti: 1 error in the configuration" check "$dir/conf"
echo 'a secret that is long enough' > "$dir/conf/psk"
chmod 600 "$dir/conf/psk"
says 0 '' check "$dir/conf"
grep -q "^remote  *= 192.0.2.1  *# $dir/conf/a.conf:2\$" "$dir/out"
ok $? 'check prints where a value comes from'
! grep -q 'long enough' "$dir/out"
ok $? 'check prints no secret'
says 1 "ipsecvti: x: no [tunnel x] in $dir/conf" -c "$dir/conf" -r "$dir" up x

"$here/ipsecvti" -h > "$dir/help" 2> "$dir/err" && [ ! -s "$dir/err" ] && [ "$(wc -l < "$dir/help")" -lt 40 ]
ok $? 'help is shorter than 40 lines'
[ "$(awk 'length > 99' "$dir/help" | wc -l)" = 0 ]
ok $? 'and narrower than 100 columns'
[[ $("$here/ipsecvti" --version) == 'ipsecvti '[0-9]* ]]
ok $? 'version'

program=ipsecvtid
wrong() {
	local text=$1
	shift
	says 2 "ipsecvtid: $text (see ipsecvtid -h)" "$@"
}

wrong 'unknown option or missing value "-x"' -x
wrong 'unknown option or missing value "--colour"' --colour
wrong 'unknown option or missing value "--owner"' --owner
wrong 'unexpected "now"' now
wrong 'owner: 1 to 31 characters, not ""' --owner ''
wrong 'owner: 1 to 31 characters, not "a-name-that-is-longer-than-is-good"' \
	--owner a-name-that-is-longer-than-is-good
wrong 'seccomp: kill, log or off, not "maybe"' --seccomp maybe
"$here/ipsecvtid" -h > "$dir/help" && [ -s "$dir/help" ]
ok $? 'help'
[[ $("$here/ipsecvtid" --version) == 'ipsecvtid '[0-9]* ]]
ok $? 'version'
echo 'nonsense' > "$dir/conf/b.conf"
says 2 "ipsecvtid: error: configuration at=\"$dir/conf/b.conf:1: \\\"nonsense\\\" is neither a section nor \\\"key = value\\\"\"" \
	-c "$dir/conf" -r "$dir/run" --net "$here/ipsecvti"
[ ! -e "$dir/run/control.sock" ] && [ ! -e "$dir/run/ipsecvtid.pid" ]
ok $? 'an agent with a wrong configuration leaves nothing behind'

echo "1..$run"
[ "$failed" = 0 ] || echo "# $failed of $run failed"
[ "$failed" = 0 ]
