#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""explore_test WFPLAB SOURCE_ROOT [SYS] - the search: what it finds, that it comes again byte for byte, that it is as small as
can be, that bounds and interrupts end it, and that whatever a driver does to its process is a finding."""
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
WFPLAB, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
SYS = os.path.abspath(sys.argv[3]) if len(sys.argv) > 3 else ''
PLANTED = os.path.join(ROOT, 'tests/lab/planted')
TINY = os.path.join(ROOT, 'tests/lab/drivers/tiny.c')
# Every planted bug that only a schedule shows, and in how many schedules it has to be found.
ROWS = {'deadlock-lost-wakeup': 500, 'deadlock': 500, 'irp-completed-twice-race': 2000, 'cancel-missed': 500,
        'operation-completed-twice-race': 2000}
CASES = []


def case(sentence):
    def add(function):
        CASES.append((sentence, function))
        return function
    return add


def planted(name):
    return os.path.join(PLANTED, name + '.c'), os.path.join(PLANTED, name + '.scenario')


def lab(folder, *arguments, seconds=300, clean=False, **environment):
    env = dict(os.environ, NO_COLOR='1', **environment)
    if clean:
        env = {name: env[name] for name in ('PATH', 'XDG_CACHE_HOME', 'NO_COLOR')}
    done = subprocess.run([WFPLAB, *arguments], capture_output=True, text=True, timeout=seconds, check=False, env=env,
                          cwd=folder, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def scenario(folder, *lines, name='one'):
    path = os.path.join(folder, name + '.scenario')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(''.join(line + '\n' for line in lines))
    return path


def explore(folder, *arguments, want=None, **options):
    """(reports, found lines, summary) of explore --json."""
    code, out, err = lab(folder, 'explore', '--json', *arguments, **options)
    lines = [json.loads(line) for line in out.splitlines()]
    by = {kind: [line for line in lines if line['schema'] == f'gatehouse-lab-{kind}/1']
          for kind in ('report', 'found', 'search')}
    assert len(by['search']) == 1, f'exit code {code}\n{out}{err}'
    summary = by['search'][0]
    assert len(by['report']) == len(by['found']) == summary['found'], out
    assert code == (1 if by['found'] else 0), f'exit code {code}\n{out}{err}'
    if want is not None:
        assert [found['rule'] for found in by['found']] == want, f'{want} expected\n{out}{err}'
    return by['report'], by['found'], summary


def replayed_rules(folder, driver, path):
    _, out, err = lab(folder, 'replay', '--json', driver, path, clean=True)
    rules = [json.loads(line)['rule'] for line in out.splitlines() if line.startswith('{')]
    return rules, out + err


def tiny(folder, *codes, name='tiny'):
    return scenario(folder, 'load', 'open c Tiny', 'open d Tiny', 'send c 0x222000 out 8',
                    *[f'send d {code}' for code in codes], 'close c', 'close d', 'unload', name=name)


def find_rows(folder):
    with open(os.path.join(PLANTED, 'list.txt'), encoding='utf-8') as file:
        rows = {words[0][:-2]: words[1] for words in map(str.split, file) if len(words) > 2 and words[2] == 'explore'}
    assert set(rows) == set(ROWS), f'rows of explore: {sorted(rows)}'
    return rows


@case('each planted race is found, and its file breaks the same rule in another process')
def _(folder):
    for name, rule in find_rows(folder).items():
        driver, path = planted(name)
        for number, shrink in enumerate(([], ['--no-shrink'], ['--strategy', 'random'], ['--seed', '77'])):
            file = f'{name}-{number}.scenario'
            _, found, _ = explore(folder, '--runs', str(ROWS[name]), '--out', file, *shrink, driver, path, want=[rule])
            assert found[0]['schedule'] < ROWS[name] and found[0]['file'] == file, found
            rules, said = replayed_rules(folder, driver, file)
            assert rule in rules, f'{file}: {rule} does not come again\n{said}'


@case('every schedule is tried: the same race is found so, and replayed without being shrunk')
def _(folder):
    for name in ('deadlock', 'deadlock-lost-wakeup', 'cancel-missed'):
        driver, path = planted(name)
        explore(folder, '--strategy', 'exhaustive', '--no-shrink', '--out', 'e.scenario', driver, path,
                want=['cancel-missed' if name == 'cancel-missed' else 'deadlock'])
        rules, said = replayed_rules(folder, driver, 'e.scenario')
        assert rules and rules[0] in ('deadlock', 'cancel-missed'), said


def traces(folder, driver, path, seed, strategy):
    """The same run in processes that differ in environment, address space, load and how much ran before."""
    words = ['replay', '--trace', '--strategy', strategy, '--seed', str(seed), driver, path]
    yield lab(folder, *words, clean=True)
    yield lab(folder, *words, LARGE='x' * 100000)
    yield lab(folder, *words, '--runs', '5000', '--limit', '0', MALLOC_PERTURB_='165')
    load = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(3)]
    try:
        yield lab(folder, *words, LARGE='y' * 4321)
    finally:
        for process in load:
            process.kill()
            process.wait()


def compare_traces(folder, driver, path, seeds=(1, 2, 3)):
    for seed in seeds:
        for strategy in ('random', 'priorities'):
            runs = list(traces(folder, driver, path, seed, strategy))
            assert len(runs[0][1].splitlines()) > 50, runs[0]
            for number, run in enumerate(runs):
                assert run == runs[0], f'seed {seed}, {strategy}: process {number} went another way'


@case('a seed gives the same trace, byte for byte')
def _(folder):
    _, path = planted('operation-completed-twice-race')
    mended = ['-D', 'MENDED']
    driver, _ = planted('operation-completed-twice-race')
    for seed in (1, 2, 3):
        for strategy in ('random', 'priorities'):
            words = ['replay', '--trace', *mended, '--strategy', strategy, '--seed', str(seed), driver, path]
            first, again = lab(folder, *words, clean=True), lab(folder, *words, LARGE='x' * 100000)
            last = lab(folder, *words, '--runs', '5000', '--limit', '0', MALLOC_PERTURB_='165')
            assert first[0] == 0 and first == again, f'seed {seed}: two processes differ'
            assert first == last, f'seed {seed}: run 5,000 differs'
    compare_traces(folder, TINY, tiny(folder, '0x222014 out 4'), (5,))


@case('a Windows driver file, too')
def _(folder):
    if not os.path.exists(SYS):
        return 'the Windows driver file is not built'
    path = scenario(folder, 'load', 'decider d', 'connect a', 'connect b', 'connect c', 'then', 'close a', 'close b',
                    'close c', 'close d', 'unload')
    compare_traces(folder, SYS, path, (1,))
    return None


@case('what is left cannot be made smaller')
def _(folder):
    driver, path = planted('operation-completed-twice-race')
    rule = 'operation-completed-twice'
    explore(folder, '--out', 's.scenario', driver, path, want=[rule])
    with open(os.path.join(folder, 's.scenario'), encoding='utf-8') as file:
        lines = file.read().splitlines()
    choices = [line for line in lines if line.startswith('#! choices')]
    assert len(choices) == 1, lines
    words = choices[0].split()[2:]
    rest = [line for line in lines if not line.startswith('#! choices')]
    smaller = [[*rest, '#! choices ' + ' '.join(words[:i] + words[i + 1:])] if len(words) > 1 else rest
               for i in range(len(words))]
    smaller += [[line for at, line in enumerate(lines) if at != i] for i, line in enumerate(lines)
                if not line.startswith('#') and line != 'load']
    assert len(smaller) > 3, lines
    for number, text in enumerate(smaller):
        rules, said = replayed_rules(folder, driver, scenario(folder, *text, name=f'smaller{number}'))
        assert rule not in rules, '\n'.join(text) + '\n' + said


@case('several bugs in one driver are all found, each once, whatever the number of children')
def _(folder):
    path = tiny(folder, '0x22200c', '0x222020 in u32:0', '0x222028 out 8')
    seen = []
    for jobs in ('1', '2', '5'):
        reports, found, _ = explore(folder, '--all', '--runs', '400', '--jobs', jobs, '--no-shrink', TINY, path)
        rules = [item['rule'] + ' ' + item['routine'] for item in found]
        assert len(set(rules)) == len(rules) >= 2, rules
        seen.append([(item['rule'], item['schedule']) for item in found])
    assert seen[0] == seen[1] == seen[2], seen


@case('the number of children changes nothing')
def _(folder):
    driver, path = planted('irp-completed-twice-race')
    texts = []
    for jobs in ('1', '3', '8'):
        explore(folder, '--jobs', jobs, '--seed', '5', '--out', 'j.scenario', driver, path, want=['irp-completed-twice'])
        with open(os.path.join(folder, 'j.scenario'), encoding='utf-8') as file:
            texts.append(file.read())
    assert texts[0] == texts[1] == texts[2], texts
    driver, path = planted('lock-order')  # some of its runs fail calls, in all children at the same time
    explore(folder, '--jobs', '8', '--runs', '3000', '-D', 'MENDED', driver, path, want=[])


@case('crashes, a bug check, a stop and a hang are findings, and come again')
def _(folder):
    for code, rule in (('0x22200c', 'access-fault'), ('0x222020 in u32:0', 'access-fault'), ('0x222024', 'bug-check'),
                       ('0x22202c out 4', 'pool-use-after-free'), ('0x222034', 'pool-overrun')):
        path = tiny(folder, code)
        reports, _, _ = explore(folder, '--runs', '300', '--out', 'c.scenario', TINY, path, want=[rule])
        assert 'tiny.c' in json.dumps(reports), reports
        rules, said = replayed_rules(folder, TINY, 'c.scenario')
        assert rule in rules, said
    path = tiny(folder, '0x222010')
    reports, _, _ = explore(folder, '--limit', '3', '--no-shrink', '--out', 'h.scenario', TINY, path,
                            want=['no-progress'])
    assert 'tiny.c' in json.dumps(reports), reports
    code, out, err = lab(folder, 'replay', '--limit', '3', TINY, 'h.scenario')
    assert code == 1 and '[no-progress]' in out, out + err


@case('a driver that ends its process is found')
def _(folder):
    for body, rule in (('abort();', 'bug-check'), ('_exit(7);', 'bug-check'),
                       ('static volatile char *last; char large[4096]; large[0] = (char)(n + (last != 0)); last = large; '
                        'if (n >= 0) dive(n + 1);', 'access-fault')):
        driver = os.path.join(folder, 'ends.c')
        with open(driver, 'w', encoding='utf-8') as file:
            file.write('#include <ntddk.h>\nextern void abort(void);\nextern void _exit(int);\n'
                       f'static void dive(int n) {{ {body} }}\n'
                       'static VOID NTAPI unload(PDRIVER_OBJECT d) { (void)d; dive(0); }\n'
                       'NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT d, PUNICODE_STRING p)\n'
                       '{ (void)p; (void)dive; d->DriverUnload = unload; return STATUS_SUCCESS; }\n')
        explore(folder, '--runs', '50', '--out', 'x.scenario', driver, scenario(folder, 'load', 'unload'), want=[rule])


@case('--runs and --seconds are kept')
def _(folder):
    path = tiny(folder, '0x222014 out 4')
    for runs in (0, 1, 17, 1000):
        _, _, summary = explore(folder, '--runs', str(runs), TINY, path, want=[])
        assert summary['schedules'] == runs and summary['ended'] == 'over', summary
    began = time.monotonic()
    _, _, summary = explore(folder, '--seconds', '2', TINY, path, want=[])
    took = time.monotonic() - began
    assert summary['ended'] == 'time' and took > 1.9, (took, summary)
    assert summary['schedules'] > 0, summary


def children_of(pid):
    try:
        with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


@case('an interrupt ends it, with its summary, and leaves no child')
def _(folder):
    path = tiny(folder, '0x222014 out 4')
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([WFPLAB, 'explore', '--jobs', '3', '--runs', '100000000', TINY, path], cwd=folder,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            until = time.monotonic() + 30
            while len(children := children_of(process.pid)) < 3 and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(0.3)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        assert 'interrupted: nothing found' in out, out + err
        assert process.returncode == -number, process.returncode
        assert len(children) == 3, children
        for child in children:
            assert not os.path.exists(f'/proc/{child}'), f'child {child} is left'


@case('a killed search leaves no child')
def _(folder):
    path = tiny(folder, '0x222014 out 4')
    with subprocess.Popen([WFPLAB, 'explore', '--jobs', '2', '--runs', '100000000', TINY, path], cwd=folder,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 30
        while len(children := children_of(process.pid)) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        process.kill()
        process.wait()
    until = time.monotonic() + 30
    while any(os.path.exists(f'/proc/{child}') for child in children) and time.monotonic() < until:
        time.sleep(0.05)
    assert children and not any(os.path.exists(f'/proc/{child}') for child in children)


@case('complete is said when every schedule was tried')
def _(folder):
    path = scenario(folder, 'load', 'open c Tiny', 'open d Tiny', 'then', 'send c 0x222014 out 4', 'then', 'close c',
                    'close d', 'unload')
    counts = []
    for preemptions in ('0', '1'):
        _, _, summary = explore(folder, '--strategy', 'exhaustive', '--preemptions', preemptions, '--runs', '300000',
                                '--seed', preemptions, TINY, path, want=[])
        assert summary['complete'] and summary['ended'] == 'complete', summary
        counts.append(summary['schedules'])
        _, _, less = explore(folder, '--strategy', 'exhaustive', '--preemptions', preemptions, '--runs',
                             str(summary['schedules'] - 1), TINY, path, want=[])
        assert not less['complete'] and less['ended'] == 'over', less
    assert 1 <= counts[0] < counts[1], counts


@case('memory does not grow with the runs')
def _(folder):
    driver, path = planted('operation-completed-twice-race')

    def most(runs):
        with subprocess.Popen([WFPLAB, 'replay', '-D', 'MENDED', '--strategy', 'random', '--runs', str(runs), driver, path],
                              cwd=folder, stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status
            assert status == 0, status
            return usage.ru_maxrss
    few, many = most(500), most(20000)
    assert many - few < 2048, f'{few} KiB after 500 runs, {many} KiB after 20000'


@case('a plan that was edited badly is one clear sentence')
def _(folder):
    for line in ('#! strategy sideways', '#! seed', '#! seed 99999999999999999999999', '#! irql high', '#! choices 5',
                 '#! choices 9:1 5:2', '#! choices 3:1 3:2', '#! choices 99999999999:1', '#! choices 1:', '#! fault ExAllocatePool2 0',
                 '#! fault', '#! preemptions -1', '#! nonsense', '#!choices x'):
        code, out, err = lab(folder, 'replay', TINY, scenario(folder, line, 'load', 'unload'))
        assert code == 2 and out == '' and err.count('\n') == 1, (line, code, out, err)
        assert 'one.scenario:1: ' in err and line in err, err
    for line in ('#! choices 3:0 3:2 7:1', '#! fault ExAllocatePool2 1', '# ! not one', '#!/usr/bin/env wfplab',
                 '#! strategy priorities seed 18446744073709551615 preemptions 3\r'):
        code, out, err = lab(folder, 'replay', TINY, scenario(folder, line, 'load', 'unload'))
        assert code == 0, (line, code, out, err)


@case('wrong words on the command line')
def _(folder):
    path = scenario(folder, 'load', 'unload')
    for words in (['--strategy', 'replay'], ['--runs', 'x'], ['--jobs', '9'], ['--seed'], ['--preemptions', '1001'],
                  ['--seconds', '-1'], ['--unknown'], [path]):
        code, out, err = lab(folder, 'explore', TINY, path, *words)
        assert code == 2 and err.count('\n') == 1 and out == '', (words, code, out, err)
    code, _, err = lab(folder, 'explore', TINY, os.path.join(folder, 'none.scenario'))
    assert code == 2 and 'none.scenario' in err, err
    code, _, err = lab(folder, 'explore', '--out', '/nowhere/x.scenario', TINY, tiny(folder, '0x22200c'))
    assert code == 1 and '/nowhere/x.scenario' in err, err


@case('fibers are named after those who call')
def _(folder):
    driver, path = planted('deadlock')
    reports, _, _ = explore(folder, '--no-shrink', driver, path, want=['deadlock'])
    text = reports[0]['detail'] if 'detail' in reports[0] else json.dumps(reports[0])
    assert re.search(r'[ab]/1 waits in ExAcquireFastMutex for [ab]/1', text), text
    assert json.dumps(reports[0]).count('deadlock.c') >= 2, 'where both stand'


def main():
    failed = 0
    print(f'1..{len(CASES)}', flush=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix='explore-') as scratch:
        os.environ['XDG_CACHE_HOME'] = os.path.join(scratch, 'cache')
        for number, (sentence, function) in enumerate(CASES, 1):
            folder = os.path.join(scratch, str(number))
            os.makedirs(folder)
            skipped = None
            try:
                skipped = function(folder)
                wrong = None
            except (AssertionError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
                wrong = f'{type(error).__name__}: {error}'
            failed += wrong is not None
            for line in (wrong or '').splitlines():
                print('# ' + line)
            print(f'{"not ok" if wrong else "ok"} {number} - {sentence}' + (f' # SKIP {skipped}' if skipped else ''),
                  flush=True)
    sys.exit(1 if failed else 0)


main()
