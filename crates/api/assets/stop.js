// Stop and resume: one confirmation, and then what it came to, in figures.

import { h, icon, action, confirm } from './dom.js';
import { post, of } from './api.js';
import { exactly, number, when } from './clock.js';
import { who, whyNot } from './session.js';

/** The button that stops the sending. */
export function stopButton(campaign, after) {
  const stop = async () => {
    const words = ['What is with Apple and Google already can not be called back. What is not, is not sent; it can be resumed later.'];
    if (!(await confirm({ title: 'Stop the sending?', words, yes: 'Yes, stop' }))) return;
    after(await post(of(campaign.id, '/abort')));
  };
  return action('Stop', stop, { kind: 'plain', why: whyNot('abort') });
}

/** The books of a stop in one sentence. Sent is whatever was handed to a gateway, whatever came of it. */
export function stoppedWords(books) {
  const sent = books.accepted + books.rejected + books.ambiguous;
  return `Stopped: ${number(sent)} sent, ${number(books.devices - sent)} not`;
}

export function stoppingPanel(campaign) {
  const stop = campaign.stops[campaign.stops.length - 1];
  return h('div', { class: 'outcome' }, icon('wait'), h('div', {}, h('h2', { tabindex: -1 }, 'Stopping'),
    h('p', {}, `Asked for by ${who(stop.stamp.by)} at ${exactly(stop.stamp.at)}. Nothing new is begun; what is under way is being counted.`)));
}

export function stoppedPanel(campaign, after) {
  const stop = campaign.stops[campaign.stops.length - 1];
  const resume = async () => {
    const left = number(campaign.books.aborted + campaign.books.pending);
    const words = [`${left} devices have not been sent to. They are sent to now; nobody gets it twice.`];
    if (!(await confirm({ title: 'Send the rest?', words, yes: 'Yes, send the rest' }))) return;
    after(await post(of(campaign.id, '/resume')));
  };
  return h('div', {}, h('div', { class: 'outcome' }, icon('warn'), h('div', {}, h('h2', { tabindex: -1 }, stoppedWords(campaign.books)),
    h('p', {}, `By ${who(stop.stamp.by)}; the last answer was counted ${stop.stopped_at ? when(stop.stopped_at) : 'later'}. `,
      h('a', { href: `/campaigns/${campaign.id}/report` }, 'Report')))),
  action('Resume', resume, { kind: 'strong', why: whyNot('resume') }));
}
