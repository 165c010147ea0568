#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""scapypeer.py NETNS MAC: an ESP peer made of scapy, whose ESP is nobody's else.

Runs in the peer's namespace; NETNS is that of the gateway, whose "wire" has
this MAC and whose "ipsec0" is watched. Reads Python expressions, one a line, and
answers each with a line: the string that it gives, else "ok".

  peer(SPI-TO, SPI-FROM, SUITE, KEY-TO, KEY-FROM, ESN, FAMILY, UDP)
                      SAs to and from the gateway, numbers from 1 on
  esp(PACKET)         ESP with that packet in it
  craft(DATA, NEXT, PADDING, PADLEN)
                      the same with a trailer at will
  send(ESP..., outer=, gives=, seq=)
                      sends it behind that outer header, of which it replaces the
                      payload; gives is what must come out
  all(N)              theirs(N), and packets cut and changed; gives how many are
                      good, and what the others count as
  lengths()           inner headers with all lengths; gives the same
  same()              "" if what has come out is what was to come
  theirs(N) ours(N)   UDP with 0 to N - 1 bytes, to the gateway and from it, IPv4 and
                      IPv6 by turns
  heard()             payloads of UDP that have reached the gateway's socket
"""
import ctypes
import os
import select
import socket
import sys
import time

from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet import IPOption_NOP, IPOption_RR, IPOption_Router_Alert
from scapy.layers.inet6 import (HBHOptUnknown, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting, PadN, RouterAlert, fragment6)
from scapy.layers.ipsec import ESP, SecurityAssociation, _ESPPlain
from scapy.packet import Raw

ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x800, 0x86dd
CLONE_NEWNET = 0x40000000
A4, B4, A6, B6 = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"
IN_A4, IN_B4, IN_A6, IN_B6 = "198.18.1.254", "198.18.2.254", "2001:db8:1::fe", "2001:db8:2::fe"
HASHES = {"sha1": "HMAC-SHA1-96", "sha256": "SHA2-256-128", "sha384": "SHA2-384-192", "sha512": "SHA2-512-256"}


def udp4(size=32, **fields):
    return IP(src=IN_B4, dst=IN_A4, **fields) / UDP(sport=9, dport=9) / Raw(bytes(range(256))[:size])


def udp6(size=32, *extension):
    packet = IPv6(src=IN_B6, dst=IN_A6)
    for header in extension:
        packet /= header
    return packet / UDP(sport=9, dport=9) / Raw(bytes(range(256))[:size])


def association(spi, suite, key, esn, tunnel):
    key = bytes.fromhex(key)
    words = {"tunnel_header": tunnel, "esn_en": esn == "yes", "esn": 0}
    if "-" not in suite:
        cipher = "CHACHA20-POLY1305" if suite.startswith("chacha") else "AES-GCM"
        return SecurityAssociation(ESP, spi, crypt_algo=cipher, crypt_key=key, **words)
    cipher, name = suite.split("-")
    split = int(cipher[3:]) // 8
    return SecurityAssociation(ESP, spi, crypt_algo="AES-CBC", crypt_key=key[:split], auth_algo=HASHES[name],
                               auth_key=key[split:], **words)


def seal(sa, seq, iv, data, nh, padding=None, padlen=None):
    """What SecurityAssociation.encrypt() does, with a trailer at will."""
    plain = sa.crypt_algo.pad(_ESPPlain(spi=sa.spi, seq=seq, iv=iv, data=Raw(data), nh=nh))
    if padding is not None:
        plain.padding, plain.padlen = padding, len(padding)
    if padlen is not None:
        plain.padlen = padlen
    words = {"esn_en": sa.esn_en, "esn": 0}
    esp = sa.crypt_algo.encrypt(sa, plain, sa.crypt_key, **words)
    sa.auth_algo.sign(esp, sa.auth_key, **words)
    return bytes(esp)


class Peer:
    """Sockets on both sides, SAs, and what is to come out."""

    def __init__(self, netns, mac):
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.wire.bind(("wire", ETH_P_ALL))
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", "rb") as own, open(netns, "rb") as other:
            if libc.setns(other.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), netns)
            self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
            self.udp = {4: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
                        6: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)}
            self.udp[4].bind(("0.0.0.0", 9))
            self.udp[6].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self.udp[6].bind(("::", 9))
            libc.setns(own.fileno(), CLONE_NEWNET)
        for s in (self.tap, self.wire):
            s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        self.expected = []
        self.number = 0
        self.to = self.back = self.tunnel = None
        self.received = 0
        self.ident = 1000
        self.encap = False

    def peer(self, spi_to, spi_from, suite, key_to, key_from, esn, family, udp):
        self.tunnel = IP(src=B4, dst=A4) if family == 4 else IPv6(src=B6, dst=A6)
        self.to = association(spi_to, suite, key_to, esn, self.tunnel)
        self.back = association(spi_from, suite, key_from, esn, self.tunnel)
        self.number, self.received, self.encap = 0, 0, udp == "udp"
        self.drain()

    def signs_esn(self):
        """Whether scapy's HMACs know of extended numbers."""
        packets = []
        for esn in ("yes", "no"):
            sa = association(0x1000, "aes128-sha1", "00" * 36, esn, IP(src=B4, dst=A4))
            packets.append(bytes(sa.encrypt(udp4(id=1), seq_num=1, iv=bytes(16))[ESP]))
        return "yes" if packets[0] != packets[1] else "no"

    def drain(self):
        self.expected = []
        for s in (self.tap, self.wire, *self.udp.values()):
            while select.select([s], [], [], 0)[0]:
                s.recv(65536)

    # Making

    def esp(self, packet, seq=None):
        if seq is None:
            self.number += 1
            seq = self.number
        return bytes(self.to.encrypt(packet, seq_num=seq)[ESP])

    def craft(self, data, nh=4, padding=None, padlen=None, seq=None):
        if seq is None:
            self.number += 1
            seq = self.number
        return seal(self.to, seq, self.to.crypt_algo.generate_iv(), data, nh, padding, padlen)

    def outer(self, esp, header=None):
        """A whole packet; the header may be one with options or extensions."""
        packet = (self.tunnel if header is None else header).copy()
        last = packet.lastlayer()
        if IP in packet:
            self.ident += 1
            packet.id = self.ident
        if self.encap:
            esp = UDP(sport=4500, dport=4500, chksum=0) / Raw(esp)
        name = "proto" if isinstance(last, IP) else "nh"
        setattr(last, name, 17 if self.encap else 50)
        return packet / (esp if self.encap else Raw(esp))

    def put(self, packet):
        protocol = ETH_P_IP if packet[0] >> 4 == 4 else ETH_P_IPV6
        self.wire.sendto(packet, ("wire", protocol, 0, 0, self.mac))

    # Sending

    def send(self, *packets, outer=None, gives=()):
        """ESP in bytes, or whole packets of scapy's."""
        for packet in packets:
            self.put(bytes(packet if isinstance(packet, (IP, IPv6)) else self.outer(packet, outer)))
        self.expected += [bytes(inner) for inner in gives]

    def good(self, inner, outer=None):
        self.send(self.esp(inner), outer=outer, gives=[inner])

    def train(self, packets):
        """Many that differ little: one outer header for each length."""
        headers = {}
        for n, esp in enumerate(packets):
            if len(esp) not in headers:
                whole = bytes(self.outer(esp))
                headers[len(esp)] = whole[:len(whole) - len(esp)]
            self.put(headers[len(esp)] + esp)
            if n % 16 == 15:
                os.sched_yield()

    def sizes(self):
        """Bytes before and behind the text, and what its length is a multiple of."""
        algorithm = self.to.crypt_algo
        icv = algorithm.icv_size if algorithm.is_aead else self.to.auth_algo.icv_size
        return 8 + algorithm.iv_size + icv, 16 if algorithm.name == "AES-CBC" else 4

    def all(self, count):
        """Good ones, one cut to each length, and one with a bit of each byte changed; then as they were."""
        self.theirs(count)
        inner = udp4(21)
        whole = self.esp(inner)
        overhead, align = self.sizes()
        self.train([whole[:n] for n in range(len(whole))])
        self.send(whole, gives=[inner])
        cut = len([n for n in range(overhead + align, len(whole)) if (n - overhead) % align == 0])
        truncated = len(whole) - 8 - cut

        # Far ahead, so that a number with one bit changed is a new one, too.
        self.number |= 0x30000
        inner = udp6(21)
        whole = self.esp(inner)
        self.train([whole[:n] + bytes([whole[n] ^ 1 << n % 8]) + whole[n + 1:] for n in range(len(whole))])
        self.send(whole, gives=[inner])
        return f"{count + 2} icv-failed+{cut + len(whole) - 4} truncated+{truncated}"

    def lengths(self, data=64):
        """Inner packets whose headers say each length, of which some are there."""
        good = bad = 0
        for family, header in ((4, 20), (6, 40)):
            for length in range(0 if family == 4 else 40, header + data + 4):
                if family == 4:
                    inner = IP(src=IN_B4, dst=IN_A4, proto=17, len=length) / Raw(bytes(data))
                else:
                    inner = IPv6(src=IN_B6, dst=IN_A6, nh=17, plen=length - 40) / Raw(bytes(data))
                there = header <= length <= header + data
                good, bad = good + there, bad + (not there)
                self.send(self.craft(bytes(inner), 4 if family == 4 else 41),
                          gives=[bytes(inner)[:length]] if there else [])
        return f"{good} bad-inner+{bad}"

    # Receiving

    def same(self):
        """Compares what has come out of the gateway's device with what was to."""
        end = time.monotonic() + 5
        wanted, self.expected = self.expected, []
        for n, packet in enumerate(wanted):
            got = None
            while got is None:
                if not select.select([self.tap], [], [], max(end - time.monotonic(), 0))[0]:
                    return f"{len(wanted)} packets wanted, {n} have come"
                data, address = self.tap.recvfrom(65536)
                if address[0] == "ipsec0" and address[2] != socket.PACKET_OUTGOING:
                    got = data
            if got != packet:
                return f"packet {n}: {got.hex()}, wanted {packet.hex()}"
        while select.select([self.tap], [], [], 0)[0]:
            data, address = self.tap.recvfrom(65536)
            if address[0] == "ipsec0" and address[2] != socket.PACKET_OUTGOING:
                return f"one more than the {len(wanted)} wanted: {data.hex()}"
        return ""

    def heard(self):
        answer = []
        for family in (4, 6):
            while select.select([self.udp[family]], [], [], 2 if len(answer) < family / 3 else 0)[0]:
                answer.append(f"{len(self.udp[family].recv(65536))}/{family}")
        return " ".join(answer)

    def theirs(self, count):
        for size in range(count):
            self.good(udp6(size) if size % 2 else udp4(size, id=size + 1))

    def next_esp(self):
        """The next ESP packet from the gateway, as scapy's IP or IPv6 packet."""
        end = time.monotonic() + 5
        while select.select([self.wire], [], [], max(end - time.monotonic(), 0))[0]:
            data, address = self.wire.recvfrom(65536)
            if address[2] == socket.PACKET_OUTGOING or address[1] not in (ETH_P_IP, ETH_P_IPV6):
                continue
            packet = IP(data) if address[1] == ETH_P_IP else IPv6(data)
            if (packet.proto if address[1] == ETH_P_IP else packet.nh) == (17 if self.encap else 50):
                return packet
        raise ValueError("no ESP has come")

    def check(self, packet, size, family):
        """One of ours: it is, byte for byte, what scapy makes of what is inside with that IV."""
        sa, esp = self.back, packet[ESP]
        self.received += 1
        words = {"esn_en": sa.esn_en, "esn": 0}
        if esp.spi != sa.spi or esp.seq != self.received or (UDP in packet) != self.encap:
            return f"SPI {esp.spi:#x}, number {esp.seq}, wanted {self.received}"
        sa.auth_algo.verify(esp, sa.auth_key, **words)
        icv = sa.crypt_algo.icv_size if sa.crypt_algo.is_aead else sa.auth_algo.icv_size
        plain = sa.crypt_algo.decrypt(sa, esp, sa.crypt_key, icv, **words)
        data = bytes(plain.data)
        scapys = seal(sa, esp.seq, plain.iv, data, 4 if family == 4 else 41)
        if scapys != bytes(esp):
            return f"{bytes(esp).hex()}, scapy has {scapys.hex()}"
        inner = IP(data) if family == 4 else IPv6(data)
        if (inner.src, inner.dst) != ((IN_A4, IN_B4) if family == 4 else (IN_A6, IN_B6)):
            return f"from {inner.src} to {inner.dst}"
        if bytes(inner[UDP].payload) != bytes(range(256))[:size]:
            return f"{data.hex()}, wanted {size} bytes"
        again = inner.copy()
        del again[UDP].chksum
        if family == 4:
            del again.chksum
        return "" if bytes(again) == data else f"{data.hex()}, with its checksums {bytes(again).hex()}"

    def ours(self, count):
        for size in range(count):
            family, address = (6, IN_B6) if size % 2 else (4, IN_B4)
            self.udp[family].sendto(bytes(range(256))[:size], (address, 9))
            complaint = self.check(self.next_esp(), size, family)
            if complaint:
                return f"{size} bytes of IPv{family}: {complaint}"
        return ""


def main():
    peer = Peer(*sys.argv[1:])
    names = dict(globals())
    names.update({name: getattr(peer, name) for name in dir(peer) if name[0] != "_"})
    names["ready"] = None
    for line in sys.stdin:
        try:
            answer = eval(line, names)
            answer = answer if isinstance(answer, str) else "ok"
        except Exception as error:
            answer = f"error {error!r}"
        print(answer, flush=True)


main()
