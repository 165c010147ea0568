#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""functions.py DIR FEW MANY SUBJECT...: a profile from what profile.so has counted.

DIR has blocks and the guest's kallsyms. Each subject has three runs: one that warms up, one of FEW
packets and one of MANY; the difference is the packets' share."""
import bisect
import collections
import sys


def read_symbols(path):
    symbols = []
    with open(path) as file:
        for line in file:
            address, kind, name, *module = line.split()
            if kind in "tTwW":
                symbols.append((int(address, 16), name + "".join(f" {m}" for m in module)))
    symbols.sort()
    return [s[0] for s in symbols], [s[1] for s in symbols]


def read_runs(path):
    runs = []
    with open(path) as file:
        for line in file:
            first, second = line.split()
            if first == "run":
                runs.append(collections.Counter())
            else:
                runs[-1][int(first, 16)] += int(second)
    return runs


def by_function(run, addresses, names):
    functions = collections.Counter()
    for address, instructions in run.items():
        i = bisect.bisect_right(addresses, address) - 1
        functions[names[i] if address >> 47 and i >= 0 else "user space"] += instructions
    return functions


def main():
    directory, few, many, *subjects = sys.argv[1:]
    addresses, names = read_symbols(f"{directory}/kallsyms")
    runs = [by_function(run, addresses, names) for run in read_runs(f"{directory}/blocks")]
    per_packet = {}
    for i, subject in enumerate(subjects):
        first, second = runs[3 * i + 1], runs[3 * i + 2]
        per_packet[subject] = {
            name: (second[name] - first[name]) / (int(many) - int(few)) for name in second}
    functions = {name for figures in per_packet.values() for name in figures}
    figures = [([per_packet[s].get(name, 0) for s in subjects], name) for name in functions]
    figures.sort(key=lambda f: (-f[0][-1], f[1]))
    print(*(f"{s:>12}" for s in subjects), " function")
    print(*(f"{sum(f[0][i] for f in figures):12.0f}" for i in range(len(subjects))), " all")
    for values, name in figures:
        if max(values) >= 1:
            print(*(f"{v:12.1f}" for v in values), "", name)


main()
