// SPDX-License-Identifier: MIT
// Begins: the token, the stream, the views, keys, and what is said when something is not there.

import {h, icon, show, empty, gate} from './dom.js';
import {enter as enterToken, follow, forget} from './net.js';
import {state, on, take} from './state.js';
import {undoNow} from './toast.js';
import * as questions from './questions.js';
import * as live from './live.js';
import * as map from './map.js';
import * as rules from './rules.js';
import * as history from './history.js';

const views = {questions, live, map, rules, history};
const made = {};
const main = document.getElementById('main');

function locked(sentence) {
  forget();
  document.title = 'Gatehouse';
  document.body.classList.add('locked');
  show(main, empty('This page is locked', sentence || 'Open the link that gatehouse ui printed: it has the key.', gate(false)));
}

function route() {
  const [, name = 'questions', words] = /^#\/([a-z]+)(?:\/(.*))?$/.exec(location.hash) || [];
  const view = views[name] ? name : 'questions';
  if (state.stream === 'locked')
    return;
  if (!made[view])
    made[view] = views[view].make();
  main.dataset.view = view;
  show(main, made[view]);
  for (const link of document.querySelectorAll('#views a')) {
    const here = link.dataset.view === view;
    link.toggleAttribute('aria-current', here);
    if (here)
      link.setAttribute('aria-current', 'page');
  }
  views[view].enter?.(words ? decodeURIComponent(words) : '');
}

function showState() {
  const waiting = state.questions.size;
  const badge = document.getElementById('waiting');
  badge.hidden = waiting === 0;
  badge.textContent = String(waiting);
  document.title = waiting ? `(${waiting}) Gatehouse` : 'Gatehouse';
  const desk = document.getElementById('desk');
  const live = state.stream === 'open' && state.desk.connected;
  desk.className = 'desk ' + (live ? state.desk.decider ? 'on' : 'idle' : 'off');
  show(desk, h('span', {class: 'dot', 'aria-hidden': 'true'}),
    live ? state.desk.decider ? `You decide as ${state.desk.you}` : 'Somebody else decides' : 'Not connected');
  const banner = document.getElementById('banner');
  let words = '';
  if (state.stream === 'locked')
    locked(state.sentence);
  else if (state.stream === 'closed')
    words = 'gatehouse ui does not answer. What you see is old; trying again.';
  else if (state.stream === 'open' && state.ready !== false && !state.desk.connected)
    words = `${state.desk.sentence || 'The desk went away.'} Trying again; held connections wait.`;
  else if (live && !state.desk.decider)
    words = state.desk.sentence || 'Another program decides now: answers here do not count.';
  banner.hidden = words === '';
  show(banner, words ? [icon('warn'), h('span', {}, words)] : null);
}

// --- light and dark ---

function setTheme(theme) {
  if (theme)
    document.documentElement.dataset.theme = theme;
  else
    delete document.documentElement.dataset.theme;
}

function turnTheme() {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  const next = dark ? 'light' : 'dark';
  setTheme(next);
  localStorage.setItem('gatehouse-theme', next);
}

// --- keys ---

const KEYS = [['1 … 5', 'the views'], ['j  k', 'next and previous question'], ['p', 'permit the question that has the focus'],
  ['b', 'block it'], ['s', 'how far the answer reaches'], ['d', 'how long it holds'], ['u', 'undo the last answer'],
  ['/', 'search in this view'], ['t', 'light or dark'], ['?', 'these keys']];

function showHelp() {
  const dialog = document.getElementById('help');
  show(dialog, h('h2', {id: 'help-title'}, 'Keys'), h('dl', {}, KEYS.map(([key, words]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, words)])),
    h('p', {class: 'dim'}, 'A question takes no answer in its first moment, so that what you were typing cannot answer it.'),
    h('form', {method: 'dialog'}, h('button', {class: 'main'}, 'Close')));
  dialog.showModal();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea, select, dialog') || event.repeat)
    return;
  const name = event.key;
  const view = Object.keys(views)[Number(name) - 1];
  if (view)
    location.hash = '#/' + view;
  else if (name === '?')
    showHelp();
  else if (name === 't')
    turnTheme();
  else if (name === 'u')
    undoNow();
  else if (name === '/')
    main.querySelector('input[type=search]')?.focus();
  else if (main.dataset.view !== 'questions' || !questions.key(name))
    return;
  event.preventDefault();
}

async function start() {
  setTheme(localStorage.getItem('gatehouse-theme'));
  document.getElementById('theme').addEventListener('click', turnTheme);
  document.getElementById('keys').addEventListener('click', showHelp);
  document.addEventListener('keydown', onKey);
  window.addEventListener('hashchange', () => {
    if (/^#(open=)?[0-9a-f]{32}$/.test(location.hash))
      location.reload(); // the link was opened in this very tab
    else
      route();
  });
  const entered = await enterToken();
  if (!entered.ok) {
    state.stream = 'locked';
    locked(entered.sentence);
    return;
  }
  on('desk questions', showState);
  route();
  follow(take);
}

start();
