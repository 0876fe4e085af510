# SPDX-License-Identifier: MIT
"""A desk (docs/desk.md) that a test drives: it asks what the test wants asked, and keeps what peers answer.

Run as a program (fake_desk.py SOCKET) it asks some questions again and again, for who works on the page.
"""
import json
import os
import queue
import socket
import sys
import threading
import time

QUESTION = {
    'program': '/usr/bin/curl', 'pid': 4711, 'parents': [{'pid': 4000, 'name': 'bash', 'program': '/usr/bin/bash'}],
    'package': 'curl', 'unit': 'session-3.scope', 'user': 'alice', 'command': 'curl https://example.org', 'deleted': False,
    'direction': 'out', 'protocol': 'tcp', 'address': '192.0.2.1', 'port': 443, 'service': 'https', 'name': 'example.org',
    'local': '10.0.0.2:40000', 'held_ms': 0, 'left_ms': 60000,
}


class FakeDesk:
    """One desk; answered by any of its peers, each of which is called what hello says. Answers are in .answers."""

    def __init__(self, path, you='alice', decider=True):
        self.path, self.you, self.decider = str(path), you, decider
        self.waiting, self.peers = {}, []
        self.answers, self.undone = queue.Queue(), queue.Queue()
        self.takes = True  # False: answers are kept, and the test says what becomes of them
        self.watching = threading.Event()
        self.next_id, self.next_undo = 70, 8
        self.lock = threading.RLock()
        self.listener = None
        self.open()

    def open(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self):
        """Goes away as gatehouse run does when it ends: socket and connections."""
        with self.lock:
            self.listener.close()
            if os.path.exists(self.path):
                os.unlink(self.path)
            for peer in self.peers:
                try:
                    peer.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.peers, self.waiting = [], {}

    def _accept(self, listener):
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                if listener is not self.listener:
                    peer.close()
                    return
                self.peers.append(peer)
                self._send(peer, {'type': 'hello', 'version': 1, 'you': self.you, 'decider': self.decider})
                for question in self.waiting.values():
                    self._send(peer, question)
                self._send(peer, {'type': 'ready'})
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _send(self, peer, message):
        try:
            peer.sendall(json.dumps(message).encode() + b'\n')
        except OSError:
            pass

    def tell(self, message):
        with self.lock:
            for peer in self.peers:
                self._send(peer, message)

    def _serve(self, peer):
        with peer.makefile('rb') as lines:
            try:
                for line in lines:
                    self._take(peer, json.loads(line))
            except (OSError, ValueError):
                pass

    def _take(self, peer, message):
        if message['type'] == 'watch':
            self.watching.set()
        elif message['type'] == 'undo':
            self.undone.put(message)
            self._send(peer, {'type': 'undone', 'tag': message['tag'], 'status': 'ok', 'sentence': 'the answer is taken back.'})
        elif message['type'] == 'answer':
            self.answers.put(message)
            if self.takes:
                self._answer(peer, message)

    def _answer(self, peer, message):
        with self.lock:
            question = self.waiting.get(message['id'])
            if question is None:
                self._send(peer, {'type': 'answered', 'tag': message['tag'], 'id': message['id'], 'status': 'late', 'who': 'bob',
                                  'verdict': 'block', 'sentence': 'bob has blocked it already.'})
                return
            self.next_undo += 1
            undo = {} if message['until'] == 'once' else {'undo': str(self.next_undo)}
            self.gone(message['id'], message['verdict'], 'decider', self.you, message['scope'])
            self._send(peer, {'type': 'answered', 'tag': message['tag'], 'id': message['id'], 'status': 'ok', 'covered': 0, **undo})

    def ask(self, **members):
        """A question; returns its id."""
        with self.lock:
            self.next_id += 1
            question = {'type': 'question', 'id': str(self.next_id), **QUESTION, **members}
            question = {name: value for name, value in question.items() if value is not None}
            self.waiting[question['id']] = question
            self.tell(question)
            return question['id']

    def gone(self, number, verdict, by='decider', who=None, scope=None):
        with self.lock:
            if self.waiting.pop(number, None) is None:
                return
            message = {'type': 'gone', 'id': number, 'verdict': verdict, 'by': by, 'who': who, 'scope': scope}
            self.tell({name: value for name, value in message.items() if value is not None})


def play(path):
    desk = FakeDesk(path)
    desk.ask()
    desk.ask(program='/usr/lib/thunderbird/thunderbird', pid=2204, package='thunderbird', unit='app-thunderbird.service', command='thunderbird',
             parents=[{'pid': 1800, 'name': 'gnome-shell'}, {'pid': 1, 'name': 'systemd'}], name='imap.xn--pple-43d.example', address='203.0.113.9',
             port=993, service='imaps', look_alike='imap.xn--pple-43d.example', before={'permitted': '3', 'blocked': '1', 'last': '2026-11-22T12:00:00Z'},
             left_ms=24000, held_ms=36000)
    desk.ask(program='/tmp/.cache/updater', deleted=True, package=None, name=None, service=None, port=8443, address='2001:db8::17',
             command='./updater --daemonize', user='www-data', unit='nginx.service', left_ms=9000, held_ms=51000,
             parents=[{'pid': 91, 'name': 'sh'}, {'pid': 90, 'name': 'nginx'}, {'pid': 1, 'name': 'systemd'}])
    while True:
        time.sleep(3600)


if __name__ == '__main__':
    play(sys.argv[1])
