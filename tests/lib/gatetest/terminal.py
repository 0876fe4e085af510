# SPDX-License-Identifier: MIT
"""A person at a terminal: a program in a tmux of its own, keys to it, and what is on its screen.

The tmux server has a socket in the case's folder and lives in the lab's namespace, so that it goes with it.
"""
import os
import shlex
import subprocess
import time

from . import names

SECONDS = 60


class Terminal:
    """One program on one screen. environment: what differs, such as TERM; wrapper: a command that becomes it."""

    started = 0

    def __init__(self, lab, command, columns=80, rows=24, environment=None, name=None, wrapper=()):
        Terminal.started += 1
        self.lab = lab
        self.socket = lab.directory / f"tmux-{name or Terminal.started}.sock"
        self.status = lab.directory / f"tmux-{name or Terminal.started}.status"
        self.pid_file = lab.directory / f"tmux-{name or Terminal.started}.pid"
        values = {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", **(environment or {})}
        words = [*wrapper, *(str(word) for word in command)]
        unset = [word for key, value in values.items() if value is None for word in ("-u", key)]
        given = [f"{key}={value}" for key, value in values.items() if value is not None]
        # The shell stays: its terminal is looked at after the program's end, and it takes Ctrl-Z.
        run = shlex.join(["env", *unset, *given, *words])
        script = f"set -m; {run}; echo $? > {shlex.quote(str(self.status))}; exec sleep 1000"
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "-s", "ask", f"sh -c {shlex.quote(script)}")

    def tmux(self, *arguments):
        command = [names.find_tool("tmux"), "-u", "-f", "/dev/null", "-S", str(self.socket), *arguments]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "SHELL": "/bin/sh"}
        environment.pop("TMUX", None)
        done = self.lab.client.run(command, env=environment, timeout=SECONDS)
        assert done.returncode == 0, f"tmux {arguments[0]}: {done.stderr}"
        return done.stdout

    def screen(self, colours=False):
        return self.tmux("capture-pane", "-p", "-t", "ask", *(["-e", "-N"] if colours else []))

    def press(self, *keys):
        """Keys by tmux's names: y, Down, C-c, Escape, Space."""
        self.tmux("send-keys", "-t", "ask", *keys)

    def type(self, text):
        self.tmux("send-keys", "-t", "ask", "-l", text)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-t", "ask", "-x", str(columns), "-y", str(rows))

    def until(self, wanted, what, seconds=SECONDS):
        """The screen, once wanted(screen) holds."""
        end = time.monotonic() + seconds
        while True:
            screen = self.screen()
            if wanted(screen):
                return screen
            if time.monotonic() > end:
                raise AssertionError(f"within {seconds} s not {what}, but:\n{screen}")
            time.sleep(0.05)

    def see(self, *texts):
        return self.until(lambda screen: all(text in screen for text in texts), f"seen: {texts}")

    def gone(self, *texts):
        return self.until(lambda screen: not any(text in screen for text in texts), f"gone: {texts}")

    def ended(self, seconds=SECONDS):
        """The program's exit code."""
        end = time.monotonic() + seconds
        while not self.status.exists() or not self.status.read_text(encoding="ascii").strip():
            if time.monotonic() > end:
                raise AssertionError(f"still there after {seconds} s:\n{self.screen()}")
            time.sleep(0.05)
        return int(self.status.read_text(encoding="ascii"))

    def pane(self, what):
        return self.tmux("display-message", "-p", "-t", "ask", "#{" + what + "}").strip()

    def pid(self, name="gatehouse"):
        """Of the program on it."""
        terminal = self.pane("pane_tty").removeprefix("/dev/")
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            done = subprocess.run(["pgrep", "-t", terminal, "-x", name], capture_output=True, text=True, check=False)
            if done.stdout.strip():
                return int(done.stdout.split()[0])
            time.sleep(0.05)
        raise AssertionError(f"no {name} runs there:\n{self.screen()}")

    def hang_up(self):
        self.tmux("kill-server")
