#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The module comes when it is asked for, by its link type and by its netlink family, and says what it is.
. "$(dirname "$0")/lib.sh"
module_is_ours
need modinfo

loaded() {
	[ -d /sys/module/ipsecvti ]
}

make_namespace a
for field in description license author alias version; do
	holds "modinfo: $field" eval "modinfo -F $field ipsecvti | grep -q ."
done
is "license" "$(modinfo -F license ipsecvti)" GPL
holds "alias of the link type" eval 'modinfo -F alias ipsecvti | grep -qx rtnl-link-ipsecvti'
holds "alias of the netlink family" eval 'modinfo -F alias ipsecvti | grep -qx "net-pf-16-proto-16-family-ipsecvti"'
is "no parameter but the CPUs that relieve others, and what tests have" \
	"$(modinfo -F parm ipsecvti | sed 's/:.*//' | sort | xargs)" "first_seq lanes restless"

mark_log
holds "removed" modprobe -r ipsecvti
fails "control: it is not there" loaded
holds "ip link add" ipn a link add ipsec0 type ipsecvti
holds "has loaded it" loaded
is "the device's kind" "$(ipn a -d -j link show ipsec0 | jq -r '.[0].linkinfo.info_kind')" ipsecvti
is "ethtool's driver" "$(on a ethtool -i ipsec0 2> /dev/null | sed -n 's/^driver: //p')" ipsecvti
holds "a second one" ipn a link add ipsec1 type ipsecvti
ipn a link del ipsec0
ipn a link del ipsec1

holds "removed" modprobe -r ipsecvti
fails "control: it is not there" loaded
holds "the tool asks for the family" vti a dev show
holds "has loaded it" loaded
for _ in 1 2 3 4 5; do
	modprobe -r ipsecvti
	modprobe ipsecvti
done
holds "in and out five times" loaded
is "the kernel's log" "$(log_complaints)" ""

finish
