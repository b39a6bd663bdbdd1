// Stop and resume: one confirmation, and then what it came to, in figures.

import { h, icon, action, confirm } from './dom.js';
import { insist } from './pressing.js';
import { exactly, number, when } from './clock.js';
import { who, whyNot } from './session.js';

/** Does it; whatever came of it, the record is read anew. */
async function doing(page, rest, words) {
  try {
    const answer = await insist(page.campaign.id, rest, words);
    page.after(answer);
    return answer;
  } catch (error) {
    page.reload();
    throw error;
  }
}

/** The button that stops the sending. */
export function stopButton(page) {
  const stop = async () => {
    const words = ['What is with Apple and Google already can not be called back. What is not, is not sent; it can be resumed later.'];
    if (!(await confirm({ title: 'Stop the sending?', words, yes: 'Yes, stop' }))) return;
    await doing(page, '/abort', 'it is being stopped');
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

export function stoppedPanel(page) {
  const { campaign } = page;
  const stop = campaign.stops[campaign.stops.length - 1];
  const resume = async () => {
    const left = number(campaign.books.aborted + campaign.books.pending);
    const words = [`${left} devices have not been sent to. They are sent to now; nobody gets it twice.`];
    if (!(await confirm({ title: 'Send the rest?', words, yes: 'Yes, send the rest' }))) return;
    const { warning } = await doing(page, '/resume', 'the rest is being sent');
    if (warning) await confirm({ title: 'Nobody sends it yet', words: [warning], yes: 'Understood', no: 'Close' });
  };
  return h('div', {}, h('div', { class: 'outcome' }, icon('warn'), h('div', {}, h('h2', { tabindex: -1 }, stoppedWords(campaign.books)),
    h('p', {}, `By ${who(stop.stamp.by)}; the last answer was counted ${stop.stopped_at ? when(stop.stopped_at) : 'later'}. `,
      h('a', { href: `/campaigns/${campaign.id}/report` }, 'Report')))),
  action('Resume', resume, { kind: 'strong', why: whyNot('resume') }));
}
