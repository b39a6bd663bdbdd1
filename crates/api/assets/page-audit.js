// The audit trail: every change of state, newest first.

import { h } from './dom.js';
import { get } from './api.js';
import { full } from './clock.js';
import { show } from './shell.js';
import { entriesOf } from './history.js';
import { did } from './words.js';

export async function auditPage() {
  const campaign = new URLSearchParams(location.search).get('campaign');
  const entries = campaign ? await entriesOf(campaign) : (await get('/v1/audit?limit=500')).entries;
  const row = (entry) => h('tr', {}, h('td', {}, full(entry.at)), h('td', {}, entry.by), h('td', {}, entry.from), h('td', {}, did(entry.action), ' ', h('code', { class: 'quiet' }, entry.action)),
    h('td', {}, entry.result), h('td', {}, entry.campaign ? h('a', { href: `/campaigns/${entry.campaign}` }, h('code', {}, entry.campaign.slice(0, 13))) : '–'));
  show('Audit', h('h1', {}, 'Audit trail'),
    campaign && h('p', {}, 'Of one campaign. ', h('a', { href: '/audit' }, 'Show all')),
    h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Audit trail' }, h('table', { class: 'table' },
      h('thead', {}, h('tr', {}, ['When', 'Who', 'From', 'What', 'Result', 'Campaign'].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, entries.map(row)))),
    entries.length === 0 && h('p', { class: 'quiet' }, 'Nothing has happened yet.'));
}
