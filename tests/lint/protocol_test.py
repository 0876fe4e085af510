#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""protocol_test ROOT - docs/protocol.md says what the headers say.

The compiler is the judge: every row of a byte table becomes a static assertion on offset and size, every operation and
status one on its number; and each name that the headers define has to have a row.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.abspath(sys.argv[1])
STRUCT = re.compile(r'`((?:gatehouse|USER)_\w+)`(?:, (\d+) bytes)?')
ROW = re.compile(r'\| *(\d+) \| (\d+) \| (\w+)')
CODE = re.compile(r'^\| (0x22\w+) \| (\w+) \|', re.MULTILINE)
STATUS = re.compile(r'^\| (\w+) \| (0xE047\w+) \|', re.MULTILINE)
OPENING = '#include <stddef.h>\n#include <gatehouse/protocol.h>\n#include <gatehouse/rules.h>\n#include <gatehouse/status.h>\n#include <gatehouse/transport.h>\n'


def type_of(name):
    return name if name.startswith('USER') else f'struct {name}'


def tables(page):
    """Yields (structure, [(offset, size, field)]): the table after the words that name the structure."""
    waiting, rows = [], []
    for line in page.splitlines() + ['']:
        if line.startswith('|'):
            rows += [(int(at), int(size), field) for at, size, field in ROW.findall(line)]
            continue
        if rows and waiting:
            yield waiting.pop(0), rows
        if line.startswith('#'):
            waiting = []
        rows = []
        if re.match(r'`gatehouse_\w+`, \d+ bytes', line):
            waiting = []  # what was only named before has no table
        if line.startswith('`') or 'PLATFORM_STATUS' in line or 'answers with `' in line or 'each a `' in line:
            waiting += [name for name, _ in STRUCT.findall(line)]


def compiles(body):
    done = subprocess.run(['gcc', '-fsyntax-only', '-std=c17', f'-I{ROOT}/include', '-xc', '-'], input=OPENING + body,
                          capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0, done.stderr


def assertions(page):
    """Yields (name of the case, C text)."""
    seen = set()
    for name, rows in tables(page):
        seen.add(name)
        body = ''.join(f'_Static_assert(offsetof({type_of(name)}, {field}) == {at} && '
                       f'sizeof((({type_of(name)} *)0)->{field}) == {size}, "{field}");\n'
                       for at, size, field in rows if field != 'path')
        total = max(at + size for at, size, field in rows if field != 'path') if rows else 0
        body += f'_Static_assert(sizeof({type_of(name)}) == {total}, "the last row ends the structure");\n'
        yield f'{name}: {len(rows)} rows', body
    for name, size in STRUCT.findall(page):
        if size:
            yield f'{name}: {size} bytes', f'_Static_assert(sizeof({type_of(name)}) == {size}, "size");\n'
    for number, name in CODE.findall(page):
        macro = name if name.startswith('IOCTL_') else f'GATEHOUSE_IOCTL_{name}'
        yield f'operation {name}', f'_Static_assert({macro} == {number}u, "code");\n'
    for name, number in STATUS.findall(page):
        yield f'status {name}', f'_Static_assert(GATEHOUSE_E_{name} == {number}u, "status");\n'
    yield 'tables were found', f'_Static_assert({len(seen)} >= 11, "one for each structure");\n'


def absent_names(page):
    """What the headers define and the page does not name."""
    text = ''
    for header in ('protocol.h', 'status.h', 'transport.h'):
        with open(os.path.join(ROOT, 'include/gatehouse', header), encoding='utf-8') as file:
            text += file.read()
    names = re.findall(r'#define GATEHOUSE_(?:E|IOCTL)_(\w+)', text) + re.findall(r'^struct (gatehouse_\w+) \{', text, re.MULTILINE)
    return [name for name in names if not re.search(rf'\b{name}\b', page)]


def main():
    with open(os.path.join(ROOT, 'docs/protocol.md'), encoding='utf-8') as file:
        page = file.read()
    cases = [(name, *compiles(body)) for name, body in assertions(page)]
    absent = absent_names(page)
    cases.append(('every operation, status and structure has its place', not absent, f'absent: {absent}'))
    print(f'1..{len(cases)}')
    for number, (name, fine, why) in enumerate(cases, 1):
        print(f'{"ok" if fine else "not ok"} {number} - protocol.md: {name}')
        if not fine:
            print('\n'.join('# ' + line for line in why.splitlines()[:8]))
    return 0 if all(fine for _, fine, _ in cases) else 1


sys.exit(main())
