// SPDX-License-Identifier: MIT
// Who talks to whom: programs on the left, destinations on the right, a ribbon for each pair and verdict. A ribbon is as
// wide as the root of its connections, so that one busy program does not make all others vanish.

import {h, s, show, segments, empty, gate} from './dom.js';
import {state, on} from './state.js';
import {begin, search} from './past.js';
import {base, hue, host, count, done} from './words.js';

const PROGRAMS_MOST = 14;
const HOSTS_MOST = 22;
const OTHERS = '\u0000others';
const NARROW = 620;
const GAP = 14;
const LEAST = 8; // of a node's height

let place, detail, blank, period = 'live', verdict = 'all', chosen = null, lines = [], summed = [], width = 0, alarm = 0;

function sumUp(list) {
  const flows = new Map();
  for (const one of list) {
    if (verdict !== 'all' && one.verdict !== verdict || !done[one.verdict] || one.verdict === 'none')
      continue;
    const program = one.program || '', to = host(one), key = [program, to, one.verdict].join('\u0001');
    const flow = flows.get(key) || {program, to, verdict: one.verdict, sum: 0, last: 0};
    flow.sum += one.count;
    flow.last = Math.max(flow.last, one.began);
    flows.set(key, flow);
  }
  return [...flows.values()];
}

// The busiest ends by name; the rest become one.
function ends(flows, side, most) {
  const sums = new Map();
  for (const flow of flows)
    sums.set(flow[side], (sums.get(flow[side]) || 0) + flow.sum);
  const order = [...sums].sort((a, b) => b[1] - a[1]);
  return {kept: new Set(order.slice(0, order.length > most ? most - 1 : most).map(([name]) => name)), others: Math.max(0, order.length > most ? order.length - most + 1 : 0)};
}

function fold(flows) {
  const programs = ends(flows, 'program', PROGRAMS_MOST), hosts = ends(flows, 'to', HOSTS_MOST);
  const folded = new Map();
  for (const flow of flows) {
    const program = programs.kept.has(flow.program) ? flow.program : OTHERS, to = hosts.kept.has(flow.to) ? flow.to : OTHERS;
    const key = [program, to, flow.verdict].join('\u0001');
    const one = folded.get(key) || {program, to, verdict: flow.verdict, sum: 0};
    one.sum += flow.sum;
    folded.set(key, one);
  }
  return {links: [...folded.values()], others: {program: programs.others, to: hosts.others}};
}

function column(links, side) {
  const nodes = new Map();
  for (const link of links) {
    link.weight = Math.sqrt(link.sum) + 0.6;
    const node = nodes.get(link[side]) || {name: link[side], side, weight: 0, sum: 0, links: [], block: 0};
    node.weight += link.weight;
    node.sum += link.sum;
    node.block += link.verdict === 'block' ? link.sum : 0;
    node.links.push(link);
    nodes.set(link[side], node);
  }
  return [...nodes.values()].sort((a, b) => (a.name === OTHERS) - (b.name === OTHERS) || b.weight - a.weight);
}

// Destinations stand where their programs are: fewer ribbons cross.
function settle(left, right) {
  const at = new Map(left.map((node, index) => [node.name, index]));
  for (const node of right)
    node.pull = node.links.reduce((sum, link) => sum + at.get(link.program) * link.weight, 0) / node.weight;
  right.sort((a, b) => (a.name === OTHERS) - (b.name === OTHERS) || a.pull - b.pull || b.weight - a.weight);
}

function tall(nodes, scale) {
  return nodes.reduce((sum, node) => sum + Math.max(LEAST, node.weight * scale), 0) + GAP * (nodes.length - 1);
}

function stack(nodes, height, scale) {
  let y = (height - tall(nodes, scale)) / 2;
  for (const node of nodes) {
    node.height = Math.max(LEAST, node.weight * scale);
    node.y = y;
    y += node.height + GAP;
  }
}

function spread(nodes, scale, other, side) {
  const order = new Map(other.map((node, index) => [node.name, index]));
  for (const node of nodes) {
    node.links.sort((a, b) => order.get(a[side]) - order.get(b[side]) || (a.verdict < b.verdict ? 1 : -1));
    let y = node.y + (node.height - node.weight * scale) / 2;
    for (const link of node.links) {
      link[node.side + 'Y'] = y;
      y += link.weight * scale;
    }
  }
}

function title(node, others) {
  if (node.name === OTHERS)
    return node.side === 'program' ? count(others.program, 'other program') : count(others.to, 'other destination');
  return node.side === 'program' ? base(node.name) : node.name;
}

