#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""install_test SOURCE BUILD [CASE...] - `gatehouse install` and `uninstall` under Wine.

The real program, service control manager, registry and files; the filter engine is a fwpuclnt.dll that remembers
objects in a file and can fail at its n-th call (fwpuclnt_double.c), the driver one that only starts (plain_driver.c).
Who decides with these objects is proved in tests/driver/install. After each failure the machine must be as it was.
Prints TAP; skipped without Wine or compiler.
"""
import concurrent.futures
import hashlib
import json
import os
import shutil
import sys

sys.dont_write_bytecode = True
from wine_cases import PARTS, WINDOWS, Cases, main
from wine_world import until

KEY = r'HKLM\System\CurrentControlSet\Services\gatehouse'
OBJECT_SIZE = 44  # struct object of fwpuclnt_double.c
CASES = Cases(seconds=300)


def case(function):
    return CASES.add(function.__name__.replace('_', ' '))(function)


class Machine:
    """The installed parts, as the cases see them."""

    def __init__(self, world):
        self.world = world
        root = world.prefix / 'drive_c'
        self.folder = root / 'app'
        self.folder.mkdir()
        shutil.copy(os.path.join(WINDOWS, 'gatehouse.exe'), self.folder)
        self.source = self.folder / 'gatehouse.sys'
        self.drivers = root / 'windows/system32/drivers'
        self.target = self.drivers / 'gatehouse.sys'
        self.objects_file = world.folder / 'objects'
        self.builtin = world.environment['WINEDLLOVERRIDES']
        shutil.copy(os.path.join(PARTS, 'fwpuclnt.dll'), root / 'windows/system32/fwpuclnt.dll')
        self.as_windows('win10')

    def as_windows(self, version):
        code, text = self.world.run('reg', 'add', r'HKCU\Software\Wine', '/v', 'Version', '/d', version, '/f')
        assert code == 0, text

    def begin(self):
        self.reset()

    def reset(self, driver='plain.sys'):
        """Nothing installed, and this driver beside the program."""
        self.world.environment.update({'WINEDLLOVERRIDES': self.builtin + ';fwpuclnt=n',
                                       'GATEHOUSE_FWP_FILE': 'Z:' + str(self.objects_file)})
        self.world.environment.pop('GATEHOUSE_FWP_FAIL', None)
        self.offer(driver)
        if self.parts() != NOTHING:
            self.uninstall()
        assert self.parts() == NOTHING, self.parts()

    def offer(self, driver, more=b''):
        with open(os.path.join(PARTS, driver), 'rb') as file:
            self.source.write_bytes(file.read() + more)

    def gatehouse(self, *words, fail=None):
        if fail is not None:
            self.world.environment['GATEHOUSE_FWP_FAIL'] = str(fail)
        try:
            return self.world.run('app/gatehouse.exe', *words)
        finally:
            self.world.environment.pop('GATEHOUSE_FWP_FAIL', None)

    def install(self, *words):
        code, text = self.gatehouse('install', *words)
        assert code == 0, text
        return text

    def uninstall(self, *words):
        code, text = self.gatehouse('uninstall', *words)
        assert code == 0, text
        return text

    def objects(self):
        """(providers, sublayers, persistent filters, boot-time filters)"""
        if not self.objects_file.exists():
            return (0, 0, 0, 0)
        data = self.objects_file.read_bytes()
        rows = [data[4 + OBJECT_SIZE * i:][:OBJECT_SIZE] for i in range(int.from_bytes(data[:4], 'little'))]
        kinds = [(row[0], int.from_bytes(row[36:40], 'little')) for row in rows]
        return tuple(kinds.count(kind) for kind in ((0, 1), (1, 1), (2, 1), (2, 2)))

    def service(self, registry=None):
        """(start type, state), or None"""
        code, text = self.world.run('sc', 'query', 'gatehouse')
        if 'STATE' not in text:
            assert code != 0, text
            return None
        start = (self.registry() if registry is None else registry)['Start']
        return {'0x2': 'AUTO_START', '0x3': 'DEMAND_START'}.get(start, start), text.split('STATE', 1)[1].split()[2]

    def registry(self):
        """Name: value of everything below the service's key; None if there is no key."""
        code, text = self.world.run('reg', 'query', KEY, '/s')
        if code != 0:
            return None
        rows = [line.split(None, 2) for line in text.splitlines() if line.startswith('    ')]
        return {row[0]: row[2] if len(row) > 2 else '' for row in rows}

    def files(self):
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:8]
                for path in self.drivers.glob('gatehouse*')}

    def parts(self):
        registry = self.registry()
        return self.objects(), self.service(registry), registry, self.files()

    def hold(self, what):
        return self.world.start_until('holding', 'holder.exe', what)[0]


