// Asking the server. A fault comes as a problem with a sentence for people; the sentence is what is shown.

import { heard } from './clock.js';

/** A request that was not done, with the server's own words. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || `the server answered ${status}`);
    this.status = status;
    this.code = String(body.type ?? '').split('/').pop();
    this.body = body;
  }
}

/** No answer: the network is away, or the server. */
export class Away extends Error {
  constructor() {
    super('no answer from the server: is the network there?');
  }
}


let signedOut = () => {};
let kept = 0;

/** Answers whose `at` is the server's time now; elsewhere it is the time of something else. */
const TIMED = /^\/v1\/console$|\/(status|preflight)(\?|$)/;

/** While something is in the balance nobody is led away to sign in; answers how to end that. */
export function keepHere() {
  kept += 1;
  return () => (kept -= 1);
}

/** What happens when the server doesn't know us any more. */
export function onSignedOut(then) {
  signedOut = then;
}

async function ask(method, path, { body, type, signal, timeout = 30000 } = {}) {
  const headers = {};
  if (body !== undefined) headers['content-type'] = type ?? 'application/json';
  const limits = [AbortSignal.timeout(timeout), ...(signal ? [signal] : [])];
  const asked = performance.now();
  let response;
  try {
    response = await fetch(path, {
      method, headers, body: body === undefined || type ? body : JSON.stringify(body),
      credentials: 'same-origin', cache: 'no-store', signal: AbortSignal.any ? AbortSignal.any(limits) : limits[0],
    });
  } catch {
    throw new Away();
  }
  const text = await response.text().catch(() => {
    throw new Away();
  });
  const json = parsed(text);
  if (TIMED.test(path) && typeof json?.at === 'number') heard(json.at, asked, performance.now());
  if (response.ok) return json ?? text;
  const problem = new Problem(response.status, json && typeof json === 'object' ? json : {});
  if (response.status === 401 && kept === 0 && !path.startsWith('/v1/session')) signedOut();
  throw problem;
}

function parsed(text) {
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

export const get = (path, options) => ask('GET', path, options);
export const post = (path, body = {}, options = {}) => ask('POST', path, { ...options, body });
export const patch = (path, body) => ask('PATCH', path, { body });
export const remove = (path) => ask('DELETE', path);
export const of = (id, rest = '') => `/v1/campaigns/${encodeURIComponent(id)}${rest}`;

/** Sends a file with its progress; `XMLHttpRequest`, because `fetch` tells nothing of what was sent. */
export function upload(method, path, file, type, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    request.setRequestHeader('content-type', type);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded, event.total);
    request.onerror = () => reject(new Away());
    request.onload = () => {
      const json = parsed(request.responseText);
      if (request.status >= 200 && request.status < 300) return resolve(json);
      return reject(new Problem(request.status, json ?? {}));
    };
    request.send(file);
  });
}

/** Lines of JSON, such as the users that were left out. */
export async function lines(path) {
  const all = await get(path);
  if (typeof all !== 'string') return all ? [all] : [];
  return all.split('\n').filter(Boolean).map(parsed).filter(Boolean);
}
