// The card with who did what.

import { h, put } from './dom.js';
import { get } from './api.js';
import { when } from './clock.js';
import { isMe, who } from './session.js';
import { did } from './words.js';

/** Entries of one campaign, newest first. */
export async function entriesOf(id, limit = 1000) {
  return (await get(`/v1/audit?campaign=${encodeURIComponent(id)}&limit=${limit}`)).entries;
}

export function historyList(entries) {
  return h('ol', { class: 'history' }, entries.map((entry) => h('li', {},
    h('span', { class: 'quiet' }, when(entry.at)), ' ', h('b', {}, who(entry.by)), ' ', did(entry.action),
    h('span', { class: 'quiet' }, ` ${entry.result}`))));
}

const SHOWN = 12;
/** The trail is written a moment after the act. */
const AFTER_MS = 400;
/** Whoever only watches reads it within this time: not all in the same moment. */
const SPREAD_MS = 5000;

/** Whether the newest act was the viewer's own. */
function isOurs({ created, upload, armed, runs, stops }) {
  const stamps = [created, upload?.stamp, armed?.stamp, ...[...runs, ...stops].map((one) => one.stamp)].filter(Boolean);
  return isMe(stamps.reduce((a, b) => (b.at >= a.at ? b : a)).by);
}

/** Fills the card, after every change of the record. */
export function historyView(node, campaign) {
  if (node.dataset.version === String(campaign.version)) return;
  node.dataset.version = campaign.version;
  const first = !node.firstChild;
  if (first) put(node, h('h2', {}, 'Who did what'));
  readTrail(node, campaign, AFTER_MS + (first || isOurs(campaign) ? 0 : Math.random() * SPREAD_MS));
}

function readTrail(node, campaign, afterMs) {
  setTimeout(async () => {
    // A newer record has its own reading.
    if (node.dataset.version !== String(campaign.version)) return;
    const entries = await entriesOf(campaign.id, SHOWN + 1).catch(() => null);
    if (entries === null) return void readTrail(node, campaign, AFTER_MS + Math.random() * SPREAD_MS);
    put(node, h('h2', {}, 'Who did what'), historyList(entries.slice(0, SHOWN)),
      entries.length > SHOWN && h('p', {}, h('a', { href: `/audit?campaign=${campaign.id}` }, 'All of it')));
  }, afterMs);
}
