// The live figures, and the honest word when there are none: server-sent events with a watch on them, because a connection
// that is lost on the way says nothing by itself.

import { of, get } from './api.js';
import { heardEvent } from './clock.js';

/** The server sends at least once a second; without an event for this long, the connection counts as lost. */
const SILENT_MS = 3500;
const LOOK_MS = 500;
const AGAIN_MS = 1500;

/** Watches a campaign until the page goes away. `onState` gets `live`, `lost` or `trouble` (with the server's words). */
export function watch(id, { onLive, onState }) {
  let source = null;
  let opened = 0;
  let last = 0;
  let state = 'opening';

  function become(next, why) {
    if (state === next && !why) return;
    state = next;
    onState(next, why);
  }

  function open() {
    source?.close();
    opened = performance.now();
    source = new EventSource(of(id, '/live'));
    source.addEventListener('live', (event) => {
      const live = JSON.parse(event.data);
      last = performance.now();
      heardEvent(live.at);
      become('live');
      onLive(live);
    });
    source.addEventListener('trouble', (event) => {
      last = performance.now();
      become('trouble', JSON.parse(event.data).why);
    });
    source.addEventListener('error', () => {
      // An event source says not why. Asking tells a server that is away from one that doesn't know us any more.
      if (source.readyState === EventSource.CLOSED) get(of(id)).catch(() => {});
    });
  }

  function look() {
    if (document.hidden) return;
    const silent = performance.now() - Math.max(last, opened);
    const gone = source === null || source.readyState === EventSource.CLOSED;
    if (silent > SILENT_MS || (gone && silent > LOOK_MS)) become('lost');
    if (silent > SILENT_MS || (gone && silent > AGAIN_MS)) open();
  }

  open();
  setInterval(look, LOOK_MS);
  // A browser has six connections for a server: hidden pages give theirs back, and read anew when they are seen again.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else {
      open();
    }
  });
  window.addEventListener('online', open);
  window.addEventListener('pagehide', () => source?.close());
}
