// Tokens, for administrators: who may come in, as what, and until when.

import { h, put, action, confirm } from './dom.js';
import { get, post, remove } from './api.js';
import { now, when } from './clock.js';
import { show } from './shell.js';
import { whyNot } from './session.js';

const ROLES = ['viewer', 'marketer', 'engineer', 'sre', 'load-tester', 'admin'];
const DAY_MS = 86400000;

export async function tokensPage() {
  const why = whyNot('tokens');
  if (why) return void show('Tokens', h('h1', {}, 'Tokens'), h('p', { class: 'why' }, why));
  const made = h('div', { 'aria-live': 'polite' });
  const list = h('div', {});
  const name = h('input', { type: 'text', id: 'name', required: true, maxlength: 100 });
  const role = h('select', { id: 'role' }, ROLES.map((one) => h('option', { value: one, selected: one === 'marketer' }, one)));
  const days = h('input', { type: 'number', id: 'days', min: 1, max: 3650, value: 90, class: 'short', required: true });

  async function draw() {
    const { tokens } = await get('/v1/tokens');
    put(list, h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Tokens' }, h('table', { class: 'table' },
      h('thead', {}, h('tr', {}, ['Name', 'Role', 'Made', 'Ends', 'Id', ''].map((one) => h('th', { scope: 'col' }, one || h('span', { class: 'sr' }, 'Revoke'))))),
      h('tbody', {}, tokens.map(row)))));
  }
  function row(token) {
    const over = token.revoked ? `revoked by ${token.revoked.by}, ${when(token.revoked.at)}` : null;
    const revoke = async () => {
      const words = [`“${token.name}” can not come in any more.`];
      if (!(await confirm({ title: 'Revoke this token?', words, yes: 'Yes, revoke' }))) return;
      await remove(`/v1/tokens/${token.id}`);
      await draw();
    };
    return h('tr', { class: over ? 'over' : '' }, h('th', { scope: 'row' }, token.name), h('td', {}, token.role), h('td', {}, `by ${token.created.by}, ${when(token.created.at)}`),
      h('td', {}, over ?? (token.expires_at ? when(token.expires_at) : 'never')), h('td', {}, h('code', {}, token.id)), h('td', {}, !over && action('Revoke', revoke)));
  }
  async function create() {
    if (!form.reportValidity()) return;
    const token = await post('/v1/tokens', { name: name.value, role: role.value, expires_at: Math.round(now() + Number(days.value) * DAY_MS) });
    put(made, h('div', { class: 'note' }, h('div', {}, h('p', {}, `For ${name.value}. It is shown once, here:`),
      h('p', {}, h('code', { class: 'token' }, location.origin + token.link)))));
    form.reset();
    await draw();
  }
  const field = (label, control) => h('div', { class: 'field' }, h('label', { for: control.id }, label), control);
  const form = h('form', { class: 'form row-form', onsubmit: (event) => event.preventDefault() },
    field('Name', name), field('Role', role), field('Days', days), action('Make a token', create, { kind: 'strong' }));
  await draw();
  show('Tokens', h('h1', {}, 'Tokens'), form, made, list);
}
