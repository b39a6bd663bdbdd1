// Asking again until there is an answer, for as long as the hand that asked can still be meant, and no longer.

import { get, Away } from './api.js';
import { now } from './clock.js';

/** Nothing new is asked later than this after the hand. */
export const LIMIT_MS = 15000;
/** How long each try waits for its answer; a slow server must not be cut short for ever. */
const ANSWER_MS = [3000, 6000, 12000];
const PAUSE_MS = 400;

/** It is not known what came of it. The message says why nobody asks any more. */
export class Unknown extends Error {}

/** Time since now; neither a sleeping machine nor a clock that is set makes it shorter than it was, unless both happen. */
function stopwatch() {
  const [mono, wall] = [performance.now(), Date.now()];
  return () => Math.max(performance.now() - mono, Date.now() - wall);
}

const isTransient = (error) => error instanceof Away || error.status >= 500 || error.status === 429;

const WHY = {
  person: () => 'Stopped trying.',
  hidden: () => 'This page was hidden, and does not try any more.',
  gone: () => 'It does not try any more.',
  limit: (last) => `It does not try any more after ${LIMIT_MS / 1000} s. The last fault: ${last?.message ?? 'no answer'}.`,
};

/** One act of somebody, asked for as often as it takes. */
export class Attempt {
  /** `ask` gets the time-out, the signal, and until when it is meant by the server's clock. `onWaiting` is told of each try that came to nothing. */
  constructor({ ask, isAnswer, onWaiting = () => {} }) {
    Object.assign(this, { ask, isAnswer, onWaiting });
    this.elapsed = stopwatch();
    this.over = null;
    this.notAfter = 0;
    this.tries = 0;
    this.cut = new AbortController();
    this.ended = new Promise((end) => (this.end = end));
  }

  /** Begins no new try. Somebody who stops it doesn't wait for the last one either. */
  giveUp(why) {
    this.over ??= why;
    this.end();
    if (why === 'person') this.cut.abort();
  }

  /** Until when it is meant, by the server's clock as it is known now. */
  until() {
    const until = Math.round(now() + LIMIT_MS - this.elapsed());
    this.notAfter = Math.max(this.notAfter, until);
    return until;
  }

  async run() {
    const hide = () => document.hidden && this.giveUp('hidden');
    const freeze = () => this.giveUp('hidden');
    document.addEventListener('visibilitychange', hide);
    document.addEventListener('freeze', freeze);
    try {
      return await this.loop();
    } finally {
      document.removeEventListener('visibilitychange', hide);
      document.removeEventListener('freeze', freeze);
    }
  }

  async loop() {
    for (;;) {
      const last = await this.once();
      if (last.answer) return last.answer;
      if (!this.over) {
        this.onWaiting(last.error);
        await Promise.race([this.ended, new Promise((then) => setTimeout(then, PAUSE_MS))]);
      }
      if (this.elapsed() >= LIMIT_MS) this.giveUp('limit');
      if (this.over) throw new Unknown(WHY[this.over](last.error));
    }
  }

  async once() {
    const timeout = ANSWER_MS[Math.min(this.tries, ANSWER_MS.length - 1)];
    this.tries += 1;
    try {
      const answer = await this.ask({ timeout, signal: this.cut.signal, notAfter: this.until() });
      return this.isAnswer(answer) ? { answer } : { error: new Error('an answer that is not the server’s') };
    } catch (error) {
      // The clock was thought to be earlier than it is: a machine that slept. It is read anew.
      if (error.code === 'too_late') await get('/v1/console', { timeout: 3000 }).catch(() => {});
      else if (!isTransient(error)) throw error;
      return { error };
    }
  }
}
