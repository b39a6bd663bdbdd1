// How a notification looks on a phone, about: every phone, version and setting shows it a little differently.

import { h } from './dom.js';

function parts(json) {
  try {
    return JSON.parse(json);
  } catch {
    return {};
  }
}

function ios(title, body) {
  return h('figure', { class: 'phone ios' }, h('div', { class: 'screen' },
    h('div', { class: 'notice' }, h('span', { class: 'app', 'aria-hidden': 'true' }),
      h('div', { class: 'lines' }, h('p', { class: 'headline-line' }, h('b', { dir: 'auto' }, title || 'Your app'), h('span', { class: 'age' }, 'now')),
        h('p', { class: 'body-line', dir: 'auto' }, body)))), h('figcaption', {}, 'iPhone'));
}

function android(title, body) {
  return h('figure', { class: 'phone android' }, h('div', { class: 'screen' },
    h('div', { class: 'notice' }, h('span', { class: 'app', 'aria-hidden': 'true' }),
      h('div', { class: 'lines' }, h('p', { class: 'source' }, 'Your app · now'), title && h('p', { class: 'headline-line' }, h('b', { dir: 'auto' }, title)),
        h('p', { class: 'body-line', dir: 'auto' }, body)))), h('figcaption', {}, 'Android'));
}

/** Both, from the payloads of one text. */
export function phones({ locale, apns_json: apns, fcm_json: fcm }) {
  const alert = parts(apns).aps?.alert ?? {};
  const message = parts(fcm).message ?? {};
  const shown = message.notification ?? message.android?.notification ?? {};
  return h('div', { class: 'phones', lang: locale }, ios(alert.title, alert.body), android(shown.title, shown.body));
}

/** Both, from what is being written. */
export const draftPhones = (locale, title, body) => h('div', { class: 'phones', lang: locale }, ios(title, body), android(title, body));
