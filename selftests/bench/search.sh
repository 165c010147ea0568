# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# How many packets a second pass without a loss, and without a queue that grows. Sourced.

. "$(dirname "${BASH_SOURCE[0]}")/chain.sh"

rps() { # NAMESPACE MASK: the CPUs for what comes by the wire
	ip netns exec "$chain$1" bash -c "echo $2 > /sys/class/net/wire/queues/rx-0/rps_cpus"
}

# The second try is for the host, who may be the one that lost a packet.
sustained() { # RATE
	run_card rate="$1"
	[ "$in_time" = "$due" ] && return
	run_card
	[ "$in_time" = "$due" ]
}

# The highest rate at which nothing is lost, to 3 %, in $pps. It is looked for where it was found before, or
# what was found last of this subject.
declare -A found
search() { # SUBJECT-... NAME=VALUE...
	local name=$1 of=${1%-*} low='' high='' rate step=125
	rate=${found[$name]:-${found[$of]:-10000}}
	[ -z "${found[$name]:-}" ] || step=108
	shift
	set_card count=0 "$@"
	until [ -n "$low" ] && [ -n "$high" ] && [ $((high * 100)) -le $((low * 103)) ]; do
		if sustained "$rate"; then low=$rate; else high=$rate; fi
		if [ -z "$high" ]; then
			rate=$((low * step / 100))
		elif [ -z "$low" ]; then
			rate=$((high * 100 / step))
		else
			rate=$(((low + high) / 2))
		fi
		[ "$rate" -ge 100 ] || break
	done
	# shellcheck disable=SC2034 # for those who source this
	pps=${low:-0}
	found[$name]=$low found[$of]=$low
}
