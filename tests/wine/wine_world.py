# SPDX-License-Identifier: MIT
"""A Windows of its own for one test: a Wine prefix in a temporary folder, its services, and programs in it.

All that is started here is ended by World.close(), which also tells what it had to end by force. Every wait has
an end, long enough for a slow and busy machine. The driver's DbgPrint is in World.log: the first program of a prefix
starts the services, and drivers write where it does.

However this process ends, nothing of its prefix stays: a guard in a session of its own (this file as a program) ends
the prefix's processes and removes the folder as soon as this process is gone. A process is the prefix's if its
environment names exactly that prefix.
"""
import ctypes
import fcntl
import os
import pathlib
import pty
import queue
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

PR_SET_PDEATHSIG = 1
SECONDS = 30  # for what happens at once
START_SECONDS = 180  # for a new prefix
PROGRAM_SECONDS = 60  # for a program that ends by itself
DRIVERS = r'C:\windows\system32\drivers'


class Missing(Exception):
    """Why nothing can be tried here."""


class DidNotStart(Exception):
    """Wine is here, and a prefix does not come up."""


class Ended(AssertionError):
    """A program ended while it was to say something."""


def find(names, needed):
    for name in names:
        path = shutil.which(name) or (name if os.access(name, os.X_OK) else None)
        if path is not None:
            return path
    raise Missing(f"no {needed}; 'tools/deps wine' installs it")


def find_wine():
    """(Wine, its server)"""
    return (find(['wine64', '/usr/lib/wine/wine64', 'wine'], 'Wine'),
            find(['wineserver', '/usr/lib/wine/wineserver64', '/usr/lib/wine/wineserver'], "Wine's server"))


def until(condition, what, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f'{what}: not within {seconds} s'
        time.sleep(0.01)


def end_with_parent():
    """For preexec_fn: even if this process is killed, Wine's server ends all that runs on it, and itself."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def processes(prefix):
    """Ids of the processes of this prefix that run."""
    wanted = f'WINEPREFIX={prefix}'.encode()
    found = []
    for entry in os.listdir('/proc'):
        try:
            if entry.isdigit() and wanted in pathlib.Path('/proc', entry, 'environ').read_bytes().split(b'\0'):
                found.append(int(entry))
        except OSError:
            pass
    return found


def end_processes(prefix):
    """Kills what runs in this prefix, until there was nothing for half a second: what is just starting may start more.
    Gives whom it killed."""
    killed, quiet, end = set(), 0, time.monotonic() + SECONDS
    while quiet < 10 and time.monotonic() < end:
        found = processes(prefix)
        for process in found:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        killed.update(found)
        quiet = 0 if found else quiet + 1
        time.sleep(0.05)
    return sorted(killed)


def sockets(prefix):
    """Where Wine's servers had their sockets. Debian's puts a folder for each prefix into /tmp; others have one for each
    user."""
    if not prefix.exists():
        return []
    status = os.stat(prefix)
    name = f'server-{status.st_dev:x}-{status.st_ino:x}'
    own = [f'/tmp/.wine-{os.getuid()}/{name}']
    return own + [str(folder.parent) for folder in pathlib.Path('/tmp').glob('wine-??????/' + name)]


def end_folder(folder):
    """Ends and removes all; gives whom it killed."""
    killed = end_processes(folder / 'prefix')
    for path in sockets(folder / 'prefix'):
        shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    return killed


class Guard:
    """Ends a folder's prefix when this process is gone."""

    def __init__(self, folder):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), str(folder)], stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def finish(self):
        self.process.stdin.close()
        self.process.wait(2 * SECONDS)


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
                if line is None:
                    raise Ended(f'{self.name} ended with exit code {self.process.wait(SECONDS)} while "{start}" was '
                                f'awaited; it said {self.said}')
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

    def never_began(self):
        """It failed and said nothing."""
        return self.process.poll() not in (None, 0) and not self.said and list(self.lines.queue) in ([], [None])

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


