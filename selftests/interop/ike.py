#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Raw IKEv2 messages, good ones and lies, to see what an agent makes of them.

    ike.py init   FROM PORT TO PORT             one sound IKE_SA_INIT request
    ike.py lies   FROM PORT TO PORT SPI SPI     every lie below; SPIs of a living IKE SA, in hex
    ike.py flood  FROM PORT TO PORT COUNT       the same few, again and again

Each prints a line: messages sent, answers, answers that agree to something (an SA payload), and
which notifies came. A lie that is agreed to is named.
"""
import collections
import os
import select
import socket
import struct
import sys

SA, KE, IDI, NONCE, NOTIFY, SK, SKF = 33, 34, 35, 40, 41, 46, 53
INIT, AUTH, CHILD, INFORMATIONAL = 34, 35, 36, 37
RESPONSE, INITIATOR = 0x20, 0x08


def header(first, spi_i, spi_r=bytes(8), exchange=INIT, flags=INITIATOR, mid=0, version=0x20, length=0):
    return spi_i + spi_r + struct.pack(">BBBBII", first, version, exchange, flags, mid, length)


def chain(payloads):
    """[(type, body, length or None, critical)] -> bytes, first type"""
    out = b""
    for i, (kind, body, length, critical) in enumerate(payloads):
        after = payloads[i + 1][0] if i + 1 < len(payloads) else 0
        length = len(body) + 4 if length is None else length
        out += struct.pack(">BBH", after, 0x80 if critical else 0, length & 0xffff) + body
    return out, payloads[0][0] if payloads else 0


def message(payloads, spi_i=None, length=None, **fields):
    body, first = chain(payloads)
    length = 28 + len(body) if length is None else length
    return header(first, spi_i or os.urandom(8), length=length, **fields) + body


def transform(last, kind, number, bits=0):
    attribute = struct.pack(">HH", 0x800e, bits) if bits else b""
    return struct.pack(">BBHBBH", 0 if last else 3, 0, 8 + len(attribute), kind, 0, number) + attribute


TRANSFORMS = (transform(False, 1, 20, 256) + transform(False, 2, 5) + transform(True, 4, 14))
PROPOSAL = struct.pack(">BBHBBBB", 0, 0, 8 + len(TRANSFORMS), 1, 1, 0, 3) + TRANSFORMS


def plain(kind, body):
    return (kind, body, None, False)


def sound():
    key = b"\x01" + os.urandom(255)
    return [plain(SA, PROPOSAL), plain(KE, struct.pack(">HH", 14, 0) + key), plain(NONCE, os.urandom(32))]


def lies(spi_i, spi_r):
    """Yields (name, message): none of them may be agreed to."""
    beyond = (5, 6, 255, 4096, 65535)
    # Generic headers of every type that say too little or too much, alone, in front and behind.
    for kind in list(range(33, 55)) + [200, 255]:
        for length in (0, 1, 2, 3):
            yield f"type {kind} length {length}", message([(kind, b"\0" * 8, length, False)] + sound())
            yield f"type {kind} length {length}, last", message(sound() + [(kind, b"\0" * 8, length, False)])
        for length in beyond:
            yield f"type {kind} length +{length}", message(sound() + [(kind, b"", length, False)])
            yield f"type {kind} alone, length +{length}", message([(kind, b"", length, False)])
        if kind != 33:
            yield f"type {kind} only", message([plain(kind, os.urandom(16))])
    # Unknown and critical.
    for kind in (1, 32, 55, 127, 200, 255):
        yield f"critical {kind}", message(sound() + [(kind, b"abcd", None, True)])
    # What is inside SA, KE and nonce.
    good = sound()
    for at in range(len(PROPOSAL)):
        for value in (0, 0x7f, 0xff):
            body = PROPOSAL[:at] + bytes([value]) + PROPOSAL[at + 1:]
            # Reserved bytes may be anything; the number and the last marks are checked below.
            if body == PROPOSAL or at in (1, 4) or PROPOSAL[at] == 0 and at in (9, 13, 21, 25, 29, 33):
                continue
            yield f"SA byte {at} = {value:#x}", message([plain(SA, body)] + good[1:])
    for cut in range(len(PROPOSAL)):
        yield f"SA cut at {cut}", message([plain(SA, PROPOSAL[:cut])] + good[1:])
    for size in (0, 1, 3, 4, 5, 255, 259, 261):
        yield f"KE of {size}", message([good[0], plain(KE, (struct.pack(">HH", 14, 0) + os.urandom(300))[:size]), good[2]])
    for value in (bytes(256), bytes(255) + b"\1", b"\xff" * 256):
        yield f"KE {value[:1].hex()}..{value[-1:].hex()}", message([good[0], plain(KE, struct.pack(">HH", 14, 0) + value), good[2]])
    for size in (0, 1, 15, 257, 512):
        yield f"nonce of {size}", message(good[:2] + [plain(NONCE, bytes(size))])
    for gone in range(3):
        yield f"without payload {good[gone][0]}", message(good[:gone] + good[gone + 1:])
        yield f"payload {good[gone][0]} twice", message(good + [good[gone]])
    # The header.
    whole = message(good)
    for length in (0, 1, 27, 28, len(whole) - 1, len(whole) + 1, 0x7fffffff, 0xffffffff):
        yield f"header length {length:#x}", message(good, length=length)
    for version in (0x00, 0x10, 0x30, 0xf0):
        yield f"version {version >> 4}.{version & 15}", message(good, version=version)
    for flags in (0, RESPONSE, RESPONSE | INITIATOR):
        yield f"flags {flags:#x}", message(good, flags=flags)
    yield "message 1", message(good, mid=1)
    yield "responder's SPI in a first message", message(good, spi_r=os.urandom(8))
    yield "no initiator's SPI", message(good, spi_i=bytes(8))
    for exchange in (0, 33, 38, 43, 44, 240, 255):
        yield f"exchange {exchange}", message(good, exchange=exchange)
    for cut in range(0, len(whole), 7):
        yield f"cut at {cut}", whole[:cut]
        yield f"cut at {cut}, length as cut", whole[:24] + struct.pack(">I", cut) + whole[28:cut]
    # SPIs: unknown ones, and those of the living SA with nothing that its keys have made.
    for spis in ((os.urandom(8), os.urandom(8)), (spi_i, spi_r), (spi_i, os.urandom(8)), (os.urandom(8), spi_r), (spi_r, spi_i)):
        for exchange in (INIT, AUTH, CHILD, INFORMATIONAL):
            for flags in (0, INITIATOR, RESPONSE, RESPONSE | INITIATOR):
                for mid in (0, 1, 2, 5, 0xffffffff):
                    for kind in (SK, SKF, 0):
                        body = [(kind, os.urandom(40), None, False)] if kind else []
                        yield (f"SPIs {spis[0].hex()[:4]} {spis[1].hex()[:4]} exchange {exchange} flags {flags:#x} type {kind}",
                               message(body, spi_i=spis[0], spi_r=spis[1], exchange=exchange, flags=flags, mid=mid))
        for size in (0, 1, 8, 15, 16, 24):
            yield f"SK of {size}", message([plain(SK, bytes(size))], spi_i=spis[0], spi_r=spis[1], exchange=INFORMATIONAL, mid=2)
        for length in (0, 3, 255, 65535):
            yield f"SK length {length}", message([(SK, bytes(40), length, False)], spi_i=spis[0], spi_r=spis[1], exchange=INFORMATIONAL, mid=2)


def payloads_of(datagram):
    kind, at = datagram[16], 28
    while kind and at + 4 <= len(datagram):
        after, _, length = struct.unpack(">BBH", datagram[at:at + 4])
        if length < 4:
            return
        yield kind, datagram[at + 4:at + length]
        kind, at = after, at + length


class Sender:
    def __init__(self, source, sport, target, dport):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((source, int(sport)))
        self.socket.connect((target, int(dport)))
        self.names = {}
        self.sent = self.answers = self.agreed = 0
        self.notifies = collections.Counter()

    def send(self, name, datagram):
        self.names[datagram[:8]] = name
        try:
            self.socket.send(datagram)
            self.sent += 1
        except ConnectionRefusedError:
            print("nobody listens there", file=sys.stderr)
            sys.exit(1)
        self.listen(0)

    def listen(self, seconds):
        while select.select([self.socket], [], [], seconds)[0]:
            datagram = self.socket.recv(65536)
            if len(datagram) < 28:
                continue
            self.answers += 1
            for kind, body in payloads_of(datagram):
                if kind == SA:
                    self.agreed += 1
                    print(f"agreed to: {self.names.get(datagram[:8], 'what nobody asked')}", file=sys.stderr)
                if kind == NOTIFY and len(body) >= 4:
                    self.notifies[struct.unpack(">H", body[2:4])[0]] += 1

    def report(self):
        self.listen(1)
        kinds = ",".join(f"{kind}:{n}" for kind, n in sorted(self.notifies.items()) if kind < 16384)
        print(f"sent={self.sent} answers={self.answers} agreed={self.agreed} notifies={kinds or 'none'}")


def main():
    mode, *rest = sys.argv[1:]
    sender = Sender(*rest[:4])
    if mode == "init":
        sender.send("a sound request", message(sound()))
    elif mode == "lies":
        for name, datagram in lies(bytes.fromhex(rest[4]), bytes.fromhex(rest[5])):
            sender.send(name, datagram)
    elif mode == "flood":
        few = [message(sound(), version=0x30), message(sound(), length=27), message([], exchange=INFORMATIONAL, spi_r=os.urandom(8))]
        for i in range(int(rest[4])):
            sender.send("flood", few[i % len(few)])
    sender.report()


main()
