#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""planted_test WFPLAB SOURCE_ROOT [NAME...] - wfplab finds every planted bug, and nothing in the mended twins.

tests/lab/planted/list.txt has the rows. A bug is found when its rule is named, with its severity, by the command of
the row, when nothing is named that the row does not list, and when the exit code is 1. The twin (-DMENDED) runs the
same scenario: no report at all, every event as written, exit code 0. Rows of `explore` also have to be clean, mended,
after as many schedules.
"""
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
WFPLAB, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
FOLDER = os.path.join(ROOT, 'tests/lab/planted')
FULL = bool(os.environ.get('GATEHOUSE_FULL'))
SCHEDULES = '20000' if FULL else '2000'
RULES_LEAST = 40
LIMIT_SECONDS = 300
LIMITS = {'no-progress': '5'}  # --limit; of all others no run hangs, however slow the machine is
# Mended twins that are searched as well; the rows of explore are so anyway. All of them in check-full.
SAMPLE = {'access-fault.c', 'left-operation.c', 'left-link-late.c', 'irp-completed-cancelable.c', 'lock-order.c',
          'operation-completed-under-lock.c', 'operation-endpoint-dead.c', 'pend-under-lock.c', 'semaphore-limit.c'}
# Between any two points of a schedule hours may pass, so no deadline is kept there.
NOT_EXPLORED = {'operation-too-old.c'}
# Nobody can plant them in a driver: the scenario breaks the first, another rule comes first for the others.
NOT_PLANTED = {'unload-with-open-files'}
MINGW = 'x86_64-w64-mingw32-gcc'
MINGW_FLAGS = ['-std=c17', '-Wall', '-Wextra', '-Werror', '-Wno-multichar', '-Wno-unused-parameter',
               '-Wno-unknown-pragmas', '-ffreestanding', '-D_AMD64_', '-D_WIN32_WINNT=0x0A00',
               '-DNTDDI_VERSION=0x0A000000']


class Row:
    def __init__(self, line):
        words = line.split()
        self.files, (self.rule, self.command, self.severity) = words[0].split(','), words[1:4]
        self.also = set(words[4:])
        self.name = self.files[0]
        self.scenario = os.path.join(FOLDER, self.name[:-2] + '.scenario')

    def drivers(self):
        return [os.path.join(FOLDER, name) for name in self.files]


def read_rows():
    with open(os.path.join(FOLDER, 'list.txt'), encoding='utf-8') as file:
        return [Row(line) for line in file if line.strip() and not line.startswith('#')]


def start(arguments):
    try:
        done = subprocess.run([WFPLAB, *arguments], cwd=os.environ['XDG_CACHE_HOME'], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, errors='replace', timeout=LIMIT_SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return None, '', f'{LIMIT_SECONDS} s were not enough'
    return done.returncode, done.stdout, done.stderr


def reports_of(output):
    """{rule: severity} of the reports, one JSON object a line."""
    found = {}
    for line in output.splitlines():
        report = json.loads(line) if line.startswith('{') else {}
        if str(report.get('schema', '')).startswith('gatehouse-lab-report/'):
            found[report['rule']] = report['severity']
    return found


def run(row, command, mended):
    """(exit code, {rule: severity}, text for people)."""
    arguments = [command, '--json', '--strict', '--limit', LIMITS.get(row.rule, '100')]
    if command == 'explore':
        arguments += ['--runs', SCHEDULES]
    if mended:
        arguments += ['-D', 'MENDED']
    code, output, errors = start(arguments + row.drivers() + [row.scenario])
    return code, reports_of(output), f'wfplab {" ".join(arguments)}: exit code {code}\n{output}{errors}'


def check_bug(row):
    code, found, text = run(row, row.command, False)
    if row.rule not in found:
        return f'{row.rule} is not named, but: {" ".join(found) or "nothing"}\n{text}'
    strange = set(found) - {row.rule} - row.also
    if strange:
        return f'{" ".join(sorted(strange))} named as well\n{text}'
    if found[row.rule] != row.severity:
        return f'{row.rule} is told as {found[row.rule]}, not as {row.severity}'
    return None if code == 1 else f'not exit code 1\n{text}'


def check_mended(row, command='run'):
    code, found, text = run(row, command, True)
    return None if code == 0 and not found else text


def check_mended_explored(row):
    return check_mended(row, 'explore')


def check_files(rows):
    """Every driver of the folder is in the list, once, with its scenario."""
    named = [name for row in rows for name in row.files]
    there = {name for name in os.listdir(FOLDER) if name.endswith('.c')}
    wrong = [f'{name}: not in list.txt' for name in sorted(there - set(named))]
    wrong += [f'{name}: in list.txt, not in the folder' for name in sorted(set(named) - there)]
    wrong += [f'{row.name}: has no scenario' for row in rows if not os.path.exists(row.scenario)]
    for row in rows:
        with open(row.drivers()[0], encoding='utf-8') as file:
            text = file.read()
        if 'MENDED' not in text or not row.name[:-2].startswith(row.rule) and f'{row.name[:-2]} - ' not in text:
            wrong.append(f'{row.name}: not both a bug and its mend')
    return '\n'.join(wrong) or None


def check_rules(rows):
    """At least 40 rules have a bug, with their severity; tells which have none."""
    code, output, errors = start(['rules', '--json'])
    if code != 0:
        return f'wfplab rules --json: exit code {code}\n{errors}'
    rules = {rule['id']: rule['severity'] for rule in json.loads(output)}
    wrong = [f'{row.name}: there is no rule {row.rule}' for row in rows if row.rule not in rules]
    wrong += [f'{row.name}: {row.rule} is {rules[row.rule]}, not {row.severity}' for row in rows
              if rules.get(row.rule, row.severity) != row.severity]
    planted = {row.rule for row in rows}
    without = sorted(set(rules) - planted - NOT_PLANTED)
    print(f'# {len(rows)} planted bugs of {len(planted)} rules; without one: {" ".join(without) or "none"}', flush=True)
    if len(planted) < RULES_LEAST:
        wrong.append(f'{len(planted)} rules have a planted bug, of {RULES_LEAST} at least')
    return '\n'.join(wrong) or None


def ddk_folder():
    folders = ['/usr/share/mingw-w64/include/ddk', '/usr/x86_64-w64-mingw32/include/ddk',
               '/usr/x86_64-w64-mingw32/sys-root/mingw/include/ddk']
    return next((folder for folder in folders if os.path.isdir(folder)), None)


def compile_windows(arguments):
    done = subprocess.run([MINGW, *MINGW_FLAGS, '-I' + os.path.join(ROOT, 'wfp/include'), '-isystem',
                           os.path.join(ROOT, 'windows/include'), '-isystem', ddk_folder(), *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, errors='replace',
                          timeout=LIMIT_SECONDS)
    return done.stdout if done.returncode != 0 else ''


def check_windows(mended):
    """All of them are drivers that compile with the Windows kernel's headers, which are read once (a .gch of plant.h)."""
    define, alone, together = ['-DMENDED'] if mended else [], [], []
    for name in sorted(os.listdir(FOLDER)):
        path = os.path.join(FOLDER, name)
        if name.endswith('.c'):
            with open(path, encoding='utf-8') as file:
                (alone if '#define PLANT_' in file.read() else together).append(path)
    with tempfile.TemporaryDirectory(prefix='planted-') as scratch:
        header = os.path.join(scratch, 'plant.h')
        with open(header, 'w', encoding='utf-8') as file:
            file.write(f'#include "{FOLDER}/plant.h"\n')
        wrong = compile_windows([*define, '-x', 'c-header', header, '-o', header + '.gch'])
        wrong += compile_windows([*define, '-fsyntax-only', '-include', header, *together])
    return wrong + compile_windows([*define, '-fsyntax-only', *alone]) or None


