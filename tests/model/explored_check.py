#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""explored_check WFPLAB SOURCE_ROOT - what concurrent runs tell of each connection fits transitions.txt.

Each scenario in tests/lab/own/, but for those with a line "# not traced", is explored without faults
(`wfplab explore --events`), and each run's events are held against the
table by trace_check.py. What ran at the same time is one step, "explored", in which everything may have happened that
the scenario has somewhere: time passes, clients leave, answer or are killed. So less is refused than of a recorded
run; what is left is the order and number of what each source says, and who may do what in which state. At the end events
are taken out, doubled, changed: of those that have to be refused, each kind has to be refused somewhere.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import trace_check

RUNS = '5000' if os.environ.get('GATEHOUSE_FULL') else '60'
OTHER = {'permit': 'block', 'block': 'permit'}


class Known:
    """What a scenario has anywhere."""

    def __init__(self, text):
        self.seeds, self.leavers, self.killed, self.answerers, self.verdicts = set(), set(), set(), {}, {}
        self.connects, self.blocks, self.remembers = [], False, False
        for line in text.splitlines():
            words = line.split()
            if words and not words[0].startswith('#'):
                self.read(words)

    def read(self, words):
        if words[0] == 'seed':
            self.seeds.add(words[1])
        elif words[0] in ('close', 'kill'):
            self.leavers.add(words[1])
            if words[0] == 'kill':
                self.killed.add(words[1])
        elif words[0] == 'connect':
            self.connects.append(' '.join(words))
        elif words[0] == 'filter' and 'block' in words:
            self.blocks = True
        elif words[0] == 'answer':
            for part in ' '.join(words[2:]).split(','):
                name, verdict, *scope = part.split()
                self.remembers |= bool(scope)
                self.answerers.setdefault(name, set()).add(words[1])
                self.verdicts.setdefault(name, []).append(verdict)

    def world(self):
        world = trace_check.World()
        world.seeds = set(self.seeds)
        for line in self.connects:
            world.take(trace_check.Step(0, line.split()))
        if self.blocks:
            world.blocking.add('somebody')
        return world

    def prepare(self, step):
        if step.kind == 'explored':
            step.leavers, step.killed = frozenset(self.leavers), frozenset(self.killed | self.seeds)
            step.answerers, step.remembers = self.answerers, self.remembers
            step.verdicts = {name: said[:1] for name, said in self.verdicts.items() if len(set(said)) == 1}

    def check(self, events):
        return trace_check.check(events, self.world(), self.prepare)


def damages(events):
    """Yields (kind, damaged text)."""
    lines = events.splitlines()
    for index, line in enumerate(lines):
        words = line.split()[1:]
        if not line.startswith('> ') or words[0] not in ('pended', 'held', 'decided', 'done'):
            continue
        changed = ' '.join(OTHER.get(word, word) for word in line.split())
        yield f'{words[0]} left out', lines[:index] + lines[index + 1:]
        yield f'{words[0]} twice', lines[:index] + [line, line] + lines[index + 1:]
        if words[0] == 'done':
            yield 'done with the other verdict', lines[:index] + [changed] + lines[index + 1:]


def is_traced(path):
    with open(path, encoding='utf-8') as file:
        return '\n# not traced' not in file.read()


def explore(wfplab, root, scenario, folder):
    events = os.path.join(folder, 'events')
    done = subprocess.run(
        [wfplab, 'explore', '-I', root, '-I', os.path.join(root, 'include'), os.path.join(root, 'driver'), '--with',
         os.path.join(root, 'core'), scenario, '--no-faults', '--runs', RUNS, '--events', events], cwd=folder, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f'{scenario}: exit code {done.returncode}\n{done.stdout}')
    with open(events, encoding='utf-8') as file:
        return re.split(r'^run \d+\n', file.read(), flags=re.MULTILINE)[1:]


def main():
    wfplab, root = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    scenarios = [path for path in sorted(glob.glob(os.path.join(root, 'tests/lab/own/*.scenario'))) if is_traced(path)]
    refused, damaged = {}, 0
    print(f'1..{len(scenarios) + 1}', flush=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ['XDG_CACHE_HOME'] = folder
        for number, scenario in enumerate(scenarios, 1):
            with open(scenario, encoding='utf-8') as file:
                known = Known(file.read())
            texts = explore(wfplab, root, os.path.abspath(scenario), folder)
            wrong = [f'run {run}: {what}\n{text}' for run, text in enumerate(texts) for what in [known.check(text)] if what]
            wrong += [] if len(texts) == int(RUNS) else [f'{len(texts)} runs instead of {RUNS}']
            for text in texts[:3] if not wrong else []:
                for kind, lines in damages(text):
                    damaged += 1
                    refused[kind] = refused.get(kind, 0) + bool(known.check('\n'.join(lines) + '\n'))
            print(f'{"not ok" if wrong else "ok"} {number} - {os.path.basename(scenario)}: {len(texts)} runs', flush=True)
            print(''.join(f'# {line}\n' for what in wrong[:2] for line in what.splitlines()), end='', flush=True)
    missed = [kind for kind, count in refused.items() if count == 0]
    total = sum(refused.values())
    good = not missed and total > damaged / 2 and damaged > 50
    print(f'{"ok" if good else "not ok"} {len(scenarios) + 1} - {total} of {damaged} damaged runs are refused')
    print(f'# never refused: {missed}; refused: {refused}')


main()
