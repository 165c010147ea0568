#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""espinudp.py ADDRESS PORT [unsummed]: holds a UDP socket that takes ESP-in-UDP,
as an IKE daemon does; over IPv6 without a checksum, too, if that is said. What
the kernel leaves to the socket is printed in hex."""
import socket
import sys

UDP_ENCAP, UDP_NO_CHECK6_RX = 100, 102
UDP_ENCAP_ESPINUDP = 2


def main():
    address, port = sys.argv[1], int(sys.argv[2])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
        if "unsummed" in sys.argv:
            s.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
        s.bind((address, port))
        print("ready", flush=True)
        while True:
            print(s.recv(65536).hex(), flush=True)


main()