class Terminal:
    """A program on a terminal of its own, whose screen is read as text."""

    def __init__(self, argv, environment):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 50, 200, 0, 0))
        self.name, self.written = os.path.basename(argv[1]), b''
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        env={**environment, 'TERM': 'xterm'},
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)

    def read(self, seconds):
        """What was written so far; waits so long for more. Wine redraws cell by cell: a blank is "erase, go right"."""
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.written += os.read(self.master, 65536)
            except OSError:
                pass  # its other side is closed
        text = self.written.decode(errors='replace').replace('\x1b[K\x1b[1C', ' ')
        return re.sub('\x1b\\[[0-9;?]*[A-Za-z]', '', text)

    def wait(self, text, seconds=SECONDS):
        """Until the text is there; what was written up to then is forgotten."""
        end = time.monotonic() + seconds
        while text not in self.read(0.05):
            assert time.monotonic() < end, f'{self.name}: no "{text}" within {seconds} s on its terminal: {self.read(0)}'
        self.written = b''

    def finish(self, seconds=SECONDS):
        """Its exit code. A program does not end while nobody reads what it writes."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        return self.process.poll()

    def never_began(self):
        return self.process.poll() not in (None, 0) and not self.read(0).strip()

    def press(self, key):
        os.write(self.master, key.encode())

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SECONDS)
        os.close(self.master)


class World:
    def __init__(self, files):
        """files: what lies beside the programs, by path; *.sys go to the drivers' folder, *.dll to system32."""
        self.wine, server = find_wine()
        try:
            self._start(server, files)
        except DidNotStart as reason:
            print(f'# {reason}; once more, with a fresh prefix', flush=True)
            self._start(server, files)

    def _start(self, server, files):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='gatehouse-wine-'))
        self.prefix = self.folder / 'prefix'
        self.programs, self.server, self.guard = [], None, Guard(self.folder)
        self.environment = {'WINEPREFIX': str(self.prefix), 'WINEDEBUG': '-all', 'WINEARCH': 'win64',
                            'WINESERVER': server, 'WINEDLLOVERRIDES': 'mscoree,mshtml,winemenubuilder.exe=',
                            'PATH': os.environ['PATH'], 'HOME': str(self.folder), 'LC_ALL': 'C.UTF-8'}
        try:
            self._make_prefix(server, files)
        except BaseException:
            self.close(gently=False)
            raise

    def _make_prefix(self, server, files):
        self.log = self.folder / 'log'
        self.log_read = 0
        self.prefix.mkdir(mode=0o700)
        drivers = self.prefix / 'drive_c/windows/system32/drivers'
        loud = {**self.environment, 'WINEDEBUG': '-all,err+ntoskrnl,+debugstr'}
        with open(self.log, 'wb') as log:
            # In its first session Wine starts no driver; the second one's first program starts the services.
            for words, environment in ((['wineboot', '--init'], self.environment), (['sc', 'query', 'RpcSs'], loud)):
                self._end_server()
                self._start_server(server, log)
                if self._wine(words, environment, log) != 0 or not drivers.is_dir():
                    raise DidNotStart(f'Wine does not start: {" ".join(words)} failed')
        for file in files:
            shutil.copy(file, drivers if file.endswith('.sys') else drivers.parent if file.endswith('.dll')
                        else self.prefix / 'drive_c')

    def _start_server(self, server, log):
        """Before any program, which would start one of its own that outlives this process. Debian's ends with "try
        again" when two start at once in a new prefix, and asking whether it is there is starting one."""
        end = time.monotonic() + START_SECONDS
        while True:
            if self.server is None or self.server.poll() is not None:
                self.server = subprocess.Popen([server, '--foreground', '--persistent'], env=self.environment, stdout=log,
                                               stderr=log, start_new_session=True, preexec_fn=end_with_parent)
                time.sleep(0.1)
            if subprocess.run([server, '-k0'], env=self.environment, timeout=SECONDS, check=False, stdout=log,
                              stderr=log).returncode == 0 and self.server.poll() is None:
                return
            if time.monotonic() > end:
                raise DidNotStart(f"Wine's server is not there within {START_SECONDS} s")
            time.sleep(0.05)

    def _end_server(self):
        if self.server is not None:
            subprocess.run([self.environment['WINESERVER'], '--kill'], env=self.environment, timeout=SECONDS, check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                self.server.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()
            self.server = None

    def _wine(self, words, environment, log):
        try:
            return subprocess.run([self.wine, *words], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  timeout=START_SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            raise DidNotStart(f'Wine does not start: {" ".join(words)} took more than {START_SECONDS} s') from None

    def path(self, name):
        return 'C:\\' + name

    def start(self, name, *arguments, **more):
        """A program of files, or one of Windows."""
        inside = self.prefix / 'drive_c' / name
        program = Program([self.wine, str(inside) if inside.exists() else name, *arguments], self.environment, **more)
        self.programs.append(program)
        return program

    def start_until(self, first, name, *arguments, **more):
        """(program, words) of a program once it says a line that starts with first. Now and then Wine ends a process
        before its main() runs (seen just after another was killed): started again, three times at most, and told."""
        for left in (3, 2, 1, 0):
            program = self.start(name, *arguments, **more)
            try:
                return program, program.wait(first)
            except Ended as reason:
                if program.said or not left:
                    raise
                print(f'# {reason}; started again', flush=True)
        raise AssertionError  # not reached

    def start_when(self, ready, name, *arguments, start=None):
        """A program of which ready() tells that it works; started again like in start_until."""
        for left in (3, 2, 1, 0):
            program = (start or self.start)(name, *arguments)
            until(lambda: program.never_began() or ready(), f'{name} {arguments[0]} works')
            if not program.never_began() or not left:
                return program
            print(f'# {program.name} ended with exit code {program.process.returncode}; started again', flush=True)
        raise AssertionError  # not reached

    def start_on_terminal(self, name, *arguments):
        terminal = Terminal([self.wine, str(self.prefix / 'drive_c' / name), *arguments], self.environment)
        self.programs.append(terminal)
        return terminal

    def run(self, name, *arguments, seconds=PROGRAM_SECONDS):
        """(exit code, what it said) of a program that ends by itself. One in some 4,000 Wine does not get as far as the
        program's main(): it fails and says nothing, or start.exe says that it could not be started. So who failed like
        this runs once more, and the second answer counts: Wine's own sc says nothing of a service that is not there."""
        code, text = self._run(name, arguments, seconds)
        if code != 0 and (text == '' or text.startswith('Application could not be started')):
            if name != 'sc':
                print(f'# {name} {" ".join(arguments)} ended with exit code {code} and {text!r}; run again', flush=True)
            code, text = self._run(name, arguments, seconds)
        return code, text

    def _run(self, name, arguments, seconds):
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

    def close(self, gently=True):
        """Ends and removes everything. Gently: gives what was still there after Wine's own end."""
        self.end_programs()
        if gently:
            self._end_server()
            end = time.monotonic() + SECONDS
            while processes(self.prefix) and time.monotonic() < end:
                time.sleep(0.02)
        stubborn = end_folder(self.folder)
        if self.server is not None:
            self.server.wait(SECONDS)
            self.server = None
        self.guard.finish()
        return stubborn


def main():
    """The guard: waits for the end of whoever started it."""
    sys.stdin.buffer.read()
    end_folder(pathlib.Path(sys.argv[1]))


if __name__ == '__main__':
    main()
