// The fleet: who is there, who is ready, and what it is prepared for.

import { h, put, icon } from './dom.js';
import { get, of } from './api.js';
import { ago, number, took, when } from './clock.js';
import { show } from './shell.js';
import { gateway } from './words.js';

const EVERY_MS = 2000;
const ROLES = { interim: 'Interim workers', push: 'Push workers' };

function row(worker) {
  const good = worker.ready && !worker.tripped;
  const links = worker.links.map((link) => `${gateway(link.gateway)}: ${number(link.connections)} connections${link.trouble ? ` (${link.trouble})` : ''}`).join(', ');
  return h('tr', {}, h('th', { scope: 'row' }, h('code', {}, worker.worker)),
    h('td', {}, h('span', { class: `light ${good ? 'green' : 'amber'}` }, icon(good ? 'good' : 'wait'), good ? 'ready' : worker.tripped ? 'gives back' : 'not ready')),
    h('td', { class: 'num' }, number(worker.claims)), h('td', {}, worker.prepare_ms ? `prepared in ${took(worker.prepare_ms)}` : '–'),
    h('td', {}, [links, worker.rehearsal && worker.role === 'push' ? 'cannot reach a phone' : '', worker.trouble].filter(Boolean).join('. ')), h('td', {}, ago(worker.at)));
}

function table(role, workers, sizes) {
  const size = sizes.find((one) => one.role === role);
  const ready = workers.filter((worker) => worker.ready && !worker.tripped).length;
  const words = `${number(ready)} of ${number(workers.length)} ready`;
  return h('section', { class: 'card wide' }, h('h2', {}, ROLES[role]),
    h('p', {}, words, size && `; ${number(size.wanted)} wanted, ${number(size.running)} running, ${number(size.pending)} on their way`),
    workers.length > 0 && h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': ROLES[role] }, h('table', { class: 'table' }, h('thead', {}, h('tr', {},
      ['Worker', 'State', 'Batches held', 'Snapshot', 'Connections', 'Seen'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, workers.slice(0, 200).map(row)))));
}

export async function fleetPage() {
  const place = h('div', {});
  const draw = async () => {
    const { slot, workers, sizes } = await get('/v1/fleet');
    const holder = slot.campaign ? await get(of(slot.campaign)).catch(() => null) : null;
    const scroll = [...place.querySelectorAll('.scroll')].map((node) => node.scrollLeft);
    const focused = [...place.querySelectorAll('a, .scroll')].indexOf(document.activeElement);
    put(place, h('p', {}, 'Prepared for: ', holder ? h('a', { href: `/campaigns/${holder.id}` }, holder.name) : 'nothing'),
      slot.scale && h('p', { class: 'quiet' }, `${number(slot.scale.interim)} interim and ${number(slot.scale.push)} push workers were asked for by ${slot.scale.by}, ${when(slot.scale.at)}`,
        slot.scale.until ? `, until ${when(slot.scale.until)}.` : '.'),
      Object.keys(ROLES).map((role) => table(role, workers.filter((worker) => worker.role === role), sizes)));
    [...place.querySelectorAll('.scroll')].forEach((node, i) => (node.scrollLeft = scroll[i] ?? 0));
    if (focused >= 0) place.querySelectorAll('a, .scroll')[focused]?.focus({ preventScroll: true });
  };
  await draw();
  show('Fleet', h('h1', {}, 'Fleet'), place);
  setInterval(() => !document.hidden && draw().catch(() => {}), EVERY_MS);
}
