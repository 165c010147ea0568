#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""xdp.py DEVICE...: has a program look at each packet that a device receives,
and let it pass: generic XDP, which is for devices of any kind. At SIGTERM it
prints how many there were, "DEVICE COUNT" a line."""
import ctypes
import os
import signal
import socket
import struct
import sys

SYS_BPF = 321  # x86_64
MAP_CREATE, MAP_LOOKUP, PROG_LOAD, LINK_CREATE = 0, 1, 5, 28
MAP_TYPE_ARRAY, PROG_TYPE_XDP, ATTACH_XDP, XDP_SKB_MODE = 2, 6, 37, 2
LICENSE = ctypes.create_string_buffer(b"GPL")

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, form, *values):
    attr = ctypes.create_string_buffer(struct.pack(form, *values), 128)
    result = libc.syscall(SYS_BPF, command, attr, len(attr))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}: {os.strerror(ctypes.get_errno())}")
    return result


def program(counter):
    """Adds 1 to the counter's only value; XDP_PASS."""
    def insn(code, dst=0, src=0, off=0, imm=0):
        return struct.pack("=BBhi", code, src << 4 | dst, off, imm)

    return b"".join((
        insn(0x62, 10, off=-4),             # key = 0
        insn(0xbf, 2, 10),                  # r2 = &key
        insn(0x07, 2, imm=-4),
        insn(0x18, 1, 1, imm=counter),      # r1 = the map, 64 bits
        insn(0),
        insn(0x85, imm=1),                  # r0 = map_lookup_elem(r1, r2)
        insn(0x15, 0, off=2),               # if it is there:
        insn(0xb7, 1, imm=1),
        insn(0xdb, 0, 1),                   # *r0 += 1, atomically
        insn(0xb7, 0, imm=2),               # return XDP_PASS
        insn(0x95),
    ))


def attach(device):
    counter = bpf(MAP_CREATE, "=5I", MAP_TYPE_ARRAY, 4, 8, 1, 0)
    code = program(counter)
    text = ctypes.create_string_buffer(code, len(code))
    loaded = bpf(PROG_LOAD, "=IIQQ", PROG_TYPE_XDP, len(code) // 8, ctypes.addressof(text), ctypes.addressof(LICENSE))
    bpf(LINK_CREATE, "=4I", loaded, socket.if_nametoindex(device), ATTACH_XDP, XDP_SKB_MODE)
    return counter


def value(counter):
    key, count = ctypes.c_uint32(0), ctypes.c_uint64()
    bpf(MAP_LOOKUP, "=IIQQQ", counter, 0, ctypes.addressof(key), ctypes.addressof(count), 0)
    return count.value


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    counters = {device: attach(device) for device in sys.argv[1:]}
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM})
    for device, counter in counters.items():
        print(device, value(counter))


main()
