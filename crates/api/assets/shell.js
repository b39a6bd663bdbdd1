// What is around every page: the bar on top, the line at the end, and how a fault of the whole page looks.

import { h, put, action } from './dom.js';
import { me, signOut, whyNot } from './session.js';
import { now, when, zone } from './clock.js';

const PAGES = [['/', 'Campaigns'], ['/fleet', 'Fleet'], ['/audit', 'Audit']];

const SOON_MS = 24 * 3600 * 1000;

/** A session that ends soon might end in mid-broadcast. */
function endsSoon() {
  const at = me().expires_at;
  return at && at - now() < SOON_MS ? h('strong', {}, `, signed in until ${when(at)} only`) : '';
}

export function drawShell() {
  const here = location.pathname;
  const all = whyNot('tokens') === null ? [...PAGES, ['/tokens', 'Tokens']] : PAGES;
  const link = ([to, name]) => h('a', { href: to, 'aria-current': here === to ? 'page' : null }, name);
  const person = me() && h('div', { class: 'person' },
    h('span', { class: 'quiet' }, me().name, ` (${me().role})`, endsSoon()),
    h('button', { type: 'button', class: 'link', onclick: () => signOut() }, 'Sign out'));
  put(document.getElementById('top'),
    h('a', { class: 'brand', href: '/' }, h('span', { class: 'square', 'aria-hidden': 'true' }), 'Superb Owl'),
    me() && h('nav', { 'aria-label': 'Pages' }, all.map(link)), person);
  put(document.getElementById('foot'), h('p', {}, `Times are in your zone (${zone()}), by the server's clock. `, h('a', { href: '/docs' }, 'For programs')));
}

/** Puts a page into its place. */
export function show(title, ...children) {
  document.title = `${title} · Superb Owl`;
  return put(document.getElementById('main'), ...children);
}

/** A page that could not be shown, with what to do about it. */
export function showFault(error) {
  const missing = error.status === 404;
  show(missing ? 'Not found' : 'Fault',
    h('h1', {}, missing ? 'There is nothing here' : 'This page can not be shown just now'),
    h('p', { role: 'alert' }, error.message),
    missing ? h('p', {}, h('a', { href: '/' }, 'To the campaigns')) : action('Try again', () => location.reload()));
}
