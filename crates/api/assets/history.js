// The card with who did what.

import { h, put } from './dom.js';
import { get } from './api.js';
import { when } from './clock.js';
import { who } from './session.js';
import { did } from './words.js';

/** Entries of one campaign, newest first. */
export async function entriesOf(id, limit = 1000) {
  const { entries } = await get(`/v1/audit?limit=${limit}`);
  return entries.filter((entry) => entry.campaign === id);
}

export function historyList(entries) {
  return h('ol', { class: 'history' }, entries.map((entry) => h('li', {},
    h('span', { class: 'quiet' }, when(entry.at)), ' ', h('b', {}, who(entry.by)), ' ', did(entry.action),
    h('span', { class: 'quiet' }, ` ${entry.result}`))));
}

const SHOWN = 12;

/** Fills the card; the trail is written a moment after the act, so it is read a moment later. */
export function historyView(node, campaign) {
  if (node.dataset.version === String(campaign.version)) return;
  node.dataset.version = campaign.version;
  if (!node.firstChild) put(node, h('h2', {}, 'Who did what'));
  setTimeout(async () => {
    const entries = await entriesOf(campaign.id).catch(() => null);
    if (entries === null) return;
    put(node, h('h2', {}, 'Who did what'), historyList(entries.slice(0, SHOWN)),
      entries.length > SHOWN && h('p', {}, h('a', { href: `/audit?campaign=${campaign.id}` }, `All ${entries.length}`)));
  }, 400);
}
