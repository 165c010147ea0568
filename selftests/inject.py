#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""inject.py: sends crafted and captured packets; a second implementation of
ESP with AES-GCM-16 (RFC 4303, RFC 4106), independent of the kernel's.

Reads commands, one a line, and answers each with "ok" or "error ...":

  ready                  nothing; says that the imports are through
  set NAME=VALUE...      defaults of what follows
  esp NAME=VALUE...      one packet
  truncated A B NAME=... that packet cut to A, A + 1, ... B - 1 bytes of ESP
  capture                from now on, keep the ESP that this end sends
  captured               answers with the number of packets kept
  resend FIRST LAST      send those again, counted from 0
  file PATH COUNT NAME=...
                         write that packet and its successors to a file; answers
                         with the length of one
  raw HEX NAME=...       an IP payload as it is, protocol proto=; "none" is empty

Names, with their defaults:
  src= dst=              outer addresses
  spi= seq= key=         SPI, full number, key and salt in hex
  esn=yes                whether the upper half is authenticated
  inner=udp              udp, udp6, none or hex
  src-in= dst-in=        addresses of that packet
  size=32                bytes of its payload
  tfc=0                  bytes behind it that hide its length (RFC 4303 2.7)
  next=                  next header; by default what the inner packet is
  pad=                   bytes of padding in hex; by default as few as needed
  padlen=                pad length, when it is to lie
  tos=0 inner-tos=0      outer and inner DSCP and ECN
  flip=                  offset of a bit to flip in the finished ESP, in bytes
  append=                hex to append to it
  udp=                   SPORT:DPORT, for ESP in UDP
  checksum=zero          or bad, of that UDP
  options=               IPv4 options in hex
  fragment=              send in fragments of so many bytes
  ttl=64 proto=50
