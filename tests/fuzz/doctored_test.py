#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""doctored_test.py CORPORA PROGRAM... - each oracle can fail: a target with a planted bug (doctor.py) finds it.

A program's name is fuzz-doctored-TARGET-BUG. It replays the corpus of TARGET, and has to be ended by the target's own
check, not by chance: its message begins with "fuzz:".
"""
import os
import re
import signal
import subprocess
import sys


def main():
    corpora, programs = sys.argv[1], sys.argv[2:]
    failed = 0
    print(f'1..{len(programs)}')
    for number, program in enumerate(programs, 1):
        name = os.path.basename(program).removeprefix('fuzz-doctored-')
        corpus = os.path.join(corpora, name.split('-')[0])
        run = subprocess.run([program, corpus], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=120,
                             check=False)
        said = re.search(rb'^fuzz: (?!input).*$', run.stderr, re.MULTILINE)
        found = said is not None and run.returncode in (-signal.SIGABRT, 1, 134)
        failed += not found
        print(f'{"ok" if found else "not ok"} {number} - {name}')
        print(f'# {said.group(0).decode(errors="replace")}' if said else f'# exit code {run.returncode}, no word')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
