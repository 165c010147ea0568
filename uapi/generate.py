#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write what follows from uapi/ipsecvti.yaml: the header that user space
includes, the module's attribute policies and the reference page.

    generate.py ROOT            write the files that differ
    generate.py ROOT --check    write nothing; TAP, fails when a file differs,
                                names collide or user space cannot compile

The kernel's own generator insists on a licence that would bind every user of
the header, and its policies need a newer kernel than our oldest one.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import textwrap

import yaml

SPEC = "uapi/ipsecvti.yaml"
HEADER = "uapi/linux/ipsecvti.h"
POLICY_H = "kmod/netlink_policy.h"
POLICY_C = "kmod/netlink_policy.c"
REFERENCE = "doc/netlink.rst"

UAPI_LICENCE = "((GPL-2.0 WITH Linux-syscall-note) OR MIT)"
KMOD_LICENCE = "GPL-2.0"

INTEGERS = {"u8": 0xff, "u16": 0xffff, "u32": 0xffffffff, "u64": 2 ** 64 - 1, "s32": 2 ** 31 - 1}
TYPES = set(INTEGERS) | {"string", "binary", "flag", "nest", "pad"}
CHECKS = {
    "string": {"max-len"},
    "binary": {"max-len", "exact-len"},
    "u8": {"min", "max"}, "u16": {"min", "max"}, "u32": {"min", "max"},
    "u64": {"min", "max"}, "s32": {"min", "max"},
}


class SpecError(Exception):
    """The specification contradicts itself; the text says where."""


def identifier(name):
    return name.replace("-", "_")


def one_line(text):
    return " ".join(text.split())


