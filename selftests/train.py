#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""train.py ADDRESS SEGMENTS TRAINS [PORT CPU GO]: sends trains of UDP datagrams
that the kernel cuts as late as it can (UDP_SEGMENT); 1 segment is an ordinary
datagram. With PORT it sends from there and on that CPU, says "ready" and begins
when the file GO is there."""
import os
import socket
import sys
import time

UDP_SEGMENT = 103
SIZE = 200


def main():
    address, segments, trains = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        if segments > 1:
            s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SIZE)
        if len(sys.argv) > 4:
            s.bind(("", int(sys.argv[4])))
            os.sched_setaffinity(0, [int(sys.argv[5])])
        s.connect((address, 9))
        if len(sys.argv) > 4:
            print("ready", flush=True)
            while not os.path.exists(sys.argv[6]):
                time.sleep(0.001)
        for _ in range(trains):
            s.send(bytes(SIZE * segments))


main()
