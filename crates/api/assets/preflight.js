// Preflight and arming: every check with a shape, a word and a sentence; arming waits for the fleet, and what is red then
// may be overridden with a reason by those who may.

import { h, put, icon, action, say } from './dom.js';
import { get, post, of, Problem } from './api.js';
import { whyNot } from './session.js';
import { CHECKS, LIGHTS } from './words.js';
import { clock } from './clock.js';

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
    h('div', {}, h('p', { class: 'check-name' }, CHECKS[check.name] ?? check.name, h('span', { class: 'check-word' }, check.overridden ? 'overridden' : word)),
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

/** The stage of a campaign that is ready: look, and arm. */
export function preflightPanel(page) {
  const id = page.campaign.id;
  const head = h('h2', { tabindex: -1 }, 'Preflight');
  const list = h('div', {});
  const overrides = h('div', {});
  let key = '';
  let seen = null;
  let arming = null;

  function see(preflight) {
    seen = preflight;
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
    const given = Object.fromEntries([...overrides.querySelectorAll('input')].filter((i) => i.value.trim()).map((i) => [i.name, i.value.trim()]));
    cancel.hidden = false;
    try {
      const body = { wait_ms: WAIT_MS, overrides: given };
      page.after(await post(of(id, '/arm'), body, { signal: arming.signal, timeout: WAIT_MS + 15000 }));
    } catch (error) {
      if (arming.signal.aborted) throw new Error('Cancelled: it is not armed.');
      if (error instanceof Problem && error.body.preflight) offer(error.body.preflight);
      throw error;
    } finally {
      cancel.hidden = true;
    }
  }

  /** Fields for the reasons, beside the checks that may be overridden. */
  function offer(preflight) {
    see(preflight);
    const red = preflight.checks.filter((check) => check.light === 'red' && check.overridable);
    const why = whyNot('override');
    put(overrides, red.length > 0 && h('fieldset', { class: 'overrides' },
      h('legend', {}, 'Override a check, with a reason'),
      why ? h('p', { class: 'why' }, why) : h('p', { class: 'quiet' }, 'The reason stays in the record and in the audit trail. Then arm again.'),
      red.map((check) => h('label', {}, CHECKS[check.name] ?? check.name,
        h('input', { name: check.name, type: 'text', maxlength: 200, disabled: why !== null, autocomplete: 'off' })))));
  }

  const cancel = h('button', { type: 'button', class: 'button plain', hidden: true, onclick: () => arming?.abort() }, 'Cancel');
  const button = action('Arm', arm, { kind: 'strong', why: whyNot('arm'), busy: 'Waiting for the fleet …' });
  const node = h('div', {}, head, h('p', { class: 'quiet' }, 'Arming freezes what it says and to whom, waits until everything is good, and makes the button work.'),
    h('div', { class: 'row arm' }, button, cancel), overrides, list);
  const stop = watchPreflight(id, (preflight) => {
    // While somebody writes a reason, the fields stay.
    if (seen === null || !overrides.contains(document.activeElement)) see(preflight);
  });
  return { node, stop };
}
