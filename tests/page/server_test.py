#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may talk to gatehouse ui, and what it bears: by bytes on a socket, beside the fake desk."""
import json
import os
import socket
import sys
import threading
import time
import unittest

from case import Case, DEADLINE, PROGRAM

import subprocess


class Head(Case):
    """A request is judged by its head."""

    def test_files_need_no_token_and_say_nothing(self):
        for path in ('/', '/page.css', '/main.js', '/icon.svg'):
            answer = self.ask('GET', path)
            self.assertEqual(answer.status, 200, path)
            self.assertNotIn(self.token.encode(), answer.body)

    def test_headers_of_all_answers(self):
        for answer in (self.ask('GET', '/'), self.ask('GET', '/nothing'), self.call('status', {}), self.ask('GET', '/', {'Host': 'evil.example'})):
            self.assertIn("default-src 'none'", answer.headers['content-security-policy'])
            self.assertNotIn('unsafe', answer.headers['content-security-policy'])
            self.assertIn("frame-ancestors 'none'", answer.headers['content-security-policy'])
            self.assertEqual(answer.headers['x-frame-options'], 'DENY')
            self.assertEqual(answer.headers['cache-control'], 'no-store')
            self.assertEqual(answer.headers['x-content-type-options'], 'nosniff')
            self.assertEqual(answer.headers['referrer-policy'], 'no-referrer')
            self.assertFalse([name for name in answer.headers if name.startswith('access-control')])
            self.assertNotIn('set-cookie', answer.headers)

    def test_token(self):
        body = json.dumps({'undo': '1'}).encode()
        near = self.token[:-1] + ('0' if self.token[-1] != '0' else '1')
        for given in (None, '', 'Bearer ', 'Bearer ' + near, 'Bearer ' + self.token + '0', 'Bearer ' + self.token[:-1], 'Basic ' + self.token,
                      self.token, 'Bearer ' + '0' * 32, 'Bearer ' + '\0' * 32):
            answer = self.ask('POST', '/api/undo', {'Authorization': given}, body)
            self.assertIn(answer.status, (400, 401), given)
        self.assertEqual(self.ask('GET', '/api/stream').status, 401)
        self.assertEqual(self.ask('GET', '/api/stream?token=' + self.token).status, 401)
        self.assertTrue(self.desk.undone.empty())
        self.assertEqual(self.call('undo', {'undo': '1'}).status, 200)
        self.assertEqual(self.desk.undone.get(timeout=DEADLINE)['undo'], '1')

    def test_foreign_host(self):
        for host in ('evil.example', f'evil.example:{self.port}', '127.0.0.1', f'127.0.0.1:{self.port}0', f'127.0.0.1.evil.example:{self.port}',
                     f'0.0.0.0:{self.port}', f'[::]:{self.port}', f'127.0.0.2:{self.port}', f'localhost.evil.example:{self.port}', ''):
            for path in ('/', '/main.js'):
                self.assertIn(self.ask('GET', path, {'Host': host}).status, (400, 403), host)
            self.assertIn(self.call('status', {}, Host=host).status, (400, 403), host)
        self.assertEqual(self.say(f'GET / HTTP/1.1\r\nHost: {self.host}\r\nHost: evil.example\r\nConnection: close\r\n\r\n'.encode()).status, 400)
        self.assertEqual(self.say(b'GET / HTTP/1.1\r\nConnection: close\r\n\r\n').status, 400)
        self.assertEqual(self.say(b'GET / HTTP/1.0\r\n\r\n').status, 400)

    def test_own_hosts(self):
        for host in (f'127.0.0.1:{self.port}', f'localhost:{self.port}', f'LOCALHOST:{self.port}', f'[::1]:{self.port}'):
            self.assertEqual(self.ask('GET', '/', {'Host': host}).status, 200, host)
            self.assertEqual(self.ask('GET', '/', {'Host': host, 'Origin': 'http://' + host}).status, 200, host)

    def test_foreign_origin(self):
        for origin in ('http://evil.example', 'null', f'https://127.0.0.1:{self.port}', 'http://127.0.0.1:1', f'http://localhost:{self.port}',
                       f'http://127.0.0.1:{self.port}.evil.example', ''):
            self.assertEqual(self.ask('GET', '/', {'Origin': origin}).status, 403, origin)
            self.assertEqual(self.call('status', {}, Origin=origin).status, 403, origin)
        for site in ('cross-site', 'same-site', 'none', 'nonsense'):
            self.assertEqual(self.call('status', {}, **{'Sec-Fetch-Site': site}).status, 403, site)
        for site, mode, place, status in (('none', 'navigate', 'document', 200), ('same-origin', 'cors', 'script', 200),
                                          ('cross-site', 'navigate', 'document', 403), ('cross-site', 'no-cors', 'script', 403),
                                          ('cross-site', 'navigate', 'iframe', 403), ('none', 'navigate', 'iframe', 403),
                                          ('same-site', 'no-cors', 'image', 403)):
            headers = {'Sec-Fetch-Site': site, 'Sec-Fetch-Mode': mode, 'Sec-Fetch-Dest': place}
            self.assertEqual(self.ask('GET', '/', headers).status, status, headers)

    def test_methods(self):
        for method in ('PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'CONNECT', 'BREW', 'POST'):
            self.assertIn(self.ask(method, '/').status, (400, 405), method)
        for method in ('GET', 'HEAD', 'PUT', 'OPTIONS'):
            self.assertEqual(self.ask(method, '/api/undo', {'Authorization': 'Bearer ' + self.token}).status, 405, method)
        self.assertEqual(self.ask('POST', '/api/stream', {'Authorization': 'Bearer ' + self.token}, b'{}').status, 405)
        head = self.ask('HEAD', '/')
        self.assertEqual((head.status, head.body), (200, b''))

    def test_paths(self):
        for path in ('/../etc/passwd', '//etc/passwd', '/..%2f..%2fetc/passwd', '/%2e%2e/etc/passwd', '/./main.js', '/main.js%00', '/main.js/',
                     '/files/main.js', '/MAIN.JS', '/index.html', '/api', '/api/', '/api/' + 'a' * 300, '/' + 'a' * 4000):
            self.assertIn(self.ask('GET', path, {'Authorization': 'Bearer ' + self.token}).status, (404, 405, 414), path)
        self.assertEqual(self.call('nothing', {}).status, 404)
        self.assertEqual(self.ask('GET', '/main.js?x=../../etc/passwd').status, 200)


class Body(Case):
    """What a call may be."""

    def test_types(self):
        for kind in (None, 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonp'):
            self.assertEqual(self.ask('POST', '/api/undo', {'Authorization': 'Bearer ' + self.token, 'Content-Type': kind}, b'{"undo":"1"}').status, 415, kind)
        self.assertTrue(self.desk.undone.empty())

    def test_no_object(self):
        for body in (b'', b'[]', b'{', b'"x"', b'{"undo":"1"}x', b'{"undo":"1","undo":"2"}', b'\xff\xfe', b'{"undo":"\xff"}', b'[' * 8000):
            answer = self.ask('POST', '/api/undo', {'Authorization': 'Bearer ' + self.token}, body)
            self.assertEqual(answer.status, 400, body[:20])
        self.assertTrue(self.desk.undone.empty())

    def test_wrong_answers(self):
        number = self.desk.ask()
        good = {'id': number, 'verdict': 'permit', 'scope': 'connection', 'until': 'once'}
        for change in ({'verdict': 'none'}, {'verdict': 1}, {'scope': 'everything'}, {'scope': None}, {'until': 'never'}, {'until': 'always'},
                       {'scope': 'program'}, {'scope': 'program', 'until': 'minutes'}, {'scope': 'program', 'until': 'minutes', 'minutes': -1},
                       {'scope': 'program', 'until': 'minutes', 'minutes': 1 << 40}, {'id': 71}, {'id': '-1'}, {'id': '1x'}, {'id': ''}):
            answer = self.call('answer', {**good, **change})
            self.assertEqual(answer.status, 422, change)
            self.assertTrue(answer.json['sentence'], change)
        self.assertTrue(self.desk.answers.empty())
        self.assertEqual(self.call('answer', good).status, 200)

    def test_sizes(self):
        big = b'{"undo":"' + b'1' * 20000 + b'"}'
        self.assertEqual(self.ask('POST', '/api/undo', {'Authorization': 'Bearer ' + self.token}, big).status, 413)
        chunks = b''.join(b'%x\r\n%s\r\n' % (len(piece), piece) for piece in (big[at:at + 1000] for at in range(0, len(big), 1000))) + b'0\r\n\r\n'
        raw = (f'POST /api/undo HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {self.token}\r\nContent-Type: application/json\r\n'
               'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n').encode() + chunks
        self.assertEqual(self.say(raw).status, 413)
        self.assertIn(self.ask('GET', '/', {'X-Long': 'a' * 100000}).status, (0, 413, 431))
        self.assertEqual(self.ask('POST', '/api/undo', {'Authorization': 'Bearer ' + self.token, 'Content-Length': '99999999999999999999'}, b'{}').status // 100, 4)
        self.assertTrue(self.desk.undone.empty())
        self.assertEqual(self.ask('GET', '/').status, 200)


class Flow(Case):
    """Questions go out, answers come back."""

    def test_question_answer_gone(self):
        stream = self.stream()
        self.assertTrue(stream.event('desk')['connected'])
        stream.event('ready')
        number = self.desk.ask()
        question = stream.event('question')
        self.assertEqual((question['id'], question['name'], question['parents'][0]['name']), (number, 'example.org', 'bash'))
        self.assertLessEqual(question['left_ms'], 60000)
        answer = self.call('answer', {'id': number, 'verdict': 'block', 'scope': 'program', 'until': 'minutes', 'minutes': 10})
        self.assertEqual((answer.status, answer.json['status'], answer.json['undo']), (200, 'ok', '9'))
        told = self.desk.answers.get(timeout=DEADLINE)
        self.assertEqual([told[name] for name in ('id', 'verdict', 'scope', 'until', 'minutes')], [number, 'block', 'program', 'minutes', 10])
        gone = stream.event('gone')
        self.assertEqual((gone['id'], gone['verdict'], gone['who']), (number, 'block', 'alice'))

    def test_late(self):
        stream = self.stream()
        number = self.desk.ask()
        stream.event('question')
        self.desk.takes = False
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.call('answer', {'id': number, 'verdict': 'permit', 'scope': 'connection', 'until': 'once'})))
        thread.start()
        told = self.desk.answers.get(timeout=DEADLINE)
        self.desk.tell({'type': 'answered', 'tag': told['tag'], 'id': number, 'status': 'late', 'who': 'bob', 'verdict': 'block', 'sentence': 'bob has blocked it already.'})
        thread.join(DEADLINE)
        self.assertEqual((answers[0].status, answers[0].json['status'], answers[0].json['sentence']), (409, 'late', 'bob has blocked it already.'))

    def test_late_page_knows_what_waits(self):
        first = self.stream()
        first.event('ready')
        numbers = [self.desk.ask(program=f'/usr/bin/p{at}') for at in range(20)]
        for _ in numbers:
            first.event('question')
        second = self.stream()
        self.assertEqual([second.event('question')['id'] for _ in numbers], numbers)
        second.event('ready')

    def test_desk_goes_and_comes(self):
        stream = self.stream()
        number = self.desk.ask()
        stream.event('question')
        self.desk.takes = False
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.call('answer', {'id': number, 'verdict': 'permit', 'scope': 'connection', 'until': 'once'})))
        thread.start()
        self.desk.answers.get(timeout=DEADLINE)
        self.desk.close()
        thread.join(DEADLINE)
        self.assertEqual(answers[0].status, 503)
        self.assertFalse(stream.event('desk')['connected'])
        self.assertEqual(self.call('undo', {'undo': '1'}).status, 503)
        self.desk.open()
        while not stream.event('desk')['connected']:
            pass
        self.desk.ask(program='/usr/bin/later')
        self.assertEqual(stream.event('question')['program'], '/usr/bin/later')

    def test_no_driver_no_history(self):
        for name in ('rules', 'status', 'history'):
            answer = self.call(name, {})
            self.assertEqual(answer.status, 503, name)
            self.assertTrue(answer.json['sentence'].strip(), name)


