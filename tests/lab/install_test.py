#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""install_test BUILD SOURCE_ROOT - wfplab as `make install` leaves it: it compiles and runs drivers with what is installed alone.

The tree is installed below a folder of the test's own (DESTDIR). As root the source tree is out of sight meanwhile, in a
mount namespace, so that a header or an example that is not installed is missed; else only the copies' own are used.
"""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

BUILD, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


def say(argv, **more):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace', check=False,
                          timeout=100, stdin=subprocess.DEVNULL, **more)
    return done.returncode, done.stdout


def out_of_sight(folder):
    """Words that run a command where the source tree (and with it the build folder) is not."""
    hide = ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" "$1" && shift && exec "$@"', folder, ROOT]
    return hide if say([*hide, 'true'])[0] == 0 else []


def main():
    cases, top = [], tempfile.mkdtemp(prefix='gatehouse-install-')

    def case(sentence, good, output):
        cases.append(good)
        if not good:
            print(''.join(f'# {line}\n' for line in output.splitlines()[-30:]), end='')
        print(f'{"ok" if good else "not ok"} {len(cases)} - {sentence}', flush=True)

    try:
        staged, empty = os.path.join(top, 'staged'), os.path.join(top, 'empty')
        os.mkdir(empty)
        code, output = say(['meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', staged])
        programs = glob.glob(f'{staged}/**/bin/wfplab', recursive=True)
        examples = glob.glob(f'{staged}/**/gatehouse-lab/examples', recursive=True)
        case('make install copies wfplab and the examples below DESTDIR', code == 0 and len(programs) == len(examples) == 1, output)
        if not cases[0]:
            return 1
        environment = dict(os.environ, XDG_CACHE_HOME=os.path.join(top, 'cache'), NO_COLOR='1')
        hidden = out_of_sight(empty)
        lab = [*hidden, programs[0]]
        minimal = f'{examples[0]}/minimal'
        code, output = say([*lab, 'run', '--strict', f'{minimal}/minimal.c', f'{minimal}/scenarios/permit.scenario'], env=environment, cwd=top)
        case('the installed wfplab compiles an installed example and finds it clean', code == 0 and '0 errors' in output, output)
        code, output = say([*lab, 'run', f'{examples[0]}/forum/as_posted.c'], env=environment, cwd=top)
        case('it names the line of a wrong one', code == 1 and 'as_posted.c:' in output and '[pend-not-blocked]' in output, output)
        code, output = say([*lab, 'explore', '--runs', '50', f'{minimal}/minimal.c'], env=environment, cwd=top)
        case('it explores', code == 0 and 'schedules' in output, output)
        headers = sorted(glob.glob(f'{staged}/**/include/gatehouse-lab/*.h', recursive=True))
        with open(os.path.join(top, 'all.c'), 'w', encoding='utf-8') as file:
            for name in ('ntddk.h', 'initguid.h', 'fwpsk.h', 'fwpmk.h', 'fltkernel.h', 'wdmsec.h', 'ntstrsafe.h'):
                file.write(f'#include <{name}>\n')
            file.write('static VOID gone(PDRIVER_OBJECT driver)\n{\n    (void)driver;\n}\n'
                       'NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)\n'
                       '{\n    (void)path;\n    driver->DriverUnload = gone;\n    return STATUS_SUCCESS;\n}\n')
        code, output = say([*lab, 'run', os.path.join(top, 'all.c')], env=environment, cwd=top)
        case('every header a driver names is there', len(headers) > 10 and code == 0, output)
        print(f'1..{len(cases)}')
        return 0 if all(cases) else 1
    finally:
        shutil.rmtree(top, ignore_errors=True)


if __name__ == '__main__':
    sys.exit(main())