NOTHING = ((0, 0, 0, 0), None, None, {})
OPEN, CLOSED = (1, 1, 3, 0), (1, 1, 7, 7)


@case
def installs_everything(machine):
    text = machine.install('--deadline', '5', '--no-decider', 'block')
    objects, service, registry, files = machine.parts()
    assert objects == OPEN, objects
    assert service == ('AUTO_START', 'STOPPED'), service
    assert list(files) == ['gatehouse.sys'] and machine.target.read_bytes() == machine.source.read_bytes()
    assert int(registry['DeadlineMs'], 16) == 5000 and int(registry['NoDecider'], 16) == 2, registry
    assert 'Undecided' not in registry and registry['DependOnService'].startswith('BFE'), registry
    assert registry['Type'] == '0x1' and registry['ErrorControl'] == '0x1', registry
    assert 'copied' in text and 'created' in text, text


@case
def installing_again_changes_nothing(machine):
    machine.install('--closed', '--deadline', '5')
    before = machine.parts()
    text = machine.install()
    assert machine.parts() == before and before[0] == CLOSED and before[1] == ('AUTO_START', 'RUNNING'), machine.parts()
    assert text.count('unchanged') == 3, text


@case
def each_option_changes_what_it_names(machine):
    machine.install('--starts', 'demand')
    assert machine.service() == ('DEMAND_START', 'STOPPED') and machine.objects() == OPEN
    machine.install('--start', '--undecided', 'permit')
    assert machine.service() == ('DEMAND_START', 'RUNNING') and machine.registry()['Undecided'] == '0x1'
    machine.install('--closed')
    assert machine.service() == ('AUTO_START', 'RUNNING') and machine.objects() == CLOSED
    code, text = machine.gatehouse('install', '--starts', 'demand')
    assert code == 1 and 'leave' in text and machine.service() == ('AUTO_START', 'RUNNING'), text
    machine.install('--open', '--starts=demand')
    assert machine.service() == ('DEMAND_START', 'RUNNING') and machine.objects() == OPEN
    assert machine.registry()['Undecided'] == '0x1'


@case
def an_upgrade_replaces_a_running_driver(machine):
    machine.install('--start')
    machine.offer('plain.sys', more=b'newer')
    text = machine.install()
    assert machine.target.read_bytes().endswith(b'newer') and list(machine.files()) == ['gatehouse.sys'], machine.files()
    assert machine.service() == ('AUTO_START', 'RUNNING') and 'replaced' in text and 'started' in text, text


@case
def dry_run_only_tells(machine):
    code, text = machine.gatehouse('install', '--closed', '--dry-run')
    assert code == 0 and machine.parts() == NOTHING, text
    assert text.count('boot-time') == 7 and text.count('persistent') == 9 and 'WOULD BE' in text, text
    code, text = machine.gatehouse('install', '--closed', '--dry-run', '--json')
    rows = [json.loads(line) for line in text.splitlines()]
    assert code == 0 and [row['would_be'] for row in rows if row['step'] == 'filters'] == ['closed'], text
    machine.install('--closed')
    before = machine.parts()
    code, text = machine.gatehouse('uninstall', '--dry-run')
    assert code == 0 and machine.parts() == before and '14 filters' in text, text