def no_explore():
    code, _, errors = start(['explore', '--help'])
    return None if code == 0 else errors.strip().split('\n')[-1]


def plan(rows):
    """[(name, function, argument, why it is skipped or None)]"""
    lacks = no_explore()
    jobs = []
    for row in rows:
        jobs.append((f'{row.name} is found', check_bug, row, lacks if row.command == 'explore' else None))
        jobs.append((f'{row.name} mended', check_mended, row, None))
        if row.command == 'explore' or row.name in SAMPLE or (FULL and row.name not in NOT_EXPLORED):
            jobs.append((f'{row.name} mended, explored', check_mended_explored, row, lacks))
    return jobs


def run_all(jobs):
    """How many failed; prints TAP."""
    failed = 0
    print(f'1..{len(jobs)}')
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = [None if skipped else pool.submit(function, argument) for _, function, argument, skipped in jobs]
        for number, ((name, _, _, skipped), future) in enumerate(zip(jobs, futures), 1):
            wrong = future.result() if future else None
            failed += wrong is not None
            for line in (wrong or '').splitlines():
                print('# ' + line)
            print(f'{"not ok" if wrong is not None else "ok"} {number} - {name}' + (f' # SKIP {skipped}' if skipped else ''),
                  flush=True)
    return failed


def main():
    rows, wanted = read_rows(), set(sys.argv[3:])
    mingw = None if shutil.which(MINGW) and ddk_folder() else f'{MINGW} with its ddk folder is missing'
    jobs = [('every driver is listed', check_files, rows, None), ('rules', check_rules, rows, None),
            ('they compile for Windows', check_windows, False, mingw),
            ('mended, they compile for Windows', check_windows, True, mingw)] if not wanted else []
    with tempfile.TemporaryDirectory(prefix='planted-') as cache:
        os.environ['XDG_CACHE_HOME'] = cache  # for the compiled drivers, and where explore writes what it found
        failed = run_all(jobs + plan([row for row in rows if not wanted or row.name[:-2] in wanted]))
    sys.exit(1 if failed else 0)


main()
