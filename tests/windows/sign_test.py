#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sign_test SOURCE BUILD PROGRAM - windows/sign signs what is whole, once, and nothing else (TAP).

PROGRAM is a test of suite pe that loads the driver named by GATEHOUSE_SYS: a signed driver has to run as before.
Page: "PE Format", the attribute certificate table.
"""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import pe_image
from pe_image import Image

SOURCE, BUILD, PROGRAM = sys.argv[1:4]
SIGN = os.path.join(SOURCE, 'windows/sign')
FOLDER = os.path.join(BUILD, 'windows')


def run(*words, environment=None):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(environment or {})})
    return done.returncode, done.stdout + done.stderr


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def write(path, data):
    with open(path, 'wb') as file:
        file.write(data)
    return path


def without_signature(data):
    """The bytes as before signing: without the table at the end, its directory entry, the checksum."""
    image = Image(data)
    start, size = image.directories[pe_image.SECURITY]
    plain = bytearray(data[:start] if start else data)
    struct.pack_into('<I', plain, image.checksum_at, 0)
    struct.pack_into('<II', plain, image.checksum_at - 64 + 112 + 8 * pe_image.SECURITY, 0, 0)
    return bytes(plain), start, size


def changed(data, position):
    data = bytearray(data)
    data[position] ^= 1
    return bytes(data)


def signed_cases(scratch, keys, file):
    path = os.path.join(scratch, file)
    before = read(path)
    code, words = run(SIGN, '--test', keys, path)
    yield f'{file}: signed', code == 0 and f'{path}: signed\n' in words, words
    after = read(path)
    image = Image(after)
    plain, start, size = without_signature(after)
    padded = without_signature(before)[0]
    yield f'{file}: the checksum is right', image.checksum == image.computed_checksum(), ''
    yield f'{file}: the signature is the end of the file', start == len(padded) + -len(padded) % 8 and start + size == len(after), \
        f'{start} {size} {len(before)} {len(after)}'
    yield f'{file}: nothing else has changed', plain == padded + bytes(-len(padded) % 8), ''
    code, words = run(SIGN, '--verify', '--certificate', os.path.join(keys, 'gatehouse-test.pem'), path)
    yield f'{file}: verified', code == 0, words
    code, words = run(SIGN, '--test', keys, path)
    yield f'{file}: not signed twice', code == 1 and 'good signature' in words and read(path) == after, words
    text = read(path)
    write(path, changed(text, image.sections[0].raw + 100))
    for words_in in (['--test', keys], ['--verify', '--certificate', os.path.join(keys, 'gatehouse-test.pem')]):
        code, words = run(SIGN, *words_in, path)
        yield f'{file}: {words_in[0]} refuses it when it was changed afterwards', code == 1 and 'changed after it was signed' in words, words
    write(path, text)


def refusals(scratch, keys):
    """(name, file, words that the sentence has); the files must stay as they are."""
    driver = read(os.path.join(FOLDER, 'gatehouse.sys'))
    yield 'a driver with a changed byte', write(os.path.join(scratch, 'a.sys'), changed(driver, 5000)), 'is damaged'
    yield 'half a driver', write(os.path.join(scratch, 'b.sys'), driver[:len(driver) // 2]), 'is damaged'
    yield 'a text', write(os.path.join(scratch, 'c.sys'), b'a text\n'), 'is damaged'
    yield 'an empty file', write(os.path.join(scratch, 'd.exe'), b''), 'is damaged'
    yield 'a catalogue that is none', write(os.path.join(scratch, 'e.cat'), b'\x30\x03\x02\x01\x01'), 'is damaged'
    yield 'another kind of file', write(os.path.join(scratch, 'f.txt'), driver), 'is no .sys, .exe or .cat'
    yield 'no file', os.path.join(scratch, 'none.sys'), 'cannot be read'


def cases():
    code, words = run(os.path.join(SOURCE, 'tools/build-windows'), FOLDER)
    yield 'built', code == 0, words
    if code != 0:
        return
    with tempfile.TemporaryDirectory(prefix='gatehouse-sign-') as scratch:
        keys = os.path.join(scratch, 'keys')
        for file in ('gatehouse.sys', 'gatehouse.exe'):
            shutil.copy(os.path.join(FOLDER, file), scratch)
            yield from signed_cases(scratch, keys, file)
        yield 'the key is for its owner alone', os.stat(os.path.join(keys, 'gatehouse-test.key')).st_mode & 0o77 == 0, ''
        signed = os.path.join(scratch, 'gatehouse.sys')
        code, words = run(PROGRAM, environment={'GATEHOUSE_SYS': signed})
        yield 'pe/ loads the signed driver, which works', code == 0, words[-2000:]
        code, words = run(SIGN, '--test', os.path.join(scratch, 'others'), signed)
        yield 'another certificate does not replace a signature', code == 1 and 'not by this certificate' in words, words
        for name, path, objection in refusals(scratch, keys):
            before = read(path) if os.path.exists(path) else None
            code, words = run(SIGN, '--test', keys, path)
            yield f'refuses {name}', code == 1 and objection in words and words.count('\n') == 1 and \
                (read(path) if before is not None else None) == before, words
        code, words = run(SIGN, '--test', os.path.join(SOURCE, 'windows/keys'), signed)
        yield 'no key in the source tree', code == 1 and 'must not be committed' in words and \
            not os.path.exists(os.path.join(SOURCE, 'windows/keys')), words
        code, words = run(SIGN, '--certificate', signed, '--key', os.path.join(keys, 'gatehouse-test.key'), signed)
        yield 'a certificate that is none', code == 1 and 'is no certificate' in words, words
        code, words = run(SIGN)
        yield 'without words: the usage', code == 2 and words.startswith('usage:'), words
        left = [name for name in os.listdir(scratch) if name.startswith('.sign')]
        yield 'nothing is left behind', not left, str(left)


def main():
    absent = [name for name in ('osslsigncode', 'openssl', 'x86_64-w64-mingw32-gcc') if shutil.which(name) is None]
    if absent:
        print(f"1..0 # SKIP no {absent[0]}; 'tools/deps sign windows' installs it")
        return 0
    failed = number = 0
    for number, (name, fine, why) in enumerate(cases(), 1):
        failed += not fine
        print(f'{"ok" if fine else "not ok"} {number} - {name}', flush=True)
        if not fine:
            print('\n'.join('# ' + re.sub(r'[^\x20-\x7e]', '?', line) for line in why.splitlines()[-20:]))
    print(f'1..{number}')
    return 1 if failed else 0


sys.exit(main())
