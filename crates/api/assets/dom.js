// Building the page out of elements. Text always goes in as text, so that no name of a campaign can become markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'class') node.setAttribute('class', value);
    else if (['value', 'checked', 'disabled', 'hidden', 'selected', 'required', 'multiple'].includes(key)) node[key] = value;
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** An element with attributes, listeners (`onclick`) and children. */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Replaces what is in a node. */
export function put(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

/** Sets a node's text, only if it is another one: a screen reader reads changes. */
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

const SHAPES = {
  good: 'M3 8.5l3.5 3.5L13 4.5',
  warn: 'M8 2l6.5 11.5h-13zM8 6v4M8 11.6v.6',
  bad: 'M3.5 3.5l9 9m0-9l-9 9',
  wait: 'M8 4v4l3 2M8 1.8a6.2 6.2 0 110 12.4A6.2 6.2 0 018 1.8z',
  none: 'M3 8h10',
};

/** A small drawing that says in shape what a colour says too. Hidden from screen readers: words stand beside it. */
export function icon(name) {
  const path = s('path', { d: SHAPES[name] ?? SHAPES.none, fill: 'none', stroke: 'currentColor', 'stroke-width': 2,
    'stroke-linecap': 'round', 'stroke-linejoin': 'round' });
  return s('svg', { viewBox: '0 0 16 16', class: `icon icon-${name}`, 'aria-hidden': 'true', focusable: 'false' }, path);
}

/** Says something to screen readers, once. */
export function say(words) {
  const said = document.getElementById('said');
  if (said.textContent === words) said.textContent = '';
  said.textContent = words;
}

/** A button that does one thing at a time, and shows what went wrong beside it. */
export function action(label, run, { kind = 'plain', why = null, busy = 'One moment …' } = {}) {
  const fault = h('p', { class: 'fault', role: 'alert', hidden: true });
  const button = h('button', { type: 'button', class: `button ${kind}` }, label);
  // Not `disabled`: a button that is off still takes the focus, so that its reason can be read.
  if (why) {
    button.setAttribute('aria-disabled', 'true');
    button.title = why;
  }
  button.addEventListener('click', async () => {
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    fault.hidden = true;
    text(button, busy);
    try {
      await run();
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    }
    text(button, label);
    button.removeAttribute('aria-disabled');
  });
  return h('div', { class: 'action' }, button, why && h('p', { class: 'why' }, why), fault);
}

/** A question with one confirmation; answers whether it was confirmed. */
export function confirm({ title, words, yes, no = 'No, go back', kind = 'strong' }) {
  return new Promise((resolve) => {
    const id = `ask-${Math.random().toString(36).slice(2)}`;
    const dialog = h('dialog', { class: 'ask', 'aria-labelledby': id },
      h('form', { method: 'dialog' },
        h('h2', { id }, title), words.map((line) => h('p', {}, line)),
        h('div', { class: 'row' },
          h('button', { class: `button ${kind}`, value: 'yes' }, yes),
          h('button', { class: 'button plain', value: 'no', autofocus: true }, no))));
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
