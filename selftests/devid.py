#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""devid.py ID SPI COUNT: gives the device with that handle so many inbound SAs
of the suite aes128gcm16, from that SPI on; one process for all. A refusal's
text goes to standard error."""
import socket
import struct
import sys

NETLINK_GENERIC = 16
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
NLMSG_ERROR, NLM_F_REQUEST, NLM_F_ACK, NLM_F_ACK_TLVS = 2, 1, 4, 0x200
NLMSGERR_ATTR_MSG = 1
GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 16, 3, 1, 2

# include/uapi/linux/ipsecvti.h
SA_NEW = 4
DEV_ID = 3
SA_DIR, SA_SPI, SA_SUITE, SA_KEY = 7, 8, 9, 10
DIR_IN = 0
AES128GCM16 = 1


def attr(kind, value):
    data = struct.pack("=I", value) if isinstance(value, int) else value
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def attrs(data):
    result = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        result[kind & 0x3fff] = data[4:size]
        data = data[(size + 3) & ~3:]
    return result


class Netlink:
    """A generic netlink socket; one request at a time."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.sock.bind((0, 0))
        answer = self.ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attr(CTRL_ATTR_FAMILY_NAME, b"ipsecvti\0"))
        self.family = struct.unpack("=H", answer[CTRL_ATTR_FAMILY_ID])[0]

    def ask(self, family, command, payload):
        message = struct.pack("=BBH", command, 1, 0) + payload
        self.sock.send(struct.pack("=IHHII", 16 + len(message), family, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + message)
        answer = {}
        while True:
            data = self.sock.recv(65536)
            while data:
                size, kind, flags = struct.unpack_from("=IHH", data)
                if kind != NLMSG_ERROR:
                    answer = attrs(data[20:size])
                else:
                    error = struct.unpack_from("=i", data, 16)[0]
                    if not error:
                        return answer
                    text = attrs(data[36:size]).get(NLMSGERR_ATTR_MSG, b"") if flags & NLM_F_ACK_TLVS else b""
                    sys.exit(f"error {-error}: {text.rstrip(bytes(1)).decode()}")
                data = data[(size + 3) & ~3:]

    def command(self, command, payload):
        return self.ask(self.family, command, payload)


def main():
    device, first, count = attr(DEV_ID, int(sys.argv[1])), int(sys.argv[2], 0), int(sys.argv[3])
    netlink = Netlink()
    for number in range(count):
        netlink.command(SA_NEW, device + attr(SA_DIR, DIR_IN) + attr(SA_SPI, struct.pack(">I", first + number)) +
                        attr(SA_SUITE, AES128GCM16) +
                        attr(SA_KEY, struct.pack(">5I", *range(number, number + 5))))


main()
