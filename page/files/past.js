// SPDX-License-Identifier: MIT
// Reads the history. Its file may not be there (no gatehouse run, another machine's rights): that is no error of the page.

import {call} from './net.js';
import {connection, addEarlier} from './state.js';

export async function search(filter) {
  const reply = await call('history', filter);
  if (!reply.ok)
    return {ok: false, sentence: reply.sentence, lines: []};
  return {ok: true, lines: (reply.data.connections || []).map(connection), more: Boolean(reply.data.more)};
}

let asked = false;

// What the live view and the map begin with, once.
export async function begin() {
  if (asked)
    return;
  asked = true;
  const found = await search({limit: 500});
  asked = found.ok;
  addEarlier(found.lines);
}
