// SPDX-License-Identifier: MIT
// The questions: one card each, the one with the least time first. A card that has just come, or moved under the
// pointer, takes no answer for a moment: nobody answers what he has not seen.

import {h, icon, show, segments, empty, gate} from './dom.js';
import {call} from './net.js';
import {state, on} from './state.js';
import {base, folder, hue, host, end, ago, by, count, done, doing, preview} from './words.js';
import {toast} from './toast.js';

const PAUSE = 600; // ms

const cards = new Map();
let list, past, blank, heading;

function say(question) {
  return `${base(question.program)} ${question.direction === 'in' ? 'is asked by' : 'wants to reach'} ${host(question)}`;
}

// How many others that wait this answer would decide too.
function covers(question, scope) {
  if (scope === 'connection')
    return 0;
  let sum = 0;
  for (const other of state.questions.values())
    if (other !== question && other.program === question.program && other.direction === question.direction &&
        (scope === 'program' || (scope === 'name' && other.name === question.name) ||
         (scope === 'port' && other.port === question.port && other.protocol === question.protocol) ||
         (scope === 'destination' && other.address === question.address && other.port === question.port &&
          other.protocol === question.protocol)))
      sum++;
  return sum;
}

function chip(label, value, kind) {
  return value ? h('li', {class: 'chip ' + (kind || '')}, h('span', {}, label), ' ', value) : null;
}

function chain(question) {
  const parents = question.parents || [];
  if (parents.length === 0)
    return null;
  return h('ol', {class: 'chain', 'aria-label': 'started by'},
    parents.slice(0, 6).reverse().map((each) => h('li', {title: each.program || each.name}, each.name || base(each.program))),
    h('li', {class: 'self'}, base(question.program)));
}

function before(question) {
  const past = question.before;
  if (!past || (Number(past.permitted) === 0 && Number(past.blocked) === 0))
    return h('p', {class: 'before new'}, 'Never seen there before');
  const parts = [];
  if (Number(past.permitted))
    parts.push(`permitted ${count(past.permitted, 'time')}`);
  if (Number(past.blocked))
    parts.push(`blocked ${count(past.blocked, 'time')}`);
  const last = Date.parse(past.last || '');
  return h('p', {class: 'before'}, 'Before: ', parts.join(', '), last ? `; last ${ago(last)}` : '');
}

function warnings(question) {
  const list = [];
  if (question.look_alike)
    list.push(h('p', {class: 'warning'}, icon('warn'), h('span', {}, 'This name only looks like a common one. Spelled out it is ',
      h('code', {}, question.look_alike))));
  if (question.deleted)
    list.push(h('p', {class: 'warning'}, icon('warn'), h('span', {}, 'The program’s file was deleted or replaced while it runs.')));
  return list;
}

function scopes(question) {
  const choices = [['connection', 'This connection']];
  if (question.name)
    choices.push(['name', question.name]);
  choices.push(['destination', end(question)]);
  if (question.port)
    choices.push(['port', `Port ${question.port}`]);
  choices.push(['program', 'Anything']);
  return choices;
}

const LIVES = [['once', 'Once'], ['10', '10 min'], ['60', '1 h', 'for an hour'], ['exit', 'Exit', 'until the program exits'],
  ['reboot', 'Restart', 'until this machine restarts'], ['always', 'Always']];

// Scope and lifetime go together: "this connection" with "once", all else with all else.
function chooser(card) {
  const {question, choice} = card;
  const scope = segments('How far', scopes(question), choice.scope, (value) => {
    choice.scope = value;
    if (value === 'connection' && choice.life !== 'once')
      life.pick('once');
    else if (value !== 'connection' && choice.life === 'once')
      life.pick('exit');
    card.changed();
  });
  const life = segments('How long', LIVES, choice.life, (value) => {
    choice.life = value;
    if (value === 'once' && choice.scope !== 'connection')
      scope.pick('connection');
    else if (value !== 'once' && choice.scope === 'connection')
      scope.pick(question.name ? 'name' : 'destination');
    card.changed();
  });
  card.scope = scope;
  card.life = life;
  return h('div', {class: 'choices'}, scope, life);
}

