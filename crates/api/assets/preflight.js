// Preflight and arming: every check with a shape, a word and a sentence; arming waits for the fleet, and what is red then
// may be overridden with a reason by those who may.

import { h, put, icon, action, say } from './dom.js';
import { get, post, of, Problem } from './api.js';
import { isMe, whyNot } from './session.js';
import { LIGHTS, checkName } from './words.js';
import { clock, now } from './clock.js';

const LOOK_MS = 2000;
const WAIT_MS = 20000;

/** Looks again and again, while the page is seen; answers how to stop. */
export function watchPreflight(id, onSeen, everyMs = LOOK_MS) {
  let over = false;
  const look = async () => {
    if (over) return;
    if (!document.hidden) await get(of(id, '/preflight')).then((seen) => !over && onSeen(seen)).catch(() => {});
    if (!over) setTimeout(look, everyMs);
  };
  look();
  return () => (over = true);
}

const shown = (check) => (check.overridden ? 'amber' : check.light);

function line(check) {
  const [shape, word] = LIGHTS[shown(check)];
  return h('li', { class: `check ${shown(check)}` }, icon(shape),
    h('div', {}, h('p', { class: 'check-name' }, checkName(check.name), h('span', { class: 'check-word' }, check.overridden ? 'overridden' : word)),
      h('p', { class: 'quiet' }, check.sentence, check.overridden && ` Overridden: ${check.overridden}`)));
}

/** All checks: what is not good, and below it, folded up, what is. */
export function checkList(preflight, open) {
  const order = { red: 0, amber: 1, green: 2 };
  const sorted = [...preflight.checks].sort((a, b) => order[shown(a)] - order[shown(b)]);
  const good = sorted.filter((check) => shown(check) === 'green');
  const others = sorted.filter((check) => shown(check) !== 'green');
  return [others.length > 0 && h('ul', { class: 'checks' }, others.map(line)), good.length > 0 && h('details', { open },
    h('summary', {}, icon('good'), ` ${good.length} of ${sorted.length} checks are good`), h('ul', { class: 'checks' }, good.map(line)))];
}

function verdict(preflight) {
  const n = preflight.checks.filter((check) => shown(check) === 'red').length;
  // Most red lights of a campaign that the fleet doesn't prepare are red for that only; arming sees to it.
  const idle = preflight.checks.some((check) => check.name === 'fleet_free' && check.light === 'red' && /arming tells/.test(check.sentence));
  if (idle) return ['wait', 'The fleet prepares it when it is armed'];
  return n === 0 ? ['good', 'Everything is ready'] : ['bad', `${n} of ${preflight.checks.length} checks hinder the arming`];
}

const redOf = (preflight) => preflight.checks.filter((check) => shown(check) === 'red');

/** Why it was not armed, and what to do next. */
function refusal(preflight) {
  const reds = redOf(preflight);
  const taken = reds.find((check) => check.name === 'fleet_free');
  if (taken) return `Not armed. ${checkName(taken.name)}: ${taken.sentence}. Disarm that one or let it end, then arm again; what else is red follows from it.`;
  const found = reds.map((check) => `${checkName(check.name)}: ${check.sentence}.`).join(' ');
  const fixed = reds.filter((check) => !check.overridable).map((check) => checkName(check.name));
  if (fixed.length > 0) return `Not armed. ${found} Mend that, then arm again; ${fixed.join(', ')} can not be overridden.`;
  if (whyNot('override') === null) return `Not armed. ${found} Mend that, or override it below with a reason; then arm again.`;
  return `Not armed. ${found} Mend that, then arm again; or ask somebody of role sre, who may override it with a reason.`;
}

/** Fields for the reasons, where nothing is red but what may be overridden. What was written stays. */
function overrideFields(wish) {
  const reasons = { ...wish?.overrides };
  const wished = Object.keys(reasons);
  const rows = h('div', {});
  const node = h('details', { class: 'overrides', hidden: true, open: wished.length > 0 }, h('summary', {}, 'Override a check, with a reason'),
    h('p', { class: 'quiet' }, 'The reason stays in the record and in the audit trail.'), rows);
  let key = '';

  const field = (name) => h('label', {}, checkName(name), h('input', {
    name, type: 'text', maxlength: 200, autocomplete: 'off', value: reasons[name] ?? '', oninput: (event) => (reasons[name] = event.target.value),
  }));

  function update(preflight) {
    const reds = redOf(preflight);
    const may = whyNot('override') === null && reds.every((check) => check.overridable);
    const names = may ? [...new Set([...reds.map((check) => check.name), ...wished])] : [];
    // While somebody writes a reason, the fields stay.
    if (names.join() === key || node.contains(document.activeElement)) return;
    key = names.join();
    put(rows, names.map(field));
    node.hidden = names.length === 0;
  }

  const given = () => Object.fromEntries([...rows.querySelectorAll('input')].filter((i) => i.value.trim()).map((i) => [i.name, i.value.trim()]));
  return { node, update, given };
}

