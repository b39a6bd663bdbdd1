// Reading a campaign's record: one reading at a time, every answer that is not older is taken, and many watchers don't all
// ask in the same moment.

import { get, of } from './api.js';

const SPREAD_MS = 300;
/** After a reading that failed; the live figures would ask for the next one at once. */
const PAUSE_MS = 1000;

export class Reader {
  constructor(page) {
    this.page = page;
    this.wanted = 0;
    this.reading = false;
    this.again = false;
    this.timer = null;
  }

  /** There is a version that is newer than ours. */
  newer(version) {
    this.wanted = Math.max(this.wanted, version);
    this.later(Math.random() * SPREAD_MS);
  }

  later(ms) {
    if (this.reading) return;
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.read();
    }, ms);
  }

  /** Reads now; `anew` when something was done that a reading under way may not show. */
  async read(anew = false) {
    if (this.reading) {
      this.again ||= anew;
      return;
    }
    clearTimeout(this.timer);
    this.timer = null;
    this.reading = true;
    this.again = false;
    const campaign = await get(of(this.page.campaign.id)).catch(() => null);
    this.reading = false;
    if (campaign) this.page.after(campaign);
    if (this.again) this.read();
    else if (!campaign || this.page.campaign.version < this.wanted) this.later(PAUSE_MS * (1 + Math.random()));
  }
}