class Spec:
    """The parsed specification, with every reference in it resolved."""

    def __init__(self, text):
        tree = yaml.safe_load(text)
        self.name = tree["name"]
        self.doc = tree["doc"]
        self.uapi_header = tree["uapi-header"]
        definitions = tree.get("definitions", [])
        self.consts = [d for d in definitions if d["type"] == "const"]
        self.enums = [d for d in definitions if d["type"] == "enum"]
        self.sets = tree["attribute-sets"]
        self.ops = tree["operations"]["list"]
        self.groups = tree.get("mcast-groups", {}).get("list", [])
        known = [d["type"] for d in definitions if d["type"] not in ("const", "enum")]
        if known:
            raise SpecError(f"definitions: this generator knows no type {known[0]}")
        self.set_by_name = {s["name"]: s for s in self.sets}
        self.const_by_name = {c["name"]: c for c in self.consts}
        self.enum_by_name = {e["name"]: e for e in self.enums}
        self.check()

    def macro(self, *parts):
        return "_".join(identifier(p).upper() for p in (self.name, *parts))

    def attr_macro(self, owner, attr):
        return self.macro("A", owner, attr)

    def entry_macro(self, enum, entry):
        return self.macro(enum["name"], entry["name"])

    def identifiers(self):
        """Every C identifier that the header defines, with its origin."""
        yield f"_UAPI_LINUX_{self.name.upper()}_H", "the include guard"
        yield self.macro("FAMILY_NAME"), "the family"
        yield self.macro("FAMILY_VERSION"), "the family"
        for const in self.consts:
            yield self.macro(const["name"]), f"const {const['name']}"
        for enum in self.enums:
            yield f"{self.name}_{identifier(enum['name'])}", f"enum {enum['name']}"
            for entry in enum["entries"]:
                yield self.entry_macro(enum, entry), f"enum {enum['name']}: {entry['name']}"
        for owner in self.sets:
            for attr in owner["attributes"]:
                yield self.attr_macro(owner["name"], attr["name"]), f"attribute {owner['name']}: {attr['name']}"
            yield "__" + self.attr_macro(owner["name"], "max"), f"attribute set {owner['name']}"
            yield self.attr_macro(owner["name"], "max"), f"attribute set {owner['name']}"
        for op in self.ops:
            yield self.macro("CMD", op["name"]), f"operation {op['name']}"
        yield "__" + self.macro("CMD_MAX"), "the operations"
        yield self.macro("CMD_MAX"), "the operations"
        for group in self.groups:
            yield self.macro("MCGRP", group["name"]), f"multicast group {group['name']}"

    def collisions(self):
        seen = {}
        for name, origin in self.identifiers():
            if name in seen:
                yield f"{name} comes from {seen[name]} and from {origin}"
            seen[name] = origin

    def number(self, value):
        """A check's value: a number, or the name of a const."""
        return self.const_by_name[value]["value"] if isinstance(value, str) else value

    def check_attr(self, where, attr):
        kind = attr["type"]
        if kind not in TYPES:
            raise SpecError(f"{where}: unknown type {kind}")
        if kind == "nest" and attr.get("nested-attributes") not in self.set_by_name:
            raise SpecError(f"{where}: nests an unknown attribute set")
        if "enum" in attr and attr["enum"] not in self.enum_by_name:
            raise SpecError(f"{where}: unknown enum {attr['enum']}")
        checks = attr.get("checks", {})
        for check, value in checks.items():
            if check not in CHECKS.get(kind, set()):
                raise SpecError(f"{where}: a {kind} has no check {check}")
            if isinstance(value, str) and value not in self.const_by_name:
                raise SpecError(f"{where}: unknown const {value}")
            if kind in INTEGERS and not 0 <= self.number(value) <= INTEGERS[kind]:
                raise SpecError(f"{where}: {check} does not fit a {kind}")
        if len(checks) > 1:
            raise SpecError(f"{where}: one check at most, the handler does the rest")
        if checks and "byte-order" in attr:
            raise SpecError(f"{where}: range of a big-endian number, which Linux 6.1 cannot check")

    def check(self):
        for collision in self.collisions():
            raise SpecError(collision)
        for owner in self.sets:
            for attr in owner["attributes"]:
                self.check_attr(f"{owner['name']}: {attr['name']}", attr)
        for op in self.ops:
            if op["attribute-set"] not in self.set_by_name:
                raise SpecError(f"operation {op['name']}: unknown attribute set")
            for side in self.sides(op):
                for name in side[1]:
                    self.attr(op["attribute-set"], name)
            if "mcgrp" in op and op["mcgrp"] not in [g["name"] for g in self.groups]:
                raise SpecError(f"operation {op['name']}: unknown multicast group")

    def attr(self, owner, name):
        for attr in self.set_by_name[owner]["attributes"]:
            if attr["name"] == name:
                return attr
        raise SpecError(f"attribute set {owner} has no {name}")

    @staticmethod
    def sides(op):
        """(title, attribute names) of every message that an operation has."""
        for mode, title in (("do", ""), ("dump", "dump ")):
            for direction in ("request", "reply"):
                side = op.get(mode, {}).get(direction)
                if side:
                    yield title + direction, side["attributes"]
        if "event" in op:
            yield "event", op["event"]["attributes"]

    def request(self, op):
        """What do and dump accept, in the attribute set's order."""
        wanted = set()
        for title, names in self.sides(op):
            if title.endswith("request"):
                wanted.update(names)
        return [a for a in self.set_by_name[op["attribute-set"]]["attributes"] if a["name"] in wanted]

    def request_nests(self):
        """The attribute sets nested in requests, inner ones first."""
        found = []

        def visit(attrs):
            for attr in attrs:
                if attr["type"] == "nest" and attr["nested-attributes"] not in found:
                    visit(self.set_by_name[attr["nested-attributes"]]["attributes"])
                    found.append(attr["nested-attributes"])

        for op in self.ops:
            visit(self.request(op))
        return found


# The header


