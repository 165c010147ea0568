#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""replay_stress.py SPI KEY FIRST COUNT LAG SENDERS: offers a train of numbers
from several CPUs at once.

Each sender is bound to a CPU and sends the packets FIRST ... FIRST + COUNT - 1
of an SA with AES-GCM-16 and extended numbers twice: once in an order of its own
within blocks of 8, and again LAG later. No sender begins a block more than LAG
ahead of the slowest one. The inner UDP packets have the number, counted from 1,
as their source port. Prints how many packets were sent.
"""
import mmap
import os
import socket
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

BLOCK = 8
OUTER = ("192.0.2.2", "192.0.2.1")
INNER = ("198.18.2.254", "198.18.1.254")


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def train(spi, key, first, count):
    aead, salt = AESGCM(key[:-4]), key[-4:]
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 32, 1, 0, 64, 17, 0, *map(socket.inet_aton, INNER))
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    packets = []
    for seq in range(first, first + count):
        text = header + struct.pack(">HHHH", seq - first + 1, 9, 12, 0) + bytes(4) + b"\1\2\2\4"
        iv = struct.pack(">Q", seq)
        aad = struct.pack(">III", spi, seq >> 32, seq & 0xffffffff)
        packets.append(struct.pack(">II", spi, seq & 0xffffffff) + iv + aead.encrypt(salt + iv, text, aad))
    return packets


def send_all(number, packets, lag, positions, senders):
    """One sender; returns how many packets it has sent."""
    count, sent = len(packets), 0
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ESP)
    raw.connect((OUTER[1], 0))
    order = [(i * (2 * number + 1) + number) % BLOCK for i in range(BLOCK)]

    def slowest():
        return min(struct.unpack_from(f"{senders}I", positions))

    for at in range(0, count + lag, BLOCK):
        struct.pack_into("I", positions, 4 * number, at)
        # Once in any case: the CPU has what was sent last to receive, too.
        os.sched_yield()
        while at > slowest() + lag:
            os.sched_yield()
        for offset in order:
            for n in (at + offset, at + offset - lag):
                if 0 <= n < count:
                    raw.send(packets[n])
                    sent += 1
    struct.pack_into("I", positions, 4 * number, 0xffffffff)
    return sent


def main():
    spi, first, count, lag, senders = (int(sys.argv[n], 0) for n in (1, 3, 4, 5, 6))
    packets = train(spi, bytes.fromhex(sys.argv[2]), first, count)
    positions = mmap.mmap(-1, 4 * senders)
    totals = mmap.mmap(-1, 4 * senders)
    cpus = sorted(os.sched_getaffinity(0))
    children = []
    for number in range(senders):
        child = os.fork()
        if not child:
            os.sched_setaffinity(0, {cpus[number % len(cpus)]})
            struct.pack_into("I", totals, 4 * number, send_all(number, packets, lag, positions, senders))
            os._exit(0)
        children.append(child)
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    print(sum(struct.unpack(f"{senders}I", totals[:])))
    sys.exit(failed)


main()