@case
def uninstall_removes_a_running_installation(machine):
    machine.install('--closed', '--deadline', '5')
    text = machine.uninstall()
    assert machine.parts() == NOTHING, machine.parts()
    assert text.count('removed') == 4 and 'stopped' in text, text
    text = machine.uninstall('--json')
    assert [json.loads(line)['is'] for line in text.splitlines()] == ['unchanged'] + ['absent'] * 4, text


@case
def rules_are_kept_in_a_folder_of_their_own(machine):
    folder = machine.world.prefix / 'drive_c/ProgramData/Gatehouse'
    machine.install()
    assert machine.registry()['RulesFolder'] == r'\??\C:\ProgramData\Gatehouse\state', machine.registry()
    assert (folder / 'state').is_dir()
    (folder / 'rules').write_text('permit all\n')
    (folder / 'state' / 'rules').write_bytes(b'kept')
    machine.install()  # an upgrade
    assert (folder / 'state' / 'rules').read_bytes() == b'kept'
    machine.uninstall()
    assert not (folder / 'state').exists() and (folder / 'rules').exists(), 'the administrator\'s file stays'
    (folder / 'rules').unlink()
    machine.install()
    assert machine.world.run('reg', 'add', KEY + r'\Parameters', '/v', 'RulesFolder', '/d', r'\??\C:\own', '/f')[0] == 0
    machine.install('--deadline', '5')
    assert machine.registry()['RulesFolder'] == (r'\??\C:\own'), 'an administrator chose it'
    machine.uninstall()
    assert not folder.exists()


@case
def uninstall_removes_what_is_half_there(machine):
    def only_file():
        for name in ('gatehouse.sys', 'gatehouse.sys.new', 'gatehouse.sys.old'):
            (machine.drivers / name).write_bytes(b'x')

    def only_service():
        assert machine.world.run('sc', 'create', 'gatehouse', 'type=', 'kernel', 'binPath=', r'C:\gone.sys')[0] == 0

    def only_key():
        assert machine.world.run('reg', 'add', KEY + r'\Parameters', '/v', 'Capacity', '/d', '1', '/f')[0] == 0

    def only_objects():
        machine.install('--closed')
        kept = machine.objects_file.read_bytes()
        machine.uninstall()
        machine.objects_file.write_bytes(kept)

    for make in (only_file, only_service, only_key, only_objects):
        make()
        assert machine.parts() != NOTHING
        machine.uninstall()
        assert machine.parts() == NOTHING, (make.__name__, machine.parts())
        make()
        machine.install()
        assert machine.objects() in (OPEN, CLOSED) and machine.service() is not None, (make.__name__, machine.parts())
        machine.uninstall()
        assert machine.parts() == NOTHING, (make.__name__, machine.parts())


def sweep(machine, prepare, *words):
    """Fails each call in turn, until none is left to fail."""
    machine.reset()
    prepare()
    before = machine.parts()
    for number in range(1, 80):
        code, text = machine.gatehouse(*words, fail=number)
        if code == 0:
            assert number > 10, number
            return machine.parts()
        assert code == 6 and ': ' in text and machine.parts() == before, (number, text, machine.parts())
        sentence = text.splitlines()[-1] if text.splitlines()[-1].startswith('gatehouse: ') else text.splitlines()[0]
        assert sentence.startswith('gatehouse: ') and 'failed' in sentence, text
    raise AssertionError('80 calls')


@case
def a_failed_call_leaves_nothing(machine):
    assert sweep(machine, lambda: None, 'install', '--closed', '--deadline', '5')[0] == CLOSED


@case
def a_failed_call_leaves_the_older_installation(machine):
    def older():
        machine.install('--start', '--no-decider', 'permit', '--starts', 'demand')
        machine.offer('plain.sys', more=b'newer')

    objects, service, registry, files = sweep(machine, older, 'install', '--closed', '--no-decider', 'block')
    assert objects == CLOSED and service == ('AUTO_START', 'RUNNING') and registry['NoDecider'] == '0x2'
    assert machine.target.read_bytes().endswith(b'newer') and list(files) == ['gatehouse.sys']