def defines(pairs):
    """#define lines with their values in one column."""
    column = max(len("#define " + name) for name, _ in pairs) // 8 * 8 + 8
    for name, value in pairs:
        line = "#define " + name
        yield line + "\t" * ((column - len(line) + 7) // 8) + str(value)


def comment(text):
    """A paragraph of a kernel-doc comment; what runs over is indented."""
    return textwrap.wrap(text, width=79, initial_indent=" * ", subsequent_indent=" *   ",
                         break_on_hyphens=False)


def enum_body(names, start, limit=None):
    for index, name in enumerate(names):
        yield f"\t{name} = {start}," if index == 0 and start else f"\t{name},"
    if limit:
        yield ""
        yield f"\t__{limit},"
        yield f"\t{limit} = (__{limit} - 1)"


def kernel_doc(spec, enum):
    entries = [e for e in enum["entries"] if "doc" in e]
    if not entries and "doc" not in enum:
        return
    yield "/**"
    title = f"enum {spec.name}_{identifier(enum['name'])}"
    yield from comment(title + " - " + one_line(enum["doc"]) if "doc" in enum else title)
    for entry in entries:
        yield from comment(f"@{spec.entry_macro(enum, entry)}: {one_line(entry['doc'])}")
    yield " */"


def header(spec):
    guard = f"_UAPI_LINUX_{spec.name.upper()}_H"
    yield f"/* SPDX-License-Identifier: {UAPI_LICENCE} */"
    yield '/* Generated by "make uapi" from: */'
    yield f"/*\t{SPEC} */"
    yield ""
    yield f"#ifndef {guard}"
    yield f"#define {guard}"
    yield ""
    yield from defines([(spec.macro("FAMILY_NAME"), f'"{spec.name}"'), (spec.macro("FAMILY_VERSION"), 1)])
    yield ""
    yield from defines([(spec.macro(c["name"]), c["value"]) for c in spec.consts])
    yield ""
    for enum in spec.enums:
        yield from kernel_doc(spec, enum)
        yield f"enum {spec.name}_{identifier(enum['name'])} {{"
        yield from enum_body([spec.entry_macro(enum, e) for e in enum["entries"]], enum.get("value-start", 0))
        yield "};"
        yield ""
    for owner in spec.sets:
        yield "enum {"
        yield from enum_body([spec.attr_macro(owner["name"], a["name"]) for a in owner["attributes"]], 1,
                             spec.attr_macro(owner["name"], "max"))
        yield "};"
        yield ""
    yield "enum {"
    yield from enum_body([spec.macro("CMD", op["name"]) for op in spec.ops], 1, spec.macro("CMD_MAX"))
    yield "};"
    yield ""
    yield from defines([(spec.macro("MCGRP", g["name"]), f'"{g["name"]}"') for g in spec.groups])
    yield ""
    yield f"#endif /* {guard} */"


# The module's policies


def check_value(spec, value):
    return spec.macro(value) if isinstance(value, str) else str(value)


def policy_entry(spec, attr):
    """The initialiser for one attribute.

    An enum is a plain integer here: its range is refused by the handler, in
    words. So is the range of every number without a check.
    """
    kind = attr["type"]
    checks = attr.get("checks", {})
    value = check_value(spec, next(iter(checks.values()))) if checks else None
    if kind == "nest":
        return f"NLA_POLICY_NESTED({spec.name}_{identifier(attr['nested-attributes'])}_nl_policy)"
    if kind == "string":
        return f"{{ .type = NLA_NUL_STRING, .len = {value} }}" if value else "{ .type = NLA_NUL_STRING }"
    if "exact-len" in checks:
        return f"NLA_POLICY_EXACT_LEN({value})"
    if "max-len" in checks:
        return f"{{ .type = NLA_BINARY, .len = {value} }}"
    if checks:
        return f"NLA_POLICY_{next(iter(checks)).upper()}(NLA_{kind.upper()}, {value})"
    return f"{{ .type = NLA_{kind.upper()} }}"


def policies(spec):
    """(C declaration, attribute set, attributes) of every policy."""
    for name in spec.request_nests():
        yield name, name, [a for a in spec.set_by_name[name]["attributes"] if a["type"] != "pad"]
    for op in spec.ops:
        attrs = spec.request(op)
        if attrs:
            yield op["name"], op["attribute-set"], attrs


def policy_declaration(spec, name, owner, attrs):
    last = spec.attr_macro(owner, attrs[-1]["name"])
    return f"const struct nla_policy {spec.name}_{identifier(name)}_nl_policy[{last} + 1]"


def policy_header(spec):
    guard = f"{spec.name.upper()}_NETLINK_POLICY_H"
    yield f"/* SPDX-License-Identifier: {KMOD_LICENCE} */"
    yield f'/* Generated by "make uapi" from {SPEC}. */'
    yield f"#ifndef {guard}"
    yield f"#define {guard}"
    yield ""
    yield "#include <net/netlink.h>"
    yield f"#include <{spec.uapi_header}>"
    yield ""
    for policy in policies(spec):
        yield f"extern {policy_declaration(spec, *policy)};"
    yield ""
    yield f"#endif /* {guard} */"


def policy_source(spec):
    yield f"// SPDX-License-Identifier: {KMOD_LICENCE}"
    yield f'/* Generated by "make uapi" from {SPEC}. */'
    yield ""
    yield '#include "netlink_policy.h"'
    for name, owner, attrs in policies(spec):
        yield ""
        yield policy_declaration(spec, name, owner, attrs) + " = {"
        for attr in attrs:
            yield f"\t[{spec.attr_macro(owner, attr['name'])}] = {policy_entry(spec, attr)},"
        yield "};"


# The reference page


def heading(text, mark):
    return [text, mark * len(text), ""]


def paragraphs(text, indent=""):
    for paragraph in text.strip().split("\n\n"):
        yield from textwrap.wrap(one_line(paragraph), width=79, initial_indent=indent,
                                 subsequent_indent=indent, break_on_hyphens=False)
        yield ""


def type_text(spec, attr):
    """An attribute's type and bounds in words."""
    text = attr["type"]
    if text == "nest":
        text = f"nest of `{attr['nested-attributes']} attributes`_"
    if "enum" in attr:
        text += f", `enum {attr['enum']}`_"
    if attr.get("byte-order") == "big-endian":
        text += ", network byte order"
    if attr.get("multi-attr"):
        text += ", may be repeated"
    words = {"min": "at least", "max": "at most", "max-len": "at most", "exact-len": "exactly"}
    for check, value in attr.get("checks", {}).items():
        unit = " bytes" if check.endswith("len") else ""
        text += f", {words[check]} {spec.number(value)}{unit}"
    return text


def definition(term, body):
    yield term
    empty = True
    for line in body:
        empty = False
        yield "    " + line if line else ""
    if empty:
        yield "    \\"
        yield ""


def attribute_text(spec, attr):
    yield from paragraphs(type_text(spec, attr) + ".")
    if "doc" in attr:
        yield from paragraphs(attr["doc"])


def operation_text(spec, op):
    yield from heading(op["name"], "-")
    if "doc" in op:
        yield from paragraphs(op["doc"])
    yield f":Command: ``{spec.macro('CMD', op['name'])}``"
    yield f":Attributes: `{op['attribute-set']} attributes`_"
    if "admin-perm" in op.get("flags", []):
        yield ":Needs: CAP_NET_ADMIN"
    if "mcgrp" in op:
        yield f":Group: ``{op['mcgrp']}``, for members with CAP_NET_ADMIN"
    for title, names in spec.sides(op):
        wrapped = textwrap.wrap(", ".join(f"``{n}``" for n in names), width=75,
                                break_on_hyphens=False, break_long_words=False)
        yield f":{title[0].upper() + title[1:]}:"
        yield from ("    " + line for line in wrapped)
    yield ""


def reference(spec):
    yield ".. SPDX-License-Identifier: " + UAPI_LICENCE
    yield f'.. Generated by "make uapi" from {SPEC}.'
    yield ""
    yield from heading(f"The netlink family {spec.name}", "=")
    yield from paragraphs(spec.doc)
    yield from paragraphs(
        f"Generic netlink, family ``{spec.name}``, version 1; the names in C are in "
        f"``{spec.uapi_header}``. Every refusal comes with a text (NLMSGERR_ATTR_MSG). Set "
        "NETLINK_CAP_ACK on a socket that carries keys, or the kernel copies the request into "
        "its error reply.")
    yield from heading("Commands", "=")
    for op in spec.ops:
        yield from operation_text(spec, op)
    yield from heading("Attributes", "=")
    for owner in spec.sets:
        yield from heading(owner["name"] + " attributes", "-")
        if "doc" in owner:
            yield from paragraphs(owner["doc"])
        for number, attr in enumerate(owner["attributes"], 1):
            if attr["type"] != "pad":
                yield from definition(f"``{attr['name']}`` ({number})", attribute_text(spec, attr))
    yield from heading("Enumerations", "=")
    for enum in spec.enums:
        yield from heading("enum " + enum["name"], "-")
        if "doc" in enum:
            yield from paragraphs(enum["doc"])
        for value, entry in enumerate(enum["entries"], enum.get("value-start", 0)):
            yield from definition(f"``{entry['name']}`` ({value})", paragraphs(entry.get("doc", "\\")))
    yield from heading("Constants", "=")
    for const in spec.consts:
        yield from definition(f"``{spec.macro(const['name'])}`` = {const['value']}",
                              paragraphs(const.get("doc", "\\")))


FILES = {HEADER: header, POLICY_H: policy_header, POLICY_C: policy_source, REFERENCE: reference}


def render(spec, lines):
    return "\n".join(lines(spec)).rstrip("\n") + "\n"


def write(root, spec):
    for name, lines in FILES.items():
        path = root / name
        text = render(spec, lines)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"  GEN     {name}")