class Load(Case):
    """Floods and slow ones."""

    def test_thousand_connections(self):
        stream = self.stream()
        stream.event('ready')
        idle = []
        for _ in range(1000):
            peer = socket.create_connection(('127.0.0.1', self.port), timeout=DEADLINE)
            peer.sendall(b'GET / HTTP/1.1\r\nHost: ')
            idle.append(peer)
        try:
            self.assertEqual(self.ask('GET', '/').status, 200)
            number = self.desk.ask()
            self.assertEqual(stream.event('question')['id'], number)
            self.assertEqual(self.call('answer', {'id': number, 'verdict': 'permit', 'scope': 'connection', 'until': 'once'}).status, 200)
            stream.event('gone')
            self.assertLess(len(os.listdir(f'/proc/{self.process.pid}/fd')), 300)
        finally:
            for peer in idle:
                peer.close()

    def test_slow_head_ends(self):
        """A byte now and then is no request: the whole of it has a deadline."""
        peer = self.dial()
        peer.settimeout(DEADLINE)
        began, ended = time.monotonic(), False
        while not ended and time.monotonic() - began < 2 * DEADLINE:
            try:
                peer.sendall(b'G' if time.monotonic() - began < 0.5 else b'E')
                peer.settimeout(0.5)
                ended = peer.recv(1) == b''
            except TimeoutError:
                pass
            except OSError:
                ended = True
        self.assertTrue(ended, 'a head that never ended was waited for')

    def test_slow_body_ends(self):
        peer = self.dial()
        peer.sendall((f'POST /api/undo HTTP/1.1\r\nHost: {self.host}\r\nAuthorization: Bearer {self.token}\r\nContent-Type: application/json\r\n'
                      'Content-Length: 1000\r\n\r\n{').encode())
        peer.settimeout(2 * DEADLINE)
        self.assertEqual(self.read_all(peer), b'')

    def test_streams_are_bounded(self):
        streams = [self.stream() for _ in range(16)]
        for stream in streams:
            stream.event('ready')
        self.assertEqual(self.ask('GET', '/api/stream', {'Authorization': 'Bearer ' + self.token}).status, 503)
        self.assertEqual(self.ask('GET', '/').status, 200)

    def test_stream_that_nobody_reads_ends(self):
        """It must not hold memory without bound; others go on."""
        lazy, eager = self.stream(), self.stream()
        lazy.event('ready')
        eager.event('ready')
        taken = 0
        for _ in range(400):
            number = self.desk.ask(command='x' * 20000)
            taken += eager.event('question')['id'] == number
            self.desk.gone(number, 'block', 'deadline')
            eager.event('gone')
        self.assertEqual(taken, 400)
        with open(f'/proc/{self.process.pid}/status', encoding='ascii') as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith('VmRSS'))
        self.assertLess(resident, 64 * 1024)
        lazy.peer.settimeout(DEADLINE)
        with self.assertRaises((AssertionError, ConnectionError)):
            for _ in range(1000):
                lazy.event('question')


