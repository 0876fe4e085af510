#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""shapes_test WFPLAB SOURCE_ROOT - correct drivers as people write them give no report; with one bug, its rule and line.

tests/lab/shapes/NAME.c is correct, and has a bug with -D BUG=N. The correct one runs at each IRQL and is explored with
failing calls, as a .sys too where mingw-w64 is. BUGS has for each bug the command that finds it, its rule, and a word
of the line that is pointed at.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
WFPLAB, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
FOLDER = os.path.join(ROOT, 'tests/lab/shapes')
SCHEDULES = '1000'
BUGS = [
    ('inspect', 1, 'run', 'operation-completed-under-lock', 'HERE'),
    ('inspect', 2, 'explore', 'left-operation', 'FwpsPendOperation0'),
    ('inspect', 3, 'run', 'decision-not-stored', None),
    ('inspect', 4, 'explore', 'left-operation', 'FwpsPendOperation0'),
    ('flowctx', 1, 'run', 'pool-use-after-free', 'flowContextList.Flink'),
    ('flowctx', 2, 'explore', 'left-pool', 'ExAllocatePool2'),
    ('flowctx', 3, 'run', 'classify-under-lock', 'FwpsFlowRemoveContext0'),
    ('flowctx', 4, 'run', 'pageable-at-dispatch', 'ExAllocatePool2'),
    ('flowctx', 5, 'explore', 'deadlock', 'KeWaitForSingleObject'),
]


def wfplab(scratch, *arguments):
    done = subprocess.run([WFPLAB, *arguments], cwd=scratch, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, check=False, env=dict(os.environ, XDG_CACHE_HOME=scratch))
    return done.returncode, done.stdout, done.stdout + done.stderr


def clean(scratch, driver, name):
    """None, or what was said of a correct driver."""
    scenario = os.path.join(FOLDER, name + '.scenario')
    for options in (['run', '--irql', 'passive'], ['run', '--irql', 'dispatch'], ['run', '--irql', 'alternate'],
                    ['explore', '--runs', SCHEDULES]):
        code, _, said = wfplab(scratch, *options, '--strict', driver, scenario)
        if code != 0:
            return f'{" ".join(options)}: exit code {code}\n{said}'
    return None


def found(scratch, name, bug, command, rule, word):
    driver = os.path.join(FOLDER, name + '.c')
    options = ['--runs', SCHEDULES] if command == 'explore' else []
    code, out, said = wfplab(scratch, command, '--json', *options, '-D', f'BUG={bug}', driver,
                             os.path.join(FOLDER, name + '.scenario'))
    reports = [json.loads(line) for line in out.splitlines() if line.startswith("{\"schema\"")]
    first = next((report for report in reports if report.get('rule') == rule), None)
    if code != 1 or first is None:
        return f'exit code {code}, {rule} is not named\n{said}'
    if word is None:
        return None
    with open(driver, encoding='utf-8') as file:
        line = file.read().splitlines()[first['place']['line'] - 1]
    return None if word in line else f'points at "{line}", not at {word}'


def main():
    jobs = [(f'{name}.c gives no report', lambda scratch, name=name: clean(scratch, f'{FOLDER}/{name}.c', name))
            for name in sorted({row[0] for row in BUGS})]

    def as_sys(scratch, name):
        driver = os.path.join(scratch, name + '.sys')
        subprocess.run([os.path.join(ROOT, 'windows/build-driver'), f'{FOLDER}/{name}.c', driver], check=True,
                       timeout=120)
        return clean(scratch, driver, name)

    if shutil.which('x86_64-w64-mingw32-gcc'):
        jobs += [(f'{name}.sys gives no report', lambda scratch, name=name: as_sys(scratch, name))
                 for name in sorted({row[0] for row in BUGS})]
    jobs += [(f'{row[0]}.c with bug {row[1]}: {row[3]}', lambda scratch, row=row: found(scratch, *row)) for row in BUGS]
    failed = 0
    print(f'1..{len(jobs)}')
    with tempfile.TemporaryDirectory(prefix='shapes-') as scratch:
        for number, (name, job) in enumerate(jobs, 1):
            wrong = job(scratch)
            failed += wrong is not None
            for line in (wrong or '').splitlines():
                print('# ' + line)
            print(f'{"ok" if wrong is None else "not ok"} {number} - {name}', flush=True)
    sys.exit(1 if failed else 0)


main()
