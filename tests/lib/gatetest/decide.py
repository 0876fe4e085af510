# SPDX-License-Identifier: MIT
"""Deciders on a thread, for cases whose traffic comes from the case's own thread."""
import threading
import time

from . import device, net, protocol


class Deciding:
    """Answers each request by judge(request) -> verdict, or None to keep it held, until the with block ends.

    until_closed: the case ends gatehoused, so that its going is no failure. seen has (request, monotonic ns just before its verdict was sent)."""

    def __init__(self, lab, judge, delay=0.0, until_closed=False):
        self.until_closed = until_closed
        self.device = lab.decider()
        self.judge = judge
        self.delay = delay
        self.seen = []
        self.kept = []
        self.failure = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join(net.PATIENCE)
        self.device.close()
        if self.failure is not None:
            raise self.failure

    def _run(self):
        try:
            while not self._stopping.is_set():
                try:
                    found = self.device.requests(0.1)
                except TimeoutError:
                    continue
                for request in found:
                    self._answer(request)
        except (device.DeviceClosed, OSError, AssertionError) as failure:
            if not self._stopping.is_set() and not (self.until_closed and isinstance(failure, device.DeviceClosed)):
                self.failure = failure

    def _answer(self, request):
        verdict = self.judge(request)
        if verdict is None:
            self.kept.append(request)
            return
        if self.delay:
            time.sleep(self.delay)
        self.seen.append((request, time.monotonic_ns()))
        self.device.submit([(request.id, verdict)])


def permitting(lab):
    return Deciding(lab, lambda request: protocol.PERMIT)


def blocking(lab):
    return Deciding(lab, lambda request: protocol.BLOCK)
