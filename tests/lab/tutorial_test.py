#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tutorial_test WFPLAB ROOT - types each command of the documents in DOCUMENTS and compares what it prints.

In a ```console block a line that begins with "$ " is a command, the lines behind it its output. Commands run in a
folder of their own, which shows the project's folders under their names. Without mingw-w64 those of a .sys are left out.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

WFPLAB, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


DOCUMENTS = ('writing-a-callout-driver.md', 'lab.md')


def commands(text):
    """Each command with the lines it has to print."""
    for block in re.findall(r'^```console\n(.*?)^```', text, re.MULTILINE | re.DOTALL):
        command, output = None, []
        for line in block.splitlines():
            if line.startswith('$ '):
                if command is not None:
                    yield command, output
                command, output = line[2:], []
            else:
                output.append(line)
        yield command, output


def main():
    found = []
    for name in DOCUMENTS:
        with open(os.path.join(ROOT, 'docs', name), encoding='utf-8') as file:
            found += commands(file.read())
    wrong, left_out = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for name in ('examples', 'windows', 'nt', 'wfp'):
            os.symlink(os.path.join(ROOT, name), os.path.join(folder, name))
        path = os.path.dirname(WFPLAB) + os.pathsep + os.environ['PATH']
        for command, expected in found:
            if '.sys' in command and shutil.which('x86_64-w64-mingw32-gcc') is None:
                left_out += 1
                continue
            done = subprocess.run(['bash', '-c', command], cwd=folder, env=os.environ | {'PATH': path},
                                  capture_output=True, text=True, timeout=120, check=False)
            printed = [line for line in done.stdout.splitlines() if line]
            if printed != expected:
                wrong.append('\n'.join([f'$ {command}', '- ' + '\n- '.join(expected), '+ ' + '\n+ '.join(printed),
                                        done.stderr]))
    print(f'{len(found)} commands, {left_out} left out: no mingw-w64')
    print('\n\n'.join(wrong))
    sys.exit(1 if wrong or not found else 0)


main()
