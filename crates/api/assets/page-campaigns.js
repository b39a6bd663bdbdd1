// The list of campaigns.

import { h, put, icon } from './dom.js';
import { get } from './api.js';
import { number, when } from './clock.js';
import { show } from './shell.js';
import { who, whyNot } from './session.js';
import { STATES } from './words.js';
import { count } from './press.js';
import { wishWords } from './preflight.js';

const EVERY_MS = 3000;

/** What a line says of a campaign besides its state: the thing that matters then. */
function matters(c) {
  if (c.state === 'failed') return c.failure;
  if (c.state === 'done' && c.books && c.pressed) return `${number(c.books.accepted)} of ${number(c.books.devices)} accepted, pressed by ${who(c.pressed.by)}, ${when(c.pressed.at)}`;
  if (c.pressed) return `pressed by ${who(c.pressed.by)}, ${when(c.pressed.at)}`;
  if (c.armed) return `${number(count(c))} devices, armed by ${who(c.armed.stamp.by)}`;
  if (wishWords(c)) return wishWords(c);
  if (c.snapshot) return `${number(count(c))} devices`;
  return `created by ${who(c.created.by)}, ${when(c.created.at)}`;
}

function line(c) {
  const [sign, name] = STATES[c.state];
  return h('li', {}, h('a', { class: 'campaign', href: `/campaigns/${c.id}` },
    h('span', { class: 'campaign-name' }, c.name), h('span', { class: `chip ${c.state}` }, icon(sign), name), h('span', { class: 'quiet campaign-words' }, matters(c))));
}

export async function campaignsPage() {
  const list = h('ul', { class: 'campaigns' });
  const note = h('p', { class: 'fault', role: 'alert', hidden: true });
  const why = whyNot('create');
  const create = why ? h('div', {}, h('span', { class: 'button strong', 'aria-disabled': 'true', role: 'link' }, 'New campaign'), h('p', { class: 'why' }, why))
    : h('a', { class: 'button strong', href: '/campaigns/new' }, 'New campaign');
  let key = null;
  const draw = async () => {
    const { campaigns } = await get('/v1/campaigns?limit=200');
    const next = campaigns.map((c) => `${c.id}${c.version}`).join();
    if (next === key) return;
    key = next;
    // What somebody is about to press, or has just pressed, comes first.
    const busy = (c) => (['armed', 'sending', 'stopping'].includes(c.state) ? 0 : 1);
    const focused = document.activeElement?.getAttribute('href');
    put(list, campaigns.sort((a, b) => busy(a) - busy(b)).map(line), campaigns.length === 0 && h('li', { class: 'quiet' }, 'No campaign yet.'));
    [...list.querySelectorAll('a')].find((link) => link.getAttribute('href') === focused)?.focus();
  };
  await draw();
  show('Campaigns', h('div', { class: 'title' }, h('h1', {}, 'Campaigns'), create), note, list);
  setInterval(() => {
    if (document.hidden) return;
    draw().then(() => (note.hidden = true), (error) => {
      note.textContent = `${error.message} The list is not fresh; trying again.`;
      note.hidden = false;
    });
  }, EVERY_MS);
}
