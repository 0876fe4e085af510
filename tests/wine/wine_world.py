# SPDX-License-Identifier: MIT
"""A Windows of its own for one test: a Wine prefix in a temporary folder, its services, and programs in it.

All that is started here is ended by World.close(), which also tells what it had to end by force. Every wait has
an end. The driver's DbgPrint is in World.log: the first program of a prefix starts the services, and drivers write
where it does.
"""
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time

SECONDS = 10  # for what happens at once
DRIVERS = r'C:\windows\system32\drivers'


class Missing(Exception):
    """Why nothing can be tried here."""


def find(names, needed):
    for name in names:
        path = shutil.which(name) or (name if os.access(name, os.X_OK) else None)
        if path is not None:
            return path
    raise Missing(f"no {needed}; 'tools/deps wine' installs it")


def until(condition, what, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f'{what}: not within {seconds} s'
        time.sleep(0.01)


class Program:
    """A program that answers by lines. Lines that nobody waited for yet stay."""

    def __init__(self, argv, environment, **more):
        self.name = os.path.basename(argv[1])
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, env=environment, **more)
        self.lines, self.said = queue.Queue(), []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip('\r\n'))
        self.lines.put(None)

    def say(self, text):
        self.process.stdin.write(text + '\n')
        self.process.stdin.flush()

    def wait(self, start, seconds=SECONDS):
        """The next line that starts so, without that start, as words. Lines before it are kept for others."""
        end = time.monotonic() + seconds
        passed = []
        try:
            while True:
                try:
                    line = self.lines.get(timeout=max(0.0, end - time.monotonic()))
                except queue.Empty:
                    raise AssertionError(f'{self.name}: no "{start}" within {seconds} s; it said {self.said}') from None
                assert line is not None, f'{self.name} ended while "{start}" was awaited; it said {self.said}'
                if line not in passed:
                    self.said.append(line)
                if line == start or line.startswith(start + ' '):
                    return line[len(start):].split()
                passed.append(line)
        finally:
            for line in passed:
                self.lines.put(line)

    def silent(self, start, seconds=0.3):
        try:
            words = self.wait(start, seconds)
        except AssertionError:
            return
        raise AssertionError(f'{self.name} said "{start} {" ".join(words)}"')

    def ask(self, text):
        """Says it and gives the answer, which begins with the same word."""
        self.say(text)
        return self.wait(text.split()[0])

    def kill(self):
        self.process.kill()
        self.process.wait(SECONDS)

    def finish(self, seconds=SECONDS):
        """Its exit code, once its input has ended."""
        self.process.stdin.close()
        return self.process.wait(seconds)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SECONDS)
        self.reader.join(SECONDS)
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except OSError:
                pass


class World:
    def __init__(self, files):
        """files: what lies beside the programs, by path; *.sys go to the drivers' folder."""
        self.wine = find(['wine64', '/usr/lib/wine/wine64', 'wine'], 'Wine')
        server = find(['wineserver', '/usr/lib/wine/wineserver64', '/usr/lib/wine/wineserver'], "Wine's server")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='gatehouse-wine-'))
        self.prefix = self.folder / 'prefix'
        self.programs, self.server = [], None
        self.environment = {'WINEPREFIX': str(self.prefix), 'WINEDEBUG': '-all', 'WINEARCH': 'win64',
                            'WINESERVER': server, 'WINEDLLOVERRIDES': 'mscoree,mshtml,winemenubuilder.exe=',
                            'PATH': os.environ['PATH'], 'HOME': str(self.folder), 'LC_ALL': 'C.UTF-8'}
        try:
            self._start(server, files)
        except BaseException:
            self.close()
            raise

    def _start(self, server, files):
        self.log = self.folder / 'log'
        self.log_read = 0
        with open(self.log, 'wb') as log:
            self._wine(['wineboot', '--init'], self.environment, log, 120)
            subprocess.run([server, '--kill', '--wait'], env=self.environment, timeout=30, check=False)
            self.server = subprocess.Popen([server, '--foreground', '--persistent'], env=self.environment, stdout=log,
                                           stderr=log)
            drivers = self.prefix / 'drive_c/windows/system32/drivers'
            for file in files:
                shutil.copy(file, drivers if file.endswith('.sys') else self.prefix / 'drive_c')
            # The services are children of this one, and write where it does.
            self._wine(['sc', 'query', 'gatehouse'], {**self.environment, 'WINEDEBUG': '-all,err+ntoskrnl,+debugstr'}, log, 60)

    def _wine(self, words, environment, log, seconds):
        try:
            subprocess.run([self.wine, *words], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                           timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise Missing(f'Wine does not start: {" ".join(words)} took more than {seconds} s') from None

    def path(self, name):
        return 'C:\\' + name

    def start(self, name, *arguments, **more):
        """A program of files, or one of Windows."""
        inside = self.prefix / 'drive_c' / name
        program = Program([self.wine, str(inside) if inside.exists() else name, *arguments], self.environment, **more)
        self.programs.append(program)
        return program

    def run(self, name, *arguments, seconds=20):
        """(exit code, what it said) of a program that ends by itself."""
        inside = self.prefix / 'drive_c' / name
        done = subprocess.run([self.wine, str(inside) if inside.exists() else name, *arguments], env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
        return done.returncode, (done.stdout + done.stderr).decode(errors='replace').replace('\r', '')

    def news(self):
        """What the drivers have written since this was asked last."""
        with open(self.log, 'rb') as file:
            file.seek(self.log_read)
            text = file.read()
        self.log_read += len(text)
        return [line for line in text.decode(errors='replace').splitlines() if 'nodrv_CreateWindow' not in line]

    def end_programs(self):
        for program in self.programs:
            program.close()
        self.programs = []

    def processes(self):
        """Ids of the processes of this prefix that run."""
        wanted = f'WINEPREFIX={self.prefix}'.encode()
        found = []
        for entry in os.listdir('/proc'):
            try:
                if entry.isdigit() and wanted in pathlib.Path('/proc', entry, 'environ').read_bytes().split(b'\0'):
                    found.append(int(entry))
            except OSError:
                pass
        return found

    def close(self):
        """Ends and removes everything; gives what was still there after Wine's own end."""
        self.end_programs()
        stubborn = []
        if self.prefix.exists():
            subprocess.run([self.environment['WINESERVER'], '--kill'], env=self.environment, timeout=30, check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            end = time.monotonic() + SECONDS
            while self.processes() and time.monotonic() < end:
                time.sleep(0.02)
            for process in self.processes():
                stubborn.append(process)
                os.kill(process, signal.SIGKILL)
        if self.server is not None:
            self.server.wait(SECONDS)
            self.server = None
        shutil.rmtree(self.folder, ignore_errors=True)
        return stubborn
