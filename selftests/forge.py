#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""forge.py: sends ICMP errors that quote packets which nobody has sent. Reads
"NAME=VALUE..." lines and answers each with "ok" or "error ...":

  from= to=          of the ICMP error; both of one family, which decides
  type= code=        by name or number
  info=0             MTU or, for a redirect, gateway
  src= dst=          of the quoted packet
  proto=50           its protocol; ESP and UDP have headers, others zeros
  spi=0              of ESP, in UDP or not
  udp=SPORT:DPORT    it is UDP
  quote=             bytes quoted behind its IP header; by default 64
"""
import ipaddress
import shlex
import socket
import struct
import sys

IPV6_HDRINCL = 36
TYPES = {
    4: {"unreachable": 3, "quench": 4, "redirect": 5, "exceeded": 11, "parameter": 12},
    6: {"unreachable": 1, "too-big": 2, "exceeded": 3, "parameter": 4},
}


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_header(src, dst, proto, size):
    if src.version == 4:
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, 1, 0x4000, 60, proto, 0) + src.packed + dst.packed
        return header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return struct.pack(">IHBB", 6 << 28, size, proto, 60) + src.packed + dst.packed


def quoted(o):
    payload, proto = struct.pack(">II", int(o.get("spi", "0"), 0), 1) + bytes(1000), int(o.get("proto", "50"))
    if "udp" in o:
        sport, dport = map(int, o["udp"].split(":"))
        payload, proto = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload, socket.IPPROTO_UDP
    src, dst = ipaddress.ip_address(o["src"]), ipaddress.ip_address(o["dst"])
    return ip_header(src, dst, proto, len(payload)) + payload[:int(o.get("quote", "64"))]


def error(o):
    source, to = ipaddress.ip_address(o["from"]), ipaddress.ip_address(o["to"])
    kind = TYPES[to.version].get(o["type"]) or int(o["type"])
    info, quote = o.get("info", "0"), quoted(o)
    if not info.isdigit():
        info = int(ipaddress.ip_address(info))
    body = struct.pack(">BBHI", kind, int(o.get("code", "0")), 0, int(info)) + quote
    if to.version == 4:
        proto, value = socket.IPPROTO_ICMP, checksum(body)
    else:
        proto = socket.IPPROTO_ICMPV6
        value = checksum(source.packed + to.packed + struct.pack(">II", len(body), proto) + body)
    body = body[:2] + struct.pack(">H", value) + body[4:]
    return ip_header(source, to, proto, len(body)) + body


def main():
    raw4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw6.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
    print("ok", flush=True)
    for line in sys.stdin:
        o = dict(word.split("=", 1) for word in shlex.split(line))
        try:
            (raw6 if ":" in o["to"] else raw4).sendto(error(o), (o["to"], 0))
            print("ok", flush=True)
        except (ValueError, KeyError, OSError) as e:
            print(f"error {e!r}", flush=True)


main()
