#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""world_test SOURCE BUILD - a prefix that does not come up, and tests that are interrupted while one does.

Whatever ends a test, no process of its prefix stays, and no folder. Each case is a python of its own that makes a
World, in a temporary folder of its own, so that its prefix is known. Prints TAP; skipped without Wine.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from wine_cases import tell
from wine_world import SECONDS, START_SECONDS, Missing, World, find_wine, processes, sockets, until

MAKE = f'''
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
import wine_world
wine_world.START_SECONDS = float(sys.argv[1])
try:
    wine_world.World([])
except wine_world.DidNotStart as reason:
    print('failed:', reason)
    sys.exit(7)
'''


class Maker:
    """A process that makes a World, and what it makes."""

    def __init__(self, folder, seconds):
        self.folder, self.seen, self.sockets = pathlib.Path(folder), set(), set()
        self.process = subprocess.Popen([sys.executable, '-c', MAKE, str(seconds)], stdin=subprocess.DEVNULL, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                                        env={**os.environ, 'TMPDIR': folder})

    def prefixes(self):
        return list(self.folder.glob('gatehouse-wine-*/prefix'))

    def look(self):
        """Ids of all processes of its prefixes now; prefixes that are gone count too."""
        self.seen.update(self.prefixes())
        for prefix in self.prefixes():
            self.sockets.update(sockets(prefix))
        return [process for prefix in self.seen for process in processes(prefix)]

    def is_booting(self):
        """In the middle: wineboot runs, and has started others."""
        lines = []
        for process in self.look():
            try:
                lines.append(pathlib.Path('/proc', str(process), 'cmdline').read_bytes())
            except OSError:
                pass
        assert self.process.poll() is None, 'it ended before wineboot ran'
        return len(lines) > 4 and any(b'wineboot' in line for line in lines)

    def assert_gone(self):
        """Nothing is there, and nothing comes for a second."""
        until(lambda: not self.look() and not self.prefixes(), 'all of its prefix is gone')
        time.sleep(1)
        assert self.look() == [] and list(self.folder.glob('gatehouse-wine-*')) == [], list(self.folder.iterdir())
        assert self.seen and not any(os.path.exists(path) for path in self.sockets), self.sockets

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SECONDS)
        self.process.stdout.close()


def interrupted(folder, number):
    maker = Maker(folder, START_SECONDS)
    try:
        until(maker.is_booting, 'wineboot runs', START_SECONDS)
        maker.process.send_signal(number)
        maker.process.wait(SECONDS)
        maker.assert_gone()
    finally:
        maker.close()


def too_slow(folder):
    maker = Maker(folder, 0.5)
    try:
        while maker.process.poll() is None:
            maker.look()
            time.sleep(0.02)
        said = maker.process.stdout.read()
        assert maker.process.returncode == 7, said
        assert said.count('once more') == 1 and said.count('took more than') == 2, said
        assert len(maker.seen) == 2, maker.seen
        maker.assert_gone()
    finally:
        maker.close()


def begins_late(folder):
    """A Wine that does not get to main() the first time, or not at all; one that fails and says why is believed."""
    wine, count = pathlib.Path(folder, 'wine'), pathlib.Path(folder, 'count')
    wine.write_text(f'#!/bin/sh\necho >> {count}\n[ "$(wc -l < {count})" -gt $1 ] || exit 1\necho said; exit $2\n')
    wine.chmod(0o700)
    world = object.__new__(World)
    world.wine, world.prefix, world.environment, world.programs = str(wine), pathlib.Path(folder), dict(os.environ), []
    for silent, code, answer, runs in (('0', '0', (0, 'said\n'), 1), ('0', '3', (3, 'said\n'), 1),
                                       ('1', '3', (3, 'said\n'), 2), ('2', '0', (1, ''), 2)):
        count.unlink(missing_ok=True)
        assert world.run(silent, code) == answer, (silent, code)
        assert len(count.read_text()) == runs, (silent, code)
    for silent, runs in (('0', 1), ('3', 4)):
        count.unlink(missing_ok=True)
        program = world.start_when(lambda: not program_lines(world).empty(), silent, '0')
        assert program.wait('said') == [] and len(count.read_text()) == runs, silent
    world.end_programs()


def program_lines(world):
    return world.programs[-1].lines


CASES = [('a prefix that does not come up is tried once more, then fails; nothing of either stays', too_slow)]
CASES += [('a program whose main() Wine does not reach runs again; one that says why it failed does not', begins_late)]
CASES += [(f'{number.name} during wineboot: nothing stays', lambda folder, number=number: interrupted(folder, number))
          for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)]


def main():
    try:
        find_wine()
    except Missing as reason:
        print(f'1..0 # SKIP {reason}')
        return 0
    failed = 0
    for number, (shows, function) in enumerate(CASES, 1):
        folder = tempfile.mkdtemp(prefix='gatehouse-world-')
        try:
            function(folder)
            why = None
        except (AssertionError, subprocess.SubprocessError) as reason:
            why = str(reason)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        failed += tell(number, shows, why)
    print(f'1..{len(CASES)}')
    return 1 if failed else 0


sys.exit(main())
