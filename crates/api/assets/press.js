// The press: the button, what stands beside it, and the receipt.

import { h, put, icon, say, confirm, text } from './dom.js';
import { post, of, Away } from './api.js';
import { exactly, span, number, now, seconds } from './clock.js';
import { holdButton } from './hold.js';
import { isMe, whyNot } from './session.js';

const AGAIN_AFTER_MS = 400;
/** A receipt comes within a second; without an answer for this long, it is asked again. Pressing twice sends nothing twice. */
const ANSWER_MS = 3000;

/** Presses until there is an answer. Answers the receipt, and whether it had to be asked again. */
async function pressNow(id, onWaiting) {
  for (let tries = 1; ; tries += 1) {
    try {
      return { receipt: await post(of(id, '/press'), {}, { timeout: ANSWER_MS }), tries };
    } catch (error) {
      if (!(error instanceof Away) && error.status !== 503) throw error;
      onWaiting(tries);
      await new Promise((then) => setTimeout(then, AGAIN_AFTER_MS));
    }
  }
}

/** The sentence of a receipt. `began` is when the hold began, by the server's clock: an answer that got lost is ours too. */
export function receiptWords(receipt, began = Infinity) {
  const ours = isMe(receipt.by) && (receipt.result === 'pressed' || receipt.at >= began - 1000);
  if (receipt.result === 'pressed' || ours) {
    const all = receipt.dispatched >= receipt.shards;
    const way = `${number(receipt.dispatched)} of ${number(receipt.shards)} on their way`;
    return `Pressed by ${isMe(receipt.by) ? 'you' : receipt.by} at ${exactly(receipt.at)}, ${way}${all ? '' : '; the rest follows by itself'}`;
  }
  const name = isMe(receipt.by) ? 'you' : receipt.by;
  const end = { stopping: 'It is being stopped.', done: 'It is finished.' }[receipt.state] ?? 'Nothing was sent twice.';
  return `Already pressed by ${name} ${span(now() - receipt.at)} ago, at ${exactly(receipt.at)}. ${end}`;
}

/** The panel of an armed campaign. `onReceipt` is told what the press came to. */
export function pressPanel(campaign, settings, onReceipt) {
  const hint = h('p', { class: 'press-hint', id: 'press-how' });
  const fault = h('div', { class: 'fault', role: 'alert', hidden: true });
  const warnings = h('div', { class: 'warnings', hidden: true });
  const hold = seconds(settings.hold_ms);
  const usual = `Hold for ${hold}. Letting go before that sends nothing.`;
  const why = whyNot('press');
  let pressing = false;
  text(hint, why ?? usual);

  async function press() {
    if (pressing) return;
    pressing = true;
    const began = now();
    fault.hidden = true;
    text(hint, 'Pressed. Waiting for the receipt …');
    try {
      const { receipt } = await pressNow(campaign.id, () => {
        text(hint, 'Pressed, and no answer yet: trying again. Nothing can be sent twice.');
      });
      const words = receiptWords(receipt, began);
      say(words);
      pressing = false;
      onReceipt({ ...receipt, words });
    } catch (error) {
      put(fault, h('p', {}, error.message));
      fault.hidden = false;
      text(hint, usual);
    }
    pressing = false;
  }

  async function ask() {
    if (why || pressing) return;
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
    onEarly: (cancelled) => pressing || text(hint, cancelled ? `Cancelled: nothing was sent. ${usual}` : `Too short: nothing was sent. Hold for ${hold}.`),
    onClick: ask,
  });
  if (why) button.node.setAttribute('aria-disabled', 'true');
  const other = !why && h('button', { type: 'button', class: 'link', onclick: ask }, 'Can’t hold? Press with a question instead');
  const node = h('div', { class: 'press-panel' }, warnings, button.node, hint, fault, other);
  return { node, isHeld: () => button.isHeld() || pressing, warn: (preflight) => warn(warnings, preflight) };
}

/** What is not green any more, in plain words: it warns, and the button works all the same. */
function warn(node, preflight) {
  const checks = preflight?.checks.filter((check) => check.light === 'red') ?? [];
  const key = JSON.stringify(checks.map((check) => check.sentence));
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  node.hidden = checks.length === 0;
  put(node, checks.length > 0 && h('div', { class: 'note warn' }, icon('warn'), h('div', {},
    h('p', {}, h('strong', {}, 'The button works all the same.'), ' Since the arming this has changed:'),
    h('ul', {}, checks.map((check) => h('li', {}, check.sentence))))));
}

export const count = (campaign) => Object.values(campaign.snapshot?.devices ?? {}).reduce((a, b) => a + b, 0);
