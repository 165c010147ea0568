# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Where things are, for the other scripts of this folder. Sourced, never run.

vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for those who source this
top=$(cd "$vm/../.." && pwd)
# shellcheck disable=SC2034
build=$top/build
cache=${IPSECVTI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ipsecvti}

# What QEMU emulates. With these flags Linux would copy and clear by "rep movsb" and "rep stosb", of which it
# goes through each byte by itself: a fifth of what processes take to start, a third of a TCP stream, and
# nothing that iron would notice.
# shellcheck disable=SC2034
emulated=max,fsrm=off,fsrs=off,fzrm=off,erms=off

die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# The Debian release whose root a kernel lives in.
release_of() {
	case $1 in
	6.1) echo 12 ;;
	6.12 | 7.2) echo 13 ;;
	*) die "unknown kernel '$1': 6.1, 6.12 or 7.2" ;;
	esac
}

# The full name (uname -r) of a kernel, by its short one.
kernel_name() {
	sed -n "s/^$1 //p" "$cache/root-$(release_of "$1")/kernels"
}
