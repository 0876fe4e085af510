#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""lint_test TOOLS_FOLDER - the checkers find what they are for.

Each case is a small tree with one planted offence, and a twin without it: the checker must name file, line and rule for
the first and be content with the second. The count of cases is the number of planted offences.
"""
import os
import subprocess
import sys
import tempfile

TOOLS = os.path.abspath(sys.argv[1])
HEAD = '/* SPDX-License-Identifier: MIT */\n'
OPEN_MARK = 'TO' + 'DO'
LONG = 'int f(int a)\n{\n' + '    a++;\n' * 90 + '    return a;\n}\n'
SHORT = 'int f(int a)\n{\n    return a;\n}\n'
TANGLE = 'int f(int a)\n{\n' + '    if (a == 1 && a)\n        a++;\n' * 15 + '    return a;\n}\n'
GUARDED = HEAD + '#ifndef NTDDK_H\n#define NTDDK_H\n#endif\n'
INCLUDE = '#include "%s"\n'
ROWS = HEAD + '/* Locks */\n#define NT_RULES_LOCK(ROW) \\\n    ROW("lock-left", ERROR, "No lock " \\\n        "is left.", "A Page", "Release, it.")\n'
RAISE = HEAD + 'void f(void)\n{\n    nt_violate("%s", "f", "x");\n}\n'


def write(root, files):
    for name, text in files.items():
        if text is None:
            continue
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)


def made_rules():
    """A tree with a table of rules, its page as check-rules makes it, and a source that raises its rule."""
    files = {'nt/verify/rules.h': ROWS, 'nt/ke/a.c': RAISE % 'lock-left'}
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, 'docs'))
        write(root, files)
        subprocess.run([os.path.join(TOOLS, 'check-rules'), '--write', root], capture_output=True, timeout=60, check=True)
        with open(os.path.join(root, 'docs/verifier-rules.md'), encoding='utf-8') as file:
            return {**files, 'docs/verifier-rules.md': file.read()}


RULES = made_rules()

# name, checker, {file: text} with the offence, {file: text} that replaces it without (None: no file), words the report must hold
CASES = [
    ('core includes nt', 'includes', {'core/a.c': HEAD + INCLUDE % 'nt/ke/b.h', 'nt/ke/b.h': HEAD},
     {'core/a.c': HEAD}, ['core/a.c:2:', 'nt/ke/b.h']),
    ('core includes a header of the system', 'includes', {'core/a.c': HEAD + '\n#include <stdio.h>\n'},
     {'core/a.c': HEAD + '#include <stdint.h>\n'}, ['core/a.c:3:', '<stdio.h>']),
    ('driver includes a header of the system', 'includes', {'driver/a.c': HEAD + '#include <unistd.h>\n'},
     {'driver/a.c': HEAD + '#include <stdbool.h>\n'}, ['driver/a.c:2:', '<unistd.h>']),
    ('driver includes the host side of nt', 'includes',
     {'driver/a.c': HEAD + '#include <nt/nt.h>\n', 'nt/include/nt/nt.h': HEAD},
     {'driver/a.c': HEAD + '#include <ntddk.h>\n', 'nt/include/ntddk.h': HEAD}, ['driver/a.c:2:', 'nt/include/nt/nt.h']),
    ('wfp includes driver', 'includes', {'wfp/a.c': HEAD + INCLUDE % '../driver/b.h', 'driver/b.h': HEAD},
     {'wfp/a.c': HEAD}, ['wfp/a.c:2:', 'driver/b.h']),
    ('nt includes include', 'includes', {'nt/ke/a.c': HEAD + '#include <gatehouse/p.h>\n', 'include/gatehouse/p.h': HEAD},
     {'nt/ke/a.c': HEAD}, ['nt/ke/a.c:2:', 'include/gatehouse/p.h']),
    ('host includes driver', 'includes', {'host/a.c': HEAD + INCLUDE % 'driver/b.h', 'driver/b.h': HEAD},
     {'host/a.c': HEAD + INCLUDE % 'gatehouse/b.h', 'include/gatehouse/b.h': HEAD}, ['host/a.c:2:', 'driver/b.h']),
    ('agent includes driver', 'includes', {'agent/a.h': HEAD + INCLUDE % 'driver/b.h', 'driver/b.h': HEAD},
     {'agent/a.h': HEAD + INCLUDE % 'core/b.h', 'core/b.h': HEAD}, ['agent/a.h:2:', 'driver/b.h']),
    ('a folder without a rule', 'includes', {'newpart/a.c': HEAD}, {'newpart/a.c': None}, ['newpart/a.c:1:']),
    ('long function', 'sizes', {'core/a.c': HEAD + LONG}, {'core/a.c': HEAD + SHORT}, ['core/a.c:2:', 'function f has 9']),
    ('long file', 'sizes', {'core/a.c': HEAD + 'extern int a;\n' * 800}, {'core/a.c': HEAD + 'extern int a;\n' * 799},
     ['core/a.c:1:', '801', '800']),
    ('tangled function', 'sizes', {'core/a.c': HEAD + TANGLE}, {'core/a.c': HEAD + SHORT}, ['core/a.c:2:', 'complexity f']),
    ('long python function', 'sizes', {'tests/a.py': 'def f():\n' + '    f()\n' * 81}, {'tests/a.py': 'def f():\n    f()\n'},
     ['tests/a.py:1:', 'function f']),
    ('exception that is not needed', 'sizes',
     {'core/a.c': HEAD + SHORT, 'tools/size-exceptions.txt': 'function core/a.c:f 90\n'},
     {'tools/size-exceptions.txt': '# none\n'}, ['size-exceptions.txt:1:', 'take it out']),
    ('unbounded copy', 'words', {'agent/a.c': HEAD + 'void f(char *a)\n{\n    strcpy(a, "b");\n}\n'},
     {'agent/a.c': HEAD + '/* strcpy(a) is not used */\n'}, ['agent/a.c:4:', 'unbounded-copy']),
    ('shell', 'words', {'host/a.c': HEAD + 'int f(void) { return system("ls"); }\n'},
     {'host/a.c': HEAD + 'int f(void) { return start_system("ls"); }\n'}, ['host/a.c:2:', 'shell']),
    ('sleep', 'words', {'host/a.c': HEAD + 'void f(void) { usleep(10); }\n'}, {'host/a.c': HEAD + 'extern int usleeping;\n'},
     ['host/a.c:2:', 'sleep']),
    ('system chosen in logic', 'words', {'agent/a.c': HEAD + '#if defined(_WIN32)\n#endif\n'},
     {'agent/a.c': HEAD + '#if defined(TEST)\n#endif\n'}, ['agent/a.c:2:', 'os-conditional']),
    ('GNU extension in the driver', 'words', {'driver/a.c': HEAD + 'int f(void) __attribute__((unused));\n'},
     {'driver/a.c': HEAD + 'int f(void);\n'}, ['driver/a.c:2:', 'no-seh']),
    ('unfinished mark', 'words', {'docs/a.md': 'a\n' + OPEN_MARK + ': b\n'}, {'docs/a.md': 'a\nb\n'}, ['docs/a.md:2:', 'unfinished']),
    ('path of one machine', 'words', {'docs/a.md': 'see /wo' + 'rk/x\n'}, {'docs/a.md': 'see ./work/x\n'},
     ['docs/a.md:1:', 'machine-path']),
    ('no licence line', 'words', {'core/a.c': '\n' + HEAD}, {'core/a.c': HEAD}, ['core/a.c:1:', 'spdx']),
    ('header that needs another', 'headers', {'core/a.h': HEAD + 'uint32_t f(void);\n'},
     {'core/a.h': HEAD + '#ifndef A\n#define A\n#include <stdint.h>\nuint32_t f(void);\n#endif\n'}, ['core/a.h:2', 'alone']),
    ('header without a guard', 'headers', {'core/a.h': HEAD + 'struct a {\n    int b;\n};\n'},
     {'core/a.h': HEAD + '#ifndef A\n#define A\nstruct a {\n    int b;\n};\n#endif\n'}, ['core/a.h:2', 'alone']),
    ('GNU extension in a source of the driver', 'headers',
     {'driver/a.c': HEAD + '#include <ntddk.h>\n\nint f(int a);\nint f(int a)\n{\n    return a ?: 1;\n}\n',
      'nt/include/ntddk.h': GUARDED},
     {'driver/a.c': HEAD + '#include <ntddk.h>\n\nint f(int a);\nint f(int a)\n{\n    return a;\n}\n'}, ['driver/a.c:7']),
    ('GNU extension in a kernel-safe source', 'headers', {'core/a.c': HEAD + 'int f(int a)\n{\n    return a ?: 1;\n}\n'},
     {'core/a.c': HEAD + SHORT}, ['core/a.c:4', 'for Windows']),
    ('rule without a row', 'rules', {**RULES, 'nt/ke/b.c': RAISE % 'lock-lost'}, {'nt/ke/b.c': RAISE % 'lock-left'},
     ['nt/ke/b.c:4:', 'lock-lost']),
    ('rule that nobody raises', 'rules', {**RULES, 'nt/ke/a.c': HEAD + '/* "lock-left" */\n'},
     {'nt/ke/a.c': RAISE % 'lock-left'}, ['rules.h:4:', 'lock-left']),
    ('page of rules that is stale', 'rules', {**RULES, 'nt/verify/rules.h': ROWS.replace('is left', 'stays')},
     RULES, ['docs/verifier-rules.md', '--write']),
    ('row that lacks a part', 'rules', {**RULES, 'nt/verify/rules.h': ROWS.replace('"A Page", ', '')}, RULES,
     ['rules.h:4:', 'no whole row']),
]


def run(checker, files):
    with tempfile.TemporaryDirectory() as root:
        write(root, files)
        done = subprocess.run([os.path.join(TOOLS, f'check-{checker}'), root], capture_output=True, text=True, timeout=60,
                              check=False)
    return done.returncode, done.stdout + done.stderr


def judge(case):
    """None, or what is wrong."""
    _, checker, planted, clean, words = case
    code, output = run(checker, planted)
    if code != 1:
        return f'exit code {code} with the offence: {output.strip()}'
    absent = [word for word in words if word not in output]
    if absent:
        return f'the report lacks {absent}: {output.strip()}'
    code, output = run(checker, {**planted, **clean})
    if code != 0:
        return f'exit code {code} without the offence: {output.strip()}'
    return None


def main():
    print(f'1..{len(CASES)}')
    failed = 0
    for number, case in enumerate(CASES, 1):
        wrong = judge(case)
        failed += wrong is not None
        print(f'{"not ok" if wrong else "ok"} {number} - check-{case[1]}: {case[0]}')
        if wrong:
            print(f'# {wrong}')
    return 1 if failed else 0


sys.exit(main())
