#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""own_test WFPLAB SOURCE_ROOT DRIVER_SYS - `wfplab explore` finds nothing in our own driver, in 10,000 schedules.

Every scenario in tests/lab/own/ is searched, with faults, until together they have had that many (GATEHOUSE_FULL: 1,000,000):
most from source, some as DRIVER_SYS where it is there, the small ones also exhaustively, up to a number of preemptions. A
scenario with the line "# explored: OPTION..." has these options. GATEHOUSE_SEED sets the seed; 1 without it. What is
found is kept in the folder that the test names.
"""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
WFPLAB, ROOT, DRIVER_SYS = (os.path.abspath(path) for path in sys.argv[1:4])
FULL = bool(os.environ.get('GATEHOUSE_FULL'))
SEED = os.environ.get('GATEHOUSE_SEED', '1')
LEAST = 1000000 if FULL else 10000
SHARE_SYS = 20   # of the schedules of the .sys: one in so many
EXHAUSTIVE = {'smallest', 'race-cancel', 'race-read', 'race-close', 'race-kill'}
PREEMPTIONS = '2' if FULL else '1'
EXHAUSTIVE_MOST = 60000 if FULL else 400  # the scenario's own number of such schedules may be larger: the first ones then
SECONDS = 3000 if FULL else 600
SOURCE = ['-I', ROOT, '-I', os.path.join(ROOT, 'include'), os.path.join(ROOT, 'driver'), '--with', os.path.join(ROOT, 'core')]
COUNT = re.compile(r'^(\d+) schedules,', re.MULTILINE)


def options_of(path):
    with open(path, encoding='utf-8') as file:
        found = re.search(r'^# explored: (.*)$', file.read(), re.MULTILINE)
    return found.group(1).split() if found else []


def jobs_of(paths):
    """[(name, driver, scenario, options)]; the schedules of all of them are more than LEAST."""
    share = LEAST // len(paths) + 1
    jobs = []
    for path in paths:
        name, options = os.path.basename(path)[:-len('.scenario')], [*options_of(path), '--seed', SEED, '--limit', '100']
        jobs.append((f'{name} from source', SOURCE, path, [*options, '--runs', str(share)]))
        if os.path.exists(DRIVER_SYS):
            jobs.append((f'{name} as .sys', [DRIVER_SYS], path, [*options, '--runs', str(share // SHARE_SYS + 1)]))
        if name in EXHAUSTIVE:
            jobs.append((f'{name} exhaustively', SOURCE, path, [*options, '--runs', str(EXHAUSTIVE_MOST), '--strategy', 'exhaustive',
                                                                '--preemptions', PREEMPTIONS]))
    return jobs


def explore(job, folder):
    """(schedules, what is wrong or '')."""
    name, driver, path, options = job
    out = os.path.join(folder, name.replace(' ', '-') + '.scenario')
    try:
        done = subprocess.run([WFPLAB, 'explore', *driver, path, *options, '--out', out], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, errors='replace', timeout=SECONDS,
                              stdin=subprocess.DEVNULL, cwd=folder)
    except subprocess.TimeoutExpired:
        return 0, f'{SECONDS} s were not enough'
    counts = COUNT.findall(done.stdout)
    if done.returncode != 0 or not counts:
        return 0, f'exit code {done.returncode}, to be replayed: {out}\n{done.stdout}'
    return int(counts[-1]), ''


def main():
    paths = sorted(glob.glob(os.path.join(ROOT, 'tests/lab/own/*.scenario')))
    jobs = jobs_of(paths)
    folder = tempfile.mkdtemp(prefix='gatehouse-own-')
    os.environ['XDG_CACHE_HOME'] = folder
    total, failed = 0, 0
    print(f'1..{len(jobs) + 1}', flush=True)
    first = explore((jobs[0][0], jobs[0][1], jobs[0][2], ['--runs', '1']), folder)  # compiles, once
    print(f'# {folder}; {first[1] or "compiled"}', flush=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda job: explore(job, folder), jobs)
        for number, (job, (count, wrong)) in enumerate(zip(jobs, results), 1):
            total += count
            failed += bool(wrong)
            print(f'{"not ok" if wrong else "ok"} {number} - {job[0]}: {count} schedules', flush=True)
            print(''.join(f'# {line}\n' for line in wrong.splitlines()[-60:]), end='', flush=True)
    if not os.path.exists(DRIVER_SYS):
        print(f'# {DRIVER_SYS} is not there: from source only')
    good = total >= LEAST
    print(f'{"ok" if good else "not ok"} {len(jobs) + 1} - {total} schedules of at least {LEAST}')
    if good and not failed:
        subprocess.run(['rm', '-r', folder], check=False)


main()
