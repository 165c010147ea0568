#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""vectors.py: sends published ESP packets, vectors.txt, and sees what comes out.

  vectors.py FILE NETNS    what is sent goes out of this namespace; what is seen
                           is what "ipsec0" in the other one receives

Reads commands, one a line, and answers each with a line:

  ready               ok; says that the imports are through
  count               number of vectors
  check               makes each of them again with OpenSSL; ok or which differ
  row N               the Nth: name, suite, esn (yes, no), SPI, upper and lower
                      half of the number, next header, whether there is an IP
                      packet inside (ip, other), key
  inner N             what is inside, in hex
  send N              sends it
  forged N            sends it with one bit of its ciphertext changed
  sealed N NEXT       sends it with another next header, sealed anew
  seen COUNT          waits for so many packets and answers with all, in hex
"""
import ctypes
import os
import select
import socket
import struct
import sys
import time

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

ETH_P_ALL = 3
CLONE_NEWNET = 0x40000000
PEERS = ("192.0.2.2", "192.0.2.1")
HASHES = {"sha1": (hashes.SHA1, 12), "sha256": (hashes.SHA256, 16), "sha384": (hashes.SHA384, 24),
          "sha512": (hashes.SHA512, 32)}


class Vector:
    """One block of the file."""

    def __init__(self, fields):
        self.name, self.suite = fields["vector"], fields["suite"]
        self.esn = len(fields["number"]) == 16
        self.number = int(fields["number"], 16)
        self.key, self.text, self.esp = (bytes.fromhex(fields[n]) for n in ("key", "text", "esp"))
        self.spi = int.from_bytes(self.esp[:4], "big")
        self.next = self.text[-1]
        self.inner = self.text[:-2 - self.text[-2]]
        self.pair = "-" in self.suite
        self.iv = self.esp[8:24] if self.pair else self.esp[8:16]

    def seal(self, next_header):
        text = self.text[:-1] + bytes([next_header])
        header, high = self.esp[:8], struct.pack(">I", self.number >> 32) if self.esn else b""
        if self.pair:
            cipher, hash_name = self.suite.split("-")
            split = int(cipher[3:]) // 8
            algorithm, size = HASHES[hash_name]
            encryptor = Cipher(algorithms.AES(self.key[:split]), modes.CBC(self.iv)).encryptor()
            packet = header + self.iv + encryptor.update(text) + encryptor.finalize()
            mac = hmac.HMAC(self.key[split:], algorithm())
            mac.update(packet + high)
            return packet + mac.finalize()[:size]
        if self.suite.endswith("gmac"):
            whole = header + self.iv + text
            return whole + AESGCM(self.key[:-4]).encrypt(self.key[-4:] + self.iv, b"", whole)
        aead = ChaCha20Poly1305 if self.suite.startswith("chacha") else AESGCM
        aad = header[:4] + high + header[4:]
        return header + self.iv + aead(self.key[:-4]).encrypt(self.key[-4:] + self.iv, text, aad)

    def has_ip(self):
        """Whether the packet inside is a whole IPv4 packet."""
        inner = self.inner
        return (len(inner) >= 20 and inner[0] >> 4 == 4 and inner[0] & 15 >= 5 and
                (inner[0] & 15) * 4 <= int.from_bytes(inner[2:4], "big") <= len(inner))

    def row(self):
        return (f"{self.name} {self.suite} {'yes' if self.esn else 'no'} {self.spi:#x} {self.number >> 32} "
                f"{self.number & 0xffffffff} {self.next} {'ip' if self.has_ip() else 'other'} {self.key.hex()}")


def read(path):
    vectors, fields, word = [], {}, None
    with open(path, encoding="ascii") as f:
        for line in list(f) + ["\n"]:
            if not line.strip() and fields:
                vectors.append(Vector(fields))
                fields = {}
            elif line[0] == " ":
                fields[word] += line.strip()
            elif line.strip() and line[0] != "#":
                word, value = line.split()
                fields[word] = value
    return vectors


def socket_elsewhere(netns):
    """A socket that sees all packets of another namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as own, open(netns, "rb") as other:
        if libc.setns(other.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), netns)
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        libc.setns(own.fileno(), CLONE_NEWNET)
    return tap


class Peer:
    """Sockets and vectors."""

    def __init__(self, path, netns):
        self.vectors = read(path)
        self.tap = socket_elsewhere(netns)
        self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ESP)
        self.raw.bind((PEERS[0], 0))

    def send(self, esp):
        self.raw.sendto(esp, (PEERS[1], 0))
        return "ok"

    def seen(self, count):
        packets, end = [], time.monotonic() + 5
        while True:
            wait = max(end - time.monotonic(), 0) if len(packets) < count else 0
            if not select.select([self.tap], [], [], wait)[0]:
                return " ".join(packets) or "nothing"
            packet, address = self.tap.recvfrom(65536)
            if address[0] == "ipsec0" and address[2] != socket.PACKET_OUTGOING:
                packets.append(packet.hex())

    def command(self, verb, *words):
        if verb == "ready":
            return "ok"
        if verb == "count":
            return str(len(self.vectors))
        if verb == "check":
            return " ".join(v.name for v in self.vectors if v.seal(v.next) != v.esp) or "ok"
        number = int(words[0])
        if verb == "seen":
            return self.seen(number)
        vector = self.vectors[number]
        if verb == "row":
            return vector.row()
        if verb == "inner":
            return vector.inner.hex() or "nothing"
        if verb == "send":
            return self.send(vector.esp)
        if verb == "forged":
            at = 8 + len(vector.iv)
            return self.send(vector.esp[:at] + bytes([vector.esp[at] ^ 1]) + vector.esp[at + 1:])
        if verb == "sealed":
            return self.send(vector.seal(int(words[1])))
        raise ValueError(f"no command {verb}")


def main():
    peer = Peer(*sys.argv[1:])
    for line in sys.stdin:
        try:
            answer = peer.command(*line.split())
        except (ValueError, KeyError, IndexError, OSError) as error:
            answer = f"error {error!r}"
        print(answer, flush=True)


main()