@case
def uninstall_goes_on_past_a_failed_call(machine):
    for number in range(1, 80):
        machine.install('--closed')
        code, text = machine.gatehouse('uninstall', fail=number)
        assert machine.parts()[1:] == NOTHING[1:], (number, machine.parts())
        if code == 0:
            assert number > 10 and machine.parts() == NOTHING, (number, machine.parts())
            return
        assert code == 6 and machine.objects() == CLOSED and 'NOT REMOVED' in text, (number, text)
        machine.uninstall()
        assert machine.parts() == NOTHING, machine.parts()
    raise AssertionError('80 calls')


@case
def a_driver_that_does_not_start_leaves_nothing(machine):
    machine.offer('refuses.sys')
    for words in (('--start',), ('--closed',)):
        code, text = machine.gatehouse('install', *words)
        assert code == 6 and 'starting the driver failed' in text and 'FAILED' in text, text
        assert text.count('put back') == 4 and machine.parts() == NOTHING, (text, machine.parts())
    machine.offer('plain.sys')
    machine.install('--start')
    before = machine.parts()
    machine.offer('refuses.sys')
    code, text = machine.gatehouse('install')
    assert code == 6 and machine.parts() == before, (text, machine.parts())


@case
def refuses_without_a_driver_or_with_a_wrong_one(machine):
    machine.source.unlink()
    code, text = machine.gatehouse('install')
    assert code == 6 and 'there is no C:\\app\\gatehouse.sys' in text and machine.parts() == NOTHING, text
    shutil.copy(machine.folder / 'gatehouse.exe', machine.source)
    code, text = machine.gatehouse('install')
    assert code == 6 and 'is no driver for this machine' in text and machine.parts() == NOTHING, text
    whole = open(os.path.join(PARTS, 'plain.sys'), 'rb').read()
    at = int.from_bytes(whole[60:64], 'little')
    for damaged in (b'', whole[:40], whole[:at + 20], whole[:at + 4] + b'\x4c\x01' + whole[at + 6:],
                    whole[:60] + b'\xff\xff\xff\x7f' + whole[64:], whole[:60] + b'\xff\xff\xff\xff' + whole[64:]):
        machine.source.write_bytes(damaged)
        code, text = machine.gatehouse('install')
        assert code == 6 and 'is no driver for this machine' in text and machine.parts() == NOTHING, text


@case
def refuses_an_older_windows(machine):
    machine.as_windows('win81')
    try:
        code, text = machine.gatehouse('install')
    finally:
        machine.as_windows('win10')
    assert code == 3 and 'needs Windows 10' in text and machine.parts() == NOTHING, text


@case
def refuses_without_a_filter_engine(machine):
    """Wine's own fwpuclnt.dll opens none."""
    machine.install('--closed')
    machine.world.environment['WINEDLLOVERRIDES'] = machine.builtin + ';fwpuclnt=b'
    before = machine.parts()
    code, text = machine.gatehouse('install', '--open')
    assert code == 6 and 'opening the filter engine failed' in text and machine.parts() == before, text
    code, text = machine.gatehouse('uninstall')
    assert code == 6 and 'BFE' in text and machine.parts()[1:] == NOTHING[1:], (text, machine.parts())
    machine.reset()


@case
def a_service_that_is_held_goes_later(machine):
    machine.install('--start')
    holder = machine.hold('service')
    text = machine.uninstall()
    gone = machine.service() is None
    assert gone or 'marked' in text, text
    if not gone:
        code, text = machine.gatehouse('install')
        assert code == 6 and 'close the programs' in text and machine.objects() == NOTHING[0], text
    holder.finish()
    until(lambda: machine.service() is None, 'the service is gone')
    machine.uninstall()
    assert machine.parts() == NOTHING, machine.parts()


@case
def a_file_in_use_goes_at_restart(machine):
    machine.install()
    before = machine.parts()
    holder = machine.hold('file')
    machine.offer('plain.sys', more=b'newer')
    code, text = machine.gatehouse('install')
    assert code == 6 and 'copying gatehouse.sys failed' in text and machine.parts() == before, (text, machine.parts())
    text = machine.uninstall()
    assert 'removed at restart' in text and machine.parts()[:3] == NOTHING[:3], (text, machine.parts())
    holder.finish()
    machine.uninstall()
    assert machine.parts() == NOTHING, machine.parts()


