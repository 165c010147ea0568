#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""spi_alloc.py IFNAME LOWEST HIGHEST: reserves an inbound SPI of a range, which
the command line has no words for. Prints it, or what the kernel says instead."""
import socket
import struct
import sys

NETLINK_GENERIC = 16
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
NLMSG_ERROR, NLM_F_REQUEST, NLM_F_ACK, NLM_F_CAPPED = 2, 1, 4, 0x100
GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 16, 3, 1, 2
SPI_ALLOC, IFNAME, LOWEST, HIGHEST, SPI = 3, 2, 6, 7, 8		# linux/ipsecvti.h
NLMSGERR_ATTR_MSG = 1


def attr(kind, value):
    size = 4 + len(value)
    return struct.pack("=HH", size, kind) + value + bytes(-size % 4)


def attrs(data):
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3fff] = data[4:size]
        data = data[(size + 3) & ~3:]
    return found


def ask(s, family, command, flags, payload):
    """Attributes of the reply; an error ends the program with its text."""
    message = struct.pack("=BBH", command, 1, 0) + payload
    s.send(struct.pack("=IHHII", 16 + len(message), family, NLM_F_REQUEST | flags, 1, 0) + message)
    reply = s.recv(65536)
    size, kind, flags = struct.unpack_from("=IHH", reply)
    if kind != NLMSG_ERROR:
        return attrs(reply[20:size])
    text = attrs(reply[36:size]).get(NLMSGERR_ATTR_MSG, b"no text\0") if flags & NLM_F_CAPPED else b"not capped\0"
    sys.exit(f"errno {-struct.unpack_from('=i', reply, 16)[0]}: {text[:-1].decode()}")


def main():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as s:
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
            s.setsockopt(SOL_NETLINK, option, 1)
        name = attr(CTRL_ATTR_FAMILY_NAME, b"ipsecvti\0")
        family = struct.unpack("=H", ask(s, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0, name)[CTRL_ATTR_FAMILY_ID])[0]
        spi = ask(s, family, SPI_ALLOC, 0, attr(IFNAME, sys.argv[1].encode() + b"\0") +
                  attr(LOWEST, struct.pack("=I", int(sys.argv[2], 0))) +
                  attr(HIGHEST, struct.pack("=I", int(sys.argv[3], 0))))[SPI]
        print(f"0x{struct.unpack('>I', spi)[0]:08x}")


main()
