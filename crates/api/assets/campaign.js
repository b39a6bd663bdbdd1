// A campaign's page: on top the one thing that matters in its state, below what it says, to whom, and what was done.

import { h, put, icon, text, say, action, confirm } from './dom.js';
import { get, post, of } from './api.js';
import { exactly, number, span, now, when } from './clock.js';
import { who, whyNot } from './session.js';
import { show } from './shell.js';
import { STATES } from './words.js';
import { watch } from './live.js';
import { blastView } from './blast.js';
import { pressPanel, count } from './press.js';
import { stopButton, stoppingPanel, stoppedPanel } from './stop.js';
import { preflightPanel, watchPreflight } from './preflight.js';
import { uploadPanel, buildingPanel, audienceFacts } from './audience.js';
import { contentView } from './content.js';
import { historyView } from './history.js';

/** Everything that the parts of the page share. */
class Page {
  constructor(campaign, settings) {
    this.campaign = campaign;
    this.settings = settings;
    this.state = h('p', { class: 'state' });
    this.stage = h('section', { class: 'stage', 'aria-label': 'What to do now' });
    this.content = h('section', { class: 'card' });
    this.audience = h('section', { class: 'card' });
    this.details = h('section', { class: 'card' });
    this.history = h('section', { class: 'card' });
    this.blast = blastView();
    this.panel = null;
    this.kind = null;
    this.receipt = null;
  }

  node() {
    return [h('a', { class: 'back', href: '/' }, 'Campaigns'),
      h('div', { class: 'title' }, h('h1', {}, this.campaign.name), this.state),
      this.stage, h('div', { class: 'cards' }, this.content, this.audience, this.details, this.history)];
  }

  /** Shows the campaign as it is now. A button that is held stays where it is. */
  draw(campaign) {
    const before = this.campaign.state;
    this.campaign = campaign;
    const [sign, name, words] = STATES[campaign.state];
    put(this.state, h('span', { class: `chip ${campaign.state}` }, icon(sign), name), ' ', h('span', { class: 'quiet' }, words));
    if (before !== campaign.state) say(`${campaign.name}: ${name}. ${words}`);
    if (!this.panel?.isHeld?.()) this.drawStage();
    // A list that somebody is reading stays open.
    const read = `${campaign.snapshot?.id}${campaign.upload?.object}`;
    if (this.read !== read) put(this.audience, audienceFacts(campaign, this.facts));
    this.read = read;
    put(this.details, detailsView(campaign, this));
    if (this.contentId !== campaign.content_id) contentView(this.content, campaign);
    this.contentId = campaign.content_id;
    historyView(this.history, campaign);
  }

  drawStage() {
    const { campaign } = this;
    const kind = campaign.state === 'ready' && this.kind === 'ready' ? 'ready' : `${campaign.state}-${campaign.version}`;
    if (kind === this.kind) return;
    const focused = this.stage.contains(document.activeElement) ? document.activeElement.id : null;
    this.kind = campaign.state === 'ready' ? 'ready' : kind;
    this.panel?.stop?.();
    this.panel = stages[campaign.state](this);
    put(this.stage, this.panel.node);
    // Who was on the button stays on it; who was elsewhere in it reads what is new first.
    const next = focused === 'press' ? this.stage.querySelector('#press') : null;
    if (focused !== null) (next ?? this.stage.querySelector('[tabindex="-1"]') ?? document.getElementById('main')).focus();
  }

  after = (campaign) => campaign && this.draw(campaign);

  /** The record has changed, or something was done: read it anew. */
  reload = async () => {
    const version = (this.wanted = (this.wanted ?? 0) + 1);
    const campaign = await get(of(this.campaign.id));
    if (version === this.wanted && campaign.version >= this.campaign.version) this.draw(campaign);
  };

  live = (live) => {
    this.blast.update(live, Object.keys(this.campaign.snapshot?.devices ?? {}));
    this.panel?.live?.(live);
    if (live.version > this.campaign.version || (this.kind && !this.panel?.isHeld?.() && this.stale())) this.reload().catch(() => {});
  };

  /** The stage shows an older state, because its button was held when the state changed. */
  stale() {
    return !(this.kind === 'ready' && this.campaign.state === 'ready') && this.kind !== `${this.campaign.state}-${this.campaign.version}`;
  }
}

const stages = {
  draft: (page) => uploadPanel(page),
  failed: (page) => uploadPanel(page),
  building: (page) => buildingPanel(page),
  ready: (page) => preflightPanel(page),
  armed: armedStage,
  sending: sendingStage,
  stopping: (page) => ({ node: h('div', {}, stoppingPanel(page.campaign), page.blast.node) }),
  stopped: (page) => ({ node: h('div', {}, stoppedPanel(page.campaign, page.after), page.blast.node) }),
  done: doneStage,
};

