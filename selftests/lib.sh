# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the tests of this folder share: TAP, namespaces, our device, the kernel's own xfrm, counters.
# Sourced by a test as its first line; a test ends with "finish".
#
#   IPSECVTI          the command line tool (ipsecvti)
#   IPSECVTI_SECONDS  length of what runs for a time (10)
#   IPSECVTI_HELPERS  folder with the compiled helpers; built here when it has none
#
# Addresses: 192.0.2.0/24 outside, 198.18.0.0/15 and 2001:db8::/32 inside.

set -u
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
IPSECVTI=${IPSECVTI:-ipsecvti}
# shellcheck disable=SC2034 # for those who source this
seconds=${IPSECVTI_SECONDS:-10}
helpers=${IPSECVTI_HELPERS:-$here/../build/selftests}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ipsecvti.XXXXXX")

# TAP

tests=0
failures=0
finished=

ok() { # NAME
	tests=$((tests + 1))
	echo "ok $tests $1"
}

not_ok() { # NAME [DIAGNOSTICS]; its status lets the caller say more
	tests=$((tests + 1))
	failures=$((failures + 1))
	echo "not ok $tests $1"
	[ -z "${2:-}" ] || note "$2"
	return 1
}

skip() { # REASON: the whole file
	echo "1..0 # SKIP $1"
	finished=1
	exit 4
}

note() { # TEXT
	echo "# ${1//$'\n'/$'\n# '}"
}

is() { # NAME GOT WANTED
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "got '$2', wanted '$3'"
	fi
}

# Not in a subshell: what a command sets stays set.
holds() { # NAME COMMAND...
	local name=$1 status
	shift
	"$@" > "$tmp/output" 2>&1
	status=$?
	if [ $status = 0 ]; then
		ok "$name"
	else
		not_ok "$name" "status $status of: $*"$'\n'"$(head -n 20 "$tmp/output")"
	fi
}

fails() { # NAME COMMAND...
	local name=$1
	shift
	if "$@" > "$tmp/output" 2>&1; then
		not_ok "$name" "no error from: $*"$'\n'"$(head -n 20 "$tmp/output")"
	else
		ok "$name"
	fi
}

said() { # NAME PATTERN: whether the last command said so
	local output
	output=$(cat "$tmp/output")
	if grep -qiE -e "$2" <<< "$output"; then
		ok "$1: $(head -n 1 <<< "$output")"
	else
		not_ok "$1" "wanted: $2"$'\n'"$output"
	fi
}

compare() { # NAME A OPERATOR B, as in [ A -lt B ]
	if test "$2" "$3" "$4" 2> /dev/null; then
		ok "$1"
	else
		not_ok "$1" "not true: $2 $3 $4"
	fi
}

# A function that is gone must not pass for one that found nothing: finish fails the test for it.
command_not_found_handle() { # NAME ARGUMENT...
	echo "$1" >> "$tmp/unknown"
	echo "$1: no such command" >&2
	return 127
}

finish() {
	finished=1
	[ ! -e "$tmp/unknown" ] || not_ok "every command is there" "$(sort -u "$tmp/unknown")"
	echo "1..$tests"
	[ $failures = 0 ]
	exit
}