"""
import shlex
import socket
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
NEXT_IPV4, NEXT_IPV6, NEXT_NONE = 4, 41, 59
MORE_FRAGMENTS = 0x2000


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(src, dst, proto, payload, *, tos=0, ttl=64, ident=1, offset=0, options=b""):
    ihl = 5 + len(options) // 4
    header = struct.pack(">BBHHHBBH4s4s", 0x40 | ihl, tos, ihl * 4 + len(payload), ident, offset, ttl, proto, 0,
                         socket.inet_aton(src), socket.inet_aton(dst)) + options
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def udp(sport, dport, payload, pseudo):
    header = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0)
    value = checksum(pseudo + header + payload) or 0xffff
    return header[:6] + struct.pack(">H", value) + payload


def pseudo4(src, dst, size):
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack(">BBH", 0, 17, size)


def inner_packet(o):
    kind, size = o["inner"], int(o["size"])
    payload = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    if kind == "udp":
        src, dst = o["src-in"], o["dst-in"]
        datagram = udp(9, 9, payload, pseudo4(src, dst, 8 + size))
        return ipv4(src, dst, 17, datagram, tos=int(o["inner-tos"], 0)), NEXT_IPV4
    if kind == "udp6":
        src, dst = (socket.inet_pton(socket.AF_INET6, o[n]) for n in ("src-in", "dst-in"))
        datagram = udp(9, 9, payload, src + dst + struct.pack(">II", 8 + size, 17))
        header = struct.pack(">IHBB", 6 << 28 | int(o["inner-tos"], 0) << 20, len(datagram), 17, 64)
        return header + src + dst + datagram, NEXT_IPV6
    return bytes.fromhex("" if kind == "none" else kind), NEXT_IPV4


def esp(o):
    payload, next_header = inner_packet(o)
    payload += bytes(int(o["tfc"]))
    next_header = int(o["next"]) if "next" in o else next_header
    padding = bytes.fromhex(o["pad"]) if "pad" in o else bytes(range(1, 1 + -(len(payload) + 2) % 4))
    padlen = int(o["padlen"]) if "padlen" in o else len(padding)
    text = payload + padding + bytes([padlen, next_header])

    spi, seq, key = int(o["spi"], 0), int(o["seq"], 0), bytes.fromhex(o["key"])
    high, low = seq >> 32, seq & 0xffffffff
    aad = struct.pack(">III", spi, high, low) if o["esn"] == "yes" else struct.pack(">II", spi, low)
    iv = struct.pack(">Q", seq)
    packet = bytearray(struct.pack(">II", spi, low) + iv + AESGCM(key[:-4]).encrypt(key[-4:] + iv, text, aad))
    if "flip" in o:
        packet[int(o["flip"])] ^= 0x10
    return bytes(packet) + bytes.fromhex(o.get("append", ""))


class Injector:
    """Sockets, defaults and what was captured."""

    def __init__(self):
        self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.tap = None
        self.kept = []
        self.ident = 0
        self.defaults = {
            "esn": "yes", "inner": "udp", "size": "32", "tfc": "0", "tos": "0", "inner-tos": "0", "ttl": "64",
            "proto": "50", "checksum": "zero", "seq": "1",
        }

    def options(self, words):
        return self.defaults | dict(word.split("=", 1) for word in words)

    def send(self, o, payload):
        proto = int(o["proto"])
        if "udp" in o:
            sport, dport = map(int, o["udp"].split(":"))
            payload = udp(sport, dport, payload, pseudo4(o["src"], o["dst"], 8 + len(payload)))
            if o["checksum"] != "good":
                value = b"\0\0" if o["checksum"] == "zero" else b"\x12\x34"
                payload = payload[:6] + value + payload[8:]
            proto = 17
        self.ident += 1
        size = int(o.get("fragment", 1 << 16))
        for at in range(0, max(len(payload), 1), size):
            piece = payload[at:at + size]
            offset = at // 8 | (MORE_FRAGMENTS if at + size < len(payload) else 0)
            packet = ipv4(o["src"], o["dst"], proto, piece, tos=int(o["tos"], 0), ttl=int(o["ttl"]),
                          ident=self.ident, offset=offset, options=bytes.fromhex(o.get("options", "")))
            self.raw.sendto(packet, (o["dst"], 0))

    def keep(self):
        """Reads what the tap holds."""
        while self.tap:
            try:
                packet, address = self.tap.recvfrom(65536)
            except BlockingIOError:
                return
            if address[2] == socket.PACKET_OUTGOING and packet[0] >> 4 == 4 and packet[9] == 50:
                self.kept.append(packet)

    def command(self, verb, words):
        if verb == "ready":
            pass
        elif verb == "set":
            self.defaults = self.options(words)
        elif verb == "esp":
            o = self.options(words)
            self.send(o, esp(o))
        elif verb == "truncated":
            o = self.options(words[2:])
            for size in range(int(words[0]), int(words[1])):
                self.send(o, esp(o)[:size])
        elif verb == "file":
            o = self.options(words[2:])
            with open(words[0], "wb") as f:
                for seq in range(int(o["seq"], 0), int(o["seq"], 0) + int(words[1])):
                    packet = esp(o | {"seq": str(seq)})
                    f.write(packet)
            return str(len(packet))
        elif verb == "raw":
            self.send(self.options(words[1:]), bytes.fromhex("" if words[0] == "none" else words[0]))
        elif verb == "capture":
            self.keep()
            self.kept.clear()
            if not self.tap:
                self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
                self.tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
                self.tap.setblocking(False)
        elif verb == "captured":
            self.keep()
            return str(len(self.kept))
        elif verb == "resend":
            self.keep()
            for packet in self.kept[int(words[0]):int(words[1]) + 1]:
                self.raw.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
        else:
            raise ValueError(f"no command {verb}")
        return "ok"


def main():
    injector = Injector()
    for line in sys.stdin:
        words = shlex.split(line)
        try:
            answer = injector.command(words[0], words[1:])
        except (ValueError, KeyError, IndexError, OSError) as error:
            answer = f"error {error!r}"
        print(answer, flush=True)


main()
