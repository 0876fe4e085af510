// SPDX-License-Identifier: MIT
// Looks things up in the history.

import {h, icon, show, segments, empty, gate} from './dom.js';
import {search} from './past.js';
import {row, head} from './rows.js';

const PAGE = 200;

let body, table, blank, more, field, filter = {text: '', verdict: 'all', since: '24'}, found = [], asked = 0, shown = PAGE;

function request(limit) {
  const since = Number(filter.since);
  return {text: filter.text, ...(filter.verdict === 'all' ? {} : {verdict: filter.verdict}),
    ...(since ? {since_ms: Date.now() - since * 3600000} : {}), limit};
}

async function load(limit = PAGE) {
  const turn = ++asked;
  shown = limit;
  const reply = await search(request(limit));
  if (turn !== asked)
    return;
  found = reply.lines;
  show(body, found.map((one) => row(one, false)));
  table.hidden = found.length === 0;
  more.hidden = !reply.more;
  more.onclick = () => load(limit + PAGE);
  show(blank, found.length ? null : reply.ok
    ? empty('Nothing found', 'Nothing like that happened in this time.', gate(true))
    : h('div', {class: 'warning'}, icon('warn'), h('span', {}, reply.sentence)));
}

// What has just happened is written some moments later.
function again() {
  if (document.getElementById('main').dataset.view === 'history' && !document.hidden)
    load(shown);
}

export function make() {
  let alarm = 0;
  setInterval(again, 5000);
  body = h('tbody', {});
  table = h('table', {class: 'rows', hidden: true}, head(), body);
  blank = h('div', {});
  more = h('button', {type: 'button', class: 'quiet', hidden: true}, 'Show more');
  field = h('input', {type: 'search', placeholder: 'Program, name or address', 'aria-label': 'Search', on: {input: () => {
    clearTimeout(alarm);
    alarm = setTimeout(() => { filter.text = field.value.trim(); load(); }, 250);
  }}});
  return h('section', {class: 'history'},
    h('h1', {}, 'History'),
    h('div', {class: 'controls'}, field,
      segments('Verdict', [['all', 'All'], ['permit', 'Permitted'], ['block', 'Blocked']], 'all', (value) => { filter.verdict = value; load(); }),
      segments('Since', [['1', '1 h'], ['24', '24 h'], ['168', '7 d'], ['0', 'All']], '24', (value) => { filter.since = value; load(); })),
    table, blank, h('div', {class: 'below'}, more));
}

export function enter(words) {
  if (words) {
    field.value = words;
    filter.text = words;
  }
  load();
}
