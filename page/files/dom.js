// SPDX-License-Identifier: MIT
// Makes elements. Text from outside only ever becomes a text node; there is no other way in here.

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false)
      continue;
    if (name === 'on')
      for (const [event, handler] of Object.entries(value))
        node.addEventListener(event, handler);
    else if (name === 'set')
      for (const [property, to] of Object.entries(value))
        node.style.setProperty(property, to);
    else
      node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function s(tag, properties, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), properties, children);
}

export function icon(name) {
  return s('svg', {class: 'icon', 'aria-hidden': 'true'}, s('use', {href: '#i-' + name}));
}

export function show(node, ...children) {
  node.replaceChildren(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
}

// A row of buttons of which one is pressed; choices: [value, label, the label in full].
export function segments(label, choices, value, choose) {
  const row = h('div', {class: 'segments', role: 'radiogroup', 'aria-label': label});
  for (const [each, words, long] of choices) {
    const button = h('button', {type: 'button', role: 'radio', 'aria-checked': String(each === value),
      tabindex: each === value ? '0' : '-1', 'data-value': String(each), title: long, 'aria-label': long, on: {click: () => pick(each, false)}}, words);
    row.append(button);
  }
  function pick(chosen, focus) {
    for (const button of row.children) {
      const on = button.dataset.value === String(chosen);
      button.setAttribute('aria-checked', String(on));
      button.tabIndex = on ? 0 : -1;
      if (on && focus)
        button.focus();
    }
    choose(chosen);
  }
  row.addEventListener('keydown', (event) => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (!step)
      return;
    event.preventDefault();
    event.stopPropagation();
    const at = choices.findIndex(([each]) => String(each) === row.querySelector('[aria-checked=true]').dataset.value);
    pick(choices[(at + step + choices.length) % choices.length][0], true);
  });
  row.pick = (chosen) => pick(chosen, false);
  return row;
}

export function empty(title, sentence, art) {
  return h('div', {class: 'empty'}, art, h('h2', {}, title), h('p', {}, sentence));
}

// A gate, open or closed, for empty views.
export function gate(open) {
  const leaf = open ? 'M34 92V62M86 92V62' : 'M46 92V60M60 92V52M74 92V60M34 72h52M34 84h52';
  return s('svg', {class: 'art', viewBox: '0 0 120 104', 'aria-hidden': 'true'},
    s('path', {class: 'wall', d: 'M10 92V40l8-8V18h13v9h11v-9h36v9h11v-9h13v14l8 8v52'}),
    s('path', {class: 'arch', d: 'M34 92V64a26 26 0 0 1 52 0v28'}),
    s('path', {class: 'leaf', d: leaf}),
    s('path', {class: 'wall', d: 'M2 92h116'}),
    open ? s('circle', {class: 'lamp', cx: '60', cy: '58', r: '5'}) : null);
}
