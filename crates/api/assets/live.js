// The live figures, and the honest word when there are none: server-sent events with a watch on them, because a connection
// that is lost on the way says nothing by itself. A connection without new figures is another thing than no connection.

import { of, get } from './api.js';
import { heardEvent, now } from './clock.js';

/** The server sends something at least once a second; without an event for this long, the connection counts as lost. */
const SILENT_MS = 3500;
/** Figures come once a second at least; the server's clock says how old they are. */
const OLD_MS = 3500;
const LOOK_MS = 500;
/** How soon a lost connection is made anew: later each time, and not by everybody at once. */
const AGAIN_MS = 1000;
const AGAIN_MAX_MS = 8000;

/** Watches a campaign until the page goes away. `onState` gets `live`, `old`, `lost` or `trouble` (with the server's words). */
export function watch(id, { onLive, onState }) {
  let source = null;
  let opened = 0;
  let last = 0;
  let figures = null;
  let tries = 0;
  let wait = 0;
  let state = 'opening';

  function become(next, why) {
    if (state === next && !why) return;
    state = next;
    onState(next, why);
  }

  function heard(data) {
    last = performance.now();
    tries = 0;
    const said = JSON.parse(data);
    heardEvent(said.at);
    return said;
  }

  function open() {
    source?.close();
    opened = performance.now();
    wait = Math.min(AGAIN_MS * 2 ** tries, AGAIN_MAX_MS) * (1 + Math.random() / 2);
    tries += 1;
    source = new EventSource(of(id, '/live'));
    source.addEventListener('live', (event) => {
      const live = heard(event.data);
      figures = live.at;
      become('live');
      onLive(live);
    });
    source.addEventListener('trouble', (event) => become('trouble', heard(event.data).why));
    source.addEventListener('beat', (event) => {
      heard(event.data);
      // Connected again; whether there are figures is seen by their age.
      if (state === 'lost') become('old');
    });
    source.addEventListener('error', () => {
      // An event source says not why. Asking tells a server that is away from one that doesn't know us any more.
      if (source.readyState === EventSource.CLOSED) get(of(id)).catch(() => {});
    });
  }

  /** The server may be heard, and have none. */
  const ageOfFigures = () => (figures === null ? performance.now() - opened : now() - figures);

  function look() {
    if (document.hidden) return;
    const silent = performance.now() - Math.max(last, opened);
    const gone = source === null || source.readyState === EventSource.CLOSED;
    if (silent > SILENT_MS || (gone && silent > LOOK_MS)) become('lost');
    else if (['opening', 'live'].includes(state) && last > opened && ageOfFigures() > OLD_MS) become('old');
    if (silent > Math.max(SILENT_MS, wait) || (gone && silent > wait)) open();
  }

  function anew() {
    tries = 0;
    open();
  }

  open();
  setInterval(look, LOOK_MS);
  // A browser has six connections for a server: hidden pages give theirs back, and read anew when they are seen again.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else {
      anew();
    }
  });
  window.addEventListener('online', anew);
  window.addEventListener('pagehide', () => source?.close());
}
