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
