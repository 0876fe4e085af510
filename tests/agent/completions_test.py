#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""completions_test BUILD - the completions as each shell itself understands them, and against the option table in C."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS, SHELLS = ("gatehouse", "gatehoused", "wfplab"), ("bash", "zsh", "fish")
failed = number = 0


def tell(name, problem, skip=None):
    global failed, number  # pylint: disable=global-statement
    number += 1
    failed += bool(problem)
    print(f"{'not ok' if problem else 'ok'} {number} - {name}" + (f" # SKIP {skip}" if skip else ""))
    for line in str(problem or "").splitlines():
        print("# " + line)


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout, done.stderr, done.returncode


def bash_words(path, program, *words):
    script = (f'source "{path}"; COMP_WORDS=({" ".join(map(quote, words))}); COMP_CWORD={len(words) - 1}; _{program}; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    out, error, code = run("bash", "--norc", "-c", script)
    return set(out.split()) if code == 0 and not error else f"{code}: {error}"


def quote(word):
    return "'" + word + "'"


def fish_words(path, line):
    out, error, code = run("fish", "--no-config", "-c", f'source "{path}"; complete -C "{line}"')
    return {word.split("\t")[0] for word in out.splitlines()} if code == 0 and not error else f"{code}: {error}"


def table():
    """{(command, option)} of cli/options.c."""
    text = (ROOT / "cli/options.c").read_text(encoding="utf-8")
    groups = dict(re.findall(r"#define (\w+) +\((FOR\(.*\))\)", text))
    found = set()
    for name, commands in re.findall(r'\{"(-[\w-]+)",\s*([^}]*?),\s*(?:true|false),', text):
        for group, members in groups.items():
            commands = re.sub(rf"\b{group}\b", members, commands)
        found.update((command.lower(), name) for command in re.findall(r"FOR\((\w+)\)", commands))
    return found


def main():
    build = pathlib.Path(sys.argv[1]) / "packaging"
    for program in PROGRAMS:
        for shell in SHELLS:
            if shutil.which(shell) is None:
                tell(f"{shell} takes the completions of {program}", None, f"{shell} is missing")
                continue
            _, error, code = run(shell, "-n", str(build / f"{program}.{shell}"))
            tell(f"{shell} takes the completions of {program}", error or code)

    options = table()
    commands = {command for command, _ in options} - {"install", "uninstall"}  # those are for Windows
    path = build / "gatehouse.bash"
    missing = [f"{command} {name}" for command, name in sorted(options) if command in commands
               and name not in bash_words(path, "gatehouse", "gatehouse", command, "-")]
    tell(f"bash completes each of the {len(options)} options of the table in cli/options.c",
         f"missing: {missing}" if missing or len(options) < 40 else None)
    got = bash_words(path, "gatehouse", "gatehouse", "")
    tell("bash completes the commands", None if commands <= got else f"{commands - got}")
    got = bash_words(path, "gatehouse", "gatehouse", "policy", "--undecided", "")
    tell("bash completes the words of an option", None if got == {"block", "permit"} else got)
    if shutil.which("fish"):
        path = build / "gatehouse.fish"
        got = fish_words(path, "gatehouse policy --no-decider ")
        tell("fish completes the words of an option", None if got == {"block", "permit", "hold"} else got)
        got = fish_words(path, "gatehouse rules ")
        tell("fish completes the words of a command", None if {"check", "load", "explain"} <= got else got)
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
