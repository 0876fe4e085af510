// SPDX-License-Identifier: MIT
// One connection as a row of a table: on a narrow screen the row becomes a small card.

import {h} from './dom.js';
import {base, host, end, bytes, by, clock, done, duration} from './words.js';

export function head() {
  return h('thead', {}, h('tr', {}, ['Time', 'Verdict', 'Program', 'Destination', 'Decided by', 'Carried'].map((word) =>
    h('th', {scope: 'col'}, word))));
}

function carried(one) {
  const parts = [];
  if (one.out !== undefined && one.out !== null)
    parts.push(`${bytes(one.out)} out, ${bytes(one.in)} in`);
  if (one.ended && one.ended >= one.began)
    parts.push(duration(one.ended - one.began));
  return parts;
}

export function row(one, isNew) {
  const amounts = carried(one);
  return h('tr', {class: (isNew ? 'new ' : '') + one.verdict},
    h('td', {class: 'when'}, h('time', {datetime: new Date(one.began).toISOString()}, clock(one.began))),
    h('td', {class: 'verdict'}, h('span', {class: 'badge ' + one.verdict}, done[one.verdict] || one.verdict)),
    h('td', {class: 'program'}, h('b', {title: one.program}, base(one.program)), one.user ? h('span', {class: 'dim'}, ' ', one.user) : null),
    h('td', {class: 'destination'}, h('span', {}, one.direction === 'in' ? 'from ' : '', host(one)),
      h('code', {class: 'dim'}, ` ${one.name ? end(one) : one.port || ''} ${one.protocol}`), one.count > 1 ? h('span', {class: 'tag'}, `× ${one.count}`) : null),
    h('td', {class: 'by'}, one.rule ? h('code', {title: one.rule}, one.rule) : by(one)),
    h('td', {class: 'carried dim'}, amounts.join(' · ')));
}