@case
def a_read_only_source_makes_no_file_that_stays(machine):
    """CopyFile gives the copy the attributes of its source, and Windows deletes no file that is read-only."""
    for more in (b'', b'newer', b'newest'):
        machine.offer('plain.sys', more=more)
        machine.source.chmod(0o444)
        try:
            machine.install()
        finally:
            machine.source.chmod(0o644)
        assert machine.target.read_bytes().endswith(more) and list(machine.files()) == ['gatehouse.sys'], machine.files()
    for name in ('gatehouse.sys', 'gatehouse.sys.new', 'gatehouse.sys.old'):
        (machine.drivers / name).write_bytes(b'x')
        (machine.drivers / name).chmod(0o444)
    machine.offer('plain.sys')
    machine.install()
    assert list(machine.files()) == ['gatehouse.sys'], machine.files()
    machine.target.chmod(0o444)
    text = machine.uninstall()
    assert machine.parts() == NOTHING and 'at restart' not in text, (text, machine.parts())


@case
def one_at_a_time(machine):
    machine.install()
    before = machine.parts()
    holder = machine.hold('lock')
    held = {**before[3], 'gatehouse.sys.lock': machine.files().get('gatehouse.sys.lock')}
    for words in (('install', '--closed'), ('uninstall',)):
        code, text = machine.gatehouse(*words)
        assert code == 6 and 'is under way' in text and machine.parts() == (*before[:3], held), (text, machine.parts())
    assert machine.gatehouse('install', '--dry-run')[0] == 0
    holder.finish()
    for turn in range(3):
        machine.offer('plain.sys', more=b'%d' % turn)
        with concurrent.futures.ThreadPoolExecutor(6) as pool:
            runs = [pool.submit(machine.gatehouse, 'install', '--start') for _ in range(6)]
        ended = [run.result() for run in runs]
        assert any(code == 0 for code, _ in ended), ended
        assert all(code == 0 or code == 6 and 'is under way' in text for code, text in ended), ended
        assert machine.target.read_bytes().endswith(b'%d' % turn) and list(machine.files()) == ['gatehouse.sys'], machine.files()
        assert machine.service() == ('AUTO_START', 'RUNNING') and machine.objects() == OPEN, machine.parts()


@case
def a_service_of_another_product_is_left_alone(machine):
    sc = machine.world.run
    assert sc('sc', 'create', 'gatehouse', 'type=', 'own', 'binPath=', r'C:\other\gate.exe')[0] == 0
    try:
        before = machine.parts()
        for words in (('install',), ('install', '--closed', '--dry-run'), ('uninstall',)):
            code, text = machine.gatehouse(*words)
            assert code == 3 and 'no driver' in text and machine.parts() == before, (words, text, machine.parts())
    finally:
        sc('sc', 'delete', 'gatehouse')


@case
def a_setting_of_another_type_is_put_back(machine):
    machine.install('--no-decider', 'permit')
    assert machine.world.run('reg', 'add', KEY + r'\Parameters', '/v', 'DeadlineMs', '/d', 'soon', '/f')[0] == 0
    before = machine.parts()
    for words in (('--deadline', '5'), ('--no-decider', 'block')):
        code, text = machine.gatehouse('install', *words, fail=20)
        assert code == 6 and machine.parts() == before, (text, machine.parts())
    assert before[2]['DeadlineMs'] == 'soon'


@case
def a_disabled_service_is_put_back_disabled(machine):
    machine.install()
    machine.hold('disabled').finish()
    before = machine.parts()
    assert before[1][0] == '0x4', before
    code, text = machine.gatehouse('install', '--start', '--starts', 'auto', fail=20)
    now = machine.parts()
    assert code == 6 and now[:2] == before[:2] and now[3] == before[3], (text, before, now)
    machine.install('--start', '--starts', 'auto')
    assert machine.service() == ('AUTO_START', 'RUNNING')


sys.exit(main(CASES, ['install_files'], [os.path.join(PARTS, 'holder.exe')], Machine))
