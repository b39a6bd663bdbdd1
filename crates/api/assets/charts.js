// Pictures of figures, as SVG that the page draws itself. Each has its message in words too: a picture alone says nothing to
// those who can't see it.

import { h, s, put } from './dom.js';
import { number, clock, took } from './clock.js';

const WIDTH = 600;
const HEIGHT = 140;

/** Bars side by side. `items` are `{n, title, kind?}`. */
function bars(items, label) {
  const most = Math.max(1, ...items.map((item) => item.n));
  const step = WIDTH / Math.max(items.length, 1);
  const gap = step > 6 ? 2 : step > 3 ? 1 : 0;
  const bar = (item, i) => {
    const height = item.n === 0 ? 0 : Math.max(1.5, (item.n / most) * (HEIGHT - 4));
    return s('rect', { x: i * step + gap / 2, y: HEIGHT - height, width: Math.max(0.5, step - gap), height, class: `bar ${item.kind ?? ''}` },
      s('title', {}, item.title));
  };
  const base = s('line', { x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: 'axis' });
  return s('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', class: 'chart', role: 'img', 'aria-label': label }, items.map(bar), base);
}

/** Outcomes per second: at least twenty seconds wide, so that the first bar doesn't fill the picture. */
export function perSecond(node, pairs, pressedAt) {
  if (pairs.length === 0) {
    put(node, h('p', { class: 'quiet' }, 'No answers yet.'));
    return;
  }
  const items = pairs.map(([second, n]) => ({ n, title: `${clock(second * 1000)}: ${number(n)}` }));
  while (items.length < 20) items.push({ n: 0, title: '' });
  const [at, most] = pairs.reduce((a, b) => (b[1] > a[1] ? b : a));
  const words = `At most ${number(most)} a second, at ${clock(at * 1000)}`;
  const first = pairs[0][0] * 1000;
  const last = (pairs[0][0] + items.length - 1) * 1000;
  put(node, bars(items, `Outcomes by second. ${words}`),
    h('div', { class: 'scale' }, h('span', {}, clock(first)), h('span', {}, pressedAt ? words : ''), h('span', {}, clock(last))));
}

/** How wide the widest of the books' slots is: a narrower bar would stand beside gaps. Books that an older version closed have none
 * of less than 100 ms, and minutes from the first one on. */
function widest(slots, last) {
  const isOld = slots.every(([ms]) => ms % 100 === 0);
  if (last < 1000) return isOld ? 100 : 10;
  if (last < 10000) return 100;
  return last < (isOld ? 60000 : 600000) ? 1000 : 60000;
}

/** Accepted answers by time from the press. What is later than `lateMs` looks another way, and is named below. */
export function histogram(byMs, lateMs) {
  const slots = Object.entries(byMs).map(([ms, n]) => [Number(ms), n]).sort((a, b) => a[0] - b[0]);
  if (slots.length === 0) return h('p', { class: 'quiet' }, 'Nothing was accepted.');
  const last = slots[slots.length - 1][0];
  const widths = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000, 300000, 600000];
  const width = widths.find((w) => w >= widest(slots, last) && (last + 1) / w <= 60) ?? 3600000;
  const items = [];
  for (let from = 0; from <= last; from += width) items.push({ from, n: 0 });
  for (const [ms, n] of slots) items[Math.floor(ms / width)].n += n;
  for (const item of items) {
    item.title = `${took(item.from)} to ${took(item.from + width)}: ${number(item.n)}`;
    item.kind = item.from >= lateMs ? 'late' : '';
  }
  while (items.length < 10) items.push({ n: 0, title: '' });
  const most = items.reduce((a, b) => (b.n > a.n ? b : a));
  const words = `Most, ${number(most.n)}, came ${took(most.from)} to ${took(most.from + width)} after the press`;
  return h('figure', {}, bars(items, `Accepted answers by time from the press. ${words}`),
    h('div', { class: 'scale' }, h('span', {}, 'press'), h('span', {}, words), h('span', {}, took(items.length * width))));
}
