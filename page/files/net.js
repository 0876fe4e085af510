// SPDX-License-Identifier: MIT
// Calls, and the stream of what happens. The token stays in this tab: in the link's fragment, which is never sent, then
// in sessionStorage, which belongs to this very address and port; it goes out in a header that no other page can set.

const KEY = 'gatehouse-token';
let token = null;

// Whether there is a token to try. Takes the link's secret out of the address bar.
export async function enter() {
  const secret = location.hash.slice(1);
  const one = /^open=([0-9a-f]{32})$/.exec(secret);
  if (/^[0-9a-f]{32}$/.test(secret))
    token = secret;
  else if (!one)
    token = sessionStorage.getItem(KEY);
  if (one || token === secret)
    history.replaceState(null, '', '/#/questions');
  if (one) {
    const answer = await call('enter', {code: one[1]});
    if (!answer.ok)
      return {ok: false, sentence: answer.sentence};
    token = answer.data.token;
  }
  if (token)
    sessionStorage.setItem(KEY, token);
  return {ok: Boolean(token)};
}

export function forget() {
  token = null;
  sessionStorage.removeItem(KEY);
}

// {ok, status, data, sentence}; never throws.
export async function call(name, body = {}) {
  const headers = {'Content-Type': 'application/json'};
  if (token)
    headers.Authorization = 'Bearer ' + token;
  try {
    const response = await fetch('/api/' + name, {method: 'POST', headers, body: JSON.stringify(body),
      signal: AbortSignal.timeout(30000)});
    const data = await response.json().catch(() => ({}));
    return {ok: response.ok, status: response.status, data, sentence: data.sentence || ''};
  } catch {
    return {ok: false, status: 0, data: {}, sentence: 'gatehouse ui does not answer: was it ended?'};
  }
}

const SILENCE = 40000; // the server says something every 15 s

async function read(take) {
  const abort = new AbortController();
  let alarm = setTimeout(() => abort.abort(), SILENCE);
  try {
    const response = await fetch('/api/stream', {headers: {Authorization: 'Bearer ' + token}, signal: abort.signal});
    if (!response.ok)
      return {status: response.status, sentence: (await response.json().catch(() => ({}))).sentence};
    take({type: 'open'});
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const {done, value} = await reader.read();
      if (done)
        return {status: 200};
      clearTimeout(alarm);
      alarm = setTimeout(() => abort.abort(), SILENCE);
      const events = (rest + value).split('\n\n');
      rest = events.pop();
      for (const event of events)
        if (event.startsWith('data: '))
          take(JSON.parse(event.slice(6)));
    }
  } catch {
    return {status: 0};
  } finally {
    clearTimeout(alarm);
    abort.abort();
  }
}

// For as long as the page lives. take gets each event, and {type: 'open'} and {type: 'closed', locked, sentence}.
export async function follow(take) {
  for (let pause = 250; ; pause = Math.min(pause * 2, 4000)) {
    const ended = await read((event) => {
      if (event.type === 'ready')
        pause = 250;
      take(event);
    });
    take({type: 'closed', locked: ended.status === 401, sentence: ended.sentence});
    if (ended.status === 401)
      return;
    await new Promise((resume) => setTimeout(resume, pause));
  }
}
