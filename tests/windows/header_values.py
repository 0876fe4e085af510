# SPDX-License-Identifier: MIT
"""header_values - what the kernel headers here say: constants, enumeration members, GUIDs, sizes and offsets.

Names are found in the text of the headers; what each is worth is asked of a compiler: first which names are integer
constants, sizes or offsets at all (a line that does not compile is none), then their values, by running a program.

    read_values(root, header)    {name: int or GUID text}; 'sizeof T' and 'T.member' for structures
    assertable(compiler, lines)  which lines of C compile, which hold and which do not
"""
import functools
import os
import re
import subprocess
import tempfile

INCLUDES = ['include', 'nt/include', 'wfp/include']
TYPE = re.compile(r'typedef (struct|union) \w+ \{(.*?)^\}\s*(\w+)', re.DOTALL | re.MULTILINE)
ENUM = re.compile(r'\benum \w+ \{(.*?)\}', re.DOTALL)
GUID = re.compile(r'DEFINE_GUID\(\s*(\w+),([^)]*)\)')
MACRO = re.compile(r'^\s*#\s*define (\w+)[ \t]+(?=\S)', re.MULTILINE)
MEMBER = re.compile(r'(\w+)\s*(?:\[[^\]]*\])?\s*(?=;|,)')


def without_comments(text):
    text = re.sub(r'/\*.*?\*/', ' ', text, flags=re.DOTALL)
    return re.sub(r'//[^\n]*', ' ', text).replace('\\\n', ' ')


def guid_text(numbers):
    """'1247d66d-0b60-4a15-8d44-7155d0f53a0c' of the eleven numbers of a DEFINE_GUID."""
    n = [int(word, 0) for word in numbers]
    return f'{n[0]:08x}-{n[1]:04x}-{n[2]:04x}-{n[3]:02x}{n[4]:02x}-' + ''.join(f'{byte:02x}' for byte in n[5:11])


def names_in(text):
    """What to ask for: (expressions by name, GUIDs by name)."""
    text = without_comments(text)
    asked = {name: f'({name})' for name in MACRO.findall(text)}
    for body in ENUM.findall(text):
        asked.update({name: f'({name})' for name in re.findall(r'(?:^|,)\s*(\w+)', body)})
    for _, body, name in TYPE.findall(text):
        asked[f'sizeof {name}'] = f'sizeof({name})'
        for member in MEMBER.findall(body):
            asked[f'{name}.{member}'] = f'__builtin_offsetof({name}, {member})'
    guids = {name: guid_text(numbers.split(',')) for name, numbers in GUID.findall(text) if name != 'name'}
    return asked, guids


@functools.lru_cache(maxsize=None)
def words_of(compiler, prologue):
    """All words of the prologue's headers: asking a compiler for one that is not there takes it long."""
    done = subprocess.run([*compiler, '-E', '-dD', '-x', 'c', '-'], input=prologue, capture_output=True, text=True, check=True,
                          timeout=120)
    return frozenset(re.findall(r'\w+', done.stdout))


def assertable(compiler, prologue, lines):
    """{name: True: holds, False: does not hold, None: does not compile} of the assertions {name: condition}."""
    there = words_of(tuple(compiler), prologue)
    found = {name: None for name in lines}
    names = [name for name in lines if set(re.findall(r'[A-Za-z]\w*', name)) - {'sizeof'} <= there]
    source = prologue + ''.join(f'\n#line {number} "ask"\n_Static_assert({lines[name]}, "");'
                                for number, name in enumerate(names, 1)) + '\n'
    done = subprocess.run([*compiler, '-fsyntax-only', '-fmax-errors=0', '-fno-diagnostics-show-caret', '-w', '-x', 'c', '-'],
                          input=source, capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, 'LC_ALL': 'C'})
    if done.returncode != 0 and 'ask:' not in done.stderr:
        raise RuntimeError(done.stderr)
    found.update(dict.fromkeys(names, True))
    for number, words in re.findall(r'^ask:(\d+):(?:\d+:)? error: (.*)', done.stderr, re.MULTILINE):
        name = names[int(number) - 1]
        if found[name] is not None:
            found[name] = False if words.startswith('static assertion failed') else None
    return found


def read_values(root, header):
    with open(os.path.join(root, header), encoding='utf-8') as file:
        asked, guids = names_in(file.read())
    compiler = ['gcc', '-std=gnu17', '-fshort-wchar', *(f'-I{os.path.join(root, folder)}' for folder in INCLUDES)]
    prologue = ''.join(f'#include <{name}>\n' for name in ('ntifs.h', 'ntstatus.h', 'wdmsec.h', 'ntstrsafe.h', 'fwpsk.h', 'fwpmk.h'))
    fine = assertable(compiler, prologue, {name: f'({words}) * 0 == 0'
                                           for name, words in asked.items()})
    asked = {name: words for name, words in asked.items() if fine[name]}
    program = prologue + '#include <stdio.h>\nint main(void)\n{\n' + ''.join(
        f'printf("%lld\\n", (long long)({words}));\n' for words in asked.values()) + 'return 0;\n}\n'
    with tempfile.TemporaryDirectory(prefix='gatehouse-headers-') as folder:
        binary = os.path.join(folder, 'values')
        subprocess.run([*compiler, '-w', '-x', 'c', '-o', binary, '-'], input=program, text=True, check=True, timeout=120)
        output = subprocess.run([binary], capture_output=True, text=True, check=True, timeout=20).stdout
    return {**dict(zip(asked, map(int, output.split()))), **guids}
