// SPDX-License-Identifier: MIT
// Connections as they are decided, latest first, above a chart of the last half hour.

import {h, s, icon, show, segments, empty, gate} from './dom.js';
import {state, on} from './state.js';
import {begin} from './past.js';
import {row, head} from './rows.js';
import {count} from './words.js';

const ROWS = 300;
const MINUTES = 30;

let body, chart, blank, words, filter = '', verdict = 'all', paused = null;

function fits(one) {
  if (verdict !== 'all' && one.verdict !== verdict)
    return false;
  return !filter || [one.program, one.name, one.address, one.user, String(one.port)].some((text) => text.toLowerCase().includes(filter));
}

function bars(list) {
  const now = Date.now(), sums = Array.from({length: MINUTES}, () => ({permit: 0, block: 0}));
  for (const one of list) {
    const at = Math.floor((now - one.began) / 60000);
    if (at >= 0 && at < MINUTES && sums[at][one.verdict] !== undefined)
      sums[at][one.verdict] += one.count;
  }
  const most = Math.max(4, ...sums.map((sum) => sum.permit + sum.block));
  const svg = s('svg', {viewBox: '0 0 600 72', class: 'bars', preserveAspectRatio: 'none', 'aria-hidden': 'true'});
  sums.forEach((sum, at) => {
    const x = 600 - (at + 1) * 20 + 2, permit = sum.permit / most * 66, block = sum.block / most * 66;
    if (permit)
      svg.append(s('rect', {class: 'permit', x, y: 70 - permit, width: 16, height: permit, rx: 2}));
    if (block)
      svg.append(s('rect', {class: 'block', x, y: 70 - permit - block - (permit ? 1.5 : 0), width: 16, height: block, rx: 2}));
    if (!permit && !block)
      svg.append(s('rect', {class: 'none', x, y: 68.5, width: 16, height: 1.5}));
  });
  const total = sums.reduce((sum, each) => ({permit: sum.permit + each.permit, block: sum.block + each.block}), {permit: 0, block: 0});
  return [h('figcaption', {}, h('span', {class: 'figure'}, h('b', {class: 'permit'}, String(total.permit)), ' permitted'),
    h('span', {class: 'figure'}, h('b', {class: 'block'}, String(total.block)), ' blocked'),
    h('span', {class: 'dim'}, `in the last ${MINUTES} minutes`)), svg];
}

function draw() {
  if (document.getElementById('main').dataset.view !== 'live')
    return;
  const list = paused || state.live;
  const found = list.filter(fits);
  const now = performance.now();
  show(body, found.slice(0, ROWS).map((one) => row(one, now - (one.seen || 0) < 1500 && one.seen)));
  show(chart, bars(list));
  words.textContent = paused ? `Paused; ${count(state.live.length - paused.length, 'connection')} since` : '';
  show(blank, found.length ? null : empty('No connection yet',
    filter || verdict !== 'all' ? 'None that fits.' : 'Each decision appears here the moment it is made.', gate(true)));
  body.closest('table').hidden = found.length === 0;
}

function pauseButton() {
  const button = h('button', {type: 'button', class: 'quiet', 'aria-pressed': 'false', on: {click: () => {
    paused = paused ? null : [...state.live];
    button.setAttribute('aria-pressed', String(Boolean(paused)));
    show(button, icon(paused ? 'play' : 'pause'), paused ? 'Go on' : 'Pause');
    draw();
  }}}, icon('pause'), 'Pause');
  return button;
}

export function make() {
  body = h('tbody', {});
  chart = h('figure', {class: 'chart'});
  blank = h('div', {});
  words = h('span', {class: 'dim', role: 'status'});
  on('live', draw);
  setInterval(draw, 10000);
  return h('section', {class: 'live'},
    h('h1', {}, 'Live connections'),
    chart,
    h('div', {class: 'controls'},
      h('input', {type: 'search', placeholder: 'Program, name, address, user, port', 'aria-label': 'Show only', on: {input: (event) => {
        filter = event.target.value.trim().toLowerCase();
        draw();
      }}}),
      segments('Verdict', [['all', 'All'], ['permit', 'Permitted'], ['block', 'Blocked']], 'all', (value) => {
        verdict = value;
        draw();
      }), pauseButton(), words),
    h('table', {class: 'rows'}, head(), body), blank);
}

export function enter() {
  begin();
  draw();
}
