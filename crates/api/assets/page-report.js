// The report after the action: a page to read, to print, and to take along as JSON or CSV.

import { action, h, icon, put } from './dom.js';
import { get, of } from './api.js';
import { full, number, percent, took, clock } from './clock.js';
import { show } from './shell.js';
import { who, whyNot } from './session.js';
import { gateway, outcome, DROPPED, STATES, plural } from './words.js';
import { histogram, perSecond } from './charts.js';
import { historyList, entriesOf } from './history.js';
import { stoppedWords } from './stop.js';

const RUN_WORDS = { canary: 'Canary sent', press: 'Pressed', resume: 'Resumed' };

function timeline(c) {
  const steps = [[c.created.at, 'Created', c.created.by]];
  if (c.upload) steps.push([c.upload.stamp.at, 'Audience uploaded', c.upload.stamp.by]);
  if (c.snapshot) steps.push([c.snapshot.built_at, 'Snapshot built']);
  if (c.armed) steps.push([c.armed.stamp.at, 'Armed', c.armed.stamp.by]);
  for (const run of c.runs) steps.push([run.stamp.at, RUN_WORDS[run.kind], run.stamp.by]);
  for (const stop of c.stops) {
    steps.push([stop.stamp.at, 'Stop asked for', stop.stamp.by]);
    if (stop.stopped_at) steps.push([stop.stopped_at, 'Stopped']);
  }
  if (c.done_at) steps.push([c.done_at, 'Every device has its outcome']);
  const from = c.pressed?.at;
  const after = (at) => (from && at >= from ? (at === from ? 'the press' : `+ ${took(at - from)}`) : '');
  const row = ([at, what, by]) => h('tr', {}, h('td', {}, full(at)), h('td', { class: 'num' }, after(at)), h('td', {}, what, by && ` by ${who(by)}`));
  return h('table', { class: 'table' }, h('thead', {}, h('tr', {}, ['When', 'From the press', 'What'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, steps.sort((a, b) => a[0] - b[0]).map(row)));
}

function outcomes(books) {
  const names = [...new Set(Object.values(books.by_outcome).flatMap(Object.keys))];
  const gateways = Object.keys(books.by_outcome);
  const total = (name) => gateways.reduce((sum, g) => sum + (books.by_outcome[g][name] ?? 0), 0);
  const sorted = names.sort((a, b) => total(b) - total(a));
  const num = (n) => h('td', { class: 'num' }, n === undefined ? '–' : number(n));
  return h('table', { class: 'table' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Outcome'), gateways.map((g) => h('th', { scope: 'col', class: 'num' }, gateway(g))), h('th', { scope: 'col', class: 'num' }, 'Both'), h('th', { scope: 'col', class: 'num' }, 'Share'))),
    h('tbody', {}, sorted.map((name) => h('tr', {}, h('th', { scope: 'row' }, outcome(name)), gateways.map((g) => num(books.by_outcome[g][name])), num(total(name)), h('td', { class: 'num' }, percent(total(name), books.devices))))),
    h('tfoot', {}, h('tr', {}, h('th', { scope: 'row' }, 'Devices'), gateways.map((g) => num(Object.values(books.by_outcome[g]).reduce((a, b) => a + b, 0))), num(books.devices), h('td', { class: 'num' }, ''))));
}

function late(books, lateMs, id) {
  const { late: l } = books;
  if (l.devices === 0) return h('p', {}, `Nobody was later than ${took(lateMs)} after the press.`);
  const why = [[l.waited_on_queue, 'their batch waited on a queue, or for a quota'], [l.left_late, 'we sent late: they waited for a stream, or for our CPU'],
    [l.slow_gateway, 'the answer took that long'], [l.tried_again, 'they came in a later turn: tried again, or put off by a quota']].filter(([n]) => n > 0);
  return [h('p', {}, `${number(l.devices)} ${plural(l.devices, 'device was', 'devices were')} later than ${took(lateMs)}:`),
    h('ul', {}, why.map(([n, words]) => h('li', {}, `${number(n)}: ${words}`))),
    latest(l.examples, id)];
}

/** The latest devices by name, read when somebody wants to see them who may. */
function latest(examples, id) {
  const node = h('div', {});
  const draw = (rows, ...more) => void put(node, h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Late' }, lateTable(rows)), more);
  const read = async () => draw((await get(of(id, '/late'), { timeout: 60000 })).latest);
  const details = h('details', {}, h('summary', {}, `The latest ${number(examples.length)}`), node);
  const why = whyNot('read_users');
  draw(examples, why ? h('p', { class: 'quiet small' }, `Seeing who they are ${why}.`) : h('p', { class: 'quiet small' }, 'Reading who they are …'));
  if (!why) details.addEventListener('toggle', () => read().catch((error) => draw(examples, h('p', { class: 'fault' }, error.message), action('Try again', read))), { once: true });
  return details;
}

function lateTable(rows) {
  const place = (one) => `${one.batch.shard} / ${one.batch.number} / ${one.place}`;
  const cells = (one) => [one.user ?? '–', took(one.ms), one.why, place(one)];
  return h('table', { class: 'table' }, h('thead', {}, h('tr', {}, ['User', 'From the press', 'Why', 'Shard / batch / place'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, rows.map((one) => h('tr', {}, cells(one).map((cell) => h('td', {}, cell))))));
}

function slowest(workers) {
  if (!workers?.length) return h('p', { class: 'quiet' }, 'No worker counted anything.');
  const row = (w) => h('tr', {}, h('th', { scope: 'row' }, h('code', {}, w.worker)), h('td', { class: 'num' }, number(w.devices)), h('td', { class: 'num' }, took(w.p50_ms)), h('td', { class: 'num' }, took(w.p99_ms)), h('td', {}, clock(w.last_second * 1000)));
  return h('table', { class: 'table' }, h('thead', {}, h('tr', {}, ['Worker', 'Devices', 'Half within about', '99 % within about', 'Last answer'].map((name, i) => h('th', { scope: 'col', class: i % 4 ? 'num' : '' }, name)))),
    h('tbody', {}, workers.slice(0, 10).map(row)));
}

function summary(report) {
  const { campaign: c, books: b } = report;
  const t = b.times;
  const tile = (name, value) => h('div', { class: 'tile' }, h('dt', {}, name), h('dd', {}, value));
  return h('dl', { class: 'tiles' }, tile('accepted', number(b.accepted)), tile('refused', number(b.rejected)), tile('never answered', number(b.ambiguous)),
    b.expired > 0 && tile('too late to send', number(b.expired)), b.aborted > 0 && tile('not sent, because of the stop', number(b.aborted)),
    b.pending > 0 && tile('no outcome yet', number(b.pending)), tile('half within', took(t.p50_ms)), tile('99 % within', took(t.p99_ms)), tile('last within', took(t.last_ms)),
    tile('dead tokens', number(deadOf(b))), c.tokens_removed > 0 && tile('dead tokens removed', number(c.tokens_removed)));
}

const deadOf = (books) => Object.values(books.by_outcome).reduce((sum, labels) => sum + (labels.unregistered ?? 0), 0);

/** The newest ten minutes, with the empty seconds between. */
function withoutGaps(counts) {
  const seconds = Object.keys(counts).map(Number).sort((a, b) => a - b);
  const last = seconds[seconds.length - 1];
  const pairs = [];
  for (let second = Math.max(seconds[0] ?? 0, last - 599); second <= last; second += 1) pairs.push([second, counts[second] ?? 0]);
  return pairs;
}

/** The trail, or, where it could not be read, the plain word and another try. */
function whoDidWhat({ entries, cut, unreadable }, id) {
  if (!unreadable) return [historyList(entries), cut && h('p', { class: 'quiet' }, `These are ${cut}.`)];
  const node = h('div', {});
  const again = action('Try again', async () => void put(node, historyList(await entriesOf(id))), { busy: 'Reading …' });
  again.classList.add('no-print');
  return put(node, h('p', { class: 'fault' }, 'Who did what could not be read, so nothing stands here. It is in the audit trail all the same.'), again);
}

export async function reportPage(id, settings) {
  const report = await get(of(id, '/report'), { timeout: 120000 });
  const { campaign: c, books } = report;
  const bars = h('figure', { class: 'bars' });
  perSecond(bars, withoutGaps(report.per_second), c.pressed?.at);
  const [sign, name] = STATES[c.state];
  const dropped = Object.entries(report.dropped).filter(([, n]) => n > 0);
  const section = (title, ...children) => h('section', { class: 'card wide' }, h('h2', {}, title), children);
  show(`Report of ${c.name}`, h('a', { class: 'back', href: `/campaigns/${c.id}` }, c.name),
    h('div', { class: 'title' }, h('h1', {}, `Report: ${c.name}`), h('p', { class: 'state' }, h('span', { class: `chip ${c.state}` }, icon(sign), name))),
    h('p', { class: 'quiet' }, `Made ${full(report.at)}, from the ledger. ${report.is_final ? 'It is final.' : 'It can still change.'}`,
      c.state === 'stopped' ? ` ${stoppedWords(books)}.` : ''),
    h('div', { class: 'row calm no-print' }, h('button', { type: 'button', class: 'button plain', onclick: () => print() }, 'Print'),
      h('a', { class: 'button plain', href: of(c.id, '/report?format=csv'), download: '' }, 'CSV'), h('a', { class: 'button plain', href: of(c.id, '/report') }, 'JSON')),
    summary(report),
    section('How fast', histogram(books.accepted_by_ms ?? {}, settings.late_ms), h('h3', {}, 'Outcomes by second'), bars),
    section('Outcomes', h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Outcomes' }, outcomes(books)),
      h('p', { class: 'quiet small' }, 'Accepted means that Apple or Google took it. Whether a phone showed it, nobody knows.'),
      books.doubled_at_most > 0 && h('p', {}, `At most ${number(books.doubled_at_most)} devices may have got it twice.`)),
    section('Late', late(books, settings.late_ms, c.id)),
    section('Timeline', h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Timeline' }, timeline(c))),
    section('Audience', h('p', {}, `${number(report.users)} people of ${number(report.uploaded)} on the list.`),
      dropped.length > 0 && h('ul', {}, dropped.map(([reason, n]) => h('li', {}, `${number(n)}: ${DROPPED[reason] ?? reason}`)))),
    section('Slowest workers', h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Slowest workers' }, slowest(report.workers))),
    section('Who did what', whoDidWhat(report.trail, c.id)));
}
