#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""multicast.py: greets all OSPF routers on a device, as OSPF does: IP protocol
89 to 224.0.0.5 and ff02::5, with a TTL of 1.

  multicast.py receive DEVICE      prints "GROUP SOURCE TEXT" for each packet
  multicast.py send DEVICE COUNT   numbered from 0, to both groups
"""
import select
import socket
import struct
import sys

OSPF = 89
ALL4, ALL6 = "224.0.0.5", "ff02::5"


def open_sockets(device):
    index = socket.if_nametoindex(device)
    s4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, OSPF)
    s6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, OSPF)
    for s in s4, s6:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
    member = socket.inet_aton(ALL4) + socket.inet_aton("0.0.0.0") + struct.pack("=i", index)
    s4.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    s4.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
    s4.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
    s4.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    s6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                  socket.inet_pton(socket.AF_INET6, ALL6) + struct.pack("=i", index))
    s6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    s6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 1)
    s6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
    return s4, s6


def main():
    verb, device = sys.argv[1:3]
    s4, s6 = open_sockets(device)
    if verb == "send":
        for number in range(int(sys.argv[3])):
            s4.sendto(b"hello %d" % number, (ALL4, 0))
            s6.sendto(b"hello %d" % number, (ALL6, 0))
        return
    print("ready", flush=True)
    while True:
        for s in select.select([s4, s6], [], [])[0]:
            data, source = s.recvfrom(65536)
            if s is s4:
                data = data[(data[0] & 15) * 4:]
            print(ALL4 if s is s4 else ALL6, source[0].split("%")[0], data.decode(), flush=True)


main()
