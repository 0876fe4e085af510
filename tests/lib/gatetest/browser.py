# SPDX-License-Identifier: MIT
"""Headless Chromium, spoken to as the WebDriver standard has it (W3C WebDriver). Standard library only.

One Driver is one chromedriver with a profile in a folder of its own; it reaches nothing but loopback.
"""
import base64
import http.client
import json
import os
import signal
import subprocess
import tempfile
import time

from . import names

ELEMENT = 'element-6066-11e4-a52e-4f735466cecf'
WAIT = 60
# What the page takes away after some seconds (STAYS in page/files/toast.js) stays: a busy machine clicks late.
TOASTS_STAY = 'const later = window.setTimeout; window.setTimeout = (call, after, ...more) => later(call, after === 12000 ? 600000 : after, ...more);'


class WebError(Exception):
    """What the browser refused, by WebDriver's error code."""

    def __init__(self, code, message):
        super().__init__(f'{code}: {message}')
        self.code = code


class Node:
    def __init__(self, driver, number):
        self.driver, self.number = driver, number

    def _call(self, method, path, body=None):
        return self.driver.call(method, f'/element/{self.number}{path}', body)

    @property
    def text(self):
        return self._call('GET', '/text')

    def click(self):
        self._call('POST', '/click', {})

    def type(self, text):
        self._call('POST', '/value', {'text': text})

    def attribute(self, name):
        return self._call('GET', f'/attribute/{name}')

    def enabled(self):
        return self._call('GET', '/enabled')


class Driver:
    """A browser. dark, width, height, scale: how the page is shown. wrapper: a command that becomes chromedriver."""

    def __init__(self, wrapper=(), dark=False, width=1280, height=900, scale=1):
        program, browser = names.find_tool('chromedriver'), names.find_tool('chromium')
        self.folder = tempfile.TemporaryDirectory(prefix='gatetest-browser-', ignore_cleanup_errors=True)
        self.session = None
        self.process = subprocess.Popen([*wrapper, program, '--port=0'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        start_new_session=True, env={**os.environ, 'HOME': self.folder.name})
        try:
            self.port = self._read_port()
            self._begin(browser, dark, width, height, scale)
        except BaseException:
            self.close()
            raise

    def _read_port(self):
        for line in self.process.stdout:
            if 'started successfully on port' in line:
                return int(line.rstrip().rstrip('.').rsplit(' ', 1)[1])
        raise WebError('no chromedriver', 'it ended before it said its port')

    def _begin(self, browser, dark, width, height, scale):
        arguments = ['--headless=new', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking',
                     '--disable-component-update', '--disable-sync', '--disable-extensions', '--hide-scrollbars', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
                     f'--window-size={width},{height}', f'--force-device-scale-factor={scale}', f'--user-data-dir={self.folder.name}/profile',
                     *(['--no-sandbox'] if os.geteuid() == 0 else []), *(['--force-dark-mode'] if dark else [])]
        capabilities = {'alwaysMatch': {'browserName': 'chrome', 'goog:chromeOptions': {'binary': browser, 'args': arguments},
                                        'goog:loggingPrefs': {'browser': 'ALL'}}}
        answer = self._http('POST', '/session', {'capabilities': capabilities}, 180)
        self.session = answer['sessionId']
        self.command('Page.addScriptToEvaluateOnNewDocument', {'source': TOASTS_STAY})

    def _http(self, method, path, body=None, timeout=WAIT):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {'Content-Type': 'application/json'})
            response = connection.getresponse()
            value = json.loads(response.read())['value']
        finally:
            connection.close()
        if response.status != 200:
            raise WebError(value['error'], value['message'].split('\n')[0])
        return value

    def call(self, method, path, body=None):
        return self._http(method, f'/session/{self.session}{path}', body)

    # --- what tests do

    def open(self, address):
        self.call('POST', '/url', {'url': address})

    @property
    def address(self):
        return self.call('GET', '/url')

    def run(self, script, *arguments):
        return self.call('POST', '/execute/sync', {'script': script, 'args': list(arguments)})

    def run_later(self, script, *arguments):
        """script calls its last argument with the result."""
        return self.call('POST', '/execute/async', {'script': script, 'args': list(arguments)})

    def find_all(self, selector):
        found = self.call('POST', '/elements', {'using': 'css selector', 'value': selector})
        return [Node(self, each[ELEMENT]) for each in found]

    def find(self, selector, text=None, seconds=WAIT):
        """The first element that fits, once there is one whose text has text; raises with the page's text else."""
        until = time.monotonic() + seconds
        while True:
            for node in self.find_all(selector):
                try:
                    if text is None or text in node.text:
                        return node
                except WebError as error:
                    if error.code != 'stale element reference':
                        raise
            if time.monotonic() > until:
                raise AssertionError(f'no {selector} with {text!r} within {seconds} s; the page says:\n{self.text()}')
            time.sleep(0.05)

    def click(self, selector, text=None, seconds=WAIT):
        """Finds and clicks; again when the page drew the element anew, or moved it, in between."""
        until = time.monotonic() + seconds
        while True:
            try:
                self.find(selector, text, max(1, until - time.monotonic())).click()
                return
            except WebError as error:
                if time.monotonic() > until or error.code not in ('stale element reference', 'element click intercepted', 'element not interactable'):
                    raise
            time.sleep(0.05)

    def gone(self, selector, seconds=WAIT):
        until = time.monotonic() + seconds
        while self.find_all(selector):
            if time.monotonic() > until:
                raise AssertionError(f'{selector} is still there after {seconds} s; the page says:\n{self.text()}')
            time.sleep(0.05)

    def keys(self, text):
        actions = [{'type': kind, 'value': letter} for letter in text for kind in ('keyDown', 'keyUp')]
        self.call('POST', '/actions', {'actions': [{'type': 'key', 'id': 'keyboard', 'actions': actions}]})

    def text(self):
        return self.run('return document.body ? document.body.innerText : ""')

    def complaints(self):
        """What the console says of errors and broken promises of the content policy."""
        return [entry['message'] for entry in self.call('POST', '/se/log', {'type': 'browser'}) if entry['level'] == 'SEVERE']

    def picture(self):
        return base64.b64decode(self.call('GET', '/screenshot'))

    def command(self, name, parameters):
        """One of Chromium's own (Chrome DevTools Protocol)."""
        return self.call('POST', '/goog/cdp/execute', {'cmd': name, 'params': parameters})

    def size(self, width, height, scale=1, mobile=False):
        self.command('Emulation.setDeviceMetricsOverride', {'width': width, 'height': height, 'deviceScaleFactor': scale, 'mobile': mobile})

    def scheme(self, name):
        self.command('Emulation.setEmulatedMedia', {'features': [{'name': 'prefers-color-scheme', 'value': name}]})

    def new_tab(self):
        handle = self.call('POST', '/window/new', {'type': 'tab'})['handle']
        self.call('POST', '/window', {'handle': handle})
        return handle

    def close(self):
        if self.session is not None:
            try:
                self._http('DELETE', f'/session/{self.session}')
            except (OSError, WebError, http.client.HTTPException):
                pass
        if self.process.poll() is None:
            # Its own session: the browser's processes are in it too, and nobody else's.
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
