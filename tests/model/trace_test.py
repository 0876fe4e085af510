#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""trace_test RUNNER COUNT FILE... - traces of real runs fit the transitions of the model, and doctored ones do not.

The recorded FILEs and COUNT random scenarios, made and run by RUNNER (scenario-source), are checked as they are. Then each
recorded file is damaged in every way below, one line at a time: each damage has to be refused.
"""
import glob
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import trace_check

OTHER = {'permit': 'block', 'block': 'permit'}


def flip(line):
    return ' '.join(OTHER.get(word, word) for word in line.split())


def words_of(line):
    return line.split()[1:]


# name, which events, the lines that take this one's place
DAMAGES = [
    ('left out', ('pended', 'held', 'decided', 'done'), lambda line: []),
    ('told twice', ('pended', 'held', 'offered', 'decided', 'done'), lambda line: [line, line]),
    ('with the other verdict', ('decided', 'done'), lambda line: [flip(line)]),
    ('by another', ('decided',), lambda line: [line.rsplit(' ', 1)[0] + ' ' + ('deadline' if line.endswith('decider') else 'decider')]),
]


def damages_of(text):
    """Yields (what, damaged text) for each event of a held connection; not for those during an unload, or at once."""
    lines = text.splitlines()
    held = {words_of(line)[1] for line in lines if line.startswith('> held ')}
    shared = {word for line in lines if ' socket-of ' in line for word in (line.split()[1], line.split()[-1])}
    hidden = {index for index, line in enumerate(lines) if line.startswith('> done') and 'unloaded' in
              ' '.join(lines[max(0, index - 6):index])}
    for index, line in enumerate(lines):
        words = words_of(line) if line.startswith('> ') else []
        if len(words) < 2 or words[1] not in held:
            continue
        for name, kinds, change in DAMAGES:
            if name == 'with the other verdict' and (index in hidden or words[1] in shared):
                continue  # the first shows nobody, the second may be so
            if words[0] in kinds and 'cannot-pend' not in line:
                yield f'line {index + 1}, "{line[2:]}", {name}', '\n'.join(lines[:index] + change(line) + lines[index + 1:]) + '\n'


def same_owner(text):
    """A decision of somebody who was never offered the connection."""
    return text.replace('> offered web to d\n', '> offered web to elsewhere\n')


def main():
    runner, count, files = sys.argv[1], sys.argv[2], sys.argv[3:]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([runner, '--random', '1', count, folder], check=True, stdout=subprocess.DEVNULL, timeout=300)
        made = sorted(glob.glob(os.path.join(folder, '*.scenario')))
        for name, paths in (('recorded traces fit', files), (f'{len(made)} random traces fit', made)):
            wrong = []
            for path in paths:
                with open(path, encoding='utf-8') as file:
                    fault = trace_check.check(file.read())
                wrong += [f'{os.path.basename(path)}: {fault}'] if fault else []
            results.append((name, wrong if paths else ['there are none']))
    missed, tried = [], 0
    for path in files:
        with open(path, encoding='utf-8') as file:
            text = file.read()
        for what, damaged in damages_of(text):
            tried += 1
            missed += [] if trace_check.check(damaged) else [f'{os.path.basename(path)}: {what}']
    results.append((f'{tried} damaged traces are refused', missed if tried > 100 else [f'only {tried} damages']))
    main_file = next(path for path in files if path.endswith('main.scenario'))
    with open(main_file, encoding='utf-8') as file:
        foreign = same_owner(file.read())
    results.append(('an answer by one who is not the owner is refused', [] if trace_check.check(foreign) else ['it fits']))
    print(f'1..{len(results)}')
    for number, (name, wrong) in enumerate(results, 1):
        print(f'{"not ok" if wrong else "ok"} {number} - {name}')
        print(''.join(f'# {line}\n' for line in wrong[:20]), end='')
    return 1 if any(wrong for _, wrong in results) else 0


sys.exit(main())
