#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Packets made of somebody's page cache are encrypted and decrypted, and the file stays as it was: what
# the page cache has, and what the disk has. The file lies on a filesystem of its own, on a loop
# device, so that both can be read.
#
#   a: ipsec0 198.18.1.254 | 192.0.2.1 ==== 192.0.2.2 | 198.18.2.254 ipsec0: b
. "$(dirname "$0")/lib.sh"
module_here
checked_on 6.1 7.2
need mkfs.ext4 losetup
python3 -c 'import cryptography' 2> /dev/null || skip "no python3-cryptography"

test_cleanup() {
	umount "$tmp/mnt" 2> /dev/null
}
truncate -s 64M "$tmp/image"
mkdir "$tmp/mnt"
mkfs.ext4 -q "$tmp/image"
modprobe -q -a loop ext4
mount -t ext4 -o loop "$tmp/image" "$tmp/mnt" || skip "no loop mount"

sum() {
	sha256sum | cut -d ' ' -f 1
}

new_file() { # NAME: written to the disk, and clean in the page cache
	sync
	echo 3 > /proc/sys/vm/drop_caches
	wanted=$(sum < "$tmp/mnt/$1")
}

unchanged() { # NAME
	[ "$(sum < "$tmp/mnt/$1")" = "$wanted" ] &&
		[ "$(dd if="$tmp/mnt/$1" bs=1M iflag=direct status=none | sum)" = "$wanted" ]
}

make_namespace a b
make_wire a b
espinudp a 192.0.2.1 4500
espinudp b 192.0.2.2 4500
holds "set up" make_pair
head -c 4M /dev/urandom > "$tmp/mnt/file"
new_file file

tcp() { # FROM TO ADDRESS
	local listen=TCP4-LISTEN:5000
	[[ $3 != *:* ]] || listen=TCP6-LISTEN:5000
	background sink "$2" socat -u "$listen,reuseaddr" "CREATE:$tmp/received"
	until_ok 10 listening "$2" 5000 && on "$1" timeout 60 python3 "$here/sendfile.py" tcp "$3" 5000 "$tmp/mnt/file" &&
		await sink && [ "$(sum < "$tmp/received")" = "$wanted" ]
}

datagrams() { # FROM TO ADDRESS SIZE
	head -c $(($4 * 100)) "$tmp/mnt/file" > "$tmp/mnt/part"
	background sink "$2" python3 "$here/sendfile.py" receive "$3" 5001 "$tmp/mnt/part"
	until_ok 10 grep -q ready "$tmp/sink" &&
		on "$1" timeout 60 python3 "$here/sendfile.py" udp "$3" 5001 "$tmp/mnt/part" "$4"
	await sink && return
	tail -n 1 "$tmp/sink" "$tmp/sink.err"
	return 1
}

for encap in none "udp 4500 4500"; do
	# shellcheck disable=SC2086 # two ports are words
	vti a dev set ipsec0 encap $encap && vti b dev set ipsec0 encap $encap
	holds "encap $encap: TCP from a" tcp a b 198.18.2.254
	holds "encap $encap: the file is unchanged" unchanged file
	holds "encap $encap: TCP to a" tcp b a 198.18.1.254
	holds "encap $encap: the file is unchanged" unchanged file
	holds "encap $encap: TCP over IPv6" tcp a b 2001:db8:2::fe
	holds "encap $encap: the file is unchanged" unchanged file
	holds "encap $encap: datagrams of 1000 bytes" datagrams a b 198.18.2.254 1000
	holds "encap $encap: fragmented datagrams" datagrams a b 198.18.2.254 9000
	holds "encap $encap: fragmented datagrams over IPv6" datagrams b a 2001:db8:1::fe 9000
	holds "encap $encap: the file is unchanged" unchanged file
done

# What arrives is somebody's page cache, too: ESP that a local user sends from a file. It must be
# decrypted elsewhere.
ipn b link del ipsec0
injector b
holds "an inbound SA" add_sa a ipsec0 in 0x6001 aes128gcm16
inject set src=192.0.2.2 dst=192.0.2.1 src-in=198.18.2.254 dst-in=198.18.1.254 spi=0x6001 \
	key="$(key_of aes128gcm16 $((0x6001)))"
length=$(inject file "$tmp/mnt/esp" 200 seq=1 size=1000)
new_file esp
mark_stats a ipsec0
holds "ESP in UDP, from a file" on b python3 "$here/sendfile.py" udp 192.0.2.1 4500 "$tmp/mnt/esp" "$length"
all_received() {
	[ "$(since_mark a ipsec0 rx-packets)" = 200 ]
}
until_ok 5 all_received
is "all of it is decrypted" "$(since_mark a ipsec0 rx-packets)" 200
holds "the file is unchanged" unchanged esp
mark_stats a ipsec0
length=$(inject file "$tmp/mnt/forged" 200 seq=1001 size=1000 flip=500)
new_file forged
holds "forged ESP in UDP, from a file" on b python3 "$here/sendfile.py" udp 192.0.2.1 4500 "$tmp/mnt/forged" "$length"
until_ok 2 has_moved a ipsec0 icv-failed+200
is "all of it is refused" "$(moved a ipsec0)" icv-failed+200
holds "the file is unchanged" unchanged forged

# The control: one bit.
printf '\001' | dd of="$tmp/mnt/forged" bs=1 seek=100000 conv=notrunc status=none
fails "control: a changed file is noticed" unchanged forged

finish
