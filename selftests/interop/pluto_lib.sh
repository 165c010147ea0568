# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154 # lib.sh's names
# libreswan's pluto in a namespace, and what it is asked and told; selftests/vm/libreswan gets it. It
# works by policies of the kernel's xfrm, so that its ends are subnets, and a route is all it needs
# beside them. On top of lib.sh.

# Beside build/RELEASE/selftests.
libreswan=${helpers%/*/selftests}/libreswan-$(basename "${helpers%/selftests}")
libexec=$libreswan/usr/libexec/ipsec

pluto_here() {
	agents_here
	[ -x "$libexec/pluto" ] || skip 'no libreswan'
	export LD_LIBRARY_PATH=$libreswan/usr/lib/x86_64-linux-gnu
	modprobe -a -q esp4 xfrm_user
	note "peer: $("$libexec/pluto" --version | head -n 1), kernel $(uname -r)"
}

# The connection "net" as pluto is to have it from its next start or load_pluto on.
write_pluto() { # NS: KEY=VALUE of it, one in a line, from standard input
	local dir=$tmp/$1/pluto
	mkdir -p "$dir"
	{
		printf 'config setup\nconn net\n'
		# A key that is said again replaces what was said before.
		{
			printf '%s\n' authby=secret ikev2=insist leftupdown=%disabled rightupdown=%disabled auto=add
			cat
		} | awk -F = '{ value[$1] = $0 } END { for (key in value) print "\t" value[key] }'
	} > "$dir/conf"
	(umask 077 && echo ": PSK \"${pluto_secret:-$secret}\"" > "$dir/secrets")
}

start_pluto() { # NS ADDRESS
	local dir=$tmp/$1/pluto
	mkdir -p "$dir/nss" "$dir/run"
	[ -e "$dir/nss/cert9.db" ] ||
		"$libreswan/usr/bin/certutil" -N -d "sql:$dir/nss" --empty-password || return
	# It looks for its helpers where the package has them.
	# shellcheck disable=SC2016 # the inner shell expands
	spawn "pluto-$1" "$dir/log" "$1" unshare -m sh -c 'mount --bind "$0" /usr/libexec && exec "$@"' \
		"$libreswan/usr/libexec" taskset -c "$peer_cpu" "$libexec/pluto" --nofork --stderrlog \
		--config "$dir/conf" --secretsfile "$dir/secrets" --nssdir "$dir/nss" --rundir "$dir/run" \
		--ipsecdir "$dir" --listen "$2" --no-dnssec --nhelpers 0
	until_ok 20 test -S "$dir/run/pluto.ctl" && until_ok 20 whack "$1" --status && load_pluto "$1"
}

load_pluto() { # NS: what write_pluto has written
	local dir=$tmp/$1/pluto
	whack "$1" --rereadsecrets && whack "$1" --name net --delete
	on "$1" "$libexec/addconn" --config "$dir/conf" --ctlsocket "$dir/run/pluto.ctl" net &&
		whack "$1" --listen
}

whack() { # NS ARGS...
	on "$1" timeout 20 "$libexec/whack" --rundir "$tmp/$1/pluto/run" "${@:2}"
}

pluto_rekeys() { # NS child|ike
	case $2 in
	ike) whack "$1" --name net --rekey-ike --asynchronous ;;
	# The newer word, then the older one.
	child) whack "$1" --name net --rekey-child --asynchronous ||
		whack "$1" --name net --rekey-ipsec --asynchronous ;;
	esac
}

# IKE and child SAs that it calls established, as "IKE n CHILD n", and the SAs in its kernel.
pluto_has() { # NS
	whack "$1" --showstates | awk -v kernel="$(ipn "$1" xfrm state | grep -c 'proto esp')" '
		/ESTABLISHED_IKE_SA/ { ike++ }
		/ESTABLISHED_CHILD_SA/ { child++ }
		END { print "IKE " ike + 0 ", child " child + 0 ", kernel " kernel }'
}

one_at_pluto() { # NS
	[ "$(pluto_has "$1")" = 'IKE 1, child 1, kernel 2' ]
}

pluto_logged() { # NS LINES PATTERN: further down than the log was at the time
	tail -n "+$(($2 + 1))" "$tmp/$1/pluto/log" | grep -q -E -- "$3"
}

pluto_log_size() { # NS
	wc -l < "$tmp/$1/pluto/log"
}

# What pluto's end needs: an address, a route, and that what its policies don't take does not go in clear.
make_pluto_end() { # NS N PEER GATEWAY
	ipn "$1" addr add "198.18.$2.254/32" dev lo
	ipn "$1" route add "198.18.$3.0/24" via "$4" src "198.18.$2.254"
	on "$1" nft -f - <<- EOT
		table ip closed {
			chain output {
				type filter hook output priority 0;
				ip daddr 198.18.$3.0/24 rt ipsec missing drop
			}
		}
	EOT
}

# A tunnel between our agent in a and pluto in b:
#
#   a: ipsecvtid, ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 lo, pluto: b
make_pluto_gateways() {
	make_gateways a b
	make_ours a 1 2
	make_pluto_end b 2 1 192.0.2.1
}

# Who begins, as we see it.
role=initiator
# libreswan refuses selectors that are more than its own, unless told to narrow.
our_ts=$'local-ts = 198.18.1.0/24\nremote-ts = 198.18.2.0/24'

ours() { # KEYS, one in a line: our side, which initiates or waits as $role says
	local start=initiate
	[ "$role" = initiator ] || start=respond
	configure a ipsec0 <<- EOT
		local = 192.0.2.1
		remote = 192.0.2.2
		retry = 1s
		start = $start
		$our_ts
		$1
	EOT
}

theirs() { # KEY=VALUE...
	theirs_in b "$@"
}

theirs_in() { # NS KEY=VALUE...
	printf '%s\n' left=192.0.2.2 right=192.0.2.1 leftsubnet=198.18.2.0/24 rightsubnet=198.18.1.0/24 \
		ike=aes_gcm128-sha2_256-dh31 esp=aes_gcm256 esn=yes replay-window=4096 "${@:2}" | write_pluto "$1"
}

# From nothing to a tunnel by today's configurations; what is left of the one before goes first.
reconnect() {
	if [ "$role" = initiator ]; then
		agent a down ipsec0 && agent a reload && load_pluto b && agent a up ipsec0
	else
		whack b --name net --terminate
		agent a reload && load_pluto b && whack b --name net --initiate && until_ok 5 is_up a
	fi && until_ok 10 one_at_pluto b
}

connect_pluto() {
	reconnect && return
	pluto_has b
	why a
	why b/pluto
	return 1
}

# Rekeys by libreswan in place of strongSwan's, so that lib.sh's names are those of either peer's.
by_pluto() { # child|ike QUESTION
	local old
	old=$("$2" a)
	until_ok 10 one_at_pluto b
	pluto_rekeys b "$1" > "$tmp/rekey.log" && until_ok 10 differs "$old" "$2" a
}
rekey_child_b() { by_pluto child child_spi; }
rekey_ike_b() { by_pluto ike ike_spis; }
# shellcheck disable=SC2034 # for those who source this
declare -A name_of=([rekey_child_a]='child rekey by us' [rekey_child_b]='child rekey by libreswan'
	[rekey_ike_a]='IKE rekey by us' [rekey_ike_b]='IKE rekey by libreswan')

# The tunnel, for a file about what comes after it. libreswan 4.10 takes no other group for a child than
# its IKE SA's.
make_pluto_tunnel() {
	make_pluto_gateways || exit 1
	# shellcheck disable=SC2034 # configure_ours reads it
	our_keys=$our_ts$'\nesp = aes256gcm16-curve25519-esn'
	configure_ours
	theirs 'esp=aes_gcm256;dh31'
	start_pluto b 192.0.2.2 || exit 1
	start_agent a || exit 1
	holds 'a tunnel with libreswan' connect_pluto
}
