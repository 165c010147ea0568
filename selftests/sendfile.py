#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""sendfile.py tcp|udp ADDRESS PORT FILE [SIZE]: sends a file by sendfile(2),
so that the packets refer to the page cache; SIZE bytes in each datagram.

sendfile.py receive ADDRESS PORT FILE: whether each datagram that comes is a
piece of the file. Some may be lost or late, and sendfile may have split some."""
import os
import socket
import sys

SO_RCVBUFFORCE = 33  # Python has no name for it


def receive(address, port, name):
    with open(name, "rb") as f:
        whole = f.read()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    lengths, wrong = [], 0
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        s.bind((address, port))
        s.settimeout(20)
        print("ready", flush=True)
        try:
            while sum(lengths) < len(whole):
                datagram = s.recv(65536)
                s.settimeout(3)
                lengths.append(len(datagram))
                wrong += whole.find(datagram) < 0
        except TimeoutError:
            pass
    print(f"{len(lengths)} datagrams with {sum(lengths)} of {len(whole)} bytes, {wrong} wrong")
    return 1 if wrong or sum(lengths) < len(whole) // 5 else 0


def main():
    if sys.argv[1] == "receive":
        sys.exit(receive(sys.argv[2], int(sys.argv[3]), sys.argv[4]))
    kind, address, port, name = sys.argv[1:5]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[kind]) as s, \
            open(name, "rb") as f:
        s.connect((address, int(port)))
        total, at = os.fstat(f.fileno()).st_size, 0
        while at < total:
            size = min(int(sys.argv[5]) if kind == "udp" else 1 << 20, total - at)
            at += os.sendfile(s.fileno(), f.fileno(), at, size)


main()