class Ways(Case):
    """Where it can be reached, and how it begins."""

    def test_loopback_alone(self):
        with open('/proc/net/tcp', encoding='ascii') as file:
            listening = [line.split()[1] for line in file.readlines()[1:] if line.split()[3] == '0A']
        self.assertEqual([place for place in listening if place.endswith(f':{self.port:04X}')], [f'0100007F:{self.port:04X}'])
        if os.path.exists('/proc/net/if_inet6') and os.path.getsize('/proc/net/if_inet6') >= 0:
            try:
                answer = self.ask('GET', '/', {'Host': f'[::1]:{self.port}'}, address='::1')
            except OSError as error:
                self.skipTest(f'no IPv6 here: {error}')
            self.assertEqual(answer.status, 200)

    def test_port_is_taken(self):
        done = subprocess.run([PROGRAM, 'ui', '--no-open', '--desk', self.path, '--port', str(self.port)], capture_output=True, text=True,
                              timeout=DEADLINE, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(self.port), done.stderr)
        self.assertEqual(done.stdout, '')

    def test_wrong_options(self):
        for words in (['--port', '65536'], ['--port', 'x'], ['--port', ''], ['--port', '-1'], ['--scope'], ['more']):
            done = subprocess.run([PROGRAM, 'ui', *words], capture_output=True, text=True, timeout=DEADLINE, check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ''), words)

    def test_two_have_different_keys(self):
        first = self.token
        self.process.terminate()
        self.assertEqual(self.process.wait(DEADLINE), 0)
        self.process.stdout.close()
        self.process.stderr.close()
        self.start()
        self.assertNotEqual(first, self.token)
        answer = self.ask('POST', '/api/undo', {'Authorization': 'Bearer ' + first}, b'{"undo":"1"}')
        self.assertEqual(answer.status, 401)


if __name__ == '__main__':
    unittest.main(argv=[sys.argv[0], *sys.argv[1:], '-v'])