function armedStage(page) {
  const { campaign } = page;
  const press = pressPanel(campaign, page.settings, (receipt) => {
    page.receipt = receipt;
    page.reload().catch(() => {});
  });
  const canary = async () => {
    const words = ['One batch in a hundred is sent now, to real devices if the gateways are the real ones. The press then sends the rest.'];
    if (await confirm({ title: 'Send a canary?', words, yes: 'Yes, send one in a hundred' })) page.after(await post(of(campaign.id, '/canary')));
  };
  const disarm = async () => {
    const words = ['The button does not work then. Arming again takes some seconds, or longer when the fleet is not ready.'];
    if (await confirm({ title: 'Disarm?', words, yes: 'Yes, disarm' })) page.after(await post(of(campaign.id, '/disarm')));
  };
  const ran = campaign.runs.some((run) => run.kind === 'canary');
  const lost = h('div', { class: 'lost-note' });
  const node = h('div', { class: 'armed' },
    h('h2', { tabindex: -1 }, `Goes to ${number(count(campaign))} devices of ${number(campaign.snapshot.users)} people`),
    press.node, lost,
    h('div', { class: 'row calm' },
      action('Send a canary', canary, { why: whyNot('canary') }), action('Disarm', disarm, { why: whyNot('disarm') })),
    ran && h('div', { class: 'canary' }, h('h3', {}, 'The canary'), page.blast.node));
  const stop = watchPreflight(campaign.id, press.warn, 5000);
  return { node, isHeld: press.isHeld, stop };
}

/** What is said of the press: the receipt, while there is one; else what the record says. */
function pressedWords(page, live) {
  const { campaign, receipt } = page;
  const run = campaign.runs[campaign.runs.length - 1];
  if (receipt && run?.kind === 'press') return receipt.words;
  if (run?.kind === 'resume' && campaign.state === 'sending') return `Resumed by ${who(run.stamp.by)} at ${exactly(run.stamp.at)}`;
  const way = live ? `, ${number(live.shards_dispatched)} of ${number(live.shards)} on their way` : '';
  return `Pressed by ${who(campaign.pressed.by)} at ${exactly(campaign.pressed.at)}${way}`;
}

function sendingStage(page) {
  const words = h('h2', { class: 'receipt', tabindex: -1 }, pressedWords(page));
  const ago = h('p', { class: 'quiet' });
  const node = h('div', {}, h('div', { class: 'outcome' }, icon('good'), h('div', { class: 'grow' }, words, ago), stopButton(page.campaign, page.after)),
    page.blast.node);
  const run = page.campaign.runs[page.campaign.runs.length - 1];
  const live = (live) => {
    text(words, pressedWords(page, live));
    text(ago, `${span(now() - run.stamp.at)} ago`);
  };
  return { node, live };
}

function doneStage(page) {
  const { campaign } = page;
  const books = campaign.books;
  const node = h('div', {}, h('div', { class: 'outcome' }, icon('good'), h('div', {},
    h('h2', { tabindex: -1 }, `Done: ${number(books.accepted)} of ${number(books.devices)} accepted by Apple and Google`),
    h('p', { class: 'receipt' }, pressedWords(page)),
    h('p', {}, `The last outcome was there at ${exactly(campaign.done_at)}. `, h('a', { href: `/campaigns/${campaign.id}/report` }, 'Report')))),
  page.blast.node);
  return { node };
}

function detailsView(campaign, page) {
  const row = (name, value) => [h('dt', {}, name), h('dd', {}, value)];
  const copy = async () => {
    const made = await post(of(campaign.id, '/clone'));
    location.assign(`/campaigns/${made.id}`);
  };
  const editable = ['draft', 'failed', 'ready', 'building'].includes(campaign.state);
  const overrides = Object.entries(campaign.armed?.overrides ?? {});
  const run = campaign.runs[campaign.runs.length - 1];
  return [h('h2', {}, 'Details'), h('dl', { class: 'facts' },
    row('Deadline', run && campaign.state !== 'armed' ? `nothing is sent after ${when(run.deadline_at)}` : `nothing is sent later than ${span(campaign.options.deadline_ms)} after the press`),
    row('Armed', campaign.armed ? `by ${who(campaign.armed.stamp.by)}, ${when(campaign.armed.stamp.at)}` : 'not yet'),
    overrides.length > 0 && row('Overridden', overrides.map(([name, reason]) => h('p', {}, `${name}: ${reason}`))),
    row('Created', `by ${who(campaign.created.by)}, ${when(campaign.created.at)}`),
    campaign.options.app && row('App', campaign.options.app),
    row('Sent in', `${number(campaign.options.shards)} envelopes, batches of ${number(campaign.options.batch_users)}`),
    row('Id', h('code', {}, campaign.id))),
  h('div', { class: 'row calm' },
    editable && (whyNot('edit') === null
      ? h('a', { class: 'button plain', href: `/campaigns/new?edit=${campaign.id}` }, 'Edit')
      : action('Edit', () => {}, { why: whyNot('edit') })),
    action('Copy', copy, { why: whyNot('clone') }),
    ['armed', 'sending', 'stopping', 'stopped', 'done'].includes(campaign.state) && page.campaign.runs.length > 0
      && h('a', { class: 'button plain', href: `/campaigns/${campaign.id}/report` }, 'Report'))];
}

export async function campaignPage(id, settings) {
  const campaign = await get(of(id));
  const page = new Page(campaign, settings);
  show(campaign.name, page.node());
  page.draw(campaign);
  watch(campaign.id, { onLive: page.live, onState: page.blast.become });
  // After a time away nothing is as it was.
  document.addEventListener('visibilitychange', () => !document.hidden && page.reload().catch(() => {}));
}
