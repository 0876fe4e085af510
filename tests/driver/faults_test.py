#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""faults_test some|all PROGRAM... - every case of the driver's tests, with each call stack to a routine that can fail failed once.

One process a failure (fault_each.c). The case's own assertions may fail, for that routine did. What may not happen: a broken
rule, a sanitizer's report, a crash, a hang, something left when the driver is unloaded afterwards. "some" keeps to a share of
the call stacks, always the same ones, beginning with another one for each case, so that a driver's load is covered whole. On a
machine so slow that minutes are not enough, each case that is left has one turn. Cases that fail routines themselves, or have something happen inside of one
(driver-edge), are left out: they have the hook for themselves.
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
import time

SECONDS_EACH = 120
SECONDS = {'some': 150, 'all': 2800}
SHARE = 12  # of "some": every so many
STACKS_MOST = 2000
OWN_FAULTS = re.compile(r'survives|each_failure|memory|fault|inside_classify|while_its_context')
WRONG = re.compile(r'violation|AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error|with exception|^LEFT: .*|corrupt',
                   re.MULTILINE)
FAILED = re.compile(r'^FAILED: (\S+) (\d+) (\w+)$', re.MULTILINE)


def run(program, environment):
    """(exit code or None, output)."""
    try:
        done = subprocess.run([program], env={**os.environ, 'CMOCKA_MESSAGE_OUTPUT': 'TAP', **environment}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS_EACH, errors='replace',
                              check=False)
    except subprocess.TimeoutExpired as over:
        return None, str(over.stdout or '')
    return done.returncode, done.stdout


def cases_of(program):
    code, output = run(program, {})
    names = re.findall(r'^ok \d+ - (\w+)$', output, re.MULTILINE)
    if code != 0 or not names:
        raise SystemExit(f'{program} does not pass by itself')
    return [name for name in names if not OWN_FAULTS.search(name)]


def judge(code, output):
    """None, or what must not happen."""
    if code is None:
        return 'did not end'
    if code < 0:
        return f'ended by signal {-code}'
    found = WRONG.search(output)
    if found:
        return found.group(0)
    return None if 'FINISHED' in output else 'ended in the middle'


def fail_each(program, case, numbers, ends):
    """(call stacks failed, those whose failure the case noticed, what went wrong)."""
    failed = noticed = 0
    wrong = []
    for number in numbers:
        if failed and time.monotonic() > ends:
            break
        code, output = run(program, {'GATEHOUSE_CASE': case, 'GATEHOUSE_FAIL': str(number)})
        what = FAILED.search(output)
        bad = judge(code, output)
        if bad:
            wrong.append(f'{case}, stack {number} ({what.group(1) if what else "?"}): {bad}')
            if len(wrong) > 5:
                break
        if not what and not bad:
            break
        failed += 1
        noticed += code not in (0, None)
    return failed, noticed, wrong


def fail_all():
    mode, programs = sys.argv[1], sys.argv[2:]
    jobs = [(program, case) for program in programs for case in cases_of(program)]
    ends = time.monotonic() + SECONDS[mode]
    ranges = [range(0, STACKS_MOST) if mode == 'all' else range(place % SHARE, STACKS_MOST, SHARE) for place in range(len(jobs))]
    print(f'1..{len(jobs) + 1}', flush=True)
    total = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        parts = pool.map(lambda job, numbers: fail_each(*job, numbers, ends), jobs, ranges)
        for number, ((program, case), (failed, noticed, wrong)) in enumerate(zip(jobs, parts), 1):
            total += failed
            print(f'{"not ok" if wrong else "ok"} {number} - {os.path.basename(program)}: {case}', flush=True)
            print(f'# {failed} call stacks failed, {noticed} noticed by the case')
            print(''.join(f'# {line}\n' for line in wrong), end='', flush=True)
    enough = total >= len(jobs)
    print(f'{"ok" if enough else "not ok"} {len(jobs) + 1} - {total} call stacks failed in {len(jobs)} cases')



def main():
    # A case that fails leaves its files behind, for its teardown does not run.
    with tempfile.TemporaryDirectory(prefix='gatehouse-') as folder:
        os.environ['TMPDIR'] = folder
        fail_all()


main()