/** A first person's wish waits this long for a second one. */
const WISH_MS = 3600000;

/** Where it takes two to arm, and one did: who, and until when. */
export function wishWords({ state, arming }) {
  const until = (arming?.stamp.at ?? 0) + WISH_MS;
  if (state !== 'ready' || !arming || now() > until) return null;
  const { by } = arming.stamp;
  return `${isMe(by) ? 'You want' : `${by} wants`} it armed; one more person must arm it, before ${clock(until)}`;
}

/** The wish in the stage, with what it overrides: the second person arms in the same way. */
function drawWish(node, campaign) {
  const words = wishWords(campaign);
  const reasons = Object.entries(campaign.arming?.overrides ?? {});
  node.hidden = words === null;
  put(node, words && [icon('wait'), h('div', {}, h('p', {}, `${words}.`),
    reasons.length > 0 && h('ul', {}, reasons.map(([name, reason]) => h('li', {}, `${checkName(name)} overridden: ${reason}`))))]);
}

/** The stage of a campaign that is ready: look, and arm. */
export function preflightPanel(page) {
  const id = page.campaign.id;
  const head = h('h2', { tabindex: -1 }, 'Preflight');
  const list = h('div', {});
  const wish = h('div', { class: 'note', hidden: true });
  let overrides = overrideFields(page.campaign.arming);
  let wished = JSON.stringify(page.campaign.arming);
  let key = '';
  let arming = null;

  function see(preflight) {
    overrides.update(preflight);
    const next = JSON.stringify(preflight.checks);
    if (next === key) return;
    key = next;
    const [shape, words] = verdict(preflight);
    if (head.dataset.words !== words) say(words);
    head.dataset.words = words;
    put(head, icon(shape), words);
    put(list, checkList(preflight, list.querySelector('details')?.open ?? false), h('p', { class: 'quiet small' }, `Looked at ${clock(preflight.at)}, and again every two seconds.`));
  }

  async function arm() {
    arming = new AbortController();
    const body = { wait_ms: WAIT_MS, overrides: overrides.given() };
    cancel.hidden = false;
    try {
      page.after(await post(of(id, '/arm'), body, { signal: arming.signal, timeout: WAIT_MS + 15000 }));
    } catch (error) {
      if (arming.signal.aborted) throw new Error('Cancelled: it is not armed.');
      // Noted: that is no fault. The record says whose wish it is.
      if (error.code === 'second_person_needed') return void page.reload();
      if (!(error instanceof Problem) || !error.body.preflight) throw error;
      see(error.body.preflight);
      overrides.node.open = true;
      throw new Error(refusal(error.body.preflight));
    } finally {
      cancel.hidden = true;
    }
  }

  /** Another record of the same stage: somebody may want it armed, or not any more. */
  function drawn(campaign) {
    drawWish(wish, campaign);
    const next = JSON.stringify(campaign.arming);
    if (next === wished) return;
    wished = next;
    key = '';
    say(wishWords(campaign) ?? 'Nobody’s wish to arm it waits for a second person');
    const fresh = overrideFields(campaign.arming);
    overrides.node.replaceWith(fresh.node);
    overrides = fresh;
  }

  const cancel = h('button', { type: 'button', class: 'button plain', hidden: true, onclick: () => arming?.abort() }, 'Cancel');
  const button = action('Arm', arm, { kind: 'strong', why: whyNot('arm'), busy: 'Waiting for the fleet …' });
  const node = h('div', {}, head, h('p', { class: 'quiet' }, 'Arming freezes what it says and to whom, waits until everything is good, and makes the button work.'),
    wish, h('div', { class: 'row arm' }, button, cancel), overrides.node, list);
  const stop = watchPreflight(id, see);
  return { node, stop, drawn };
}
