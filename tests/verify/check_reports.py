#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_reports.py WRITE_REPORTS - what the writers of reports write, read by somebody else's readers.

JSON by Python's strict reader; SARIF by the required and the allowed properties of the OASIS schema 2.1.0, written down here by hand;
and each format twice in processes with different addresses: the bytes are the same, and no address is in them. TAP.
"""
import json
import re
import subprocess
import sys

PROGRAM = sys.argv[1]
LEVELS = ('none', 'note', 'warning', 'error')
BAD = 'quotes " and \\, a tab\t, a line\nfeed, \x01, bad \ufffd\ufffd bytes, good \u00e9 \u20ac \U0001f512'


def write(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def need(holds, what):
    if not holds:
        raise AssertionError(what)


def check_object(value, required, allowed, where):
    need(isinstance(value, dict), f'{where} is no object')
    for name in required:
        need(name in value, f'{where} lacks {name}')
    for name in value:
        need(name in required or name in allowed, f'{where} has {name}, which the schema does not know')


def check_message(value, where):
    check_object(value, ['text'], ['markdown', 'id', 'arguments'], where)
    need(isinstance(value['text'], str) and value['text'], f'{where}.text')


def check_location(value, where):
    check_object(value, [], ['id', 'physicalLocation', 'logicalLocations', 'message'], where)
    if 'message' in value:
        check_message(value['message'], where)
    for logical in value.get('logicalLocations', []):
        check_object(logical, ['fullyQualifiedName', 'kind'], [], where)
    physical = value.get('physicalLocation')
    if physical is not None:
        check_object(physical, ['artifactLocation'], ['region'], where)
        check_object(physical['artifactLocation'], ['uri'], [], where)
        need(re.fullmatch(r'[A-Za-z0-9._~!$&\'()*+,;=:@/%-]+', physical['artifactLocation']['uri']), f'{where} uri')
        region = physical['region']
        check_object(region, [], ['startLine', 'byteOffset', 'byteLength'], where)
        need(region.get('startLine', 1) >= 1 and region.get('byteOffset', 0) >= 0, f'{where} region')


def check_result(result, rules, where):
    check_object(result, ['ruleId', 'level', 'message', 'locations'],
                 ['ruleIndex', 'relatedLocations', 'stacks', 'codeFlows', 'partialFingerprints', 'occurrenceCount'], where)
    check_message(result['message'], where)
    need(result['level'] in LEVELS, f'{where}.level')
    need(rules[result['ruleIndex']]['id'] == result['ruleId'], f'{where}.ruleIndex')
    need(result['occurrenceCount'] >= 1, f'{where}.occurrenceCount')
    for name in ('locations', 'relatedLocations'):
        for location in result[name]:
            check_location(location, f'{where}.{name}')
    for stack in result['stacks']:
        check_object(stack, ['frames'], ['message'], f'{where}.stacks')
        for frame in stack['frames']:
            check_object(frame, [], ['location', 'module', 'threadId', 'parameters'], f'{where}.frame')
            check_location(frame['location'], f'{where}.frame')
    for flow in result.get('codeFlows', []):
        check_object(flow, ['threadFlows'], ['message'], f'{where}.codeFlows')
        for thread in flow['threadFlows']:
            check_object(thread, ['locations'], ['id', 'message'], f'{where}.threadFlows')
            for step in thread['locations']:
                check_object(step, ['location'], ['executionOrder'], f'{where}.step')
                check_location(step['location'], f'{where}.step')


def check_rule(rule, where):
    check_object(rule, ['id'], ['shortDescription', 'fullDescription', 'help', 'defaultConfiguration', 'properties'], where)
    for name in ('shortDescription', 'fullDescription', 'help'):
        check_message(rule[name], f'{where}.{name}')
    check_object(rule['defaultConfiguration'], [], ['level'], where)
    need(rule['defaultConfiguration']['level'] in LEVELS, where)


def test_sarif():
    log = json.loads(write('sarif')[1].decode())
    check_object(log, ['version', 'runs'], ['$schema'], 'log')
    need(log['version'] == '2.1.0' and len(log['runs']) == 1, 'version')
    run = log['runs'][0]
    check_object(run, ['tool'], ['results', 'columnKind'], 'run')
    check_object(run['tool'], ['driver'], [], 'tool')
    driver = run['tool']['driver']
    check_object(driver, ['name'], ['version', 'rules'], 'driver')
    need(run['columnKind'] in ('utf16CodeUnits', 'unicodeCodePoints'), 'columnKind')
    need(len({rule['id'] for rule in driver['rules']}) == len(driver['rules']), 'rule ids are unique')
    for index, rule in enumerate(driver['rules']):
        check_rule(rule, f'rules[{index}]')
    need(len(run['results']) == 4, 'results')
    for index, result in enumerate(run['results']):
        check_result(result, driver['rules'], f'results[{index}]')
    double, forgotten = run['results'][0], run['results'][1]
    place = double['locations'][0]
    if 'startLine' in place['physicalLocation']['region']:
        need(place['physicalLocation']['artifactLocation']['uri'].endswith('tests/verify/sample.c'), 'place')
        need(place['logicalLocations'][0]['fullyQualifiedName'] == 'sample_frees_twice', 'function')
        names = [one['logicalLocations'][0]['fullyQualifiedName'] for one in double['relatedLocations']]
        need(names == ['sample_allocates', 'sample_takes'], 'related locations')
    need(len(double['stacks']) == 2 and 'codeFlows' not in double, 'stacks')
    steps = forgotten['codeFlows'][0]['threadFlows'][0]['locations']
    need([step['executionOrder'] for step in steps] == [1, 2, 3], 'steps')
    need('physicalLocation' in steps[2]['location'], 'the last step has a place')


def test_json():
    reports = [json.loads(line) for line in write('json')[1].decode().splitlines()]
    need([one['rule'] for one in reports] == ['pool-double-free', 'decision-not-stored', 'rundown-not-held', 'assert'], 'rules')
    members = ['schema', 'rule', 'severity', 'statement', 'advice', 'page', 'routine', 'detail', 'irql', 'thread', 'time',
               'count', 'place', 'broke', 'began', 'locks', 'connection', 'history']
    for one in reports:
        need(list(one) == members, f'members: {list(one)}')
        need(one['schema'] == 'gatehouse-lab-report/1' and one['time'] == '12.345678', 'schema and time')
    need(reports[0]['began']['what'] == 'the block was allocated' and len(reports[0]['locks']) == 1, 'began, locks')
    need(reports[1]['connection'] == 7 and len(reports[1]['history']) == 2 and reports[0]['connection'] is None, 'history')
    need(reports[1]['history'][1]['text'] == 'completed: "permit"', 'history text')
    need(reports[3]['detail'] == BAD, reports[3]['detail'])


def test_same_bytes():
    for form in ('text', 'json', 'sarif'):
        first, second = write(form), write(form)
        need(first == second and first[0] == 0, f'{form}: two runs differ')
        found = re.search(rb'(0x)?[5-7][0-9a-f]{11}\b', first[1])
        need(found is None, f'{form}: an address: {found}')


def test_text():
    text, coloured = write('text')[1].decode(errors='replace'), write('colour')[1].decode(errors='replace')
    for part in ('pool-double-free', 'A block is freed once.', 'the block was allocated here', 'held by this thread',
                 'of connection 7', 'ExFreePoolWithTag (wdm.h)', 'error: ExFreePoolWithTag: #1 was freed before'):
        need(part in text, f'text lacks {part}')
    need('\033' not in text and '\033[' in coloured, 'colour')
    need(re.sub('\033\\[[0-9;]*m', '', coloured) == text, 'colour changes more than colours')


def test_rules():
    code, out, _ = write('rules', '--json')
    rules = json.loads(out.decode())
    need(code == 0 and len(rules) > 100, 'rules')
    for rule in rules:
        need(list(rule) == ['id', 'severity', 'rule', 'page', 'advice'] and all(rule.values()), 'members')
    code, out, _ = write('rules', 'lock-order', '--json')
    need(code == 0 and [rule['id'] for rule in json.loads(out)] == ['lock-order'], 'one rule')
    code, out, errors = write('rules', 'lock-odor')
    need(code == 2 and out == b'' and b'no rule "lock-odor"' in errors, 'unknown rule')
    code, out, errors = write('rules', '--jsn')
    need(code == 2 and out == b'' and b'no option "--jsn"' in errors, 'unknown option')
    code, out, _ = write('rules')
    need(code == 0 and all(rule['id'] + ' (' in out.decode() for rule in rules), 'text')


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith('test_')]
    print(f'1..{len(tests)}')
    for number, (name, test) in enumerate(tests, 1):
        try:
            test()
            print(f'ok {number} - {name[5:]}')
        except (AssertionError, KeyError, IndexError, TypeError, ValueError) as error:
            print(f'not ok {number} - {name[5:]}: {type(error).__name__}: {error}')


main()
