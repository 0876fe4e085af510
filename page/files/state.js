// SPDX-License-Identifier: MIT
// What the page knows. Views subscribe to the parts that they show; changes are told once a frame.

import {end} from './words.js';

const LIVE_MAX = 2000;
const PAST_MAX = 40;

export const state = {
  stream: 'opening', // opening, open, closed, locked
  desk: {connected: false},
  questions: new Map(), // id: question, with deadline and began in this browser's performance.now()
  ready: false,
  past: [], // what became of questions, latest first: {question, verdict, by, who, mine, at, undo}
  live: [], // connections, latest first
  mine: new Map(), // id: the answer that this tab gave
};

const listeners = new Map();
const changed = new Set();

export function on(parts, listener) {
  for (const part of parts.split(' '))
    listeners.set(part, [...(listeners.get(part) || []), listener]);
}

export function tell(part) {
  if (changed.size === 0)
    queueMicrotask(() => {
      const parts = [...changed];
      changed.clear();
      new Set(parts.flatMap((each) => listeners.get(each) || [])).forEach((listener) => listener());
    });
  changed.add(part);
}

// A line of `gatehouse log --json`, or of the desk, as the views use it.
export function connection(line) {
  const began = Date.parse(line.began || line.time || '') || Date.now();
  const local = line.local || (line.local_address ? end({address: line.local_address, port: line.local_port}) : '');
  return {
    key: [line.pid, line.protocol, local, line.address, line.direction === 'in' ? '' : line.port].join(' '),
    began, ended: Date.parse(line.ended || '') || null,
    program: line.program || '', pid: line.pid, user: line.user === undefined || line.user === null ? '' : String(line.user),
    name: line.name || '', address: line.address || '', port: Number(line.direction === 'in' && line.local_port || line.port) || 0,
    protocol: line.protocol || '', direction: line.direction || 'out',
    verdict: line.verdict || 'none', by: line.by || 'none', who: line.who || '',
    rule: line.rule_text || (/^[0-9a-f]{16}$/.test(line.rule || '') ? '' : line.rule) || '',
    out: line.bytes_out, in: line.bytes_in, count: Number(line.count) || 1,
  };
}

// A connection is told at its verdict and at its end; the second knows less of who decided.
function join(before, after) {
  const joined = {...before};
  for (const [name, value] of Object.entries(after))
    if (value !== '' && value !== null && value !== undefined && !(name === 'by' && value === 'none') && name !== 'began')
      joined[name] = value;
  return joined;
}

export function addLive(line) {
  const one = connection(line);
  const at = state.live.findIndex((each) => each.key === one.key);
  if (at >= 0)
    state.live[at] = join(state.live[at], one);
  else
    state.live.unshift({...one, seen: performance.now()});
  state.live.length = Math.min(state.live.length, LIVE_MAX);
  tell('live');
}

// What happened before the page came; nothing of it is new.
export function addEarlier(lines) {
  const known = new Set(state.live.map((each) => each.key));
  for (const one of lines)
    if (!known.has(one.key))
      state.live.push(one);
  state.live.sort((a, b) => b.began - a.began);
  state.live.length = Math.min(state.live.length, LIVE_MAX);
  tell('live');
}

function addQuestion(event) {
  const now = performance.now();
  state.questions.set(event.id, {...event, port: Number(event.port) || 0, came: now,
    deadline: now + event.left_ms, whole: event.held_ms + event.left_ms});
  tell('questions');
}

function endQuestion(event) {
  const question = state.questions.get(event.id);
  if (!question)
    return;
  state.questions.delete(event.id);
  const answer = state.mine.get(event.id);
  state.past.unshift({question, verdict: event.verdict, by: event.by, who: event.who, scope: event.scope,
    mine: Boolean(answer), answer, at: Date.now()});
  state.past.length = Math.min(state.past.length, PAST_MAX);
  state.mine.delete(event.id);
  // A desk without a history tells of no connections; one that does says the same, and more, of this one.
  if (event.verdict === 'permit' || event.verdict === 'block')
    addLive({...question, verdict: event.verdict, by: event.by, who: event.who});
  tell('questions');
  tell('past');
}

export function take(event) {
  switch (event.type) {
  case 'open':
    state.stream = 'open';
    state.questions.clear();
    state.ready = false;
    tell('questions');
    break;
  case 'closed':
    state.stream = event.locked ? 'locked' : 'closed';
    state.sentence = event.sentence;
    break;
  case 'desk':
    state.desk = event;
    if (!event.connected)
      state.questions.clear();
    tell('questions');
    break;
  case 'question':
    addQuestion(event);
    break;
  case 'gone':
    endQuestion(event);
    break;
  case 'connection':
    addLive(event);
    break;
  case 'ready':
    state.ready = true;
    tell('questions');
    break;
  }
  tell('desk');
}
