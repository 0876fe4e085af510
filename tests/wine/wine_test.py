#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""wine_test SOURCE BUILD - the files that a Windows user installs, run together under Wine.

gatehouse.sys and gatehouse.exe as tools/build-windows makes them, with the wfp/ engine as fwpkclnt.sys and a program
that plays the network stack. The service control manager starts and stops the driver; everything else goes through
DeviceIoControl. docs/windows.md says what this proves and what not. Prints TAP; skipped without Wine or compiler.
"""
import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from wine_cases import BUILD, PARTS, SOURCE, WINDOWS, Cases, Test, main
from wine_world import SECONDS, until

CANCELLED = 'c0000120'
REOFFERED = 8
CASES = Cases(seconds=180)
case = CASES.add


@case('the service control manager starts gatehouse.sys; both its links lead to it')
def starts(test):
    assert test.state() == 'RUNNING'
    test.device(name='Gatehouse')
    test.device(role=0, name='SampleWfpCallout')
    counts = test.unbroken(test.stack())
    assert counts['registered'] == counts['callouts'] > 0 and counts['filters'] > 0, counts


@case('one connection is held, decided and permitted; another is held, decided and blocked')
def decided(test):
    stack, decider = test.stack(), test.device()
    for verdict in ('permit', 'block'):
        endpoint, *_ = test.connect(stack, port=443)
        assert decider.ask('get') == ['ok']
        request, pid, address, port, flags = decider.wait('got')
        assert (pid, address, port, flags) == ('5001', '192.0.2.1', '443', '0')
        stack.silent('ended', 0.1)
        assert decider.ask(f'{verdict} {request}') == ['ok']
        test.ended(stack, endpoint, verdict)
    counts = test.unbroken(stack)
    assert counts['pended'] == 0 and counts['flows'] == 1, counts


@case('IPv6, and a connection of no process, are held and decided too')
def other_connections(test):
    stack, decider = test.stack(), test.device()
    six, *_ = test.connect(stack, address='2001:db8::1', port=443)
    nobody, *_ = test.connect(stack, pid='-')
    assert decider.ask('get') == ['ok']
    first = decider.wait('got')
    if nobody_first := first[3] == '80':
        assert first[4] == '2', first
    decider.ask('get')
    second = decider.wait('got')
    requests = (second[0], first[0]) if nobody_first else (first[0], second[0])
    assert decider.ask(f'block {requests[0]}') == decider.ask(f'permit {requests[1]}') == ['ok']
    test.ended(stack, six, 'block')
    test.ended(stack, nobody, 'permit')
    test.unbroken(stack)


@case('a flow is authorized again when somebody changes the filters, and blocked when his filter says so')
def reauthorized(test):
    stack = test.stack()
    test.program('permit')
    endpoint, *_ = test.connect(stack)
    flow = test.ended(stack, endpoint, 'permit')
    stack.ask(f'established {flow}')
    assert stack.ask(f'out {flow}')[1] == 'permit'
    harmless = stack.ask('filter 4 permit 81')[0]
    for way, again in (('in', True), ('out', False)):
        words = stack.ask(f'{way} {flow}')
        assert words[1] == 'permit' and ('reauthorized' in words) == again, words
    harmful = stack.ask('filter 4 block 80')[0]
    words = stack.ask(f'in {flow}')
    assert words[1] == 'block' and 'reauthorized' in words, words
    for made in (harmless, harmful):
        stack.ask(f'unfilter {made}')
    counts = test.unbroken(stack)
    assert counts['flows'] == 0 and counts['pended'] == 0, counts


@case('gatehouse.exe permit and block decide 200 connections each, every one as it should')
def programs_decide(test):
    stack = test.stack()
    for command, other in (('permit', 'block'), ('block', 'permit')):
        decider = test.program(command, '--except', r'\device\harddiskvolume1\other.exe')
        wanted = {}
        for i in range(200):
            name = 'other' if i % 10 == 0 else 'app'
            endpoint, *_ = test.connect(stack, program=rf'\device\harddiskvolume1\{name}.exe', port=1000 + i,
                                        address='192.0.2.1' if i % 2 else '2001:db8::1')
            wanted[endpoint] = other if name == 'other' else command
        for endpoint, verdict in wanted.items():
            test.ended(stack, endpoint, verdict)
        until(lambda: decider.lines.qsize() >= 200, 'a line for each decision')
        decider.close()
    counts = test.unbroken(stack)
    assert (counts['flows'], counts['pended']) == (200, 0), counts


@case('gatehouse.exe ask: a person answers through a pipe; at its end the connection goes back, exit code 5')
def asks_through_a_pipe(test):
    stack = test.stack()
    person = test.program('ask')
    for answer, verdict in (('y', 'permit'), ('n', 'block')):
        endpoint, *_ = test.connect(stack)
        person.wait(r'\device\harddiskvolume1\app.exe')
        person.say(answer)
        test.ended(stack, endpoint, verdict)
    endpoint, *_ = test.connect(stack)
    person.wait(r'\device\harddiskvolume1\app.exe')
    assert person.finish() == 5
    stack.silent('ended')
    test.program('permit')
    test.ended(stack, endpoint, 'permit')


@case('gatehouse.exe ask on a terminal: one key answers; Ctrl-C ends it, exit code 0, and gives back what is held')
def asks_on_a_terminal(test):
    stack = test.stack()
    person = test.world.start_when(lambda: test.status()['decider_pid'] != 0, 'gatehouse.exe', 'ask',
                                   start=test.world.start_on_terminal)
    for key, verdict in (('n', 'block'), ('y', 'permit')):
        endpoint, *_ = test.connect(stack)
        person.wait('permit? ')
        time.sleep(0.4)  # a key that was meant for something else is not taken
        person.press(key)
        test.ended(stack, endpoint, verdict)
    endpoint, *_ = test.connect(stack)
    person.wait('permit? ')
    person.press('\x03')
    assert person.finish() == 0
    status = test.status()
    assert (status['held'], status['queued'], status['requeued'] > 0) == (1, 1, True), status


@case('an answer for a program is remembered as filters, and forgotten when its time is over')
def remembered(test):
    stack, decider = test.stack(), test.device()
    filters = test.unbroken(stack)['filters']
    endpoint, *_ = test.connect(stack, port=9000)
    decider.ask('get')
    request, *_ = decider.wait('got')
    assert decider.ask(f'permit {request} 2 4000') == ['ok']
    test.ended(stack, endpoint, 'permit')
    assert test.unbroken(stack)['filters'] > filters
    test.connect(stack, port=9001, expect='permit')
    test.connect(stack, address='2001:db8::9', expect='permit')
    test.connect(stack, program=r'\device\harddiskvolume1\other.exe')
    until(lambda: test.unbroken(stack)['filters'] == filters, 'the filters are gone')
    test.connect(stack, port=9002)


@case('gatehouse.exe status --json counts what happened; watch shows it; policy changes it')
def shows(test):
    stack = test.stack()
    watch = test.watch()
    before = test.status()
    decider = test.program('block')
    endpoint, *_ = test.connect(stack, port=4433)
    test.ended(stack, endpoint, 'block')
    after = test.status()
    for counter in ('classified', 'pended', 'blocked_by_decider'):
        assert after[counter] > before[counter], counter
    assert after['held'] == 0 and after['decider_pid'] != 0 and before['decider_pid'] == 0
    until(lambda: sum(':4433 ' in str(line) for line in list(watch.lines.queue)) == 2, 'held and decided are shown')
    decider.close()
    code, text = test.world.run('gatehouse.exe', 'policy', '--no-decider', 'permit')
    assert code == 0, text
    assert test.status()['policy']['no_decider'] == 'permit'
    test.connect(stack, expect='permit')
    assert test.world.run('gatehouse.exe', 'policy', '--no-decider', 'hold')[0] == 0


@case("gatehouse.exe watch --event-log: each event is reported to Windows' event log, as Wine's trace of ReportEventW tells")
def event_log(test):
    stack, decider, world = test.stack(), test.device(), test.world
    usual = world.environment

    def start_traced(*words):
        world.environment = {**usual, 'WINEDEBUG': '-all,+eventlog'}
        try:
            return world.start(*words)
        finally:
            world.environment = usual

    watcher = test.watch('--event-log', start=start_traced)
    endpoint, *_ = test.connect(stack)
    decider.ask('get')
    request, *_ = decider.wait('got')
    assert decider.ask(f'block {request}') == ['ok']
    test.ended(stack, endpoint, 'block')
    told = []

    def reported():
        while not watcher.lines.empty():
            told.append(watcher.lines.get())
        return any('eventlog' in line and 'app.exe' in line and 'block' in line for line in told)
    until(reported, 'the report of the block')


@case('only one decides: a second gatehouse.exe is refused with exit code 3')
def one_decides(test):
    test.device()
    code, text = test.world.run('gatehouse.exe', 'permit', '--once')
    assert code == 3 and 'gatehouse:' in text, (code, text)


@case('CancelIoEx ends a waiting read; the handle goes on')
def cancelled(test):
    stack, decider = test.stack(), test.device()
    assert decider.ask('get') == ['ok']
    decider.silent('got')
    assert decider.ask('cancel') == ['ok']
    assert decider.wait('got') == ['error', CANCELLED]
    endpoint, *_ = test.connect(stack)
    stack.silent('ended', 0.1)
    assert decider.ask('get') == ['ok']
    decider.ask('permit ' + decider.wait('got')[0])
    test.ended(stack, endpoint, 'permit')


@case('CloseHandle in a living process ends its waiting read, and frees its place as the decider')
def closed(test):
    stack, decider = test.stack(), test.device()
    endpoint, *_ = test.connect(stack)
    assert decider.ask('get') == ['ok']
    decider.wait('got')
    assert decider.ask('get') == ['ok']
    decider.silent('got')
    assert decider.ask('close') == ['ok']
    assert decider.wait('got') == ['error', CANCELLED]
    second = test.device()
    assert second.ask('get') == ['ok']
    request, *_, flags = second.wait('got')
    assert flags == str(REOFFERED)
    assert second.ask(f'permit {request}') == ['ok']
    test.ended(stack, endpoint, 'permit')


def leaves(test, leave):
    stack, first = test.stack(), test.device()
    endpoints = [test.connect(stack, port=port)[0] for port in (1, 2, 3)]
    for _ in endpoints[:2]:
        assert first.ask('get') == ['ok']
    offered = {tuple(first.wait('got')[:1]) for _ in endpoints}
    assert first.ask('get') == ['ok']  # one more that waits
    leave(first)
    first.process.wait(SECONDS)
    until(lambda: test.status()['decider_pid'] == 0, 'its place is free')
    stack.silent('ended', 0.1)
    second = test.device()
    again = set()
    while len(again) < 3:
        assert second.ask('get') == ['ok']
        until(lambda: second.lines.qsize() >= 1, 'requests come')
        while second.lines.qsize():
            request, *_, flags = second.wait('got')
            assert flags == str(REOFFERED)
            again.add((request,))
    assert again == offered
    for request, in again:
        assert second.ask(f'permit {request}') == ['ok']
    for endpoint in endpoints:
        test.ended(stack, endpoint, 'permit')
    assert test.status()['requeued'] >= 3
    test.unbroken(stack)


@case('a decider killed by SIGKILL with three requests in hand: they go back, the next decider gets them')
def killed(test):
    leaves(test, lambda first: first.process.kill())


@case('a decider ended by TerminateProcess with three requests in hand: the same')
def terminated(test):
    leaves(test, lambda first: test.world.run('taskkill', '/f', '/pid', first.windows_id))


@case('a decider that ends itself with three requests in hand: the same')
def exits(test):
    leaves(test, lambda first: first.say('exit'))


@case('the deadline passes with nobody there: what the registry says happens, and not before')
def deadline(test):
    for verdict, name in ((1, 'permit'), (2, 'block')):
        test.restart_driver(DeadlineMs=1000, Undecided=verdict)
        assert test.status()['policy']['deadline_ms'] == 1000
        stack = test.stack()
        started = time.monotonic()
        endpoint, *_ = test.connect(stack)
        test.ended(stack, endpoint, name)
        took = time.monotonic() - started
        assert 0.9 <= took < 60, f'{took:.2f} s'
        assert test.status()['expired'] == 1
        stack.close()
    test.restart_driver()


@case('settings: each value counts by itself, whichever others are missing, of another type, or too long')
def settings(test):
    key = r'HKEY_LOCAL_MACHINE\System\CurrentControlSet\Services\gatehouse\Parameters'
    test.restart_driver(NoDecider=2)
    policy = test.status()['policy']
    assert (policy['deadline_ms'], policy['no_decider']) == (60000, 'block'), policy
    file = test.world.prefix / 'drive_c/value.reg'
    for written in ('"soon"', 'hex:' + ','.join(['11'] * 64), 'hex(4):' + ','.join(['11'] * 64), 'hex(4):11,22', 'hex(4):'):
        test.stop_driver()
        test.start_driver(Capacity=7, NoDecider=1)
        test.stop_driver()
        file.write_text(f'REGEDIT4\n\n[{key}]\n"DeadlineMs"={written}\n')
        assert test.world.run('reg', 'import', r'C:\value.reg')[0] == 0
        assert test.sc('start', 'gatehouse')[0] == 0
        status = test.status()
        assert status['policy']['no_decider'] == 'permit' and status['capacity'] == 7, (written, status)
        assert status['policy']['deadline_ms'] == 60000, (written, status)
    test.restart_driver()


@case('the socket is closed while its connection is held: given up, the decision comes too late')
def given_up(test):
    stack, decider = test.stack(), test.device()
    endpoint, *_ = test.connect(stack)
    assert decider.ask('get') == ['ok']
    request, *_ = decider.wait('got')
    stack.ask(f'close {endpoint}')
    test.ended(stack, endpoint, 'block')
    assert decider.ask(f'permit {request}')[0] == 'error'
    assert test.unbroken(stack)['pended'] == 0 and test.status()['cancelled'] >= 1


@case('stop with connections held, offered and read for: they end as blocked, the driver unloads, all of it')
def stops(test):
    test.restart_driver()
    stack, decider = test.stack(), test.device()
    endpoints = [test.connect(stack, port=port)[0] for port in range(1, 21)]
    assert decider.ask('get') == ['ok']
    for _ in endpoints:
        decider.wait('got')
    assert decider.ask('get') == ['ok']
    endpoints += [test.connect(stack, port=port)[0] for port in range(21, 31)]
    decider.wait('got')
    while test.status()['queued'] != 0:
        assert decider.ask('get') == ['ok']
    assert decider.ask('get') == ['ok']  # one that waits
    test.stop_driver()
    for endpoint in endpoints:
        test.ended(stack, endpoint, 'block')
    decider.wait('got error')
    assert test.world.run('gatehouse.exe', 'status')[0] == 2
    test.start_driver()


@case('gatehouse.exe waits for a driver that is stopped and started, and goes on deciding; --once: exit code 4')
def comes_back(test):
    once = test.program('permit', '--once')
    test.stop_driver()
    assert once.process.wait(SECONDS) == 4
    test.start_driver()
    program = test.program('block')
    test.stop_driver()
    until(lambda: program.lines.qsize() >= 1, 'it says that the driver is gone')
    test.start_driver()
    until(lambda: test.status()['decider_pid'] != 0, 'it is back')
    stack = test.stack()
    endpoint, *_ = test.connect(stack)
    test.ended(stack, endpoint, 'block')


@case('a program written from the article alone decides through SampleWfpCallout and its two IOCTLs')
def article(test):
    stack = test.stack()
    for verdict in ('permit', 'block'):
        client, _ = test.world.start_until('ready', 'seed_client.exe', verdict)
        until(lambda: test.status()['decider_pid'] != 0, 'it decides')
        for port in (80, 443):
            endpoint, *_ = test.connect(stack, address='198.51.100.7', port=port, pid='77')
            _, pid, address, seen = client.wait('request')
            assert (pid, address, seen) == ('77', 'C6336407', str(port))
            test.ended(stack, endpoint, verdict)
        if verdict == 'permit':
            client.kill()
            until(lambda: test.status()['decider_pid'] == 0, 'its place is free')
    test.stop_driver()
    assert client.wait('error') and client.process.wait(SECONDS) == 0
    test.start_driver()


@case('gatehouse.exe install makes the service of this very gatehouse.sys, which holds; uninstall takes it away')
def installed(test):
    test.stop_driver()
    assert test.sc('delete', 'gatehouse')[0] == 0
    world = test.world
    world.run('reg', 'add', r'HKCU\Software\Wine', '/v', 'Version', '/d', 'win10', '/f')
    target = world.prefix / 'drive_c/windows/system32/drivers/gatehouse.sys'
    target.unlink()
    shutil.copy(os.path.join(WINDOWS, 'gatehouse.sys'), world.prefix / 'drive_c')
    builtin = world.environment['WINEDLLOVERRIDES']
    world.environment.update(WINEDLLOVERRIDES=builtin + ';fwpuclnt=n', GATEHOUSE_FWP_FILE='Z:' + str(world.folder / 'objects'))
    try:
        code, text = world.run('gatehouse.exe', 'install', '--start', '--deadline', '7')
        assert code == 0 and test.state() == 'RUNNING', text
        assert test.status()['policy']['deadline_ms'] == 7000
        stack = test.stack()
        endpoint, *_ = test.connect(stack)
        decider = test.program('block')
        test.ended(stack, endpoint, 'block')
        decider.close()
        world.news()
        code, text = world.run('gatehouse.exe', 'uninstall')
        assert code == 0 and test.state().startswith('none') and not target.exists(), text
        until(lambda: any('gatehouse: unloaded' in line for line in world.news()), 'the driver is unloaded')
    finally:
        world.environment['WINEDLLOVERRIDES'] = builtin
        if not target.exists():
            shutil.copy(os.path.join(WINDOWS, 'gatehouse.sys'), target)
        test.create_service()


@case('recorded scenarios give the events that the driver from source gives, each in its place')
def scenarios(test):
    test.stop_driver()
    assert test.sc('delete', 'gatehouse')[0] == 0  # the runner makes it, with parameters of its own
    folder = os.path.join(SOURCE, 'tests/scenario/files')
    names = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    source = os.path.join(BUILD, 'tests/scenario/scenario-source')
    if os.path.exists(source):
        subprocess.run([source, '--random', '1', '8', test.world.folder], check=True, timeout=120)
        names += sorted(str(path) for path in test.world.folder.glob('*.scenario'))
    code, text = test.world.run('scenario.exe', *('Z:' + name.replace('/', '\\') for name in names), seconds=120)
    assert code == 0 and text.count('every event as expected') >= 3, text
    test.create_service()


@case('delete: the service is gone; made anew, it starts again')
def deleted(test):
    test.stop_driver()
    assert test.sc('delete', 'gatehouse')[0] == 0
    assert test.state().startswith('none')
    assert test.sc('start', 'gatehouse')[0] != 0
    test.create_service()
    test.start_driver()
    test.device()


def files():
    return [os.path.join(WINDOWS, 'gatehouse.sys'), os.path.join(WINDOWS, 'gatehouse.exe'),
            *(os.path.join(PARTS, name) for name in ('fwpkclnt.sys', 'engine_client.exe', 'device_client.exe', 'seed_client.exe',
                                               'fwpuclnt.dll', 'scenario.exe'))]


def with_service(world):
    test = Test(world)
    test.create_service()
    return test


sys.exit(main(CASES, ['wine_files', 'install_files'], files(), with_service))