function written(choice) {
  const minutes = Number(choice.life);
  return minutes > 0 ? {scope: choice.scope, until: 'minutes', minutes} : {scope: choice.scope, until: choice.life};
}

function makeCard(question) {
  const card = {question, choice: {scope: 'connection', life: 'once'}, armed: performance.now() + PAUSE, sent: false};
  const name = base(question.program);
  const id = 'card-' + question.id;
  card.time = h('span', {class: 'left', role: 'timer', 'aria-live': 'off'});
  card.fill = h('span', {});
  card.preview = h('p', {class: 'preview'});
  card.permit = h('button', {type: 'button', class: 'permit', on: {click: () => answer(card, 'permit')}}, icon('check'), 'Permit',
    h('kbd', {}, 'P'));
  card.block = h('button', {type: 'button', class: 'block', on: {click: () => answer(card, 'block')}}, icon('cross'), 'Block',
    h('kbd', {}, 'B'));
  card.changed = () => {
    const more = covers(question, card.choice.scope);
    show(card.preview, preview(question, 'permit', written(card.choice)),
      more ? h('b', {}, ` And ${count(more, 'other question')} with it.`) : null);
  };
  card.node = h('article', {class: 'card', id, tabindex: '0', 'aria-labelledby': id + '-title', 'data-id': question.id},
    h('div', {class: 'timebar', 'aria-hidden': 'true'}, card.fill),
    h('header', {},
      h('div', {class: 'glyph', 'aria-hidden': 'true', set: {'--hue': hue(question.program)}}, name.slice(0, 2)),
      h('div', {class: 'who'}, h('h3', {id: id + '-title'}, name, h('span', {class: 'sr'}, ` ${say(question).slice(name.length)}`)),
        h('p', {class: 'path', title: question.program}, folder(question.program) || 'path unknown')),
      card.time),
    h('div', {class: 'wish'},
      h('span', {class: 'verb'}, question.direction === 'in' ? 'is asked by' : 'wants to reach'),
      h('strong', {}, host(question)),
      h('span', {class: 'where'}, question.name ? h('code', {}, end(question)) : h('code', {}, question.port ? `port ${question.port}` : ''),
        h('span', {class: 'tag'}, question.protocol), question.service ? h('span', {class: 'tag'}, question.service) : null)),
    warnings(question),
    chain(question),
    h('ul', {class: 'chips'}, chip('user', question.user), chip('package', question.package), chip('unit', question.unit),
      chip('pid', question.pid && String(question.pid))),
    question.command ? h('details', {}, h('summary', {title: 'the command line'}, h('code', {}, question.command))) : null,
    before(question),
    chooser(card),
    card.preview,
    h('div', {class: 'answers'}, card.block, card.permit));
  card.changed();
  arm(card);
  return card;
}

function arm(card) {
  card.armed = performance.now() + PAUSE;
  card.node.classList.remove('armed');
  clearTimeout(card.alarm);
  card.alarm = setTimeout(() => card.node.classList.add('armed'), PAUSE);
}

async function answer(card, verdict) {
  const {question} = card;
  if (card.sent || performance.now() < card.armed || !state.desk.decider)
    return;
  const choice = written(card.choice);
  card.sent = true;
  card.node.classList.add('sent');
  state.mine.set(question.id, {verdict, ...choice});
  const reply = await call('answer', {id: question.id, verdict, ...choice});
  if (!reply.ok) {
    state.mine.delete(question.id);
    card.sent = false;
    card.node.classList.remove('sent');
    toast(reply.sentence || 'The answer did not count.', {kind: 'trouble'});
    return;
  }
  const covered = Number(reply.data.covered) || 0;
  toast(h('span', {}, h('b', {class: verdict}, doing[verdict]), ` ${base(question.program)} → ${host(question)}`,
    covered ? `, and ${count(covered, 'other')}` : ''),
  {kind: verdict, undo: reply.data.undo && (() => undo(reply.data.undo))});
}