# The check


def compiles(root, command, language):
    """Whether the header is enough by itself, with every warning an error."""
    result = subprocess.run(
        [*command.split(), "-Wall", "-Wextra", "-pedantic-errors", "-Werror", "-fsyntax-only",
         "-I", str(root / "uapi"), "-x", language, "-"],
        input="#include <linux/ipsecvti.h>\nint nothing;\n", text=True, check=False)
    return result.returncode == 0


def refuses(text, old, new):
    """Whether a specification with one mistake put in is refused."""
    if old not in text:
        return False
    try:
        Spec(text.replace(old, new))
    except SpecError:
        return True
    return False


def cases(root, text, spec):
    """(name, result) of every test, run as it is asked for."""
    for name, lines in FILES.items():
        path = root / name
        yield (f"{name} is what {SPEC} says",
               path.exists() and path.read_text(encoding="utf-8") == render(spec, lines))
    yield f"the {len(list(spec.identifiers()))} names of the header differ", not list(spec.collisions())
    yield "a name used twice is refused", refuses(text, "name: rx-bytes", "name: rx-packets")
    yield "an unknown const is refused", refuses(text, "max-len: owner-max", "max-len: owner-maximum")
    yield "a check that a type lacks is refused", refuses(text, "exact-len: 16", "min: 16")
    yield "the header compiles alone as C", compiles(root, os.environ.get("CC", "cc") + " -std=c99", "c")
    yield "the header compiles alone as C++", compiles(root, os.environ.get("CXX", "c++"), "c++")


def check(root, text, spec):
    failed = number = 0
    print("TAP version 13")
    for number, (name, result) in enumerate(cases(root, text, spec), 1):
        print(f"{'ok' if result else 'not ok'} {number} {name}")
        failed += not result
    print(f"1..{number}")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("root", type=pathlib.Path, help="top of the source tree")
    parser.add_argument("--check", action="store_true", help="compare and write nothing")
    args = parser.parse_args()

    text = (args.root / SPEC).read_text(encoding="utf-8")
    try:
        spec = Spec(text)
    except SpecError as error:
        print(f"{SPEC}: {error}", file=sys.stderr)
        return 1
    if args.check:
        return check(args.root, text, spec)
    write(args.root, spec)
    return 0


if __name__ == "__main__":
    sys.exit(main())
