#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""report.py DIR: what the guests have said, DIR/KERNEL-*.log, as bench.json, tables and data for a picture.

A figure is the median of its rounds, behind it the least and the greatest; one whose spread is over 15 % of
it is marked with a star."""
import bisect
import collections
import glob
import json
import math
import os
import statistics
import sys

SUBJECTS = ["plain", "ipip", "crypto", "xfrmi", "xfrmi-offload", "wireguard", "ipsecvti"]
SPREAD = 0.15
MSS = 1386      # of a TCP stream with time stamps through a device of 1438 bytes

Key = collections.namedtuple("Key", "kernel subject case size sas cpus unit")


def interpolate(table, x):
    sizes = sorted(table)
    i = bisect.bisect_left(sizes, x)
    if sizes[i] == x:
        return table[x]
    low, high = sizes[i - 1], sizes[i]
    return table[low] + (table[high] - table[low]) * (x - low) / (high - low)


def plaintext(frame):
    """Bytes that are encrypted for a frame: the packet and ESP's trailer, padded."""
    return (frame - 14 + 2 + 3) // 4 * 4


def read(directory):
    rounds = collections.defaultdict(list)
    tcrypt = collections.defaultdict(lambda: collections.defaultdict(dict))
    for path in sorted(glob.glob(f"{directory}/*-*.log")):
        kernel = os.path.basename(path).split("-")[0]
        with open(path) as file:
            for line in file:
                word = line.split()
                if word[:2] == ["=", "tcrypt"]:
                    # Eight operations each: in some of them a clock has ticked.
                    table = tcrypt[kernel][word[2]]
                    table[int(word[3])] = min(table.get(int(word[3]), math.inf), float(word[4]))
                elif word[:1] == ["="]:
                    case, subject, size, sas, cpus, value, unit = word[1:]
                    rounds[Key(kernel, subject, case, int(size), int(sas), int(cpus), unit)].append(float(value))
    # A tunnel's instructions are those beyond plain forwarding, of the same round.
    for key, values in rounds.items():
        plain = rounds.get(key._replace(subject="plain"))
        if key.case == "instr" and key.subject != "plain":
            rounds[key] = [value - less for value, less in zip(values, plain)]
    for key in [k for k in rounds if k.case == "instr" and k.subject == "ipip"]:
        rounds[key._replace(subject="crypto")] = [
            sum(interpolate(table, plaintext(key.size)) for table in tcrypt[key.kernel].values())]
    return rounds


class Figures:
    def __init__(self, rounds):
        self.rounds = rounds
        self.median = {key: statistics.median(values) for key, values in rounds.items()}

    def get(self, kernel, subject, case, size, sas=1, cpus=None, unit=None):
        for key, value in self.median.items():
            if key[:5] == (kernel, subject, case, size, sas) and cpus in (None, key.cpus) and unit in (None, key.unit):
                return value
        return None

    def ratio(self, key):
        other = self.median.get(key._replace(subject="xfrmi"))
        return round(self.median[key] / other, 3) if other else None

    def cell(self, key):
        values = self.rounds.get(key)
        if not values:
            return ""
        middle = self.median[key]
        text = f"{middle:.0f}"
        if len(values) > 1 and key.subject != "crypto":
            text += f" ({min(values):.0f}..{max(values):.0f})"
            if middle and (max(values) - min(values)) / middle > SPREAD:
                text += " \\*"
        return text


def write_json(figures, path):
    with open(path, "w") as file:
        rows = [{"kernel": k.kernel, "subject": k.subject, "case": k.case, "size": k.size, "sas": k.sas,
                 "cpus": k.cpus, "value": round(v, 1), "unit": k.unit, "ratio_to_xfrmi": figures.ratio(k)}
                for k, v in figures.median.items()]
        json.dump(rows, file, indent=1)
        file.write("\n")