function cut(text, most) {
  return text.length > most ? text.slice(0, most - 1) + '…' : text;
}

function ribbon(link, x1, x2, scale) {
  const wide = link.weight * scale, middle = (x1 + x2) / 2;
  const a = link.programY, b = link.toY;
  const d = `M${x1} ${a}C${middle} ${a} ${middle} ${b} ${x2} ${b}V${b + wide}C${middle} ${b + wide} ${middle} ${a + wide} ${x1} ${a + wide}Z`;
  const path = s('path', {class: 'ribbon ' + link.verdict, d}, s('title', {},
    `${link.program === OTHERS ? 'other programs' : base(link.program)} → ${link.to === OTHERS ? 'other destinations' : link.to}: ${count(link.sum, 'connection')} ${done[link.verdict]}`));
  path.link = link;
  return path;
}

function label(node, x, words, anchor, most) {
  if (width < NARROW)
    return s('text', {class: 'name', x, y: node.y + node.height / 2, 'text-anchor': anchor, dy: '0.35em'}, cut(words, most));
  const sum = node.sum.toLocaleString('en'), name = cut(words, most - sum.length - 1);
  return s('text', {class: 'name', x, y: node.y + node.height / 2, 'text-anchor': anchor, dy: '0.35em'},
    anchor === 'end' ? [s('tspan', {class: 'sum'}, sum), ' ', name] : [name, ' ', s('tspan', {class: 'sum'}, sum)]);
}

function nodeGroup(node, x, bar, words, outside, most) {
  const spoken = `${words}: ${count(node.sum, 'connection')}${node.block ? `, ${node.block} blocked` : ''}`;
  const group = s('g', {class: 'node', tabindex: '0', role: 'button', 'aria-label': spoken},
    s('rect', {class: 'hit', x: outside < x ? 0 : x, y: node.y - GAP / 2, width: Math.max(1, outside < x ? x + bar : width - x), height: node.height + GAP}),
    s('rect', {class: 'bar' + (node.side === 'to' && node.block === node.sum ? ' block' : ''), x, y: node.y, width: bar, height: node.height, rx: 3,
      set: node.side === 'program' && node.name !== OTHERS ? {'--hue': hue(node.name)} : {}}),
    label(node, outside, words, outside < x ? 'end' : 'start', most), s('title', {}, `${node.name === OTHERS ? words : node.name}: ${spoken.slice(words.length + 2)}`));
  if (node.side === 'program' && node.name !== OTHERS)
    group.querySelector('.bar').classList.add('program');
  group.node = node;
  return group;
}

function mark(svg, node) {
  svg.classList.toggle('chosen', Boolean(node));
  const near = new Set();
  for (const path of svg.querySelectorAll('.ribbon')) {
    const fits = node && path.link[node.side] === node.name;
    path.classList.toggle('lit', Boolean(fits));
    if (fits) {
      near.add('program' + path.link.program);
      near.add('to' + path.link.to);
    }
  }
  for (const group of svg.querySelectorAll('.node'))
    group.classList.toggle('lit', Boolean(node) && near.has(group.node.side + group.node.name));
}

function sums() {
  const total = {permit: 0, block: 0};
  for (const flow of summed)
    total[flow.verdict] += flow.sum;
  const row = (number, words, kind) => [h('dt', {class: kind}, number.toLocaleString('en')), h('dd', {}, words)];
  return h('dl', {class: 'sums'}, row(new Set(summed.map((flow) => flow.program)).size, 'programs'),
    row(new Set(summed.map((flow) => flow.to)).size, 'destinations'), row(total.permit, 'permitted', 'permit'), row(total.block, 'blocked', 'block'));
}

function tell(node, others) {
  if (!node) {
    show(detail, sums(), h('p', {class: 'dim'}, 'Choose a program or a destination to see only what is its own.'));
    return;
  }
  const rows = [...node.links].sort((a, b) => b.sum - a.sum).slice(0, 40);
  show(detail, h('h2', {}, title(node, others)), node.name !== OTHERS && node.side === 'program' ? h('p', {class: 'path'}, node.name) : null,
    h('ul', {class: 'edges'}, rows.map((link) => h('li', {class: link.verdict}, h('span', {class: 'dot', 'aria-hidden': 'true'}),
      h('span', {class: 'what'}, node.side === 'program' ? (link.to === OTHERS ? 'other destinations' : link.to)
        : link.program === OTHERS ? 'other programs' : base(link.program)),
      h('span', {class: 'dim'}, `${link.sum.toLocaleString('en')} ${done[link.verdict]}`)))),
    node.name !== OTHERS ? h('a', {class: 'more', href: '#/history/' + encodeURIComponent(node.name)}, 'In the history') : null);
}

