// The audience: choosing a list, sending it with its progress, what is wrong with it by line, and what became of it.

import { h, put, icon, action, text, say } from './dom.js';
import { upload, lines, of, post } from './api.js';
import { bytes, number, percent, when, took } from './clock.js';
import { who, whyNot } from './session.js';
import { DROPPED, gateway, plural } from './words.js';

const TYPES = [[/\.csv(\.gz|\.zst)?$/i, 'text/csv'], [/\.(ndjson|jsonl)(\.gz|\.zst)?$/i, 'application/x-ndjson']];
/** Without a known name the server looks at the file itself. */
const typeOf = (name) => TYPES.find(([pattern]) => pattern.test(name))?.[1] ?? 'text/plain';
const SHOWN = 20;

/** The stage of a campaign without an audience. */
export function uploadPanel(page) {
  const { campaign } = page;
  const why = whyNot('upload');
  const status = h('div', { class: 'upload-status' });
  const input = h('input', { type: 'file', id: 'list', class: 'sr', accept: '.csv,.txt,.ndjson,.jsonl,.gz,.zst,text/csv,text/plain', disabled: why !== null });
  const drop = h('label', { class: `drop ${why ? 'off' : ''}`, for: 'list' },
    h('span', { class: 'drop-word' }, 'Choose a list'), h('span', { class: 'quiet' }, 'or drop it here. CSV with a column user_id, NDJSON, or one id a line; .gz and .zst too.'));

  async function send(file) {
    const meter = h('progress', { max: file.size, value: 0, 'aria-label': 'Sent so far' });
    const words = h('p', {}, `Sending ${file.name}, ${bytes(file.size)}`);
    put(status, words, meter);
    say(`Sending ${file.name}`);
    try {
      const done = await upload('PUT', of(campaign.id, '/audience'), file, typeOf(file.name), (sent, all) => {
        meter.value = sent;
        text(words, sent < all ? `Sending ${file.name}: ${bytes(sent)} of ${bytes(all)}` : `Checking ${file.name}`);
      });
      page.uploaded(done);
    } catch (error) {
      const line = error.body?.line ? `Line ${number(error.body.line)}: ` : '';
      put(status, h('div', { class: 'fault', role: 'alert' }, h('p', {}, line + error.message), h('p', {}, 'Nothing was taken. Choose the list again when it is mended.')));
      input.value = '';
    }
  }

  input.addEventListener('change', () => input.files[0] && send(input.files[0]));
  for (const name of ['dragover', 'dragleave', 'drop']) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle('over', name === 'dragover' && !why);
      if (name === 'drop' && !why && event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
    });
  }
  const failed = campaign.failure && h('div', { class: 'note warn' }, icon('bad'), h('p', {}, `The build did not work: ${campaign.failure}`));
  const node = h('div', {}, h('h2', { tabindex: -1 }, 'Who is to get it?'), failed, input, drop, why && h('p', { class: 'why' }, why), status);
  return { node };
}

/** What the server said of the lines that it could not use. */
function badLines(facts) {
  if (!facts?.bad) return null;
  return h('div', { class: 'note warn' }, icon('warn'), h('div', {},
    h('p', {}, `${number(facts.bad)} of ${number(facts.lines)} lines can not be used; the others are.`),
    h('table', { class: 'table' }, h('thead', {}, h('tr', {}, ['Line', 'Found', 'Why'].map((name) => h('th', { scope: 'col' }, name)))),
      h('tbody', {}, facts.bad_lines.slice(0, SHOWN).map((bad) => h('tr', {}, h('td', { class: 'num' }, number(bad.line)), h('td', {}, h('code', {}, bad.text ?? '')), h('td', {}, bad.why)))))));
}

/** The stage of a campaign whose snapshot is being built. */
export function buildingPanel(page) {
  const meter = h('progress', { 'aria-label': 'Users looked up' });
  const words = h('p', {}, 'Waiting for a builder');
  const cancel = async () => page.after(await post(of(page.campaign.id, '/abort')));
  const node = h('div', {}, h('h2', { tabindex: -1 }, 'Looking up who has which devices'), words, meter,
    h('div', { class: 'row calm' }, action('Cancel the build', cancel, { why: whyNot('abort') })));
  const live = ({ build }) => {
    if (!build) return;
    if (build.total > 0) {
      meter.max = build.total;
      meter.value = build.done;
    }
    text(words, build.total > 0 ? `${build.stage}: ${number(build.done)} of ${number(build.total)}` : build.stage);
  };
  return { node, live };
}

/** The first users that were left out for a reason, read when somebody opens the list. */
function leftOut(id, reason, n) {
  const list = h('div', {}, h('p', { class: 'quiet' }, 'One moment …'));
  const node = h('details', {}, h('summary', {}, `${number(n)}: ${DROPPED[reason] ?? reason}`), list);
  const why = whyNot('read_users');
  node.addEventListener('toggle', async () => {
    if (!node.open || node.dataset.read) return;
    node.dataset.read = 'yes';
    if (why) return void put(list, h('p', { class: 'why' }, why));
    try {
      const found = (await lines(of(id, `/dropped?reason=${reason}&limit=${SHOWN}`))).sort((a, b) => a.line - b.line);
      const rows = found.map((row) => h('tr', {}, h('td', { class: 'num' }, number(row.line)), h('td', {}, h('code', {}, row.user))));
      put(list, h('table', { class: 'table' }, h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'num' }, 'Line'), h('th', { scope: 'col' }, 'User'))), h('tbody', {}, rows)),
        n > found.length && h('p', { class: 'quiet' }, `and ${number(n - found.length)} more`));
    } catch (error) {
      delete node.dataset.read;
      put(list, h('p', { class: 'fault' }, error.message));
    }
  });
  return node;
}

/** The card with what is known of the audience. */
export function audienceFacts(campaign, facts) {
  const row = (name, value) => [h('dt', {}, name), h('dd', {}, value)];
  const { snapshot, upload: list } = campaign;
  if (!snapshot) return [h('h2', {}, 'Audience'), h('p', { class: 'quiet' }, list ? `A list of ${bytes(list.bytes)} was uploaded by ${who(list.stamp.by)}.` : 'No list yet.'), badLines(facts)];
  const dropped = Object.entries(snapshot.dropped).filter(([, n]) => n > 0);
  const total = dropped.reduce((sum, [, n]) => sum + n, 0);
  const devices = Object.entries(snapshot.devices);
  return [h('h2', {}, 'Audience'), h('dl', { class: 'facts' },
    row('People', `${number(snapshot.users)} of ${number(snapshot.uploaded)} on the list (${percent(snapshot.users, snapshot.uploaded)})`),
    devices.map(([name, n]) => row(`Devices at ${gateway(name)}`, number(n))),
    row('Snapshot', `built ${when(snapshot.built_at)}, in ${took(snapshot.build_ms)}`),
    list && row('List', `${bytes(list.bytes)}, uploaded by ${who(list.stamp.by)}`)),
  badLines(facts),
  total > 0 && [h('h3', {}, `${number(total)} ${plural(total, 'line', 'lines')} left out`), dropped.map(([reason, n]) => leftOut(campaign.id, reason, n))]];
}
