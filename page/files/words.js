// SPDX-License-Identifier: MIT
// Words and numbers for people.

export function base(path) {
  if (!path)
    return 'unknown program';
  return path.slice(path.lastIndexOf('/') + 1) || path;
}

export function folder(path) {
  return path ? path.slice(0, path.lastIndexOf('/') + 1) : '';
}

// The same colour for the same program, everywhere.
export function hue(text) {
  let sum = 7;
  for (const character of text || '')
    sum = (sum * 31 + character.codePointAt(0)) >>> 0;
  return (sum * 47) % 360;
}

export function host(connection) {
  return connection.name || connection.address || 'unknown';
}

export function end(connection) {
  if (!connection.port)
    return connection.address || '';
  const address = (connection.address || '').includes(':') ? `[${connection.address}]` : connection.address || '';
  return `${address}:${connection.port}`;
}

export function bytes(count) {
  if (count === undefined || count === null)
    return '';
  let number = Number(count);
  for (const unit of ['B', 'KiB', 'MiB', 'GiB'])
    if (number < 1024 || unit === 'GiB')
      return `${number < 10 && unit !== 'B' ? number.toFixed(1) : Math.round(number)} ${unit}`;
    else
      number /= 1024;
  return '';
}

export function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 1)
    return `${Math.max(0, Math.round(milliseconds))} ms`;
  if (seconds < 60)
    return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600)
    return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800)
    return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

export function ago(time, now = Date.now()) {
  const passed = now - time;
  return passed < 5000 ? 'just now' : `${duration(passed)} ago`;
}

export function clock(time) {
  const date = new Date(time), today = new Date();
  const hours = date.toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false});
  if (date.toDateString() === today.toDateString())
    return hours;
  return `${date.toLocaleDateString([], {day: 'numeric', month: 'short'})} ${hours}`;
}

export function count(number, one, many) {
  return `${Number(number).toLocaleString('en')} ${Number(number) === 1 ? one : many || one + 's'}`;
}

export const done = {permit: 'permitted', block: 'blocked', none: 'undecided'};
export const doing = {permit: 'Permitted', block: 'Blocked', none: 'Undecided'};

// Who or what decided, from enum gatehouse_decided_by's names.
export function by(gone) {
  if (gone.who)
    return gone.who;
  return {decider: 'a decider', answer: 'an answer', deadline: 'the deadline', 'no-decider': 'nobody there', full: 'no room', cancel: 'the program gave up', unload: 'gatehoused ended',
    'cannot-pend': 'it cannot be held', rule: 'a rule', none: ''}[gone.by] || gone.by || '';
}

const reach = {
  connection: () => 'this one connection',
  destination: (q) => `${end(q)}`,
  name: (q) => q.name,
  port: (q) => `port ${q.port} anywhere`,
  program: () => 'anything',
};

const hold = {once: '', exit: ' until it exits', reboot: ' until this machine restarts', always: ', always'};

// "Permits curl to reach example.org for 10 minutes."
export function preview(question, verdict, choice) {
  const verb = verdict === 'permit' ? 'Permits' : 'Blocks';
  const what = choice.scope === 'connection'
    ? `this one connection of ${base(question.program)}`
    : `${base(question.program)} ${question.direction === 'in' ? 'to be reached by' : 'to reach'} ${reach[choice.scope](question)}`;
  const blocks = verdict === 'block' && choice.scope !== 'connection'
    ? what.replace(' to reach ', ' from reaching ').replace(' to be reached by ', ' from being reached by ') : what;
  const long = choice.until === 'minutes'
    ? ` for ${choice.minutes >= 60 ? count(choice.minutes / 60, 'hour') : count(choice.minutes, 'minute')}` : hold[choice.until];
  return `${verb} ${blocks}${long}.`;
}
