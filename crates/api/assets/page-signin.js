// Signing in, with a token or with a link that has it behind the #. It leaves the address bar at once, and the history too.

import { h } from './dom.js';
import { show } from './shell.js';
import { begin, me, signIn, signInFirst } from './session.js';
import { action, confirm } from './dom.js';

/** Only a page of ours: a link must not lead elsewhere. */
function target() {
  const to = new URLSearchParams(location.search).get('to') ?? '/';
  // As the browser reads it: tabs and line ends are left out, and more than one way leads to another host.
  try {
    const at = new URL(to, location.origin);
    return at.origin === location.origin ? at.pathname + at.search + at.hash : '/';
  } catch {
    return '/';
  }
}

async function withToken(token) {
  const first = token.match(/^first=(.+)$/);
  if (!first) {
    await signIn(token);
    return location.replace(target());
  }
  const made = await signInFirst(first[1]);
  return keep(made.token);
}

/** The first administrator's token is shown once. */
function keep(token) {
  show('Signed in', h('h1', {}, 'You are the first administrator'),
    h('p', {}, 'This browser is signed in. For another one, or the command line, this is your token. It is shown once, here.'),
    h('p', {}, h('code', { class: 'token' }, token)),
    h('p', {}, h('a', { class: 'button strong', href: '/' }, 'Go on')));
}

function form(fault) {
  const input = h('input', { type: 'password', id: 'token', autocomplete: 'current-password', required: true, 'aria-describedby': 'token-hint' });
  const go = () => withToken(input.value.trim().replace(/^.*#/, ''));
  const button = action('Sign in', go, { kind: 'strong' });
  show('Sign in', h('h1', {}, 'Sign in'),
    fault && h('p', { class: 'fault', role: 'alert' }, fault),
    h('form', { class: 'form narrow', onsubmit: (event) => { event.preventDefault(); button.querySelector('button').click(); } },
      h('div', { class: 'field' }, h('label', { for: 'token' }, 'Your token'), input,
        h('p', { class: 'quiet small', id: 'token-hint' }, 'It begins with owl_. An administrator makes one with “owl token create”, or on the page Tokens.')),
      button));
}

export async function signInPage() {
  // A link that is opened while this page is shown changes only what is behind the #.
  window.addEventListener('hashchange', enter);
  return enter();
}

/** A link must not make somebody another person behind their back. */
async function mayReplace() {
  if (!(await begin().catch(() => false))) return true;
  const words = [`You are signed in as ${me().name} (${me().role}). With this link you are whoever it was made for, and what you do then stands under that name.`];
  return confirm({ title: 'Sign in as somebody else?', words, yes: 'Yes, use the link', no: `No, stay ${me().name}` });
}

async function enter() {
  const given = decodeURIComponent(location.hash.slice(1));
  if (given) history.replaceState(null, '', location.pathname + location.search);
  if (!given) return document.getElementById('token') ? undefined : form();
  try {
    return (await mayReplace()) ? await withToken(given) : location.replace(target());
  } catch (error) {
    return form(error.message);
  }
}
