#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""trace_check FILE... - holds what real runs told of each connection against transitions.txt, the model's own table.

A FILE is a recorded scenario (docs/scenarios.md): its steps with the events that came of them. Of one connection, what
one source says (the step's answer, the observer, a client, the stack) stays in its order; between sources any order
within a step is tried, with the transitions that nobody is told of. Refused is a trace that no way through the table
gives: a verdict twice, without a claim or another than claimed, by one who is not the owner, an event too many
or missing, something held after the unload. A permit may end as block where somebody else had a say: a filter that blocks, or
another connection of the same socket (core/pend_table.h, pend_table_reauthorize). Exit code 0: all fit. 1: one does not. 2: a file cannot be read.
"""
import collections
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import transitions

ROWS = transitions.read_table()
# Verdicts that need no claim: the connection was not held, or its flow was reauthorized.
AT_ONCE = ('full', 'no-decider', 'cannot-pend', 'unload', 'cancel')

# What a claim by these decides, whatever the policy is.
ALWAYS = {'cancel': 'block', 'unload': 'block'}

# The steps in which time passes.
TIME = ('sleep', 'until', 'suspend', 'resume', 'explored')

# Where a connection can be when a step is over.
QUIET = ('FREE', 'QUEUED', 'OFFERED')

# Where one connection may be: its state, who has it, who claimed it and for what, what it was told; pended, given back.
Place = collections.namedtuple('Place', 'state owner who verdict told pended again')
NOWHERE = Place('FREE', None, None, None, None, False, False)
Event = collections.namedtuple('Event', 'line source words verdict name', defaults=[None, None])  # verdict: the answered one


class Step:
    def __init__(self, line, words):
        self.line, self.words, self.events = line, words, []
        self.kind, self.client = words[0], words[1] if len(words) > 1 else None
        self.seeds, self.others = frozenset(), False
        # Of "explored" (explored_check.py), in which much happens at once: who leaves, who is killed, who answers, and what if
        # all say the same.
        self.leavers, self.killed, self.answerers, self.verdicts = frozenset(), frozenset(), {}, {}
        # An answer that is to be remembered was given: its filter is there a little before what is held is decided by
        # it, so a deadline in between decides, and the filter overrules it.
        self.remembers = False

    def decisions(self, name):
        """The verdicts that this step answers for the connection, in order."""
        if self.kind == 'explored':
            return self.verdicts.get(name, [])
        if self.kind != 'answer':
            return []
        parts = [part.split() for part in ' '.join(self.words[2:]).split(',')]
        return [words[1] for words in parts if words and words[0] == name]


def read_event(line, words):
    """(connection, Event) of an event of a connection's life; (None, None) for the others."""
    kind = words[0]
    if kind == 'at' and len(words) > 3:
        return words[2], Event(line, 'answer', ['at-once', words[3], words[5] if len(words) > 5 else ''])
    if kind in ('pended', 'submit') and len(words) >= 2:
        return words[1], Event(line, 'answer', [kind, *words[2:]])
    if kind in ('held', 'decided'):
        return words[1], Event(line, 'observer', [kind, *words[2:]])
    if kind == 'offered':
        return words[1], Event(line, f'client {words[3]}', [kind, *words[3:]])
    if kind == 'done':
        return words[1], Event(line, 'stack', [kind, *words[2:]])
    return None, None


def read_steps(text):
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith('#'):
            continue
        if words[0] != '>':
            steps.append(Step(number, words))
        elif not steps:
            raise ValueError(f'line {number}: an event without a step')
        else:
            steps[-1].events.append((number, words[1:]))
    return steps


def changes(place, row, step, event):
    """The Place that this transition leads to with this event (None: it needs none), or None."""
    words = event.words if event else None
    then = place._replace(state=row.target)
    if row.operation == 'reserve':
        return None if place.told else then
    if row.operation == 'pend':
        return None if place.pended else then._replace(pended=True)
    if row.operation == 'park':
        return then if place.pended else None
    if row.operation == 'park-claimed':
        return then._replace(who=row.who, verdict=ALWAYS.get(row.who)) if place.pended else None
    if row.operation == 'abandon':
        return NOWHERE if not place.pended else None
    if row.operation == 'offer':
        told_again = words[2:] == ['again']
        fits = not told_again if words[1] in step.seeds else told_again == place.again
        return then._replace(owner=words[1]) if fits else None
    if row.operation == 'give-back':
        leaves = (step.kind in ('close', 'kill') and step.client == place.owner) or place.owner in step.leavers
        return then._replace(owner=None, again=True) if leaves else None
    if row.operation == 'claim' and row.who == 'decider':
        mine = words[1:] in (['OK'], ['ANSWERS_FULL']) and \
            (place.owner == step.client or place.owner in step.answerers.get(event.name, ()))
        return then._replace(owner=None, who='decider', verdict=event.verdict) if mine else None
    if row.who == 'deadline' and step.kind not in TIME:
        return None
    if row.operation == 'claim':
        return then._replace(owner=None, who=row.who, verdict=ALWAYS.get(row.who))
    if row.operation == 'completing':
        return completing(place, then, words)
    if row.operation == 'release':
        same = words[1:] == [place.verdict] or (place.verdict is None and len(words) == 2) \
            or (step.others and place.verdict == 'permit' and words[1:] == ['block']) \
            or (step.remembers and place.who == 'deadline')
        return NOWHERE._replace(told=words[1]) if same else None
    return then


def completing(place, then, words):
    if words is None:
        return then
    if words[3] != place.who or place.verdict not in (None, words[1]):
        return None
    return then._replace(verdict=words[1])


def unclaimed(place, event):
    """Events that are no transition: refused decisions, verdicts of what is not held. The Place after, or None."""
    words = event.words
    if words[0] == 'submit':
        return place if words[1:] != ['OK'] else None
    if words[0] == 'at-once':
        return place._replace(told='at once') if place.state == 'FREE' and not place.told else None
    if words[0] == 'decided' and place.state == 'FREE' and words[3] in AT_ONCE:
        return place if not place.told or place.told == 'at once' or words[3] == 'cannot-pend' else None
    return None


def moves(place, step, queues):
    """Yields (Place, index of the source whose next event was used, or None)."""
    for row in ROWS:
        if place.state not in row.sources:
            continue
        hidden = row.operation == 'completing' and step.kind == 'unload'
        if row.sign == '-' or hidden:
            after = changes(place, row, step, None)
            if after is not None:
                yield after, None
        if row.operation == 'offer':
            for client in step.killed:  # whose reads nobody sees
                yield place._replace(state=row.target, owner=client), None
        for index, queue in enumerate(queues):
            if queue and queue[0].words[0] == row.sign:
                after = changes(place, row, step, queue[0])
                if after is not None:
                    yield after, index
    for index, queue in enumerate(queues):
        if queue:
            after = unclaimed(place, queue[0])
            if after is not None:
                yield after, index


def walk(places, step, events):
    """The Places that are possible after this step's events of the connection."""
    sources = collections.OrderedDict()
    for event in events:
        sources.setdefault(event.source, []).append(event)
    first = tuple(tuple(queue) for queue in sources.values())
    todo, seen, found = [(place, first) for place in places], set(), set()
    while todo:
        place, queues = todo.pop()
        if (place, tuple(map(len, queues))) in seen:
            continue
        seen.add((place, tuple(map(len, queues))))
        if not any(queues) and place.state in QUIET:
            found.add(place)
        for after, used in moves(place, step, queues):
            rest = queues if used is None else queues[:used] + (queues[used][1:],) + queues[used + 1:]
            todo.append((after, rest))
    return found


def at_once_agrees(events):
    """What the stack did at once is what the observer was told; without the right to write, a permit changes nothing."""
    done = [event.words[1] for event in events if event.words[0] == 'at-once' and event.words[2] == 'callout']
    said = [event.words[1:] for event in events if event.words[0] == 'decided']
    return not done or not said or any(words[0] == done[0] or words == ['permit', 'by', 'cannot-pend'] for words in said)


class World:
    """What the steps so far have made that matters to every connection."""

    def __init__(self):
        self.places, self.seeds, self.sockets, self.blocking = {}, set(), {}, set()

    def take(self, step):
        words = step.words
        if step.kind == 'seed':
            self.seeds.add(words[1])
        elif step.kind in ('decider', 'observer'):
            self.seeds.discard(words[1])
        elif step.kind == 'filter' and 'block' in words:
            self.blocking.add(words[1])
        elif step.kind == 'remove':
            self.blocking.discard(words[1])
        elif step.kind == 'connect':
            socket = words[words.index('socket-of') + 1] if 'socket-of' in words else words[1]
            self.sockets[words[1]] = self.sockets.get(socket, words[1])
        step.seeds = frozenset(self.seeds)

    def has_others(self, name):
        mine = self.sockets.get(name)
        return bool(self.blocking) or sum(socket == mine for socket in self.sockets.values()) > 1

    def follow(self, step, name, events):
        """None, or what does not fit in this step's events of the connection."""
        step.others = self.has_others(name) or name in step.leavers
        line = events[0].line if events else step.line
        if not at_once_agrees(events):
            return f'line {line}: {name} was decided otherwise than told'
        places = walk(self.places.get(name, {NOWHERE}), step, events)
        if not places:
            return f'line {line}: {name}: no way through the transitions gives what was told of it here'
        self.places[name] = places
        return None

    def unloaded(self, line):
        for name, places in self.places.items():
            self.places[name] = {place for place in places if place.state == 'FREE' and not place.pended}
            if not self.places[name]:
                return f'line {line}: {name} is still held after the unload'
        return None


def check(text, world=None, prepare=None):
    """None, or the first thing that does not fit, as a sentence with its line. prepare(step): see explored_check.py."""
    world = world or World()
    for step in read_steps(text):
        world.take(step)
        if prepare:
            prepare(step)
        by_name = collections.OrderedDict()
        for line, words in step.events:
            name, event = read_event(line, words)
            if event is not None and event.words[0] == 'submit':
                said = sum(other.words[0] == 'submit' for other in by_name.get(name, []))
                if step.kind == 'explored':
                    said = 0
                event = event._replace(verdict=(step.decisions(name) + [None] * (said + 1))[said], name=name)
            if name == '?' and step.kind == 'explored':
                continue  # the article's requests have no id that is known by then
            if name is not None:
                by_name.setdefault(name, []).append(event)
        if step.kind in ('close', 'kill'):
            by_name.update({name: [] for name in world.places if name not in by_name})
        wrong = next(filter(None, (world.follow(step, name, events) for name, events in by_name.items())), None)
        if wrong is None and any(words == ['unloaded'] for _, words in step.events):
            wrong = world.unloaded(step.line)
        if wrong:
            return wrong
    return None


def main():
    code = 0
    for path in sys.argv[1:]:
        try:
            with open(path, encoding='utf-8') as file:
                wrong = check(file.read())
        except (OSError, ValueError) as error:
            print(f'{path}: {error}', file=sys.stderr)
            return 2
        if wrong:
            print(f'{path}: {wrong}')
            code = 1
    if code == 0:
        print(f'{len(sys.argv) - 1} traces fit the transitions')
    return code


if __name__ == '__main__':
    sys.exit(main())
