#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""transitions [MODEL] - reads transitions.txt; with a model, writes its transitions as Promela, for `spin` to include.

Each transition becomes may_OPERATION_WHO(s), whether entry s is in one of its states, and OPERATION_WHO(s), which asserts
that and makes the change. The model has to use every one, and to change state[] in no other way.
"""
import collections
import os
import re
import sys

sys.dont_write_bytecode = True
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'transitions.txt')
STATES = ('FREE', 'NEW', 'QUEUED', 'OFFERED', 'CLAIMED', 'COMPLETING', 'REAUTHED')
SIGNS = ('-', 'pended', 'held', 'offered', 'submit', 'decided', 'done')

Transition = collections.namedtuple('Transition', 'operation sources target who sign')


def read_table(path=TABLE):
    """[Transition]; ValueError with file and line for what cannot be read."""
    found, seen = [], set()
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            words = line.partition('#')[0].split()
            if not words:
                continue
            if len(words) != 5:
                raise ValueError(f'{path}:{number}: expected OPERATION FROM TO WHO SIGN, found {len(words)} words')
            row = Transition(words[0], tuple(words[1].split(',')), *words[2:])
            for state in (*row.sources, row.target):
                if state not in STATES:
                    raise ValueError(f'{path}:{number}: expected a state ({", ".join(STATES)}), found "{state}"')
            if row.sign not in SIGNS:
                raise ValueError(f'{path}:{number}: expected a sign ({", ".join(SIGNS)}), found "{row.sign}"')
            if (row.operation, row.who) in seen:
                raise ValueError(f'{path}:{number}: {row.operation} by {row.who} is there already')
            seen.add((row.operation, row.who))
            found.append(row)
    return found


def name_of(row):
    return f'{row.operation}_{row.who}'.replace('-', '_')


def promela(rows):
    """The text that the model includes."""
    lines = [f'#define {state} {number}' for number, state in enumerate(STATES)]
    for row in rows:
        test = ' || '.join(f'state[s] == {state}' for state in row.sources)
        lines += [f'#define may_{name_of(row)}(s) ({test.replace("[s]", "[(s)]")})',
                  f'inline {name_of(row)}(s)', '{', f'    assert({test}); /* {row.operation} by {row.who} */',
                  f'    state[s] = {row.target};', '}']
    return '\n'.join(lines) + '\n'


def faults_of(model, rows):
    """What is wrong with how the model uses the table: a list of sentences."""
    code = re.sub(r'/\*.*?\*/', ' ', model, flags=re.DOTALL)
    found = [f'the model never uses {row.operation} by {row.who}' for row in rows
             if not re.search(rf'(?<!\w){name_of(row)}\(', code)]
    if re.search(r'\bstate\[[^\]]*\]\s*(=[^=]|\+\+|--)', code):
        found.append('the model changes state[] by itself; only the transitions of the table may')
    return found


def main():
    rows = read_table()
    if len(sys.argv) > 1:
        with open(sys.argv[1], encoding='utf-8') as file:
            faults = faults_of(file.read(), rows)
        if faults:
            print('\n'.join(faults), file=sys.stderr)
            return 1
    sys.stdout.write(promela(rows))
    return 0


if __name__ == '__main__':
    sys.exit(main())
