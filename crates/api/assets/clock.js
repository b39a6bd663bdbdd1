// Times by the server's clock, in the viewer's zone and words. A viewer whose clock is wrong sees right times and right ages.

let offset = 0;
let spread = Infinity;

/** What an answer said of the server's time, and when it was asked and answered by this machine's monotonic clock. */
export function heard(at, asked, answered) {
  const took = answered - asked;
  const now = at + took / 2 - answered;
  // A shorter way tells more; a clock that was set meanwhile shows in any answer.
  if (took <= spread || Math.abs(now - offset) > 2000 + took) {
    offset = now;
    spread = took;
  }
}

/** What an event said of the server's time. It may have waited on the way, so it can only show that it is later than thought. */
export function heardEvent(at) {
  const seen = at - performance.now();
  if (spread === Infinity || seen > offset) offset = seen;
  if (spread === Infinity) spread = 1000;
}

/** The server's time now, in milliseconds since 1970. Runs on the monotonic clock: nobody can set it. */
export function now() {
  if (spread === Infinity) return Date.now();
  return performance.now() + offset;
}

const locale = undefined;
const timeOf = (options) => new Intl.DateTimeFormat(locale, options);
const SECONDS = timeOf({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
const MILLIS = timeOf({ hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });
const DAY = timeOf({ dateStyle: 'medium' });
const BOTH = timeOf({ dateStyle: 'medium', timeStyle: 'short' });
const NUMBER = new Intl.NumberFormat(locale);
const SHARE = new Intl.NumberFormat(locale, { style: 'percent', minimumFractionDigits: 1, maximumFractionDigits: 1 });
const SMALL = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });

export const number = (n) => NUMBER.format(n);
/** 20:14:09 */
export const clock = (ms) => SECONDS.format(ms);
/** 20:14:03.120 */
export const exactly = (ms) => MILLIS.format(ms);
/** Date and time; the time alone when it is today. */
export const when = (ms) => (DAY.format(ms) === DAY.format(now()) ? SECONDS.format(ms) : BOTH.format(ms));
export const full = (ms) => `${DAY.format(ms)}, ${MILLIS.format(ms)}`;
/** The viewer's zone, by name. */
export const zone = () => new Intl.DateTimeFormat(locale).resolvedOptions().timeZone || 'your zone';

/** Rounded down: all of it is all of it. */
export function percent(part, whole) {
  if (!whole) return SHARE.format(0);
  return SHARE.format(Math.floor((part / whole) * 1000) / 1000);
}

/** 3 s, 5 min, 2 h */
export function span(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return `${SMALL.format(s)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

/** 812 ms, 4.2 s */
export function took(ms) {
  if (ms === null || ms === undefined) return '–';
  return ms < 1000 ? `${number(Math.round(ms))} ms` : `${SMALL.format(ms / 1000)} s`;
}

/** 0.4 s: a time for the hand, always in seconds. */
export const seconds = (ms) => `${new Intl.NumberFormat(locale, { maximumFractionDigits: 2 }).format(ms / 1000)} s`;

/** How long ago, by the server's clock. */
export const ago = (ms) => `${span(now() - ms)} ago`;

/** 4.2 MB */
export function bytes(n) {
  const steps = ['B', 'KB', 'MB', 'GB'];
  let i = 0;
  let left = n;
  while (left >= 1000 && i < steps.length - 1) {
    left /= 1000;
    i += 1;
  }
  return `${SMALL.format(left)} ${steps[i]}`;
}
