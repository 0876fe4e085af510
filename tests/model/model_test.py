#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""model_test - runs the model of held connections under spin, then each of its mutants, which has to be caught.

A search is exhaustive (every state there is) or, where all together are too many, one over hashed states that visits as
many as it can in its time (BITSTATE). Each has a limit of memory and of time. A mutant is caught when the assertion
named with it fails. Without spin: skipped.
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import transitions

MODEL = os.path.join(HERE, 'held_connection.pml')
MEGABYTES = 1200
EXHAUSTIVE, SAMPLED = ['-DCOLLAPSE'], ['-DBITSTATE']

# name, what there is of everything, how, seconds
SEARCHES = [
    ('two connections, a client, a closing program, the unload: every state', {'CLIENTS': 1, 'CLOSERS': 1}, EXHAUSTIVE, 200),
    ('two connections, two clients: every state', {'CLOSERS': 0, 'UNLOADS': 0}, EXHAUSTIVE, 200),
    ('two connections, two clients, two closing programs, the unload: sampled', {}, SAMPLED, 100),
    ('the same where nobody decides permits: sampled', {'NO_DECIDER': 1}, SAMPLED, 100),
]
SMALL = {'CLIENTS': 1, 'CLOSERS': 1, 'UNLOADS': 0}
# name, number in the model, what there is of everything, what its assertion says
MUTANTS = [
    ('completes twice', 1, SMALL, r'operation\[c\]==1'),
    ('completes under the lock', 2, SMALL, r'lock_holder!=_pid'),
    ('claims after looking', 3, SMALL, r'state\[s\]==2\)\|\|\(state\[s\]==3'),
    ('ids without generation', 4, {}, r'connection\[s\]==about'),
    ('an unload that looks once', 5, {}, r'state\[0\]==0\)&&\(state\[1\]==0'),
    ('no deadline for what is offered', 6, {}, r'told\[0\]!=0'),
    ('stores a permit for an endpoint that is gone', 7, SMALL, r'closed\[c\]'),
    ('a client that goes outside the rundown', 8, {}, r'state\[0\]==0\)&&\(state\[1\]==0'),
    ('parks without waking the read', 9, {}, r'told\[0\]!=0'),
    ('parks while the driver is unloaded', 10, {}, r'state\[0\]==0\)&&\(state\[1\]==0'),
    ('tells another verdict', 11, SMALL, r'v==claimed_verdict\[c\]'),
]


def run(argv, folder, seconds):
    """(exit code or None when it took too long, output)."""
    try:
        done = subprocess.run(argv, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds,
                              check=False)
    except subprocess.TimeoutExpired as over:
        output = over.stdout or b''
        return None, output if isinstance(output, str) else output.decode('utf-8', 'replace')
    return done.returncode, done.stdout


def search(defines, how, seconds):
    """(result, pan's output). result: None when all that was looked at is right, or what is wrong with the tools."""
    with tempfile.TemporaryDirectory() as folder:
        with open(MODEL, encoding='utf-8') as file:
            text = file.read()
        rows = transitions.read_table()
        faults = transitions.faults_of(text, rows)
        if faults:
            return '; '.join(faults), ''
        for name, content in (('transitions.pml', transitions.promela(rows)), ('model.pml', text)):
            with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
                file.write(content)
        words = [f'-D{name}={value}' for name, value in defines.items()]
        code, output = run(['spin', *words, '-a', 'model.pml'], folder, 30)
        if code != 0:
            return 'spin does not take the model', output
        argv = ['gcc', '-w', '-O2', '-DSAFETY', f'-DMEMLIM={MEGABYTES}', '-DVECTORSZ=2048', *how, '-o', 'pan', 'pan.c']
        code, output = run(argv, folder, 120)
        if code != 0:
            return 'the searcher does not compile', output
        # pan ends by itself after whole minutes only (-Q); so the time is kept here, and its states are lost then.
        argv = ['timeout', '--signal=INT', str(seconds), './pan', '-m50000', *(['-w29'] if how is SAMPLED else [])]
        code, output = run(argv, folder, seconds + 30)
        return None, output


def judge_search(row):
    _, defines, how, seconds = row
    wrong, output = search(defines, how, seconds)
    states = re.search(r'(\d+) states, stored', output)
    if wrong or not states:
        return wrong or 'the search said nothing', output
    errors = re.search(r'errors: (\d+)', output)
    if not errors or errors.group(1) != '0':
        return 'a property does not hold', output
    if how is EXHAUSTIVE and ('Search not completed' in output or 'reached' in output.split('State-vector')[0]):
        return 'the search did not end', output
    print(f'# {row[0]}: {states.group(1)} states', flush=True)
    return None, ''


def judge_mutant(row):
    _, number, defines, said = row
    wrong, output = search({**defines, 'MUTANT': number}, SAMPLED, 60)
    if wrong:
        return wrong, output
    found = re.search(r'assertion violated (.*) \(at depth', output)
    if not found:
        return 'the mutant was not caught', output
    return (None, '') if re.search(said, found.group(1)) else (f'another assertion failed: {found.group(1)}', '')


def main():
    if not shutil.which('spin'):
        print("1..0 # SKIP spin is missing; 'tools/deps full' installs it")
        return 0
    cases = [(f'model: {row[0]}', judge_search, row) for row in SEARCHES]
    cases += [(f'mutant: {row[0]}', judge_mutant, row) for row in MUTANTS]
    if len(sys.argv) > 1:
        cases = [case for case in cases if sys.argv[1] in case[0]]
    print(f'1..{len(cases)}', flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        results = pool.map(lambda case: case[1](case[2]), cases)
        for number, (case, (wrong, output)) in enumerate(zip(cases, results), 1):
            failed += wrong is not None
            print(f'{"not ok" if wrong else "ok"} {number} - {case[0]}', flush=True)
            if wrong:
                print('\n'.join('# ' + line for line in [wrong, *output.splitlines()[:40]]), flush=True)
    return 1 if failed else 0


sys.exit(main())
