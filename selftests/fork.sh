#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A machine whose memory goes back in time (hibernation, a snapshot, a clone) must not send with a
# sequence number that it may have used: every outbound SA is dead afterwards, the carrier goes, the
# event is sent. Hibernation's own test mode runs the notifiers without switching anything off.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.12
[ -w /sys/power/pm_test ] || skip "the kernel has no test mode of hibernation"

make_namespace a b
make_wire a b
make_pair aes128gcm16
holds "the tunnel works" pings a 198.18.2.254
out=$(vti a sa list --json | jq '.[] | select(.dir == "out") | ."sa-id"')
in=$(vti a sa list --json | jq '.[] | select(.dir == "in") | ."sa-id"')
seq=$(sa_field a "$out" seq)

background monitor a "$IPSECVTI" monitor
until_ok 20 grep -q monitoring "$tmp/monitor.err"

echo freezer > /sys/power/pm_test
(echo disk > /sys/power/state) 2> /dev/null
echo none > /sys/power/pm_test

holds "event vm-fork" until_ok 5 grep -q vm-fork "$tmp/monitor"
is "the outbound SA is dead" "$(sa_field a "$out" dead)" true
is "the inbound one is not" "$(sa_field a "$in" dead)" false
holds "no carrier" until_ok 5 operstate_is a ipsec0 DOWN
is "the device remembers" "$(field a ipsec0 forked)" 1
fails "nothing comes through" on a ping -q -c 3 -i 0.1 -W 1 198.18.2.254
is "the sequence stands still" "$(sa_field a "$out" seq)" "$seq"
fails "the dead SA is not taken back" vti a out set ipsec0 sa "$out"
said "with a reason" 'hard limit, or the machine was cloned'

# New keys, and all is well.
holds "new keys" add_pair a ipsec0 0x2001 0x2002 aes128gcm16
holds "new keys on the other end" add_pair b ipsec0 0x2002 0x2001 aes128gcm16
holds "the carrier is back" until_ok 5 operstate_is a ipsec0 UP
holds "the tunnel works again" pings a 198.18.2.254
finish
