#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""package_test SOURCE BUILD VERSION - what a Windows user and Visual Studio are given (TAP).

The zip: the built files byte for byte, the same bytes whatever the files' times. The page on
Windows: its traces. The projects: well-formed, every source
there once, and just those that the cross build compiled for the same file, as its compile_commands.json says (the tool that
writes them asks meson otherwise). They are not built: there is no Visual Studio here.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile

SOURCE, BUILD, VERSION = sys.argv[1:4]
FOLDER = os.path.join(BUILD, 'windows')
PROJECTS = os.path.join(SOURCE, 'windows/visual-studio')
TOP = f'gatehouse-{VERSION}-windows-x64'
SPACE = '{http://schemas.microsoft.com/developer/msbuild/2003}'


def read(*path):
    with open(os.path.join(*path), 'rb') as file:
        return file.read()


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def zip_cases(scratch):
    name = os.path.join(FOLDER, TOP + '.zip')
    wanted = {'README.txt': ('windows/README.txt',), 'LICENSE.txt': ('LICENSE',), 'sign.ps1': ('windows/sign.ps1',)}
    built = ['gatehouse.sys', 'gatehouse.exe', 'gatehouse.inf']
    with zipfile.ZipFile(name) as archive:
        inside = {entry.filename: archive.read(entry) for entry in archive.infolist()}
        times = {entry.date_time for entry in archive.infolist()}
        yield 'the zip is whole', archive.testzip() is None, ''
    expected = {f'{TOP}/{file}': read(SOURCE, *path) for file, path in wanted.items()}
    expected.update({f'{TOP}/{file}': read(FOLDER, file) for file in built})
    yield 'it holds the built files byte for byte', inside == expected, f'{sorted(inside)} {sorted(expected)}'
    yield 'it holds no time', times == {(1980, 1, 1, 0, 0, 0)}, str(times)
    for file in built:
        shutil.copy(os.path.join(FOLDER, file), scratch)
        os.utime(os.path.join(scratch, file), (1500000000, 1500000000))
        os.chmod(os.path.join(scratch, file), 0o640)
    code, words = run(os.path.join(SOURCE, 'tools/pack-windows'), scratch, VERSION)
    yield 'files of another time and mode give the same bytes', code == 0 and read(scratch, TOP + '.zip') == read(name), words
    with open(os.path.join(scratch, 'gatehouse.sys'), 'ab') as file:
        file.write(b'x')
    run(os.path.join(SOURCE, 'tools/pack-windows'), scratch, VERSION)
    yield 'another driver gives other bytes', read(scratch, TOP + '.zip') != read(name), ''
    os.unlink(os.path.join(scratch, 'gatehouse.exe'))
    code, words = run(os.path.join(SOURCE, 'tools/pack-windows'), scratch, VERSION)
    with zipfile.ZipFile(os.path.join(scratch, TOP + '.zip')) as archive:
        yield 'without a program it packs the driver alone', code == 0 and f'{TOP}/gatehouse.exe' not in archive.namelist(), words
    os.unlink(os.path.join(scratch, 'gatehouse.sys'))
    code, words = run(os.path.join(SOURCE, 'tools/pack-windows'), scratch, VERSION)
    yield 'without a driver it packs nothing', code != 0 and 'gatehouse.sys' in words, words


def compiled():
    """{file: the sources that the cross build compiled for it}, by the folders of the objects."""
    found = {'gatehouse.sys': set(), 'gatehouse.exe': set()}
    for entry in json.loads(read(FOLDER, 'meson/compile_commands.json')):
        path = os.path.relpath(os.path.realpath(os.path.join(entry['directory'], entry['file'])), os.path.realpath(SOURCE))
        file = 'gatehouse.sys' if 'libgatehouse_kernel' in entry['output'] else 'gatehouse.exe' if 'gatehouse.exe.p' in entry['output'] else None
        if file:
            found[file].add(path)
    found['gatehouse.sys'] -= {'windows/start.c', 'windows/pool.c', 'windows/device_secure.c'}
    return found


