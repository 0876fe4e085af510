#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_test TOOLS_FOLDER - tools/check counts what ran, and its last line is true.

It is loaded as a module; meson's record of a test is made up here, in the form of meson-logs/testlog.json.
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import sys

sys.dont_write_bytecode = True
PATH = os.path.join(os.path.abspath(sys.argv[1]), 'check')
LOADER = importlib.machinery.SourceFileLoader('check', PATH)
SPEC = importlib.util.spec_from_loader('check', LOADER)
check = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(check)

# name, meson's result, exit code, what the test printed, (passed, failed, skipped)
CASES = [
    ('two cases pass', 'OK', 0, 'TAP version 13\n1..2\nok 1 - a\nok 2 - b\n', (2, 0, 0)),
    ('one of two fails', 'FAIL', 1, '1..2\nok 1 - a\nnot ok 2 - b\n# why\n', (1, 1, 0)),
    ('a skip with its reason', 'OK', 0, '1..2\nok 1 - a\nok 2 - b # SKIP no root\n', (1, 0, 1)),
    ('cmocka writes a skip without a name', 'OK', 0, '1..1\nok 1 # SKIP\n', (0, 0, 1)),
    ('cmocka 1.1.5 calls a skip not ok', 'OK', 0, '1..2\nok 1 - a\nnot ok 2 # SKIP skipped\n', (1, 0, 1)),
    ('all skipped', 'SKIP', 0, '1..0 # SKIP no kernel BTF\n', (0, 0, 1)),
    ('two groups in one program', 'OK', 0, '1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n', (3, 0, 0)),
    ('crash after the first case', 'FAIL', -11, '1..3\nok 1 - a\n', (1, 1, 0)),
    ('crash after the last case', 'FAIL', -6, '1..1\nok 1 - a\n', (1, 1, 0)),
    ('cases missing although the exit code is 0', 'OK', 0, '1..3\nok 1 - a\nok 2 - b\n', (2, 1, 0)),
    ('failed case although the exit code is 0', 'OK', 0, '1..1\nnot ok 1 - a\n', (0, 1, 0)),
    ('no TAP, exit code 0', 'OK', 0, 'hello\n', (1, 0, 0)),
    ('no TAP, exit code 1', 'FAIL', 1, 'hello\n', (0, 1, 0)),
    ('no TAP, exit code 77', 'SKIP', 77, 'no root\n', (0, 0, 1)),
    ('timeout', 'TIMEOUT', -15, '1..2\nok 1 - a\n', (1, 1, 0)),
    ('words that begin with ok are no cases', 'OK', 0, 'okay then\n1..1\nok 1 - a\n', (1, 0, 0)),
]


def count(case):
    name, result, code, output, _ = case
    record = check.Check(False)
    with contextlib.redirect_stdout(io.StringIO()):
        check.count_test(record, 'unit', name, {'result': result, 'returncode': code, 'stdout': output, 'duration': 1.0})
    suite = record.suite('unit')
    return (suite.passed, suite.failed, suite.skipped)


def last_line(passed, failed, skipped):
    """(exit code, last line) of a report over such a count."""
    record = check.Check(False)
    for _ in range(passed):
        record.passed('unit')
    for number in range(failed):
        record.fail('unit', str(number))
    for number in range(skipped):
        record.skip('unit', str(number), 'why')
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        code = check.report(record)
    return code, text.getvalue().splitlines()[-1]


PASSES = {'result': 'OK', 'returncode': 0, 'stdout': '1..1\nok 1 - a\n'}
FAILS = {'result': 'FAIL', 'returncode': 1, 'stdout': '1..1\nnot ok 1 - a\n'}
ENDED = {'result': 'FAIL', 'returncode': -6, 'stdout': '1..1\n', 'stderr': 'malloc(): corrupted'}
RACES = {'result': 'FAIL', 'returncode': 66, 'stdout': '1..1\n', 'stderr': 'WARNING: ThreadSanitizer: data race'}


def twice(pairs, strict=False):
    """(passed, failed, named as unsteady, runs that came after the first ones) of pairs of records."""
    record, again = check.Check(False, strict), []
    with contextlib.redirect_stdout(io.StringIO()) as text:
        for number, (first, second) in enumerate(pairs):
            def run_again(second=second):
                again.append(second)
                return second
            check.count_test(record, 'unit', str(number), check.steady(record, 'unit', str(number), first, run_again))
        check.report(record)
    named = sum(line.startswith('UNSTEADY unit: ') for line in text.getvalue().splitlines())
    return record.suite('unit').passed, record.suite('unit').failed, named, len(again)


def results():
    """Yields (name, as it should be, as it is)."""
    for case in CASES:
        yield case[0], case[4], count(case)
    yield 'last line, all passed', (0, '2 passed, 0 failed, 1 skipped'), last_line(2, 0, 1)
    yield 'last line, one failed', (1, '2 passed, 1 failed, 0 skipped'), last_line(2, 1, 0)
    yield 'nothing ran is a failure', (1, '0 passed, 0 failed, 3 skipped'), last_line(0, 0, 3)
    yield 'what passes runs once', (1, 0, 0, 0), twice([(PASSES, FAILS)])
    yield 'what failed and then passes is unsteady', (2, 0, 2, 2), twice([(FAILS, PASSES), (ENDED, PASSES)])
    yield 'what fails twice has failed', (0, 1, 0, 1), twice([(FAILS, ENDED)])
    yield 'what did not run again has failed', (0, 1, 0, 1), twice([(FAILS, None)])
    yield 'a sanitizer is believed at once', (0, 1, 0, 0), twice([(RACES, PASSES)])
    yield 'a third of one run is too many', (2, 1, 2, 2), twice([(FAILS, PASSES)] * 3)
    yield 'strict: nothing runs twice', (0, 1, 0, 0), twice([(FAILS, PASSES)], strict=True)
    record = check.Check(False)
    yield 'a program that hangs is ended', None, check.run(record, ['sleep', '60'], limit=0.2)[0]


def main():
    found = list(results())
    print(f'1..{len(found)}')
    failed = 0
    for number, (name, wanted, got) in enumerate(found, 1):
        failed += wanted != got
        print(f'{"ok" if wanted == got else "not ok"} {number} - check: {name}')
        if wanted != got:
            print(f'# wanted {wanted}, got {got}')
    return 1 if failed else 0


sys.exit(main())
