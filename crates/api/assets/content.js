// The card with what people will see, for each locale and platform, from the very payloads that go out.

import { h, put } from './dom.js';
import { get, of } from './api.js';
import { number } from './clock.js';
import { phones } from './phone.js';

const NAMES = typeof Intl.DisplayNames === 'function' ? new Intl.DisplayNames(undefined, { type: 'language' }) : null;

function language(tag) {
  try {
    return `${NAMES?.of(tag) ?? tag} (${tag})`;
  } catch {
    return tag;
  }
}

/** Fills the card. */
export async function contentView(node, campaign) {
  const { content } = campaign;
  if (content.silent) {
    put(node, h('h2', {}, 'What they see'), h('p', {}, 'Nothing: it wakes the app without showing anything.'));
    return;
  }
  put(node, h('h2', {}, 'What they see'), h('p', { class: 'quiet' }, 'One moment …'));
  let texts;
  try {
    ({ texts } = await get(of(campaign.id, '/preview')));
  } catch (error) {
    put(node, h('h2', {}, 'What they see'), h('p', { class: 'fault' }, error.message));
    return;
  }
  const place = h('div', {});
  const draw = (tag) => {
    const one = texts.find((text) => text.locale === tag) ?? texts[0];
    const usual = one.locale === content.default_locale;
    put(place, phones(one), h('p', { class: 'quiet small' },
      usual ? 'Also for devices of every other language. ' : '',
      `${number(Math.max(one.sizes.apns_bytes, one.sizes.fcm_bytes))} of ${number(one.sizes.max_bytes)} bytes.`),
    !one.sizes.fits && h('p', { class: 'fault' }, 'Too long: the gateways would refuse it.'));
  };
  const tags = texts.map((text) => text.locale);
  const choice = tags.length > 1 && h('label', { class: 'inline' }, 'Language ',
    h('select', { onchange: (event) => draw(event.target.value) }, tags.map((tag) => h('option', { value: tag, selected: tag === content.default_locale }, language(tag)))));
  put(node, h('h2', {}, 'What they see'), choice, place);
  draw(content.default_locale);
}
