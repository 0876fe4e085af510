// SPDX-License-Identifier: MIT
// The rules in force, in the order of deciding, with how often and when last each decided; added ones come and go here.

import {h, icon, show, empty, gate} from './dom.js';
import {call} from './net.js';
import {on} from './state.js';
import {ago, count, duration} from './words.js';
import {toast} from './toast.js';

let body, table, blank, words, trouble, field, rules = [], counted = true, filter = '', alarm = 0;

const PLACES = {added: 'added', answer: 'answer'};

function ends(rule) {
  if (rule.until === 'exit')
    return 'at exit';
  if (rule.until === 'reboot')
    return 'at restart';
  if (rule.until === 'time' && rule.ends) {
    const left = Date.parse(rule.ends) - Date.now();
    return left > 0 ? `in ${duration(left)}` : 'now';
  }
  return '';
}

async function remove(rule) {
  const reply = await call('rule-remove', {id: rule.id});
  toast(reply.ok ? 'The rule is gone.' : reply.sentence, reply.ok
    ? {undo: async () => {
      const back = await call('rule-add', {rule: rule.rule});
      toast(back.ok ? 'The rule is back, on top.' : back.sentence, {kind: back.ok ? 'plain' : 'trouble'});
      load();
    }} : {kind: 'trouble'});
  load();
}

function line(rule, most) {
  const hits = Number(rule.hits) || 0;
  return h('tr', {'data-id': rule.id, class: rule.action},
    h('td', {class: 'number dim'}, String(rule.number)),
    h('td', {class: 'verdict'}, h('span', {class: 'badge ' + rule.action}, rule.action)),
    h('td', {class: 'rule'}, h('code', {}, rule.rule.replace(/^(permit|block|ask)\s+/, '')),
      h('span', {class: 'place dim'}, PLACES[rule.place] || `${rule.file || 'file'}:${rule.line || ''}`)),
    h('td', {class: 'hits'}, counted ? [h('b', {}, hits.toLocaleString('en')),
      h('span', {class: 'meter', 'aria-hidden': 'true'}, h('span', {set: {'--part': most ? Math.sqrt(hits / most).toFixed(4) : '0'}}))] : '–'),
    h('td', {class: 'last dim'}, rule.last ? ago(Date.parse(rule.last)) : 'never'),
    h('td', {class: 'ends dim'}, ends(rule)),
    h('td', {class: 'act'}, rule.place === 'file' ? null : h('button', {type: 'button', class: 'plain', title: 'Remove this rule',
      'aria-label': `Remove rule ${rule.number}`, on: {click: () => remove(rule)}}, icon('trash'))));
}

function draw() {
  const found = rules.filter((rule) => !filter || rule.rule.toLowerCase().includes(filter) || (rule.file || '').includes(filter));
  const most = Math.max(0, ...rules.map((rule) => Number(rule.hits) || 0));
  show(body, found.slice(0, 1000).map((rule) => line(rule, most)));
  table.hidden = found.length === 0;
  words.textContent = rules.length ? count(rules.length, 'rule') + (found.length > 1000 ? ', the first 1,000 shown' : '') : '';
  show(blank, found.length ? null : empty(rules.length ? 'No rule has that' : 'There is no rule',
    rules.length ? '' : 'Each outgoing connection is asked about. Answers for longer than once become rules here.', gate(false)));
}

export async function load() {
  const reply = await call('rules');
  show(trouble, reply.ok ? null : h('p', {class: 'warning'}, icon('warn'), h('span', {}, reply.sentence)));
  if (reply.ok) {
    rules = reply.data.rules;
    counted = reply.data.counted;
    draw();
  }
}

async function add(event) {
  event.preventDefault();
  const rule = field.value.trim();
  if (!rule)
    return;
  const reply = await call('rule-add', {rule});
  field.setAttribute('aria-invalid', String(!reply.ok));
  show(trouble, reply.ok ? null : h('div', {class: 'warning'}, icon('warn'), h('div', {}, h('p', {}, reply.sentence),
    reply.data.errors ? h('pre', {}, reply.data.errors) : null)));
  if (reply.ok) {
    field.value = '';
    toast('The rule decides from now on.', {kind: 'permit', undo: async () => {
      await call('rule-remove', {id: reply.data.id});
      load();
    }});
    load();
  }
}

export function make() {
  body = h('tbody', {});
  table = h('table', {class: 'rows rules'}, h('thead', {}, h('tr', {}, ['#', 'Action', 'Rule', 'Hits', 'Last use', 'Ends', ''].map((word) =>
    h('th', {scope: 'col'}, word)))), body);
  blank = h('div', {});
  words = h('span', {class: 'dim', role: 'status'});
  trouble = h('div', {id: 'rule-trouble', role: 'alert'});
  field = h('input', {type: 'text', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'none', 'aria-label': 'A new rule',
    'aria-describedby': 'rule-trouble', placeholder: 'permit program "/usr/bin/ssh" to 192.0.2.5 port 22 for 10 minutes'});
  on('past live', () => {
    if (document.getElementById('main').dataset.view === 'rules' && !alarm)
      alarm = setTimeout(() => { alarm = 0; load(); }, 500);
  });
  setInterval(() => document.getElementById('main').dataset.view === 'rules' && !document.hidden && load(), 5000);
  return h('section', {class: 'rules-view'},
    h('h1', {}, 'Rules'),
    h('form', {class: 'add', on: {submit: add}}, field, h('button', {type: 'submit', class: 'main'}, 'Add on top')),
    trouble,
    h('div', {class: 'controls'}, h('input', {type: 'search', placeholder: 'Show only rules with …', 'aria-label': 'Show only rules with',
      on: {input: (event) => { filter = event.target.value.trim().toLowerCase(); draw(); }}}), words),
    table, blank);
}

export function enter() {
  load();
}
