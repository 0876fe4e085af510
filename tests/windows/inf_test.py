#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""inf_test SOURCE VERSION - gatehouse.inf keeps the rules of the pages that describe it (TAP).

Each rule names its page (windows-driver-docs). Each is then broken in a copy, which must be objected to. This is no
InfVerif: it knows the directives that the file uses, and objects to any other.
"""
import os
import re
import sys

SOURCE, VERSION = sys.argv[1:3]
ALLOWED = {  # section: directives; the sections that are named by directives come on top
    'version': {'signature', 'class', 'classguid', 'provider', 'catalogfile', 'driverver', 'pnplockdown'},
    'service': {'displayname', 'description', 'servicetype', 'starttype', 'errorcontrol', 'servicebinary', 'dependencies', 'addreg'},
}
FIXED = {'version', 'sourcedisksnames', 'sourcedisksfiles', 'destinationdirs', 'strings'}
INSTALL = 'defaultinstall.ntamd64'


def read_inf(text):
    """{section in lower case: [(key in lower case or None, value)]}; comments and quotes are read as Windows does."""
    sections, current = {}, None
    for line in text.splitlines():
        line = re.sub(r';(?=(?:[^"]*"[^"]*")*[^"]*$).*', '', line).strip()
        if not line:
            continue
        if line.startswith('['):
            current = sections.setdefault(line.strip('[]').strip().lower(), [])
            continue
        key, equals, value = (part.strip() for part in line.partition('='))
        current.append((key.lower(), value.strip('"')) if equals else (None, line))
    return sections


def value_of(sections, section, key):
    return next((value for name, value in sections.get(section, []) if name == key), '')


def check_version(s):
    """INF Version section; DriverVer directive; Creating a primitive driver."""
    version = {key: value for key, value in s.get('version', [])}
    yield version.get('signature', '').lower() in ('$windows nt$', '$chicago$'), 'Signature is neither of the two'
    yield all(version.get(key) for key in ('class', 'classguid', 'provider')), 'Class, ClassGuid or Provider is missing'
    yield re.fullmatch(r'\{[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}', version.get('classguid', '')), 'ClassGuid is no GUID'
    yield version.get('catalogfile', '').endswith('.cat'), 'no CatalogFile: Windows takes the driver for unsigned'
    yield version.get('pnplockdown') == '1', 'PnpLockdown is not 1'
    date = re.fullmatch(r'(\d\d)/(\d\d)/(\d{4}),(\d+)\.(\d+)\.(\d+)\.(\d+)', version.get('driverver', ''))
    yield date and 1 <= int(date[1]) <= 12 and 1 <= int(date[2]) <= 31, 'DriverVer is not mm/dd/yyyy,w.x.y.z'
    yield date and all(int(n) < 65535 for n in date.groups()[3:]) and any(int(n) for n in date.groups()[3:]), 'DriverVer has no valid version'
    yield date and '.'.join(date.groups()[3:6]) == VERSION, f'DriverVer is not that of meson.build, {VERSION}'


def check_sections(s):
    """Creating a primitive driver; INF DefaultInstall section (what a universal INF may have)."""
    yield INSTALL in s and INSTALL + '.services' in s, 'no [DefaultInstall.NTamd64] with Services'
    yield not any(re.fullmatch(r'defaultinstall(\.services)?', name) for name in s), 'an undecorated DefaultInstall'
    yield 'manufacturer' not in s, 'a Manufacturer section'
    yield not any(name.startswith('defaultuninstall') for name in s), 'a DefaultUninstall section'
    yield {key for key, _ in s.get(INSTALL, [])} <= {'copyfiles', 'addreg'}, 'DefaultInstall has a directive that a universal INF may not have'
    yield {key for key, _ in s.get('version', [])} <= ALLOWED['version'], 'Version has an unknown directive'
    named = set(FIXED) | {INSTALL, INSTALL + '.services'}
    wanted = [value for key, value in s.get(INSTALL, []) if key in ('copyfiles', 'addreg')]
    for _, value in s.get(INSTALL + '.services', []):
        wanted.append(value.split(',')[2])
        wanted += [more for key, more in s.get(value.split(',')[2].strip().lower(), []) if key == 'addreg']
    wanted = {part.strip().lower() for value in wanted for part in value.split(',')}
    yield wanted <= set(s), f'sections that are not there: {sorted(wanted - set(s))}'
    yield set(s) <= named | wanted, f'sections that nothing names: {sorted(set(s) - named - wanted)}'


def check_files(s):
    """Using dirids (13: the driver store; no renaming, no DelFiles); SourceDisksFiles, CopyFiles, DestinationDirs."""
    lists = [part.strip().lower() for value in [value_of(s, INSTALL, 'copyfiles')] for part in value.split(',') if part.strip()]
    files = {line for name in lists for _, line in s.get(name, [])}
    yield files and not any(',' in line for line in files), 'no file is copied, or one is renamed'
    yield files == {key for key, _ in s.get('sourcedisksfiles', [])}, 'SourceDisksFiles and CopyFiles name different files'
    yield {value.split(',')[0] for _, value in s.get('sourcedisksfiles', [])} <= {key for key, _ in s.get('sourcedisksnames', [])}, \
        'a disk of SourceDisksFiles is not in SourceDisksNames'
    directories = dict(s.get('destinationdirs', []))
    yield all(directories.get(name) == '13' for name in lists) and set(directories.values()) == {'13'}, \
        'files do not go to dirid 13, the driver store'
    yield set(directories) - {'defaultdestdir'} <= set(lists), 'DestinationDirs names a list that is not copied'


def check_service(s):
    """INF AddService directive: service-install-section."""
    add = value_of(s, INSTALL + '.services', 'addservice').split(',')
    yield len(add) == 3 and add[0].strip() == 'gatehouse', 'the service is not gatehouse'
    name = add[-1].strip().lower()
    service = dict(s.get(name, []))
    yield set(service) <= ALLOWED['service'], 'the service has an unknown directive'
    yield all(service.get(key) for key in ('servicetype', 'starttype', 'errorcontrol', 'servicebinary')), 'a required entry is missing'
    yield service.get('servicetype') == '1', 'it is no kernel driver'
    yield service.get('starttype') in ('2', '3'), 'it would start before BFE'
    files = {key for key, _ in s.get('sourcedisksfiles', [])}
    binary = re.fullmatch(r'%13%\\(.+)', service.get('servicebinary', ''))
    yield binary and binary[1].lower() in files, 'ServiceBinary is not a copied file in %13%'
    # A driver whose DriverEntry opens the filter engine needs BFE to run (page Installation of Callout Drivers).
    yield service.get('dependencies', '').lower() == 'bfe', 'it does not depend on BFE'


def check_settings(s):
    """INF AddReg directive; driver/settings.h and settings.c: the same names, the standard values, nothing overwritten."""
    lines = [line for _, line in s.get('service.settings', [])]
    with open(os.path.join(SOURCE, 'driver/settings.h'), encoding='utf-8') as file:
        text = file.read()
    standard = {name: int(value) for name, value in re.findall(r'^ \*   (\w+) .*default (\d+)$', text, re.MULTILINE)}
    found = {}
    for line in lines:
        parts = [part.strip() for part in line.split(',')]
        yield len(parts) == 5 and parts[:2] == ['HKR', 'Parameters'], f'{line}: not a value below the service\'s Parameters'
        yield int(parts[3], 16) == 0x00010003, f'{line}: not FLG_ADDREG_TYPE_DWORD with FLG_ADDREG_NOCLOBBER'
        found[parts[2]] = int(parts[4])
    yield len(standard) >= 5 and found == standard, f'the values are {found}, those of settings.h {standard}'


def check_strings(s):
    """INF Strings section."""
    strings = {key: value for key, value in s.get('strings', [])}
    used = {name.lower() for section, lines in s.items() if section != 'strings'
            for _, value in lines for name in re.findall(r'%(\w+)%', value or '') if not name.isdigit()}
    yield used <= set(strings), f'not in Strings: {sorted(used - set(strings))}'
    yield set(strings) <= used, f'in Strings and not used: {sorted(set(strings) - used)}'
    yield all(strings.values()), 'an empty string'


def check_program(s):
    """'gatehouse install' makes the service without the INF (agent/service_windows.c): it has to be the same service."""
    path = os.path.join(SOURCE, 'agent/service_windows.c')
    if not os.path.exists(path):
        return
    with open(path, encoding='utf-8') as file:
        text = file.read()
    ours = dict(re.findall(r'^#define (DISPLAY_NAME|DESCRIPTION|DEPENDS_ON)\s+L"([^"\\]*)', text, re.MULTILINE))
    ours |= {'type': re.search(r'DELETE, (SERVICE_\w+)', text)[1], 'error': re.search(r'(SERVICE_ERROR_\w+), path', text)[1]}
    with open(os.path.join(SOURCE, 'agent/install_windows.c'), encoding='utf-8') as file:
        ours['start'] = 'SERVICE_AUTO_START' if 'automatic = !install->service.exists ||' in file.read() else 'SERVICE_DEMAND_START'
    numbers = {'servicetype': {'1': 'SERVICE_KERNEL_DRIVER'}, 'errorcontrol': {'1': 'SERVICE_ERROR_NORMAL'},
               'starttype': {'2': 'SERVICE_AUTO_START', '3': 'SERVICE_DEMAND_START'}}
    service = dict(s.get('service', []))
    read = {key: names.get(service.get(key)) for key, names in numbers.items()}
    strings = dict(s.get('strings', []))
    inf = {'DISPLAY_NAME': strings.get('service'), 'DESCRIPTION': strings.get('description'),
           'DEPENDS_ON': service.get('dependencies'), 'type': read['servicetype'], 'error': read['errorcontrol'],
           'start': read['starttype']}
    yield ours == inf, f'gatehouse install makes {ours}, the INF {inf}'


RULES = [check_version, check_sections, check_files, check_service, check_settings, check_strings, check_program]


def inspect(text):
    sections = read_inf(text)
    return [words for rule in RULES for fine, words in rule(sections) if not fine]


# What to replace, by what, and what is then said.
DAMAGES = [
    ('$WINDOWS NT$', '$OS2$', 'Signature'), ('Class       = WFPCALLOUTS', '', 'Class'), ('{57465043-', '{5746504-', 'no GUID'),
    ('CatalogFile = gatehouse.cat', '', 'unsigned'), ('PnpLockdown = 1', 'PnpLockdown = 0', 'PnpLockdown'),
    ('11/22/2026', '2026-11-22', 'mm/dd/yyyy'), ('11/22/2026', '22/11/2026', 'mm/dd/yyyy'), (f',{VERSION}.0', ',0.0.0.0', 'no valid version'),
    (f',{VERSION}.0', ',9.1.0.0', 'meson.build'), ('[DefaultInstall.NTamd64]', '[DefaultInstall]', 'undecorated'),
    ('[DefaultInstall.NTamd64.Services]', '[Manufacturer]', 'Manufacturer'),
    ('[driver.files]', '[DefaultUninstall.NTamd64]\nLegacyUninstall=1\n[driver.files]', 'DefaultUninstall'),
    ('CopyFiles = driver.files', 'CopyFiles = driver.files\nDelFiles = driver.files', 'universal INF'),
    ('[driver.files]', '[drivers]', 'not there'), ('[service]', '[services]', 'nothing names'),
    ('gatehouse.sys = 1', 'gatehouse.sys = 2', 'SourceDisksNames'), ('gatehouse.sys = 1', 'other.sys = 1', 'different files'),
    ('driver.files   = 13', 'driver.files   = 12', 'dirid 13'), ('%13%\\gatehouse.sys', '%12%\\gatehouse.sys', 'ServiceBinary'),
    ('%13%\\gatehouse.sys', '%13%\\gate.sys', 'ServiceBinary'), ('StartType     = 2', 'StartType     = 0', 'before BFE'),
    ('StartType     = 2', 'StartType     = 3', 'gatehouse install makes'),
    ('ErrorControl  = 1', '', 'required'), ('Dependencies  = BFE', '', 'BFE'), ('ServiceType   = 1', 'ServiceType   = 16', 'kernel'),
    ('AddService = gatehouse,', 'AddService = other,', 'not gatehouse'), ('0x00010003,2', '0x00010001,2', 'NOCLOBBER'),
    ('HKR,Parameters,Capacity,0x00010003,65536', 'HKR,Parameters,Capacity,0x00010003,65535', 'settings.h'),
    ('HKR,Parameters,NoDecider,0x00010003,0\n', '', 'settings.h'), ('HKR,Parameters,Undecided', 'HKLM,Parameters,Undecided', 'Parameters'),
    ('provider    = "Gatehouse"', '', 'not in Strings'), ('[Strings]', '[Strings]\nmore = "x"', 'not used'),
]


def cases():
    with open(os.path.join(SOURCE, 'windows/gatehouse.inf'), encoding='utf-8') as file:
        good = file.read()
    yield 'gatehouse.inf keeps the rules', not inspect(good), '\n'.join(inspect(good))
    yield 'plain ASCII', good.isascii(), ''
    for old, new, objection in DAMAGES:
        found = inspect(good.replace(old, new, 1)) if old in good else [f'the file has no "{old}" to break']
        yield f'objects to: {new or "no " + old}'.replace('\n', ' / '), any(objection in line for line in found), \
            f'wanted "{objection}", got {found}'


def main():
    failed = number = 0
    for number, (name, fine, why) in enumerate(cases(), 1):
        failed += not fine
        print(f'{"ok" if fine else "not ok"} {number} - {name}', flush=True)
        if not fine:
            print('\n'.join('# ' + line for line in why.splitlines()))
    print(f'1..{number}')
    return 1 if failed else 0


sys.exit(main())
