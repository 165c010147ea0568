#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""icmperror.py NAME=VALUE...: tells a host of an error that it may not believe.

  kind=      redirect, or too-big
  src= dst=  of the error; a redirect over IPv6 comes from a link-local address
  via=       the gateway of a redirect
  mtu=       of too-big
  quote-src= quote-dst= quote-proto=50 quote=
             header of the packet in question, and what follows it in hex
  dev=       where it leaves
"""
import ipaddress
import socket
import struct
import sys

REDIRECT4, TOO_BIG4, TOO_BIG6, REDIRECT6 = (5, 1), (3, 4), (2, 0), (137, 0)
OPTION_REDIRECTED = 4


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip(text):
    return ipaddress.ip_address(text).packed


def quoted(o):
    payload, proto = bytes.fromhex(o["quote"]), int(o.get("quote-proto", "50"))
    src, dst = ip(o["quote-src"]), ip(o["quote-dst"])
    if len(src) == 16:
        return struct.pack(">IHBB", 6 << 28, len(payload), proto, 64) + src + dst + payload
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0, src, dst)
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def send4(o):
    (kind, code), field = (REDIRECT4, ip(o["via"])) if o["kind"] == "redirect" else \
        (TOO_BIG4, struct.pack(">HH", 0, int(o["mtu"])))
    body = field + quoted(o)
    message = struct.pack(">BBH", kind, code, 0) + body
    message = struct.pack(">BBH", kind, code, checksum(message)) + body
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.bind((o["src"], 0))
        s.sendto(message, (o["dst"], 0))


def send6(o):
    if o["kind"] == "redirect":
        quote = quoted(o)
        quote += bytes(-len(quote) % 8)
        (kind, code), body = REDIRECT6, bytes(4) + ip(o["via"]) + ip(o["quote-dst"]) + \
            struct.pack(">BBHI", OPTION_REDIRECTED, 1 + len(quote) // 8, 0, 0) + quote
    else:
        (kind, code), body = TOO_BIG6, struct.pack(">I", int(o["mtu"])) + quoted(o)
    scope = socket.if_nametoindex(o["dev"])
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 255)
        s.bind((o["src"], 0, 0, scope if o["src"].startswith("fe80") else 0))
        # The kernel does the checksum.
        s.sendto(struct.pack(">BBH", kind, code, 0) + body, (o["dst"], 0, 0, 0))


def main():
    o = dict(word.split("=", 1) for word in sys.argv[1:])
    (send6 if ":" in o["dst"] else send4)(o)


main()
