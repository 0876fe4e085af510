// SPDX-License-Identifier: MIT
// What became of something, for some seconds, with a way back.

import {h, icon} from './dom.js';

const STAYS = 12000;
const MOST = 4;

let undoLatest = null;

export function toast(words, {kind = 'plain', undo = null} = {}) {
  const place = document.getElementById('toasts');
  let alarm;
  const close = () => {
    clearTimeout(alarm);
    node.remove();
    if (undoLatest === back)
      undoLatest = null;
  };
  const back = undo ? () => { close(); undo(); } : null;
  const node = h('div', {class: 'toast ' + kind}, h('span', {class: 'dot', 'aria-hidden': 'true'}), h('span', {}, words),
    back ? h('button', {type: 'button', class: 'undo', on: {click: back}}, 'Undo', h('kbd', {}, 'U')) : null,
    h('button', {type: 'button', class: 'plain', 'aria-label': 'Close', on: {click: close}}, icon('cross')));
  if (back)
    undoLatest = back;
  place.append(node);
  while (place.children.length > MOST)
    place.firstChild.remove();
  const wait = () => { alarm = setTimeout(close, STAYS); };
  node.addEventListener('pointerenter', () => clearTimeout(alarm));
  node.addEventListener('pointerleave', wait);
  wait();
}

export function undoNow() {
  const back = undoLatest;
  if (back)
    back();
  return Boolean(back);
}