# Waits until a command succeeds.
until_ok() { # SECONDS COMMAND...
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@" > /dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# Tracepoints, in an instance of the test's own: what they say is in $traces/trace.
traces=/sys/kernel/tracing/instances/vti$$

trace_begin() { # EVENT...: as below "events"; 1 where the kernel has none of ours
	local event
	mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing 2> /dev/null
	[ -d /sys/kernel/tracing/events/ipsecvti ] || return
	mkdir "$traces" || exit 1
	for event; do
		echo 1 > "$traces/events/$event/enable" || exit 1
	done
}

trace_end() {
	echo 0 > "$traces/events/enable"
	rmdir "$traces"
} 2> /dev/null

# Requirements

need() { # TOOL...
	local tool
	for tool; do
		command -v "$tool" > /dev/null || skip "no $tool"
	done
}

# For tests that are about packets, not about CPUs: everything that they start stays on one. In a
# virtual machine without a hypervisor a process costs twice as much when CPUs have to wake each
# other, and waits for one that has none of the host's: check runs a file with a line "one_cpu" in a
# machine of one CPU. "mostly" is for a file that has its own ideas of where some of it runs.
one_cpu() { # [mostly]
	taskset -cp 0 $$ > /dev/null
}

# A file about our own code or about a peer, more than about the kernel: check runs it on the kernels
# that a line "checked_on 6.1 7.2" names, check-long and check K=... on each.
checked_on() { # KERNEL...
	:
}

helper() { # NAME: prints the path of a compiled helper
	local binary=$helpers/$1
	if ! [ "$binary" -nt "$here/$1.c" ]; then
		binary=$tmp/$1
		[ -x "$binary" ] || "${CC:-cc}" -O2 -o "$binary" "$here/$1.c" || exit 1
	fi
	echo "$binary"
}

# Namespaces. "on NAME COMMAND..." runs in one; names are the test's own.

namespaces=()
children=()

cleanup() {
	local status=$? pid ns
	trap '' INT TERM
	for pid in "${children[@]}"; do
		kill "$pid" 2> /dev/null
	done
	wait 2> /dev/null
	for ns in "${namespaces[@]}"; do
		ip netns del "vti$$-$ns" 2> /dev/null
	done
	[ "$(type -t test_cleanup)" != function ] || test_cleanup
	rm -rf "$tmp"
	if [ -z "$finished" ]; then
		echo "Bail out! ended in the middle, status $status"
		status=1
	fi
	exit $status
}
trap cleanup EXIT
trap 'exit 1' INT TERM

on() {
	"$in_netns" "vti$$-$1" "${@:2}"
}

# See netns.c; a host without a compiler has this.
enter_netns() { # NETNS COMMAND...
	nsenter --net="/run/netns/$1" "${@:2}"
}
in_netns=$tmp/netns
cp "$(helper netns 2> /dev/null)" "$in_netns" 2> /dev/null || in_netns=enter_netns

ipn() { # NS ARGS...: ip(8) in a namespace; with "-batch -" many commands at once
	ip -n "vti$$-$1" "${@:2}"
}

make_namespace() { # NS...
	local ns
	for ns; do
		ip netns add "vti$$-$ns" || exit 1
		namespaces+=("$ns")
		# Nothing of the host's may drop what a test sends, and none of its multicast go through
		# a tunnel: counters are compared exactly.
		# shellcheck disable=SC2016 # the inner shell expands
		on "$ns" sh -c 'ip link set lo up
			for f in /proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/ipv6/conf/*/accept_dad \
				/proc/sys/net/ipv4/icmp_ratelimit /proc/sys/net/ipv6/icmp/ratelimit; do
				echo 0 > $f
			done
			for f in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding; do
				echo 1 > $f
			done
			exec nft -f -' <<- EOT || exit 1
			table inet quiet {
				chain output {
					type filter hook output priority 0;
					oifname "ipsec*" ip6 daddr ff00::/8 drop
					oifname "ipsec*" ip daddr 224.0.0.0/4 drop
				}
			}
		EOT
	done
}

drop_namespace() { # NS
	local ns keep=()
	ip netns del "vti$$-$1"
	for ns in "${namespaces[@]}"; do
		[ "$ns" = "$1" ] || keep+=("$ns")
	done
	namespaces=("${keep[@]}")
}

background() { # NAME NS COMMAND...: output in $tmp/NAME, process in ${pid_of[NAME]}
	local name=$1 ns=$2
	shift 2
	# Here, not when the process has come so far: nobody is to read what an earlier one said.
	: > "$tmp/$name"
	nsenter --net="/run/netns/vti$$-$ns" "$@" > "$tmp/$name" 2> "$tmp/$name.err" &
	pid_of[$name]=$!
	children+=($!)
}
declare -A pid_of

stop() { # NAME: ends a background process and waits for it
	kill -TERM "${pid_of[$1]}" 2> /dev/null
	wait "${pid_of[$1]}" 2> /dev/null
}

await() { # NAME: waits for the end of a background process
	wait "${pid_of[$1]}"
}

# A veth pair, "wire" on both ends: 192.0.2.1 and 192.0.2.2, 2001:db8::1 and ::2.
make_wire() { # NS NS
	ip link add wire netns "vti$$-$1" type veth peer name wire netns "vti$$-$2" || exit 1
	local end
	for end in 1 2; do
		ipn "${!end}" -batch - <<- EOT
			addr add 192.0.2.$end/24 dev wire
			addr add 2001:db8::$end/64 dev wire nodad
			link set wire up
		EOT
	done
}

# A host behind a gateway, by a veth pair "lan": 198.18.N.2 behind 198.18.N.1.
make_lan() { # GATEWAY HOST N
	ip link add lan netns "vti$$-$1" type veth peer name lan netns "vti$$-$2" || exit 1
	local end
	for end in 1 2; do
		ipn "${!end}" -batch - <<- EOT
			addr add 198.18.$3.$end/24 dev lan
			addr add 2001:db8:$3::$end/64 dev lan nodad
			link set lan up
		EOT
	done
	ipn "$2" -batch - <<- EOT
		route add default via 198.18.$3.1
		route add default via 2001:db8:$3::1
	EOT
}

# Counts on NS's end of the wire what arrives there: esp, natt (UDP 4500) and clear, which is all
# IP but neighbour discovery.
watch_wire() { # NS
	on "$1" nft -f - <<- EOT || exit 1
		table netdev watch {
			counter all_esp { }
			counter all_natt { }
			counter all_clear { }
			chain ingress {
				type filter hook ingress device "wire" priority 0;
				icmpv6 type { 133, 134, 135, 136, 143 } accept
				ip protocol 50 counter name all_esp accept
				ip6 nexthdr 50 counter name all_esp accept
				udp dport 4500 counter name all_natt accept
				meta protocol { ip, ip6 } counter name all_clear
			}
		}
	EOT
}

packets_of() { # NS nft-counter...: of an nft counter
	[[ $(on "$1" nft list counter "${@:2}") =~ packets\ ([0-9]+) ]]
	echo "${BASH_REMATCH[1]}"
}

wire_count() { # NS COUNTER
	packets_of "$1" netdev watch "all_$2"
}

# Our device

vti() { # NS ARGS...: our command line tool in a namespace; with "-b -" many commands at once
	"$IPSECVTI" -n "vti$$-$1" "${@:2}"
}

module_here() {
	[ "$(id -u)" = 0 ] || skip "not root"
	need ip jq nft nsenter python3 socat ping "$IPSECVTI"
	modprobe ipsecvti 2> /dev/null || [ -d /sys/module/ipsecvti ] || skip "no module ipsecvti"
}

# The module is taken out and put in: only where nobody uses it.
module_is_ours() {
	module_here
	if ip -j link show type ipsecvti | jq -e 'any(.ifname?)' > /dev/null ||
		[ "$(cat /sys/module/ipsecvti/refcnt)" != 0 ]; then
		skip "the module is in use on this machine"
	fi
	[ "$(ip netns list | wc -l)" = 0 ] || skip "other namespaces may use the module"
}

# The kernel's log from here on.
mark_log() {
	log_mark="ipsecvti selftest $$ $RANDOM"
	echo "$log_mark" > /dev/kmsg
}

log_complaints() {
	dmesg | sed "1,/$log_mark/d" | grep -E \
		'unregister_netdevice|BUG|WARNING|Oops|Call Trace|refcount_t|emaining|kmem_cache|blocked for more|ipsecvti: .*error'
}

# A device with its inner addresses, up: 198.18.N.254/32, 2001:db8:N::fe, routes to subnets PEER.
make_device() { # NS DEV N PEER dev-set-arguments...
	local ns=$1 dev=$2 n=$3 peer=$4
	shift 4
	ipn "$ns" link add "$dev" type ipsecvti &&
		vti "$ns" dev set "$dev" "$@" &&
		ipn "$ns" -batch - <<- EOT
			addr add 198.18.$n.254/32 dev $dev
			addr add 2001:db8:$n::fe/128 dev $dev nodad
			link set $dev up
			route add 198.18.$peer.0/24 dev $dev src 198.18.$n.254
			route add 2001:db8:$peer::/64 dev $dev src 2001:db8:$n::fe
		EOT
}

# Two gateways with a device each and a tunnel between them: 198.18.1.254 at the near one, 198.18.2.254
# at the far one. SPIs are 0x1001 and 0x1002 to them; words are for "dev set" of either end.
make_pair_of() { # NEAR FAR SUITE [WORDS...]
	local near=$1 far=$2 suite=$3
	shift 3
	make_device "$near" ipsec0 1 2 local 192.0.2.1 remote 192.0.2.2 "$@" &&
		make_device "$far" ipsec0 2 1 local 192.0.2.2 remote 192.0.2.1 "$@" &&
		add_pair "$near" ipsec0 0x1001 0x1002 "$suite" &&
		add_pair "$far" ipsec0 0x1002 0x1001 "$suite" &&
		until_ok 5 operstate_is "$near" ipsec0 UP &&
		until_ok 5 operstate_is "$far" ipsec0 UP
}

make_pair() { # [SUITE [WORDS...]]: a and b
	make_pair_of a b "${1:-aes128gcm16}" "${@:2}"
}

# The suites: bytes of the cipher's key, of what stands behind it (salt, or the HMAC's key), and how
# the kernel's xfrm calls them.
declare -A cipher_bytes extra_bytes xfrm_name icv_bits
suite() { # NAME CIPHER-BYTES EXTRA-BYTES XFRM-NAME ICV-BITS
	cipher_bytes[$1]=$2 extra_bytes[$1]=$3 xfrm_name[$1]=$4 icv_bits[$1]=$5
}
suite aes128gcm16 16 4 'rfc4106(gcm(aes))' 128
suite aes192gcm16 24 4 'rfc4106(gcm(aes))' 128
suite aes256gcm16 32 4 'rfc4106(gcm(aes))' 128
suite chacha20poly1305 32 4 'rfc7539esp(chacha20,poly1305)' 128
for bytes in 16 32; do
	suite aes$((bytes * 8))-sha1 $bytes 20 'hmac(sha1) cbc(aes)' 96
	suite aes$((bytes * 8))-sha256 $bytes 32 'hmac(sha256) cbc(aes)' 128
	suite aes$((bytes * 8))-sha384 $bytes 48 'hmac(sha384) cbc(aes)' 192
	suite aes$((bytes * 8))-sha512 $bytes 64 'hmac(sha512) cbc(aes)' 256
done
suite aes128gmac 16 4 'rfc4543(gcm(aes))' 128
suite aes256gmac 32 4 'rfc4543(gcm(aes))' 128
suite null-sha256 0 32 'hmac(sha256) ecb(cipher_null)' 128

# Keys follow from the suite and a number, so that both ends have them without a file. No process
# and no loop: a thousand of them are made.
key_pool=$(printf '%02x' {1..255} {1..255})
set_key() { # SUITE|BYTES NUMBER: hex, in $key
	local bytes=$1
	[ -z "${cipher_bytes[$1]:-}" ] || bytes=$((${cipher_bytes[$1]} + ${extra_bytes[$1]}))
	printf -v key '%08x%s' "$2" "${key_pool:2 * ($2 % 251)}"
	key=${key:0:2 * bytes}
}

key_of() { # SUITE|BYTES NUMBER: hex
	local key
	set_key "$@"
	echo "$key"
}

# A line for "ipsecvti -b" that adds an SA, in $sa_line. The key follows from SUITE and the SPI.
sa_line() { # DEV DIR SPI SUITE ARGS...
	local dev=$1 dir=$2 spi=$3 suite=$4 key
	shift 4
	set_key "$suite" $((spi))
	umask 077
	echo "$key" > "$tmp/key-$dir-$spi"
	umask 022
	sa_line="sa add $dev dir $dir spi $spi suite $suite key-file $tmp/key-$dir-$spi $*"
}

# Adds an SA and prints its handle.
add_sa() { # NS DEV DIR SPI SUITE ARGS...
	local sa_line
	sa_line "${@:2}"
	vti "$1" -b - <<< "$sa_line"
}

# Both SAs of one end of a tunnel as lines, the outbound one current, in $pair_lines.
pair_lines() { # DEV SPI-IN SPI-OUT SUITE ARGS...
	local sa_line
	sa_line "$1" in "$2" "${@:4}"
	pair_lines=$sa_line
	sa_line "$1" out "$3" "${@:4}" current
	pair_lines+=$'\n'$sa_line
}

add_pair() { # NS DEV SPI-IN SPI-OUT SUITE ARGS...
	local pair_lines
	pair_lines "${@:2}"
	vti "$1" -b - <<< "$pair_lines" > /dev/null
}

# The counters of a device, in ${count_of[NAME]}; those of its SAs come after them.
declare -A count_of marked_stats
read_counters() { # NS DEV
	local name value
	count_of=()
	while read -r name value; do
		[ "$name" != sa ] || break
		[ -z "$value" ] || count_of[$name]=$value
	done <<< "$(vti "$1" stats "$2")"
}

counter() { # NS DEV NAME
	read_counters "$1" "$2"
	echo "${count_of[$3]:-}"
}

mark_stats() { # NS DEV: remembers the counters
	local name
	read_counters "$1" "$2"
	for name in "${!count_of[@]}"; do
		marked_stats[$1/$2/$name]=${count_of[$name]}
	done
}

# What has moved since mark_stats, with one reading: in $received, $sent (packets) and $dropped
# ("icv-failed+1 replay+2", or "").
# shellcheck disable=SC2034 # for those who source this
read_moved() { # NS DEV
	local name value drops=()
	read_counters "$1" "$2"
	for name in "${!count_of[@]}"; do
		value=$((count_of[$name] - marked_stats[$1/$2/$name]))
		case $name in
		rx-packets) received=$value ;;
		tx-packets) sent=$value ;;
		rx-bytes | tx-bytes) ;;
		*) [ $value = 0 ] || drops+=("$name+$value") ;;
		esac
	done
	dropped=${drops[*]}
	[ ${#drops[@]} -lt 2 ] || dropped=$(printf '%s\n' "${drops[@]}" | sort | paste -s -d ' ')
}

moved() { # NS DEV: what was dropped
	read_moved "$1" "$2"
	echo "$dropped"
}

# What has happened to a's ipsec0 since the last time: packets delivered, and what "moved" says. One
# reading serves as the next one's mark. What comes late is seen by the next call.
# shellcheck disable=SC2034
happened() { # NAME DELIVERED COUNTERS
	local end=$((SECONDS + 3)) name received='' sent dropped=''
	until [ "$received $dropped" = "$2 $3" ]; do
		[ -z "$received" ] || [ $SECONDS -lt $end ] || break
		read_moved a ipsec0
	done
	for name in "${!count_of[@]}"; do
		marked_stats[a/ipsec0/$name]=${count_of[$name]}
	done
	is "$1" "$received $dropped" "$2 $3"
}

has_moved() { # NS DEV COUNTERS: whether "moved" says just that
	[ "$(moved "$1" "$2")" = "$3" ]
}

since_mark() { # NS DEV NAME: by how much a counter has moved
	echo $(($(counter "$1" "$2" "$3") - marked_stats[$1/$2/$3]))
}

sa_field() { # NS SA-ID NAME: an SA's property
	vti "$1" sa list --json | jq -r --argjson id "$2" --arg name "$3" '
		.[] | select(."sa-id" == $id) | .[$name] | values'
}

field() { # NS DEV NAME: a device's property
	vti "$1" dev show "$2" --json | jq -r --arg name "$3" 'flatten(1) | .[0][$name] | values'
}

operstate() { # NS DEV
	local name state rest
	read -r name state rest <<< "$(ipn "$1" -br link show "$2")"
	echo "$state"
}

# DOWN is LOWERLAYERDOWN, too, which kernels differ about where there is no lower layer.
operstate_is() { # NS DEV STATE
	[[ $(operstate "$1" "$2") = "$3" || $(operstate "$1" "$2") = "LOWERLAYER$3" ]]
}

# The kernel's own ESP as the other end

# Policies of the xfrm end: subnets N here, PEER there.
xfrm_policies() { # NS LOCAL REMOTE N PEER
	local ns=$1 local=$2 remote=$3 n=$4 peer=$5 dir
	for prefix in 198.18.%.0/24 2001:db8:%::/64; do
		ipn "$ns" xfrm policy add src "${prefix/\%/$n}" dst "${prefix/\%/$peer}" dir out \
			tmpl src "$local" dst "$remote" proto esp mode tunnel || return
		for dir in in fwd; do
			ipn "$ns" xfrm policy add src "${prefix/\%/$peer}" dst "${prefix/\%/$n}" dir $dir \
				tmpl src "$remote" dst "$local" proto esp mode tunnel || return
		done
	done
}

# Other than tunnel mode, and further words, for those who want them.
xfrm_mode=tunnel
xfrm_words=()

# One state as a line for "ip -batch", in $xfrm_line. The window is the largest that xfrm has: a CPU
# of a virtual machine may be away for long, with a number in its hand.
xfrm_line() { # SRC DST SPI SUITE ESN [ENCAP...]
	local suite=$4 key split name words flags=
	set_key "$suite" $(($3))
	split=$((2 * ${cipher_bytes[$suite]}))
	name=${xfrm_name[$suite]}
	if [[ $name != *' '* ]]; then
		words="aead $name 0x$key ${icv_bits[$suite]}"
	else
		words="auth-trunc ${name% *} 0x${key:split} ${icv_bits[$suite]}"
		words+=" enc ${name#* } \"${key:0:split}\""
		[ $split = 0 ] || words=${words/ \"/ \"0x}
	fi
	[ "$5" = no ] || flags+=' esn'
	[ $xfrm_mode != tunnel ] || flags+=' af-unspec'
	xfrm_line="xfrm state add src $1 dst $2 proto esp spi $3 mode $xfrm_mode replay-window 4096"
	xfrm_line+="${flags:+ flag$flags} ${xfrm_words[*]} $words ${6:+encap ${*:6}}"
}

xfrm_state() { # NS SRC DST SPI SUITE ESN [ENCAP...]
	local xfrm_line
	xfrm_line "${@:2}"
	ipn "$1" -batch - <<< "$xfrm_line"
}

# What a state has received, and what one has sent, with one reading: in $xfrm_received and $xfrm_sent.
# The latter by its sequence number: with esp4_offload, lifetimes count a train of segments as one packet.
# shellcheck disable=SC2034 # for those who source this
read_xfrm() { # NS SPI-IN SPI-OUT
	local state_lines line spi='' current='' in out
	xfrm_received='' xfrm_sent=0
	printf -v in '0x%08x' $(($2))
	printf -v out '0x%08x' $(($3))
	# By lines: bash takes seconds to look for a word in ten states at once.
	mapfile -t state_lines <<< "$(ipn "$1" -s xfrm state list)"
	for line in "${state_lines[@]}"; do
		case $line in
		*' spi 0x'*) spi=${line#* spi } spi=${spi%%[( ]*} current='' ;;
		*'lifetime current'*) current=1 ;;
		*'(packets)'*)
			[ "$spi$current" != "${in}1" ] || xfrm_received=${line#*, } xfrm_received=${xfrm_received%%(*}
			current=''
			;;
		*oseq*)
			[[ $spi != "$out" || ! $line =~ oseq\ (0x[0-9a-f]+) ]] || xfrm_sent=$((BASH_REMATCH[1]))
			;;
		esac
	done
}

xfrm_packets() { # NS SPI
	read_xfrm "$1" "$2" "$2"
	echo "$xfrm_received"
}

xfrm_sent() { # NS SPI
	read_xfrm "$1" "$2" "$2"
	echo "$xfrm_sent"
}

xfrm_sum() { # NS: packets of all states
	ipn "$1" -s xfrm state list | awk '/lifetime current/ {
		getline
		sub(/.*, /, "")
		sub(/\(packets\).*/, "")
		sum += $0
	} END { print sum + 0 }'
}