def table(head, rows):
    """A simple table of reStructuredText."""
    rows = [[str(c) or "\\" for c in row] for row in [head] + rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    line = "  ".join("=" * w for w in widths)
    out = [line]
    for i, row in enumerate(rows):
        out.append("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip())
        if i == 0:
            out.append(line)
    return "\n".join(out + [line, ""])


def size_name(key):
    return key.size or "IMIX"


CASES = [
    ("instr", "Instructions per packet, beyond plain forwarding; frames of", size_name),
    ("instr-tcp", "Instructions per TCP segment of 1386 bytes between the hosts, all that the hosts do included",
     lambda k: k.size),
    ("hostile", "Instructions for a packet that is refused, and for one that is not, at the gateway that it comes to",
     lambda k: k.case.split("-")[1]),
    ("fwd", "Packets/s without a loss; frames of", size_name),
    ("tcp", "Mbit/s of TCP; streams", lambda k: k.case[3:]),
    ("rr", "Microseconds from request to response", lambda k: k.case[3:]),
    ("cpus", "Packets/s of 270 bytes (p), Mbit/s of TCP (M), by CPUs and SAs",
     lambda k: f"{k.cpus} CPU, {k.sas} SA, {k.unit[0]}"),
    ("sas", "Packets/s of 270 bytes; tunnels in use", lambda k: k.sas),
    ("scale", "Devices with two SAs each: ms to make, to list and to delete them, and MB",
     lambda k: k.case.split("-")[1]),
    ("crypto", "Operations/s of tcrypt, 1420 bytes", lambda k: k.unit),
]


def table_of(case):
    """tcp8 and rr-p50 are columns of tcp and rr."""
    return case if case in {name for name, _, _ in CASES} else case.rstrip("0123456789").split("-")[0]


def print_tables(figures, kernel):
    for name, title, column in CASES:
        keys = [k for k in figures.median if k.kernel == kernel and table_of(k.case) == name]
        if not keys:
            continue
        columns = sorted({column(k) for k in keys}, key=lambda c: (isinstance(c, str), c))
        rows = []
        for subject in SUBJECTS:
            cells = []
            for c in columns:
                key = next((k for k in keys if k.subject == subject and column(k) == c), None)
                cells.append(figures.cell(key) if key else "")
            if any(cells):
                rows.append([subject] + cells)
        print(f"{title}:\n\n{table([''] + columns, rows)}")


def targets(figures, kernel):
    """What was to be reached, as (text, value, "<" or ">", limit)."""
    def get(*args, **kwargs):
        return figures.get(kernel, *args, **kwargs)

    def over(a, b):
        return a / b if a is not None and b else None

    for size in 128, 270, 1420:
        ipip, cipher = get("ipip", "instr", size), get("crypto", "instr", size)
        floor = ipip + cipher if ipip and cipher else None
        yield f"instr {size}, of ipip + cipher", over(get("ipsecvti", "instr", size), floor), "<", 1.15
    for size in 128, 270:
        fwd = get("ipsecvti", "fwd", size)
        yield f"fwd {size}, of xfrmi", over(fwd, get("xfrmi", "fwd", size)), ">", 1.3
        plain, more = get("plain", "instr", size), get("ipsecvti", "instr", size)
        predicted = over(get("plain", "fwd", size), 1 + more / plain) if plain and more is not None else None
        yield f"fwd {size}, of what instructions predict", over(fwd, predicted), ">", 0.9
    for size in 128, 270, 1420:
        yield f"fwd {size}, of wireguard", over(get("ipsecvti", "fwd", size), get("wireguard", "fwd", size)), ">", 1.2
    tcp1 = get("ipsecvti", "tcp1", 1438)
    operations = get("crypto", "crypto", 1420)
    yield "tcp1, of xfrmi", over(tcp1, get("xfrmi", "tcp1", 1438)), ">", 2
    yield "tcp1, of wireguard", over(tcp1, get("wireguard", "tcp1", 1438)), ">", 2.5
    yield ("tcp1, of the cipher's limit",
           over(tcp1, operations * MSS * 8 / 1e6) if operations else None, ">", 0.55)
    yield "tcp8, of xfrmi", over(get("ipsecvti", "tcp8", 1438), get("xfrmi", "tcp8", 1438)), ">", 1.4
    for case in "rr-p50", "rr-p99":
        yield f"{case}, of xfrmi", over(get("ipsecvti", case, 64), get("xfrmi", case, 64)), "<", 1
    tunnels = [k.sas for k in figures.median if k.kernel == kernel and k.case == "sas"]
    if tunnels:
        yield (f"sas, {max(tunnels)} of one",
               over(get("ipsecvti", "sas", 270, max(tunnels)), get("ipsecvti", "sas", 270, 1)), ">", 0.9)
    yield ("cpus, two of one, an SA each", over(get("ipsecvti", "cpus", 270, 2, 2, "packets/s"),
                                                get("ipsecvti", "cpus", 270, 1, 1, "packets/s")), ">", 1.8)
    yield ("cpus, two of one, an elephant", over(get("ipsecvti", "cpus", 1438, 1, 2, "Mbit/s"),
                                                 get("ipsecvti", "cpus", 1438, 1, 1, "Mbit/s")), ">", 1.5)
    for case in "make", "list", "delete", "memory":
        key = next((k for k in figures.median if k[:3] == (kernel, "ipsecvti", f"scale-{case}")), None)
        yield f"scale, {case}, of xfrmi", figures.ratio(key) if key else None, "<", 1
    good = get("ipsecvti", "hostile-good", 128)
    yield "hostile, bad ICV of a good packet", over(get("ipsecvti", "hostile-icv", 128), good), "<", 0.8
    yield "hostile, replay of a good packet", over(get("ipsecvti", "hostile-replay", 128), good), "<", 0.3


def print_targets(figures, kernels):
    rows = {}
    for i, kernel in enumerate(kernels):
        for text, value, sign, limit in targets(figures, kernel):
            row = rows.setdefault(text, [text, f"{'at most' if sign == '<' else 'at least'} {limit}"])
            row += [""] * (2 + i - len(row))
            if value is not None:
                met = value <= limit if sign == "<" else value >= limit
                row.append(f"{value:.2f}" + ("" if met else " missed"))
    rows = [row + [""] * (2 + len(kernels) - len(row)) for row in rows.values() if any(row[2:])]
    print(f"Targets:\n\n{table(['', ''] + kernels, rows)}")


def write_picture(figures, kernels, directory):
    """What bench.gp draws: subjects by size."""
    with open(f"{directory}/kernels.dat", "w") as file:
        print("kernels", *kernels, file=file)
    for kernel in kernels:
        for case in "instr", "fwd":
            sizes = sorted({k.size for k in figures.median if k.kernel == kernel and k.case == case and k.size})
            with open(f"{directory}/{case}-{kernel}.dat", "w") as file:
                print("subject", *(f"{size}\xa0B" for size in sizes), file=file)
                for subject in SUBJECTS:
                    values = [figures.get(kernel, subject, case, size) for size in sizes]
                    if any(v is not None for v in values):
                        print(subject, *("NaN" if v is None else f"{v:.0f}" for v in values), file=file)


def main():
    directory = sys.argv[1]
    figures = Figures(read(directory))
    kernels = sorted({k.kernel for k in figures.median}, key=lambda k: [int(n) for n in k.split(".")])
    write_json(figures, f"{directory}/bench.json")
    write_picture(figures, kernels, directory)
    for kernel in kernels:
        print(f"Kernel {kernel}\n{'-' * (7 + len(kernel))}\n")
        print_tables(figures, kernel)
    print_targets(figures, kernels)


main()
