#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""headers_test SOURCE [--table] - the constants, GUIDs and layouts of our kernel headers against others' (TAP).

Two sides, neither of them ours: mingw-w64's headers, compiled (the user-mode ones and ddk/ each in a unit of its own,
with our values as numbers, for the names are the same), and header_facts.txt. --table prints the counts that
docs/windows-headers.md shows.
"""
import os
import shutil
import sys

sys.dont_write_bytecode = True
import header_values
from header_values import assertable, read_values

SOURCE = sys.argv[1]
HEADERS = ['wfp/include/fwpmk.h', 'wfp/include/fwpmkeys.h', 'wfp/include/fwpmtypes.h', 'wfp/include/fwpsk.h',
           'wfp/include/fwpstypes.h', 'wfp/include/fwptypes.h', 'nt/include/guiddef.h', 'nt/include/ntdef.h', 'nt/include/ntstatus.h',
           'nt/include/windef.h', 'nt/include/wdm/ex.h', 'nt/include/wdm/io.h', 'nt/include/wdm/ke.h',
           'nt/include/wdm/ps.h', 'nt/include/wdm/rtl.h', 'nt/include/wdm/se.h']
MINGW = ['x86_64-w64-mingw32-gcc', '-std=gnu17', '-D_WIN32_WINNT=0x0A00', '-DNTDDI_VERSION=0x0A000000']
USER = ('#define WIN32_NO_STATUS\n#include <winsock2.h>\n#include <windows.h>\n#undef WIN32_NO_STATUS\n'
        '#include <ntstatus.h>\n#include <winioctl.h>\n#include <fwpmu.h>\n')
KERNEL = '#include <ntddk.h>\n#include <ntifs.h>\n#include <ntstatus.h>\n'
DDK = ['/usr/share/mingw-w64/include/ddk', '/usr/x86_64-w64-mingw32/include/ddk',
       '/usr/x86_64-w64-mingw32/sys-root/mingw/include/ddk']

# Where mingw-w64 is behind Windows: the kit has grown since. Each has another source, named.
BEHIND = {
    'FWP_MATCH_TYPE_MAX': 'PREFIX and NOT_PREFIX came after it: metadata',
    'MaximumWaitReason': 'reasons came after it: the KWAIT_REASON page lists them',
    'sizeof TOKEN_ACCESS_INFORMATION': 'TrustLevelSid and SecurityAttributes came after it: the ntifs.h page has them',
}


def condition(name, value):
    if name.startswith('sizeof '):
        return f'sizeof({name[7:]}) == {value}'
    if '.' in name:
        return '__builtin_offsetof({}, {}) == {}'.format(*name.split('.'), value)
    return f'(unsigned)({name}) == {value & 0xffffffff}u && (sizeof({name}) == 4 || (long long)({name}) == {value}ll)'


def against_mingw(values):
    """{name: True, False: differs, None: mingw has it not}."""
    ddk = next((folder for folder in DDK if os.path.isdir(folder)), DDK[0])
    asked = {name: condition(name, value) for name, value in values.items() if isinstance(value, int)}
    user = assertable(MINGW, USER, asked)
    kernel = assertable([*MINGW, '-isystem', ddk, '-D_AMD64_'], KERNEL, asked)
    return {name: False if False in (user[name], kernel[name]) else user[name] or kernel[name] for name in asked}


def read_facts():
    """{header: {name: [(value, sources)]}}."""
    facts, header = {}, None
    with open(os.path.join(SOURCE, 'tests/windows/header_facts.txt'), encoding='utf-8') as file:
        for line in file:
            words = line.split()
            if not words or words[0] == '#' or words[0].startswith('#'):
                continue
            if words[0].startswith('['):
                header = words[0][1:-1]
                continue
            value = words[1] if '-' in words[1] else int(words[1], 0)
            facts.setdefault(header, {}).setdefault(words[0].replace(':', ' '), []).append((value, words[2:]))
    return facts


def same(ours, theirs):
    if isinstance(ours, str) or isinstance(theirs, str):
        return ours == theirs
    return (ours - theirs) % (1 << (32 if theirs >> 32 == 0 else 64)) == 0


def cases(with_mingw):
    facts, all_values = read_facts(), {header: read_values(SOURCE, header) for header in HEADERS}
    # One question for all: the compiler reads Windows' headers each time.
    mingw = against_mingw({name: value for values in all_values.values() for name, value in values.items()}) if with_mingw else {}
    for header, values in all_values.items():
        differ = [f'{name}: ours {values.get(name)}, {" ".join(sources)}: {value}' for name, found in facts.get(header, {}).items()
                  for value, sources in found if name not in values or not same(values[name], value)]
        count = len(facts.get(header, {}))
        if count:
            yield f'{header}: {count} names as header_facts.txt has them', not differ, '\n'.join(differ)
        if with_mingw:
            found = {name: mingw[name] for name in values if name in mingw}
            wrong = [f'{name}: ours is {values[name]}' for name, good in found.items() if good is False and name not in BEHIND]
            if any(good is not None for good in found.values()):
                yield f'{header}: {sum(good is True for good in found.values())} names as mingw-w64 has them', not wrong, \
                    '\n'.join(wrong)
    # A check that cannot fail is none.
    good = all_values['wfp/include/fwptypes.h']
    if with_mingw:
        found = against_mingw({**good, 'FWP_E_IN_USE': good['FWP_E_IN_USE'] + 1, 'FWP_VALUE0.uint64': 4, 'sizeof FWP_RANGE0': 31})
        objected = {name for name, fine in found.items() if fine is False and name not in BEHIND}
        yield 'objects to a changed number, offset and size', \
            objected == {'FWP_VALUE0.uint64', 'sizeof FWP_RANGE0', 'FWP_E_IN_USE'}, str(objected)
    text = 'DEFINE_GUID(A, 0x1247d66d, 0x0b60, 0x4a15, 0x8d, 0x44, 0x71, 0x55, 0xd0, 0xf5, 0x3a,\n 0x0c);'
    yield 'a GUID is read as it is printed', header_values.names_in(text)[1] == {'A': '1247d66d-0b60-4a15-8d44-7155d0f53a0c'}, ''


def table():
    facts = read_facts()
    print('| header | names | mingw-w64 | others | two or more | one | none |\n|---|---|---|---|---|---|---|')
    total = [0] * 6
    for header in HEADERS:
        values = read_values(SOURCE, header)
        mingw = against_mingw(values)
        sources = {name: (mingw.get(name) is True) + sum(len(s) for _, s in facts.get(header, {}).get(name, [])) for name in values}
        row = [len(values), sum(good is True for good in mingw.values()), len(facts.get(header, {})),
               sum(n > 1 for n in sources.values()), sum(n == 1 for n in sources.values()), sum(n == 0 for n in sources.values())]
        total = [a + b for a, b in zip(total, row)]
        print(f'| `{header}` | ' + ' | '.join(map(str, row)) + ' |')
        print('  none:', ' '.join(name for name, n in sources.items() if n == 0), file=sys.stderr)
    print('| all | ' + ' | '.join(map(str, total)) + ' |')


def main():
    with_mingw = shutil.which(MINGW[0]) is not None
    if '--table' in sys.argv:
        return table()
    failed = number = 0
    for number, (name, fine, why) in enumerate(cases(with_mingw), 1):
        failed += not fine
        print(f'{"ok" if fine else "not ok"} {number} - {name}', flush=True)
        if not fine:
            print('\n'.join('# ' + line for line in why.splitlines()[:40]))
    if not with_mingw:
        number += 1
        print(f"ok {number} - as mingw-w64 has them # SKIP no {MINGW[0]}; 'tools/deps windows' installs it")
    print(f'1..{number}')
    return 1 if failed else 0


sys.exit(main())
