// The press: the button, what stands beside it, and the receipt.

import { h, put, icon, confirm, text } from './dom.js';
import { exactly, span, number, now, seconds } from './clock.js';
import { holdButton } from './hold.js';
import { who, whyNot } from './session.js';

const ENDS = { stopping: 'It is being stopped.', stopped: 'It was stopped.', done: 'It is finished.' };

/** The sentence of a receipt, as things stand now. */
export function receiptWords(receipt, state, dispatched, shards) {
  if (receipt.ours) {
    const all = dispatched >= shards;
    const way = `, ${number(dispatched)} of ${number(shards)} on their way${all ? '' : '; the rest follows by itself'}`;
    return `Pressed by ${who(receipt.by)} at ${exactly(receipt.at)}${state === 'sending' ? way : ''}`;
  }
  return `Already pressed by ${who(receipt.by)} ${span(now() - receipt.at)} ago, at ${exactly(receipt.at)}. ${ENDS[state] ?? 'Nothing was sent twice.'}`;
}

/** The panel of an armed campaign; the pressing itself outlives it. */
export function pressPanel(campaign, settings, pressing) {
  const hint = h('p', { class: 'press-hint', id: 'press-how' });
  const warnings = h('div', { class: 'warnings', hidden: true });
  const hold = seconds(settings.hold_ms);
  const usual = `Hold for ${hold}. Letting go before that sends nothing.`;
  const why = whyNot('press');
  text(hint, why ?? usual);

  async function press() {
    if (pressing.attempt) return;
    text(hint, 'Pressed. Waiting for the receipt …');
    await pressing.press(campaign.armed.stamp.at, now());
    text(hint, usual);
  }

  async function ask() {
    if (why || pressing.attempt) return;
    const devices = number(count(campaign));
    const words = [`“${campaign.name}” goes to ${devices} devices at once.`];
    if (await confirm({ title: 'Press now?', words, yes: 'Yes, press', kind: 'danger' })) await press();
  }

  const button = holdButton({
    ms: settings.hold_ms,
    word: 'Press',
    label: `Press: send “${campaign.name}” now`,
    describedBy: 'press-how',
    onPress: press,
    onEarly: (cancelled) => pressing.attempt || text(hint, cancelled ? `Cancelled: nothing was sent. ${usual}` : `Too short: nothing was sent. Hold for ${hold}.`),
    onClick: ask,
  });
  if (why) button.node.setAttribute('aria-disabled', 'true');
  const other = !why && h('button', { type: 'button', class: 'link', onclick: ask }, 'Can’t hold? Press with a question instead');
  const node = h('div', { class: 'press-panel' }, warnings, button.node, hint, other);
  return { node, isHeld: button.isHeld, warn: (preflight) => warn(warnings, preflight) };
}

/** What is not green any more, in plain words: it warns, and the button works all the same. */
function warn(node, preflight) {
  const checks = preflight?.checks.filter((check) => check.light === 'red' && !check.overridden) ?? [];
  const key = JSON.stringify(checks.map((check) => check.sentence));
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  node.hidden = checks.length === 0;
  put(node, checks.length > 0 && h('div', { class: 'note warn' }, icon('warn'), h('div', {},
    h('p', {}, h('strong', {}, 'The button works all the same.'), ' Since the arming this has changed:'),
    h('ul', {}, checks.map((check) => h('li', {}, check.sentence))))));
}

export const count = (campaign) => Object.values(campaign.snapshot?.devices ?? {}).reduce((a, b) => a + b, 0);