function wire(svg, groups, others) {
  const same = (node) => chosen && node.side === chosen.side && node.name === chosen.name;
  const pick = (node) => {
    chosen = same(node) ? null : {side: node.side, name: node.name};
    mark(svg, chosen);
    tell(chosen ? node : null, others);
  };
  for (const group of groups) {
    group.addEventListener('pointerenter', () => chosen || mark(svg, group.node));
    group.addEventListener('pointerleave', () => chosen || mark(svg, null));
    group.addEventListener('focus', () => chosen || mark(svg, group.node));
    group.addEventListener('blur', () => chosen || mark(svg, null));
    group.addEventListener('click', () => pick(group.node));
    group.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== ' ')
        return;
      event.preventDefault();
      pick(group.node);
    });
  }
  const kept = groups.find((group) => same(group.node));
  chosen = kept ? chosen : null;
  mark(svg, chosen);
  tell(kept ? kept.node : null, others);
}

function picture(links, others) {
  const left = column(links, 'program'), right = column(links, 'to');
  settle(left, right);
  const narrow = width < NARROW, margin = narrow ? Math.max(84, width * 0.28) : Math.min(230, width * 0.24);
  const rows = Math.max(left.length, right.length), weight = Math.max(1, links.reduce((sum, link) => sum + link.weight, 0));
  const scale = Math.min(9, Math.max(340, rows * 19) / weight);
  const height = Math.max(tall(left, scale), tall(right, scale)) + 2 * GAP;
  stack(left, height, scale);
  stack(right, height, scale);
  spread(left, scale, right, 'to');
  spread(right, scale, left, 'program');
  const bar = 9, x1 = margin, x2 = width - margin - bar, letters = Math.floor((margin - 22) / 7.6);
  const groups = [...left.map((node) => nodeGroup(node, x1, bar, title(node, others), x1 - 10, letters)),
    ...right.map((node) => nodeGroup(node, x2, bar, title(node, others), x2 + bar + 10, letters))];
  const svg = s('svg', {class: 'map', width, height, viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': 'Programs and their destinations'},
    s('g', {class: 'ribbons'}, links.sort((a, b) => b.weight - a.weight).map((link) => ribbon(link, x1 + bar, x2, scale))), groups);
  wire(svg, groups, others);
  return svg;
}

function draw() {
  if (document.getElementById('main').dataset.view !== 'map')
    return;
  width = Math.floor(place.clientWidth) || 900;
  summed = sumUp(period === 'live' ? state.live : lines);
  const {links, others} = fold(summed);
  const held = document.activeElement?.closest?.('.node')?.node;
  show(place, links.length ? picture(links, others) : null);
  show(blank, links.length ? null : empty('No roads yet', 'Programs and where they go are drawn here as they connect.', gate(true)));
  detail.hidden = links.length === 0;
  if (held)
    [...place.querySelectorAll('.node')].find((group) => group.node.side === held.side && group.node.name === held.name)?.focus({preventScroll: true});
}

function later() {
  if (period === 'live' && !alarm)
    alarm = setTimeout(() => { alarm = 0; draw(); }, 400);
}

async function load() {
  if (period === 'live') {
    draw();
    return;
  }
  const asked = period;
  const found = await search({since_ms: Date.now() - Number(period) * 3600000, limit: 5000});
  if (asked !== period)
    return;
  lines = found.ok ? found.lines : [];
  draw();
}

export function make() {
  place = h('div', {class: 'roads'});
  detail = h('aside', {class: 'detail', 'aria-live': 'polite'});
  blank = h('div', {});
  on('live', later);
  new ResizeObserver(() => place.clientWidth && Math.abs(place.clientWidth - width) > 1 && draw()).observe(place);
  return h('section', {class: 'map-view'},
    h('h1', {}, 'Who talks to whom'),
    h('div', {class: 'controls'},
      segments('Period', [['live', 'Now'], ['1', '1 h'], ['24', '24 h'], ['168', '7 d']], 'live', (value) => { period = value; load(); }),
      segments('Verdict', [['all', 'All'], ['permit', 'Permitted'], ['block', 'Blocked']], 'all', (value) => { verdict = value; draw(); }),
      h('span', {class: 'legend'}, h('span', {class: 'key permit'}, 'permitted'), h('span', {class: 'key block'}, 'blocked'), h('span', {class: 'dim'}, 'wider: more connections'))),
    h('div', {class: 'map-frame'}, place, detail), blank);
}

export function enter() {
  begin();
  requestAnimationFrame(load);
}
