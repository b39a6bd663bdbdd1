// One press, from the hand to a certain word: the receipt, “it was not pressed”, or “we don't know”, and then looking until
// it is known.

import { h, put, say } from './dom.js';
import { get, post, of, keepHere } from './api.js';
import { clock } from './clock.js';
import { Attempt, Unknown, LIMIT_MS } from './again.js';
import { isMe, signInPage } from './session.js';

/** “Stop trying” is offered when there is no answer after this long. */
const SLOW_MS = 1000;
const LOOK_MS = 2000;
const LOOK_ANSWER_MS = 4000;
/** The clocks of several servers differ by less. */
const SKEW_MS = 2000;

const isReceipt = (r) => ['pressed', 'already_pressed'].includes(r?.result) && typeof r.by === 'string' && Number.isFinite(r.at);

/** Whether it was our press: an answer that got lost on the way was ours too. */
const isOurs = (receipt, began) => receipt.result === 'pressed' || (isMe(receipt.by) && receipt.at >= began - 1000);

/** The presses of this page. `onReceipt` gets the receipt, `onRecord` what the server says of the campaign. */
export class Pressing {
  constructor(id, { onReceipt, onRecord }) {
    Object.assign(this, { id, onReceipt, onRecord });
    this.attempt = null;
    this.looking = null;
    this.words = h('p', { role: 'alert' });
    this.more = h('div', { class: 'row' });
    this.node = h('div', { class: 'note warn press-notice', hidden: true }, h('div', { class: 'grow' }, this.words, this.more));
  }

  /** Something is in the balance: the button's panel stays as it is. */
  get isBusy() {
    return this.attempt !== null || this.looking !== null;
  }

  show(words, ...more) {
    this.node.hidden = false;
    if (this.words.textContent === words) return;
    put(this.words, words);
    put(this.more, ...more);
  }

  hide() {
    this.node.hidden = true;
    put(this.words);
    put(this.more);
  }

  /** It is pressed, by whomever: nothing is tried or looked for any more. */
  pressed() {
    this.attempt?.giveUp('gone');
    this.looking = null;
    this.hide();
  }

  /** Presses what was armed at `armedAt`. */
  async press(armedAt, began) {
    if (this.attempt) return;
    this.looking = null;
    this.hide();
    const stay = keepHere();
    const attempt = new Attempt({
      ask: ({ timeout, signal, notAfter }) => post(of(this.id, '/press'), { armed_at: armedAt, not_after: notAfter }, { timeout, signal }),
      isAnswer: isReceipt,
      onWaiting: (error) => this.waiting(`Pressed, and no receipt yet (${error.message}). Trying again, ${LIMIT_MS / 1000} s at most. Nothing can be sent twice.`),
    });
    this.attempt = attempt;
    const slow = setTimeout(() => this.waiting('Pressed, and no receipt yet. Waiting for the answer.'), SLOW_MS);
    const [receipt, fault] = await attempt.run().then((made) => [made], (error) => [null, error]);
    clearTimeout(slow);
    this.attempt = null;
    if (receipt) {
      this.hide();
      this.onReceipt({ ...receipt, ours: isOurs(receipt, began) });
    } else if (attempt.over !== 'gone') {
      this.doubt(fault, attempt).finally(stay);
      return;
    }
    stay();
  }

  waiting(words) {
    const attempt = this.attempt;
    if (!attempt || attempt.over) return;
    this.show(words, h('button', { type: 'button', class: 'button plain', onclick: () => attempt.giveUp('person') }, 'Stop trying'));
  }

  /** No receipt: says what is known. */
  async doubt(error, attempt) {
    const refused = !(error instanceof Unknown);
    // The server's word on the only request there was.
    if (refused && attempt.tries === 1) {
      this.conclude(`It was not pressed: ${error.message}`, error.status);
      if (error.status !== 401) await this.look().then(({ campaign }) => this.onRecord(campaign)).catch(() => {});
      return;
    }
    await this.lookUntilKnown(error.message, attempt.notAfter + SKEW_MS);
  }

  conclude(words, status) {
    // The words must be read: who is signed out goes when they want to.
    if (status === 401) keepHere();
    this.show(words, status === 401 && h('a', { class: 'button plain', href: signInPage() }, 'Sign in'));
    say(words);
  }

  /** The server's time, and then the record. */
  async look() {
    const { at } = await get('/v1/console', { timeout: LOOK_ANSWER_MS });
    return { at, campaign: await get(of(this.id), { timeout: LOOK_ANSWER_MS }) };
  }

  /** Only looks. A request that is still on its way is refused by the server from `certainAfter` on. */
  async lookUntilKnown(why, certainAfter) {
    const mine = (this.looking = {});
    while (this.looking === mine) {
      const seen = await this.look().catch((error) => ({ error }));
      if (this.looking !== mine) return;
      if (seen.campaign?.pressed || (seen.campaign && seen.at > certainAfter)) {
        this.looking = null;
        if (!seen.campaign.pressed) this.conclude(`${why} It was not pressed.`);
        this.onRecord(seen.campaign);
        return;
      }
      if (seen.error?.status === 401) {
        this.looking = null;
        this.conclude(`${why} We don’t know whether it was pressed: you are signed out. Sign in, and look.`, 401);
        return;
      }
      this.show(seen.campaign
        ? `${why} It is not pressed so far. What is still on its way counts until ${clock(certainAfter)}; looking again.`
        : `${why} We don’t know whether it was pressed: ${seen.error.message} Looking again.`);
      await new Promise((then) => setTimeout(then, LOOK_MS));
    }
  }
}

/** Does what is asked for as often as it takes; a fault says what is known. */
export async function insist(id, rest, doing) {
  const stay = keepHere();
  const attempt = new Attempt({
    ask: ({ timeout, signal }) => post(of(id, rest), {}, { timeout, signal }),
    isAnswer: (campaign) => campaign?.id === id && typeof campaign.state === 'string',
  });
  try {
    return await attempt.run();
  } catch (error) {
    if (!(error instanceof Unknown) && attempt.tries === 1) throw error;
    throw new Unknown(`${error.message} We don’t know whether ${doing}: look at the state on top.`);
  } finally {
    stay();
  }
}
