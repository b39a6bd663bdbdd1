// The card for a test before the press: to a list of testers, or a dry run. What came of it stays on the page.

import { h, put, icon, action, say, text } from './dom.js';
import { get, post, of } from './api.js';
import { number } from './clock.js';
import { whyNot } from './session.js';
import { gateway, plural } from './words.js';

const STATES = ['draft', 'building', 'failed', 'ready', 'armed'];
const LOOK_MS = 300;
/** The server says within about a minute what came of it; this is for one that says nothing sensible. */
const LIMIT_MS = 90000;
const GOOD = ['accepted', 'valid', 'checked'];

/** The card; `after` is called when a test was asked for. */
export function testCard(campaign, after) {
  const why = whyNot('test');
  const result = h('div', { class: 'test-result' });
  const list = h('select', { id: 'test-list', disabled: why !== null });
  const dry = h('input', { type: 'checkbox', id: 'test-dry', disabled: why !== null });
  const hint = h('p', { class: 'quiet small' });
  const node = h('section', { class: 'card tests', 'aria-labelledby': 'test-title' },
    h('h2', { id: 'test-title' }, 'Send a test'),
    h('p', { class: 'quiet' }, 'The real notification, to these devices only. It does not count: the press reaches them too.'),
    h('div', { class: 'field' }, h('label', { for: 'test-list' }, 'List of testers'), list, hint),
    h('div', { class: 'check-field' }, h('label', { for: 'test-dry' }, dry, 'Dry run: nothing reaches a phone')),
    action('Run the test', run, { kind: 'strong', why, busy: 'Testing …' }), result);
  let asked = 0;

  async function run() {
    asked += 1;
    const mine = asked;
    put(result);
    // Without a list there is nobody to send to.
    const wanted = list.value === '' ? { dry_run: true } : { list: list.value, dry_run: dry.checked };
    let report = await post(of(campaign.id, '/test'), wanted);
    after();
    const end = performance.now() + LIMIT_MS;
    for (;;) {
      if (mine !== asked) return;
      put(result, reportView(report));
      if (!['waiting', 'sending'].includes(report.state)) break;
      if (performance.now() > end) throw new Error('the test has no end: look at the fleet, then try again');
      await new Promise((again) => { setTimeout(again, LOOK_MS); });
      try {
        report = await get(of(campaign.id, `/test/${report.test}`));
      } catch (error) {
        // It goes on whether it is seen or not: one failed look is no reason to send it again.
        if (performance.now() > end) throw error;
      }
    }
    say(report.sentence);
  }

  fill(list, hint, dry, why);
  return { node, update: (state) => { node.hidden = !STATES.includes(state); } };
}

async function fill(list, hint, dry, why) {
  const none = () => h('option', { value: '' }, 'No list: only render the texts');
  put(list, none());
  list.addEventListener('change', () => { if (list.value === '') dry.checked = true; });
  if (why !== null) return;
  try {
    const { lists } = await get('/v1/testers');
    const one = ({ name, devices }) => h('option', { value: name }, `${name} (${number(devices)} ${plural(devices, 'device', 'devices')})`);
    put(list, lists.map(one), none());
    if (lists.length === 0) text(hint, 'There is no list yet: an engineer makes one with `owl testers put`.');
  } catch (error) {
    text(hint, `The lists can not be read: ${error.message}`);
  }
  if (list.value === '') dry.checked = true;
}

function reportView(report) {
  const bad = report.good < report.devices.length || (report.rendered ?? []).some((one) => !one.fits);
  const over = !['waiting', 'sending'].includes(report.state);
  const sign = { true: bad ? 'warn' : 'good', false: 'wait' }[over];
  return [h('div', { class: `note ${over && bad ? 'warn' : ''}` }, icon(sign), h('div', {}, h('p', {}, report.sentence),
    report.rehearsal && h('p', {}, 'The gateways are stand-ins: no phone was within reach.'))),
  report.devices.length > 0 && table(['Device', 'What came of it'], report.devices.map(deviceRow)),
  (report.rendered ?? []).length > 0 && table(['Text', 'Size'], report.rendered.map(textRow))];
}

function table(heads, rows) {
  return h('table', { class: 'table' }, h('thead', {}, h('tr', {}, heads.map((head) => h('th', { scope: 'col' }, head)))), h('tbody', {}, rows));
}

function deviceRow(one) {
  const good = GOOD.includes(one.verdict);
  const sign = one.verdict ? { true: 'good', false: 'bad' }[good] : 'wait';
  const said = [one.status, one.reason, one.gateway_id && `id ${one.gateway_id}`, one.ms !== undefined && `${number(one.ms)} ms`].filter(Boolean).join(', ');
  return h('tr', {}, h('th', { scope: 'row' }, one.person, h('br', {}), h('span', { class: 'quiet small' }, [gateway(one.platform), one.text].filter(Boolean).join(', '))),
    h('td', {}, icon(sign), ` ${one.sentence}`, said && [h('br', {}), h('span', { class: 'quiet small' }, said)]));
}

function textRow(one) {
  return h('tr', {}, h('th', { scope: 'row' }, [gateway(one.platform), one.locale].filter(Boolean).join(', ')),
    h('td', {}, icon(one.fits ? 'good' : 'bad'), ` ${number(one.bytes)} of ${number(one.max_bytes)} bytes${one.fits ? '' : ': too large'}`));
}
