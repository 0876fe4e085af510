#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page in headless Chromium, beside the fake desk: what is shown, answered, refused; what other pages can do to it."""
import http.server
import json
import sys
import threading
import unittest

from case import Case, DEADLINE
from gatetest import browser, names


def skip_reason():
    """None: Chromium is here."""
    try:
        names.find_tool('chromium')
        names.find_tool('chromedriver')
    except names.Missing as reason:
        return str(reason)
    return None


class Shown(Case):
    browser = None

    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Driver(width=1280, height=1000)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def setUp(self):
        super().setUp()
        self.browser.open('about:blank')
        self.browser.complaints()
        self.browser.open(self.link)

    def tearDown(self):
        complaints = [each for each in self.browser.complaints() if '/api/' not in each]
        super().tearDown()
        self.assertEqual(complaints, [])

    def card(self, number):
        return self.browser.find(f'#card-{number}')

    def answer(self, number, button):
        """Clicks as soon as the card takes answers."""
        self.browser.find(f'#card-{number}.armed')
        self.browser.find(f'#card-{number} .{button}').click()
        return self.desk.answers.get(timeout=DEADLINE)


class Questions(Shown):
    def test_question_shows_all(self):
        self.browser.find('.empty', 'Nothing waits')
        number = self.desk.ask(before={'permitted': '3', 'blocked': '1', 'last': '2026-11-22T14:00:00Z'})
        text = self.browser.find(f'#card-{number}', 'left').text
        for words in ('curl', '/usr/bin/', 'example.org', '192.0.2.1:443', 'https', 'tcp', 'bash', 'alice', 'session-3.scope', 'curl https://example.org',
                      'permitted 3 times', 'blocked 1 time'):
            self.assertIn(words, text)
        self.assertEqual(self.browser.find('#waiting').text, '1')
        self.assertEqual(self.browser.run('return document.title'), '(1) Gatehouse')

    def test_link_leaves_the_address_bar(self):
        self.browser.find('.empty', 'Nothing waits')
        self.assertNotIn(self.token, self.browser.address)
        self.browser.call('POST', '/refresh', {})
        self.browser.find('.empty', 'Nothing waits')

    def test_without_the_key(self):
        self.browser.new_tab()
        self.browser.open(f'http://{self.host}/')
        self.browser.find('.empty', 'locked')
        self.browser.open(f'http://{self.host}/#{"0" * 32}')
        self.browser.find('.empty', 'locked')
        self.browser.open(f'http://{self.host}/#open={"0" * 32}')
        self.browser.find('.empty', 'locked')
        self.browser.open('about:blank')
        self.browser.open(self.link)
        self.browser.find('.empty', 'Nothing waits')

    def test_permit(self):
        number = self.desk.ask()
        told = self.answer(number, 'permit')
        self.assertEqual([told[name] for name in ('id', 'verdict', 'scope', 'until')], [number, 'permit', 'connection', 'once'])
        self.browser.gone('.card')
        self.browser.find('.past li', 'permitted by you')
        self.browser.find('.toast', 'Permitted')

    def test_block_with_scope_and_undo(self):
        number = self.desk.ask()
        self.card(number)
        self.browser.find(f'#card-{number} .choices button', 'example.org').click()
        self.browser.find(f'#card-{number} .choices button', '10 min').click()
        self.browser.find(f'#card-{number} .preview', 'Permits curl to reach example.org for 10 minutes.')
        told = self.answer(number, 'block')
        self.assertEqual([told[name] for name in ('verdict', 'scope', 'until', 'minutes')], ['block', 'name', 'minutes', 10])
        self.browser.find('.toast .undo').click()
        self.assertEqual(self.desk.undone.get(timeout=DEADLINE)['undo'], '9')
        self.browser.find('.toast', 'taken back')

    def test_scope_and_lifetime_go_together(self):
        number = self.desk.ask()
        self.card(number)

        def pressed():
            return [node.text for node in self.browser.find_all(f'#card-{number} [aria-checked=true]')]
        self.assertEqual(pressed(), ['This connection', 'Once'])
        self.browser.find(f'#card-{number} .choices button', 'Anything').click()
        self.assertEqual(pressed(), ['Anything', 'Exit'])
        self.browser.find(f'#card-{number} .choices button', 'Once').click()
        self.assertEqual(pressed(), ['This connection', 'Once'])
        self.browser.find(f'#card-{number} .choices button', 'Always').click()
        self.assertEqual(pressed(), ['example.org', 'Always'])

    def test_first_moment_takes_no_answer(self):
        self.browser.find('.empty', 'Nothing waits')
        self.browser.run('''
            window.early = 0;
            new MutationObserver(() => {
              const button = document.querySelector('.card .permit');
              if (button && !window.early++) {
                document.querySelector('.card').focus();
                button.click();
                document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'p', bubbles: true}));
              }
            }).observe(document.body, {childList: true, subtree: true});''')
        number = self.desk.ask()
        self.browser.find(f'#card-{number}.armed')
        self.assertEqual(self.browser.run('return window.early > 0'), True)
        self.assertTrue(self.desk.answers.empty())

    def test_keys(self):
        first, second = self.desk.ask(left_ms=50000), self.desk.ask(left_ms=60000, program='/usr/bin/wget')
        self.browser.find(f'#card-{first}.armed')
        self.browser.find(f'#card-{second}.armed')
        self.browser.keys('p')  # nothing has the focus: it is no answer
        self.browser.keys('jj')
        self.assertEqual(self.browser.run('return document.activeElement.id'), f'card-{second}')
        self.browser.keys('b')
        told = self.desk.answers.get(timeout=DEADLINE)
        self.assertEqual((told['id'], told['verdict']), (second, 'block'))
        self.browser.gone(f'#card-{second}')
        self.browser.find(f'#card-{first}.armed')
        self.browser.keys('sp')
        told = self.desk.answers.get(timeout=DEADLINE)
        self.assertEqual((told['id'], told['verdict'], told['scope'], told['until']), (first, 'permit', 'name', 'exit'))
        self.browser.find('.toast .undo')
        self.browser.keys('u')
        self.desk.undone.get(timeout=DEADLINE)
        self.browser.keys('2')
        self.browser.find('h1', 'Live')

    def test_text_from_outside_stays_text(self):
        nasty = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>&amp;'
        number = self.desk.ask(program='/tmp/' + nasty, name=nasty, command=nasty, unit=nasty, package=nasty, user=nasty,
                               parents=[{'pid': 1, 'name': nasty, 'program': nasty}], look_alike=nasty, service=nasty)
        self.browser.find(f'#card-{number}', nasty)
        self.answer(number, 'block')
        self.browser.find('.past li')
        self.assertEqual(self.browser.find_all('main img, main script, .toasts img'), [])
        self.assertIsNone(self.browser.run('return window.owned || null'))

    def test_long_text_stays_inside(self):
        for width in (320, 390, 768, 1280, 2000):
            self.browser.size(width, 900)
            number = self.desk.ask(program='/opt/' + 'x' * 4000 + '/' + 'p' * 250, name='a' * 63 + '.' + 'b' * 63 + '.example', command='y' * 9000,
                                   unit='u' * 300, user='w' * 200, parents=[{'pid': at, 'name': 'n' * 15} for at in range(16)])
            self.card(number)
            wide = self.browser.run('return document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth')
            self.assertLessEqual(wide, 0, width)
            self.desk.gone(number, 'block', 'deadline')
            self.browser.gone('.card')
        self.browser.command('Emulation.clearDeviceMetricsOverride', {})

    def test_time_runs_out(self):
        number = self.desk.ask(left_ms=5000, held_ms=55000)
        self.browser.find(f'#card-{number}.soon')
        self.desk.gone(number, 'block', 'deadline')
        self.browser.gone('.card')
        self.browser.find('.past li', 'blocked by the deadline')

    def test_a_hundred(self):
        numbers = [self.desk.ask(program=f'/usr/bin/p{at}', left_ms=60000 + at * 100) for at in range(100)]
        self.browser.find('h1', '100 connections wait')
        self.assertEqual(self.browser.run('return [...document.querySelectorAll(".card")].map((each) => each.dataset.id)'), numbers)
        for number in numbers[:99]:
            self.desk.gone(number, 'permit', 'decider', 'bob')
        self.browser.find('h1', '1 connection waits')

    def test_two_browsers(self):
        number = self.desk.ask()
        self.card(number)
        with browser.Driver() as other:
            other.open(self.link)
            other.find(f'#card-{number}')
            self.answer(number, 'permit')
            other.gone('.card')
            other.find('.past li', 'permitted by alice')

    def test_late(self):
        number = self.desk.ask()
        self.desk.takes = False
        told = self.answer(number, 'permit')
        self.desk.tell({'type': 'answered', 'tag': told['tag'], 'id': number, 'status': 'late', 'who': 'bob', 'verdict': 'block',
                        'sentence': 'bob has blocked it already.'})
        self.browser.find('.toast', 'bob has blocked it already.')

    def test_desk_goes_and_comes(self):
        number = self.desk.ask()
        self.card(number)
        self.desk.close()
        self.browser.find('#banner', 'Trying again')
        self.browser.gone('.card')
        self.desk.open()
        self.browser.gone('#banner:not([hidden])')
        self.card(self.desk.ask())

    def test_somebody_else_decides(self):
        number = self.desk.ask()
        self.card(number)
        self.desk.decider = False
        self.desk.tell({'type': 'hello', 'version': 1, 'you': 'alice', 'decider': False})
        self.browser.find('#banner', 'decides')
        self.browser.find('#desk', 'else')

    def test_page_goes_and_comes(self):
        self.browser.find('.empty', 'Nothing waits')
        self.process.terminate()
        self.assertEqual(self.process.wait(DEADLINE), 0)
        self.process.stdout.close()
        self.process.stderr.close()
        self.browser.find('#banner', 'does not answer')
        self.start('--port', str(self.port))  # another key: the old page is locked
        self.browser.find('.empty', 'locked')