xfrm_errors() { # NS: names and values of all counters that are not 0
	# shellcheck disable=SC2016 # awk's
	on "$1" awk '$2 { printf "%s+%d ", $1, $2 }' /proc/net/xfrm_stat
}

# A socket that takes ESP-in-UDP, as an IKE daemon has it.
espinudp() { # NS ADDRESS PORT
	background "espinudp-$1-$3" "$1" python3 "$here/espinudp.py" "$2" "$3"
	until_ok 20 grep -q ready "$tmp/espinudp-$1-$3" || exit 1
}

# Crafted packets: inject.py, or another program of its kind, in a namespace, spoken to by "inject WORDS".
injector() { # NS [PROGRAM ARGS...]
	local ns=$1
	shift
	[ $# != 0 ] || set -- "$here/inject.py"
	coproc INJECTOR { on "$ns" python3 "$@" 2> "$tmp/inject.err"; }
	# shellcheck disable=SC2153 # coproc sets it
	children+=("$INJECTOR_PID")
	inject ready || exit 1
}

inject() { # WORDS: see inject.py; prints its answer
	local answer
	echo "$*" >&"${INJECTOR[1]}"
	read -r -t 60 -u "${INJECTOR[0]}" answer || { cat "$tmp/inject.err" >&2; return 1; }
	[ "$answer" = ok ] || echo "$answer"
	[[ $answer != error* ]]
}

# Traffic

pings() { # NS ADDRESS ARGS...: succeeds when all of 5 come back
	local ns=$1 address=$2 output
	shift 2
	output=$(on "$ns" ping -q -c 5 -i 0.02 -W 5 "$@" "$address" 2>&1)
	echo "$output"
	[[ $output = *" 5 received"* ]]
}

# A file over TCP; succeeds when it arrives as it was, and then nothing of it is under way: the
# kernel's last words follow the programs' end, and counters are compared exactly.
tcp_file() { # FROM TO ADDRESS KILOBYTES
	local from=$1 to=$2 address=$3 bind=$3 family=4
	[[ $address != *:* ]] || bind=[$address] family=6
	[ -e "$tmp/file-$4" ] || head -c "$4K" /dev/urandom > "$tmp/file-$4"
	rm -f "$tmp/received"
	background sink "$to" socat -u "TCP$family-LISTEN:5000,reuseaddr,bind=$bind" "CREATE:$tmp/received"
	until_ok 10 listening "$to" 5000 || return
	on "$from" timeout 60 socat -u "FILE:$tmp/file-$4" "TCP:$bind:5000" || return
	await sink
	cmp "$tmp/file-$4" "$tmp/received" && until_ok 10 closed "$to" 5000
}

listening() { # NS PORT
	on "$1" ss -Hltn "sport = :$2" | grep -q .
}

bound() { # NS PORT: a socket takes UDP there
	[ -n "$(on "$1" ss -Hlun "sport = :$2")" ]
}

# Whoever closes last is gone only when its end has been acknowledged.
closed() { # NS PORT
	[ -z "$(on "$1" ss -Htn state last-ack "sport = :$2")" ]
}

link_stat() { # NS DEV NAME: as "ip -s link" has it, "tx.packets" say
	ipn "$1" -s -j link show "$2" | jq ".[0].stats64.$3"
}

echo "TAP version 13"
