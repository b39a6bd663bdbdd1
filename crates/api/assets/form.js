// Creating and editing: the name, and what it says in each language.

import { h, put, action, say } from './dom.js';
import { get, post, patch, of, Problem } from './api.js';
import { show } from './shell.js';
import { whyNot } from './session.js';
import { draftPhones } from './phone.js';

let counter = 0;
const field = (label, control, hint) => {
  counter += 1;
  control.id = `field-${counter}`;
  if (hint) control.setAttribute('aria-describedby', `hint-${counter}`);
  return h('div', { class: 'field' }, h('label', { for: control.id }, label), control, hint && h('p', { class: 'quiet small', id: `hint-${counter}` }, hint));
};

/** One language: tag, title, body, and how it will look. */
function textFields(tag, text, onChange, onRemove) {
  const locale = h('input', { type: 'text', value: tag, maxlength: 35, required: true, autocomplete: 'off', spellcheck: 'false', class: 'short' });
  const title = h('input', { type: 'text', value: text.title ?? '', maxlength: 500 });
  const body = h('textarea', { rows: 3, maxlength: 4000, value: text.body ?? '' });
  const preview = h('div', {});
  const read = () => ({ tag: locale.value.trim(), title: title.value, body: body.value });
  const draw = () => {
    const { tag: lang, title: line, body: rest } = read();
    put(preview, draftPhones(lang, line, rest));
    onChange();
  };
  for (const control of [locale, title, body]) control.addEventListener('input', draw);
  const node = h('fieldset', { class: 'language' }, h('legend', {}, 'Language'),
    h('div', { class: 'language-fields' }, field('Tag', locale, 'such as en, de or pt-BR'), field('Title', title), field('Text', body),
      h('button', { type: 'button', class: 'link', onclick: () => onRemove(node) }, 'Remove this language')),
    preview);
  put(preview, draftPhones(tag, text.title, text.body));
  return { node, read, locale };
}

export async function formPage(_, settings) {
  const editing = new URLSearchParams(location.search).get('edit');
  const old = editing ? await get(of(editing)) : null;
  const content = old?.content ?? { texts: { en: { title: '', body: '' } }, default_locale: 'en', silent: false };
  const name = h('input', { type: 'text', value: old?.name ?? '', maxlength: 200, required: true });
  const silent = h('input', { type: 'checkbox', checked: content.silent });
  const usual = h('select', {});
  const minutes = h('input', { type: 'number', min: 0.1, max: 240, step: 'any', required: true, class: 'short', value: (old?.options.deadline_ms ?? 600000) / 60000 });
  const places = h('div', {});
  const texts = h('div', { class: 'languages' });
  let all = [];

  function drawUsual() {
    const tags = all.map((one) => one.read().tag).filter(Boolean);
    const chosen = tags.includes(usual.value) ? usual.value : tags.includes(content.default_locale) ? content.default_locale : tags[0];
    put(usual, tags.map((tag) => h('option', { value: tag, selected: tag === chosen }, tag)));
  }
  function add(tag, text) {
    const one = textFields(tag, text, drawUsual, (node) => {
      if (all.length === 1) return say('One language must stay');
      all = all.filter((other) => other.node !== node);
      node.remove();
      return drawUsual();
    });
    all.push(one);
    texts.append(one.node);
    drawUsual();
    return one;
  }
  for (const [tag, text] of Object.entries(content.texts)) add(tag, text);
  if (all.length === 0) add('en', {});

  function read() {
    const said = Object.fromEntries(all.map((one) => one.read()).map(({ tag, title, body }) => [tag, { title, body }]));
    return {
      name: name.value,
      content: { ...content, silent: silent.checked, texts: silent.checked ? {} : said, default_locale: usual.value || 'en' },
      options: { deadline_ms: Math.round(Number(minutes.value) * 60000) },
    };
  }
  async function save() {
    if (!form.reportValidity()) return;
    try {
      const done = old ? await patch(of(old.id), read()) : await post('/v1/campaigns', read());
      location.assign(`/campaigns/${done.id}`);
    } catch (error) {
      if (error instanceof Problem && error.body.field === 'name') name.focus();
      throw error;
    }
  }
  const words = () => (places.hidden = silent.checked);
  silent.addEventListener('change', words);
  put(places, texts, h('div', { class: 'row' }, h('button', { type: 'button', class: 'button plain', onclick: () => add('', {}).locale.focus() }, 'Add a language')),
    field('Default language', usual, 'for devices of every other language'));
  words();
  const form = h('form', { class: 'form', novalidate: false, onsubmit: (event) => event.preventDefault() },
    field('Name', name, 'for you and your colleagues; nobody else sees it'),
    h('div', { class: 'field check-field' }, h('label', {}, silent, ' Silent: wakes the app, shows nothing')),
    places, field('Deadline, in minutes after the press', minutes, 'what is not sent by then is not sent'),
    action(old ? 'Save' : 'Create', save, { kind: 'strong', why: whyNot(old ? 'edit' : 'create'), busy: 'Saving …' }));
  show(old ? 'Edit' : 'New campaign', h('a', { class: 'back', href: old ? `/campaigns/${old.id}` : '/' }, old ? old.name : 'Campaigns'),
    h('h1', { class: 'page-title' }, old ? `Edit “${old.name}”` : 'New campaign'), form);
}