class Others(Shown):
    """What a page of another origin can do, in a real browser."""

    ATTACK = '''<!doctype html><title>evil</title><body><script>
      const target = %s, out = {};
      const tries = {
        post: () => fetch(target + '/api/undo', {method: 'POST', mode: 'no-cors', body: '{"undo":"1"}'}).then((r) => r.type),
        json: () => fetch(target + '/api/undo', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{"undo":"1"}'}).then(() => 'read'),
        bearer: () => fetch(target + '/api/undo', {method: 'POST', headers: {Authorization: 'Bearer ' + %s}, body: '{"undo":"1"}'}).then(() => 'read'),
        read: () => fetch(target + '/').then(() => 'read'),
        stream: () => new Promise((ok, no) => { const s = new EventSource(target + '/api/stream'); s.onopen = () => ok('read'); s.onerror = () => no(); }),
        script: () => new Promise((ok, no) => { const s = document.createElement('script'); s.src = target + '/main.js'; s.onload = () => ok('read'); s.onerror = () => no(); document.body.append(s); }),
        image: () => new Promise((ok, no) => { const s = new Image(); s.src = target + '/icon.svg'; s.onload = () => ok('read'); s.onerror = () => no(); }),
        beacon: () => Promise.resolve(navigator.sendBeacon(target + '/api/undo', new Blob(['{"undo":"1"}'], {type: 'text/plain'})) && 'sent'),
      };
      window.result = Promise.all(Object.entries(tries).map(([name, go]) => Promise.resolve().then(go).then((r) => [name, r], () => [name, 'refused'])));
      const frame = document.createElement('iframe'); frame.src = target + '/'; document.body.append(frame);
      const form = document.createElement('form'); form.method = 'post'; form.enctype = 'text/plain'; form.action = target + '/api/undo'; form.target = 'sink';
      form.innerHTML = '<input name=\\'{"undo":"1","x":"\\' value=\\'"}\\'>'; const sink = document.createElement('iframe'); sink.name = 'sink';
      document.body.append(form, sink); form.submit();
    </script>'''

    def serve(self):
        page = (self.ATTACK % (json.dumps(f'http://{self.host}'), json.dumps(self.token))).encode()

        class Evil(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header('Content-Type', 'text/html')
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Evil)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server.server_address[1]

    def test_nothing_from_another_origin(self):
        port = self.serve()
        for host in ('127.0.0.1', 'localhost'):
            self.browser.open(f'http://{host}:{port}/')
            found = dict(self.browser.run_later('window.result.then(arguments[0])'))
            # An opaque answer tells nothing; what counts is that the desk heard nothing.
            self.assertIn(found.pop('post'), ('opaque', 'refused'))
            self.assertIn(found.pop('beacon'), ('sent', 'refused', False))
            self.assertEqual(set(found.values()), {'refused'}, found)
            self.assertEqual(self.browser.run('''return [...document.querySelectorAll('iframe')].map((frame) => {
                try { return frame.contentDocument.body.innerText; } catch { return 'closed'; } })'''), ['closed', 'closed'])
        self.assertTrue(self.desk.undone.empty())
        self.assertEqual(self.call('undo', {'undo': '7'}).status, 200)
        self.assertEqual(self.desk.undone.get(timeout=DEADLINE)['undo'], '7')
        self.browser.complaints()  # of the other page

    def test_link_from_another_page_is_refused(self):
        port = self.serve()
        self.browser.open(f'http://127.0.0.1:{port}/')
        self.browser.run(f'location.href = "http://{self.host}/#{self.token}"')
        self.browser.find('body', 'refused')
        self.browser.complaints()


if __name__ == '__main__':
    REASON = skip_reason()
    if REASON is not None:
        print(f'{REASON}; tools/deps test installs it')
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *sys.argv[1:], '-v'])
