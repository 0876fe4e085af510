# SPDX-License-Identifier: MIT
"""project_files - which files belong to the project; shared by the check-* scripts.

A file belongs when git knows it or would take it (not ignored); without git, all but build folders.
Each checker takes an optional first argument: the root of the tree to check (tests plant offences in
small trees of their own).
"""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True


def tree_root(arguments):
    """The tree named in arguments, or the one these tools are in."""
    return os.path.abspath(arguments[0] if arguments else os.path.join(os.path.dirname(__file__), '..'))


def list_files(root):
    """Paths relative to root, sorted, with forward slashes."""
    if os.path.exists(os.path.join(root, '.git')):
        git = subprocess.run(['git', '-c', 'safe.directory=*', '-C', root, 'ls-files', '-z', '-co', '--exclude-standard'],
                             capture_output=True, check=False)
        if git.returncode == 0:
            names = git.stdout.decode('utf-8', 'surrogateescape').split('\0')
            return sorted(name for name in names if name and os.path.isfile(os.path.join(root, name)))
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not re.match(r'build(-.*)?$|\.git$|__pycache__$', name)]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def read_text(root, name):
    with open(os.path.join(root, name), encoding='utf-8', errors='surrogateescape') as file:
        return file.read()


# A comment, a string or a character constant, whichever begins first.
_NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code_of(text):
    """C text with comments, strings and character constants blanked; lines and columns stay where they were."""
    return _NO_CODE.sub(lambda match: re.sub(r'[^\n]', ' ', match.group()), text)


def finish(tool, offences, count):
    """Prints the offences, one a line, and ends the program: 0 when there are none."""
    for offence in offences:
        print(offence)
    if not offences:
        print(f'{tool}: {count} files, nothing to say')
    sys.exit(1 if offences else 0)
