#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples_test WFPLAB EXAMPLES [NAME=DRIVER.sys...] - each scenario of examples/ tells exactly what its README says.

The drivers that are right are held to it at each IRQL of classifyFn, with warnings and notes counted; those that are
wrong give the rules below, all of them and no other. A driver file, when mingw-w64 is there, is held to the same. What
only shows in some order is searched for, and seen again by replay; in those that are right the same search finds nothing.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

WFPLAB, EXAMPLES = sys.argv[1], sys.argv[2]
FILES = dict(word.split('=', 1) for word in sys.argv[3:])
IRQLS = ('dispatch', 'passive', 'alternate')

CLEAN = {
    'minimal/minimal.c': ['bad-input', 'block', 'closed-while-held', 'deadline', 'equal', 'permit', 'program-dies',
                          'reauthorized', 'unload-while-held'],
    'forum/mended.c': ['block', 'no-answer', 'permit', 'reauthorized', 'unload-while-asking'],
}

# Scenario: rules, and whether an event differs from what would be right.
WRONG = {
    'forum/as_posted.c': {
        'as-posted': (['pend-keeps-irql', 'operation-completed-in-classify', 'pend-not-blocked'], False),
        'as-posted-passive': (['operation-completed-in-classify', 'pend-not-blocked'], False),
    },
    'article/article.c': {
        '00-works': ([], False),
        '01-order': (['left-operation'], False),
        '02-tuple': (['operation-endpoint-dead', 'decision-not-stored'], False),
        '03-consumed-once': ([], True),
        '04-two-submits': ([], False),  # one after the other; explore finds it
        '05-no-client': (['datagram-lost', 'decision-not-stored', 'operation-too-old'], False),
        '06-unbounded': (['decision-not-stored'], False),
        '07-wait-in-ioctl': (['irp-left-at-cleanup', 'deadlock'], False),
        '08-semaphore': ([], True),
        '09-client-dies': (['decision-not-stored'], False),
        '10-anybody': (['decision-not-stored'], False),
        '11-coverage': (['decision-not-stored'], False),
        '11-datagram': (['datagram-lost'], False),
        '12-rights': (['action-without-right'], False),
        '13-who-is-it': (['decision-not-stored'], False),
    },
}

# Nothing in run, and in explore with whatever seed one of these: which of them is first depends on the order.
EXPLORED = {
    ('article/article.c', '04-two-submits'): {'operation-completed-twice', 'pool-use-after-free', 'pool-double-free'},
}
SEEDS = ('1', '2', '3', '4')
SCHEDULES = '20000' if os.environ.get('GATEHOUSE_FULL') else '500'

failures = []


def run(driver, scenario, *options):
    """Exit code, rules in the order they came, whether events differ."""
    done = subprocess.run([WFPLAB, 'run', '--json', *options, driver, scenario], capture_output=True, text=True,
                          timeout=120, check=False)
    rules, differ = [], False
    for line in done.stdout.splitlines():
        told = json.loads(line)
        if 'rule' in told:
            rules.append(told['rule'])
        else:
            differ = told['events'] == 'differ'
    if done.returncode not in (0, 1):
        failures.append(f'{driver} {scenario}: exit code {done.returncode}: {done.stderr[-500:]}')
    return done.returncode, rules, differ


def scenario_path(driver, name):
    return os.path.join(EXAMPLES, os.path.dirname(driver), 'scenarios', name + '.scenario')


def forms(driver):
    """The source, and the driver file where there is one."""
    name = os.path.splitext(os.path.basename(driver))[0]
    return [os.path.join(EXAMPLES, driver)] + ([FILES[name]] if name in FILES else [])


def check(what, found, expected):
    if found != expected:
        failures.append(f'{what}: expected {expected}, found {found}')


def clean():
    for driver, names in CLEAN.items():
        for form in forms(driver):
            for name in names:
                for irql in IRQLS:
                    found = run(form, scenario_path(driver, name), '--strict', '--irql', irql)
                    check(f'{form} {name} at {irql}', found, (0, [], False))


def wrong():
    for driver, scenarios in WRONG.items():
        for form in forms(driver):
            for name, (rules, differs) in scenarios.items():
                code, found, differ = run(form, scenario_path(driver, name), '--strict')
                check(f'{form} {name}', (sorted(set(found)), differ), (sorted(rules), differs))
                check(f'{form} {name}, exit code', code, 1 if rules or differs else 0)


def lab(*arguments):
    """Exit code, the rules told."""
    done = subprocess.run([WFPLAB, *arguments], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, [told['rule'] for told in map(json.loads, done.stdout.splitlines())
                             if told['schema'].startswith('gatehouse-lab-report/')]


def explored():
    for driver, names in CLEAN.items():
        for name in names:
            found = lab('explore', '--json', '--runs', SCHEDULES, os.path.join(EXAMPLES, driver),
                        scenario_path(driver, name))
            check(f'{driver} {name}, explored', found, (0, []))
    with tempfile.TemporaryDirectory() as folder:
        short = os.path.join(folder, 'short.scenario')
        for (driver, name), rules in EXPLORED.items():
            path = os.path.join(EXAMPLES, driver)
            for seed in SEEDS:
                code, found = lab('explore', '--json', '--no-faults', '--seed', seed, '--out', short, path,
                                  scenario_path(driver, name))
                check(f'{name}, explored with seed {seed}', (code, len(found), set(found) <= rules), (1, 1, True))
                code, again = lab('replay', '--json', path, short)  # which goes on after the first
                check(f'{name}, replayed', (code, again[:1]), (1, found))


def nothing_forgotten():
    """A scenario file that no table names would be tested by nobody; a README has each."""
    for folder in ('minimal', 'forum', 'article'):
        known = {name for table in (CLEAN, WRONG) for driver in table if driver.startswith(folder + '/')
                 for name in table[driver]}
        there = {name[:-len('.scenario')] for name in os.listdir(os.path.join(EXAMPLES, folder, 'scenarios'))}
        check(f'scenarios of {folder}', sorted(there), sorted(known))
        with open(os.path.join(EXAMPLES, folder, 'README.md'), encoding='utf-8') as file:
            text = file.read()
        for name in sorted(there):
            if not re.search(rf'\b{re.escape(name)}\b', text):
                failures.append(f'examples/{folder}/README.md does not name {name}')


nothing_forgotten()
clean()
wrong()
explored()
for failure in failures:
    print(failure)
sys.exit(1 if failures else 0)