def project_cases():
    expected = compiled()
    yield 'the cross build compiled both', all(len(names) > 20 for names in expected.values()), str(expected)
    guids = {}
    for file, names in expected.items():
        root = ElementTree.fromstring(read(PROJECTS, file + '.vcxproj'))
        listed = [element.get('Include') for element in root.iter(SPACE + 'ClCompile') if element.get('Include')]
        paths = [os.path.normpath(os.path.join('windows/visual-studio', name.replace('\\', '/'))) for name in listed
                 if not name.endswith('.inc')]  # generated, copied here
        others = [element.get('Include') for kind in ('ResourceCompile', 'Inf', 'ClInclude') for element in root.iter(SPACE + kind)
                  if element.get('Include')]
        yield f'{file}: each source once', len(set(paths)) == len(paths), ''
        yield f'{file}: as the cross build', set(paths) == names, f'{sorted(set(paths) ^ names)}; run tools/visual-studio {FOLDER}'
        missing = [name for name in listed + others if not os.path.exists(os.path.join(PROJECTS, name.replace('\\', '/')))]
        yield f'{file}: every file is there', not missing, str(missing)
        bases = [os.path.basename(path) for path in paths]
        yield f'{file}: one object for each source', len(set(bases)) == len(bases), ''
        text = read(PROJECTS, file + '.vcxproj').decode()
        yield f'{file}: warnings are errors, guards are on', all(f'<{words}<' in text for words in (
            'WarningLevel>Level4', 'TreatWarningAsError>true', 'ControlFlowGuard>Guard', 'LanguageStandard_C>stdc17')), ''
        guids[file] = root.find(f'.//{SPACE}ProjectGuid').text
        yield f'{file}: its version', f'"{VERSION}"' in read(PROJECTS, file + '.rc').decode(), ''
    yield 'the driver is not signed by the build', '<SignMode>Off<' in read(PROJECTS, 'gatehouse.sys.vcxproj').decode(), ''
    solution = read(PROJECTS, 'gatehouse.sln').decode()
    yield 'the solution names both', set(re.findall(r'"(gatehouse\.\w+)\.vcxproj", "(\{[^}]*\})"', solution)) == set(guids.items()), solution
    code, words = run(os.path.join(SOURCE, 'tools/visual-studio'), '--check', FOLDER)
    yield 'tools/visual-studio would write the same', code == 0, words


def trace_cases():
    """The traces that docs/windows.md shows are the driver's."""
    forms = set()
    for name in os.listdir(os.path.join(SOURCE, 'driver')):
        if name.endswith('.c'):
            forms |= set(re.findall(r'DRIVER_TRACE\("([^"]*)\\n"', read(SOURCE, 'driver', name).decode()))
    patterns = [re.sub(r'%(llu|u|08x|ws)', lambda found: {'llu': r'\d+', 'u': r'\d+', '08x': '[0-9a-f]{8}', 'ws': r'\w+'}[found[1]],
                       re.escape(form)) for form in forms]
    shown = re.findall(r'^\| `gatehouse: ([^`]*)` \|', read(SOURCE, 'docs/windows.md').decode(), re.MULTILINE)
    unknown = [line for line in shown if not any(re.fullmatch(pattern, line) for pattern in patterns)]
    yield 'docs/windows.md shows traces that the driver writes', len(shown) >= 8 and not unknown, str(unknown or shown)


def cases():
    yield from trace_cases()
    code, words = run(os.path.join(SOURCE, 'tools/build-windows'), FOLDER)
    yield 'built', code == 0, words
    if code != 0:
        return
    with tempfile.TemporaryDirectory(prefix='gatehouse-package-') as scratch:
        yield from zip_cases(scratch)
    yield from project_cases()


def main():
    if shutil.which('x86_64-w64-mingw32-gcc') is None:
        print("1..0 # SKIP no x86_64-w64-mingw32-gcc; 'tools/deps windows' installs it")
        return 0
    failed = number = 0
    for number, (name, fine, why) in enumerate(cases(), 1):
        failed += not fine
        print(f'{"ok" if fine else "not ok"} {number} - {name}', flush=True)
        if not fine:
            print('\n'.join('# ' + line for line in why.splitlines()[-20:]))
    print(f'1..{number}')
    return 1 if failed else 0


sys.exit(main())