async function undo(number) {
  const reply = await call('undo', {undo: number});
  toast(reply.sentence || (reply.ok ? 'Taken back.' : 'It could not be taken back.'), {kind: reply.ok ? 'plain' : 'trouble'});
}

function sorted() {
  return [...state.questions.values()].sort((a, b) => a.deadline - b.deadline);
}

function drop(card, id) {
  const held = card.node.contains(document.activeElement);
  clearTimeout(card.alarm);
  card.node.remove();
  cards.delete(id);
  if (held)
    (list.querySelector('.card') || document.getElementById('main')).focus({preventScroll: true});
}

function place() {
  const order = sorted();
  for (const [id, card] of cards)
    if (!state.questions.has(id) || state.questions.get(id) !== card.question)
      drop(card, id);
  order.forEach((question, at) => {
    let card = cards.get(question.id);
    if (!card) {
      card = makeCard(question);
      cards.set(question.id, card);
    }
    if (list.children[at] !== card.node) {
      list.insertBefore(card.node, list.children[at] || null);
      arm(card);
    } else if (card.at !== at) {
      arm(card);
    }
    card.at = at;
    card.changed();
    for (const button of [card.permit, card.block])
      button.disabled = !state.desk.decider;
  });
  heading.textContent = order.length ? count(order.length, 'connection waits', 'connections wait') : 'Questions';
  show(blank, order.length ? null : state.desk.connected
    ? empty('Nothing waits at the gate', 'A program that no rule knows will be held, and shown here.', gate(true))
    : empty('Nobody hears the gate', state.desk.sentence || 'Waiting for the desk.', gate(false)));
  tick();
}

function tick() {
  const now = performance.now();
  for (const {question, time, fill, node} of cards.values()) {
    const left = Math.max(0, question.deadline - now);
    const part = question.whole > 0 ? left / question.whole : 0;
    time.textContent = left > 0 ? `${Math.ceil(left / 1000)} s left` : 'time is up';
    fill.style.setProperty('--part', part.toFixed(4));
    node.classList.toggle('soon', left < 10000);
  }
}

function showPast() {
  show(past, state.past.length === 0 ? null : [h('h2', {}, 'Just decided'), h('ul', {class: 'past'}, state.past.slice(0, 12).map((each) =>
    h('li', {class: each.verdict},
      h('span', {class: 'dot', 'aria-hidden': 'true'}),
      h('span', {class: 'what'}, h('b', {}, base(each.question.program)), ' → ', host(each.question)),
      h('span', {class: 'how'}, `${done[each.verdict] || 'gone'} by ${each.mine ? 'you' : by(each)}`),
      h('time', {}, ago(each.at)))))]);
}

function focused() {
  const node = document.activeElement && document.activeElement.closest('.card');
  return node ? cards.get(node.dataset.id) : null;
}

function step(direction) {
  const all = [...list.children];
  const at = all.findIndex((node) => node.contains(document.activeElement));
  const next = all[Math.max(0, Math.min(all.length - 1, at + direction))];
  if (next)
    next.focus();
}

function cycle(row) {
  const buttons = [...row.children];
  const at = buttons.findIndex((button) => button.getAttribute('aria-checked') === 'true');
  row.pick(buttons[(at + 1) % buttons.length].dataset.value);
}

// Keys count on the card that has the focus, never on one that happens to be first.
export function key(name) {
  const card = focused();
  if (name === 'j' || name === 'ArrowDown')
    step(1);
  else if (name === 'k' || name === 'ArrowUp')
    step(-1);
  else if (card && name === 'p')
    answer(card, 'permit');
  else if (card && name === 'b')
    answer(card, 'block');
  else if (card && name === 's')
    cycle(card.scope);
  else if (card && name === 'd')
    cycle(card.life);
  else
    return false;
  return true;
}

export function make() {
  heading = h('h1', {}, 'Questions');
  list = h('div', {class: 'cards'});
  blank = h('div', {});
  past = h('div', {class: 'decided'});
  on('questions desk', place);
  on('past', showPast);
  setInterval(tick, 250);
  setInterval(showPast, 10000);
  place();
  return h('section', {class: 'questions'}, heading, list, blank, past);
}
