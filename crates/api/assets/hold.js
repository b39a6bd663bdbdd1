// The red square: held for a moment by mouse, finger, space bar or enter, it presses once. Letting go before that, leaving
// it, or the page losing the focus, presses nothing.

import { h } from './dom.js';

/** How far a finger may slip beyond the edge, in CSS pixels. */
const SLIP = 24;
const KEYS = [' ', 'Enter'];

/**
 * The button. `onPress` is called once per hold, `onEarly` when it was let go too soon, `onClick` for a click without a
 * hold (as assistive technology makes them).
 */
export function holdButton({ ms, word, label, describedBy, onPress, onEarly, onClick }) {
  const fill = h('span', { class: 'press-fill', 'aria-hidden': 'true' });
  const caption = h('span', { class: 'press-word' }, word);
  const node = h('button', { type: 'button', class: 'press', id: 'press', 'aria-label': label, 'aria-describedby': describedBy }, fill, caption);
  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  let hold = null;

  function draw() {
    if (!hold) return;
    const share = Math.min(1, (performance.now() - hold.began) / ms);
    const seen = calm.matches ? Math.floor(share * 4) / 4 : share;
    fill.style.setProperty('--held', String(seen));
    if (share < 1) hold.frame = requestAnimationFrame(draw);
  }

  function begin(by, pointer = null) {
    if (hold || node.getAttribute('aria-disabled') === 'true') return;
    hold = { by, pointer, began: performance.now(), fired: false, frame: 0 };
    hold.timer = setTimeout(fire, ms);
    node.classList.add('held');
    draw();
  }

  function fire() {
    hold.fired = true;
    node.classList.add('fired');
    fill.style.setProperty('--held', '1');
    onPress();
  }

  function end(by, cancelled = false) {
    if (!hold || (by && hold.by !== by)) return;
    const { fired, timer, frame } = hold;
    clearTimeout(timer);
    cancelAnimationFrame(frame);
    hold = null;
    node.classList.remove('held', 'fired');
    fill.style.setProperty('--held', '0');
    if (!fired) onEarly(cancelled);
  }

  node.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    node.focus({ preventScroll: true });
    node.setPointerCapture?.(event.pointerId);
    begin('pointer', event.pointerId);
  });
  node.addEventListener('pointermove', (event) => {
    if (hold?.pointer !== event.pointerId) return;
    const box = node.getBoundingClientRect();
    const out = event.clientX < box.left - SLIP || event.clientX > box.right + SLIP
      || event.clientY < box.top - SLIP || event.clientY > box.bottom + SLIP;
    if (out) end('pointer', true);
  });
  node.addEventListener('pointerup', () => end('pointer'));
  node.addEventListener('pointercancel', () => end('pointer', true));
  node.addEventListener('keydown', (event) => {
    if (!KEYS.includes(event.key) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (!event.repeat) begin(event.key);
  });
  node.addEventListener('keyup', (event) => {
    if (!KEYS.includes(event.key)) return;
    event.preventDefault();
    end(event.key);
  });
  node.addEventListener('blur', () => end(null, true));
  document.addEventListener('visibilitychange', () => document.hidden && end(null, true));
  // A long touch would open a menu, or select the word.
  node.addEventListener('contextmenu', (event) => event.preventDefault());
  node.addEventListener('click', (event) => {
    if (event.detail === 0) onClick();
  });

  // Once it has pressed, the receipt may take its place, also under a finger that stays.
  return { node, isHeld: () => hold !== null && !hold.fired };
}
