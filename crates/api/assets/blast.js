// The blast as it goes: figures, bars, workers, the projected finish. Built once, then only its texts change.

import { h, put, text, icon, say } from './dom.js';
import { number, percent, clock, took, now, span } from './clock.js';
import { gateway, outcome, plural } from './words.js';
import { perSecond } from './charts.js';

const tile = (name, hint) => {
  const value = h('dd', {}, '–');
  return { node: h('div', { class: 'tile' }, h('dt', {}, name), value, hint && h('dd', { class: 'quiet' }, hint)), value };
};

export function blastView() {
  const share = h('p', { class: 'share' }, '–');
  const meter = h('div', { class: 'meter', role: 'progressbar', 'aria-label': 'Devices with an outcome', 'aria-valuemin': 0, 'aria-valuemax': 100 },
    h('span', { class: 'meter-fill' }));
  const settled = h('p', { class: 'quiet' });
  const tiles = h('dl', { class: 'tiles' });
  const byName = {};
  const bars = h('figure', { class: 'bars' });
  const facts = h('dl', { class: 'facts' });
  const reasons = h('div', {});
  const state = h('div', { class: 'note lost', hidden: true });
  const node = h('section', { class: 'blast', 'aria-label': 'The sending, live' },
    state, h('div', { class: 'headline' }, share, h('div', { class: 'grow' }, meter, settled)),
    tiles, h('h3', {}, 'Outcomes by second'), bars, facts, reasons);
  let shown = null;

  function set(name, label, value, hint) {
    byName[name] ??= tile(label, hint);
    if (!byName[name].node.isConnected) tiles.append(byName[name].node);
    text(byName[name].value, number(value));
  }

  function update(live, gateways) {
    shown = live;
    const done = percent(live.settled, live.devices);
    text(share, done);
    const whole = live.devices ? Math.floor((live.settled / live.devices) * 100) : 0;
    meter.setAttribute('aria-valuenow', String(whole));
    meter.setAttribute('aria-valuetext', done);
    meter.firstChild.style.setProperty('--share', String(live.devices ? live.settled / live.devices : 0));
    text(settled, `${number(live.settled)} of ${number(live.devices)} devices have an outcome${live.exact ? '' : ', so far'}`);
    for (const name of ['apns', 'fcm']) {
      if (name in live.accepted || gateways.includes(name)) set(name, `accepted by ${gateway(name)}`, live.accepted[name] ?? 0);
    }
    set('rejected', 'refused', live.rejected);
    set('ambiguous', 'never answered', live.ambiguous);
    if (live.expired > 0) set('expired', 'too late to send', live.expired);
    if (live.exact && live.aborted > 0) set('aborted', 'not sent', live.aborted);
    perSecond(bars, live.per_second, live.pressed?.at);
    drawFacts(facts, live);
    drawReasons(reasons, live);
  }

  function become(next, why) {
    state.hidden = next === 'live';
    if (next === 'live') return;
    const from = shown ? `The figures are from ${clock(shown.at)}` : 'There are no figures yet';
    const words = {
      lost: `Connection lost. ${from}, trying again.`,
      old: shown ? `The server has had no new figures since ${clock(shown.at)}.` : 'The server has no figures yet.',
      trouble: `The server can not read the figures: ${why}. ${from}, trying again.`,
    }[next];
    put(state, icon('warn'), h('p', {}, words));
    say(words);
  }

  return { node, update, become, get shown() { return shown; } };
}

function fact(name, value) {
  return [h('dt', {}, name), h('dd', {}, value)];
}

function drawFacts(node, live) {
  const about = live.exact ? '' : 'about ';
  const { interim, push } = live.workers;
  const workers = `${number(interim.ready)} of ${number(interim.live)} interim, ${number(push.ready)} of ${number(push.live)} push ready`;
  const rows = [
    fact(live.run?.kind === 'canary' ? 'From its start' : 'From the press', live.p50_ms === null ? '–' : `half within ${about}${took(live.p50_ms)}, 99 % within ${about}${took(live.p99_ms)}`),
    live.state === 'sending' && fact('Finish', finish(live)),
    fact('Envelopes', `${number(live.shards_dispatched)} of ${number(live.shards)} on their way, ${number(live.shards_expanded)} expanded`),
    ['sending', 'stopping', 'armed'].includes(live.state) && fact('Workers', `${workers}${live.workers.claims ? `, holding ${number(live.workers.claims)} ${plural(live.workers.claims, 'batch', 'batches')}` : ''}`),
    live.workers.trouble.length > 0 && fact('Workers say', live.workers.trouble.join('; ')),
  ];
  const key = JSON.stringify(rows.flat(2).map((cell) => cell && cell.textContent));
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  put(node, rows);
}

function finish(live) {
  const deadline = live.run?.deadline_at;
  if (live.settled >= live.devices) return 'everything has its outcome';
  if (!live.finish_at) return deadline ? `no projection yet; nothing is sent after ${clock(deadline)}` : 'no projection yet';
  if (deadline && live.finish_at > deadline) return `not before the deadline at ${clock(deadline)}, at this rate`;
  return `about ${clock(live.finish_at)}, in ${span(live.finish_at - now())}, at this rate`;
}

function drawReasons(node, live) {
  const all = Object.entries(live.by_reason).sort((a, b) => b[1] - a[1]);
  const key = JSON.stringify(all);
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  put(node, all.length > 0 && [h('h3', {}, 'Not accepted, by reason'), h('table', { class: 'table' },
    h('tbody', {}, all.map(([name, n]) => h('tr', {}, h('th', { scope: 'row' }, outcome(name)), h('td', { class: 'num' }, number(n))))))]);
}
