// A campaign's page: on top the one thing that matters in its state, below what it says, to whom, and what was done.

import { h, put, icon, text, say, action, confirm } from './dom.js';
import { get, post, of } from './api.js';
import { Pressing } from './pressing.js';
import { exactly, number, span, now, when } from './clock.js';
import { lookAt, who, whyNot } from './session.js';
import { show } from './shell.js';
import { STATES, checkName } from './words.js';
import { watch } from './live.js';
import { blastView } from './blast.js';
import { pressPanel, receiptWords, count } from './press.js';
import { stopButton, stoppingPanel, stoppedPanel } from './stop.js';
import { preflightPanel, watchPreflight, wishWords } from './preflight.js';
import { uploadPanel, buildingPanel, audienceFacts } from './audience.js';
import { contentView } from './content.js';
import { historyView } from './history.js';
import { Reader } from './reader.js';
import { testCard } from './tests.js';

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
    this.tests = testCard(campaign, this.trail);
    this.blast = blastView();
    this.panel = null;
    this.kind = null;
    this.receipt = null;
    this.lastLive = null;
    this.reader = new Reader(this);
    this.pressing = new Pressing(campaign.id, { onReceipt: this.onReceipt, onRecord: this.after });
  }

  node() {
    return [h('a', { class: 'back', href: '/' }, 'Campaigns'),
      h('div', { class: 'title' }, h('h1', {}, this.campaign.name), this.state),
      this.pressing.node, this.stage, h('div', { class: 'cards' }, this.content, this.tests.node, this.audience, this.details, this.history)];
  }

  /** Shows the campaign as it is now. A button that is held stays where it is, and so does one whose press has no answer. */
  draw(campaign) {
    const before = this.campaign.state;
    this.campaign = campaign;
    lookAt(campaign);
    const [sign, name, words] = STATES[campaign.state];
    put(this.state, h('span', { class: `chip ${campaign.state}` }, icon(sign), name), ' ', h('span', { class: 'quiet' }, words));
    if (before !== campaign.state) say(`${campaign.name}: ${name}. ${words}`);
    if (campaign.pressed) this.pressing.pressed();
    if (!this.isKept()) this.drawStage();
    this.panel?.drawn?.(campaign);
    // A list that somebody is reading stays open.
    const read = `${campaign.snapshot?.id}${campaign.upload?.object}`;
    if (this.read !== read) put(this.audience, audienceFacts(campaign, this.facts));
    this.read = read;
    put(this.details, detailsView(campaign, this));
    this.tests.update(campaign.state);
    if (this.contentId !== campaign.content_id) contentView(this.content, campaign);
    this.contentId = campaign.content_id;
    historyView(this.history, campaign);
  }

  drawStage() {
    const { campaign } = this;
    const kind = kindOf(campaign);
    if (kind === this.kind) return;
    const focused = this.stage.contains(document.activeElement) ? document.activeElement.id : null;
    this.kind = kind;
    this.panel?.stop?.();
    this.panel = stages[campaign.state](this);
    put(this.stage, this.panel.node);
    // Who was on the button stays on it; who was elsewhere in it reads what is new first.
    const next = focused === 'press' ? this.stage.querySelector('#press') : null;
    if (focused !== null) (next ?? this.stage.querySelector('[tabindex="-1"]') ?? document.getElementById('main')).focus();
  }

  /** A hand is on the button, or its press is in the balance and it is still the same arming. */
  isKept() {
    const { campaign, panel } = this;
    const same = campaign.state === 'armed' && panel?.armedAt === campaign.armed.stamp.at;
    return panel?.isHeld?.() || (same && this.pressing.isBusy);
  }

  /** What was done without changing the record. */
  trail = () => {
    delete this.history.dataset.version;
    historyView(this.history, this.campaign);
  };

  /** What the server said of the list's lines. The record may have been read further while the answer was on its way. */
  uploaded({ facts, campaign }) {
    this.facts = facts;
    this.read = null;
    this.draw(campaign.version >= this.campaign.version ? campaign : this.campaign);
  }

  after = (campaign) => campaign?.version >= this.campaign.version && this.draw(campaign);

  reload = () => this.reader.read(true);

  /** The receipt is shown at once; the record is read afterwards. */
  onReceipt = (receipt) => {
    this.receipt = receipt;
    if (receipt.state === 'sending') this.draw(pressedAs(this.campaign, receipt));
    this.pressing.pressed();
    if (!this.campaign.pressed) this.pressing.show(this.pressedWords());
    say(this.pressedWords());
    this.reload();
  };

  live = (live) => {
    this.lastLive = live;
    this.blast.update(live, Object.keys(this.campaign.snapshot?.devices ?? {}));
    if (live.version > this.campaign.version) {
      if (live.pressed && live.state === 'sending') this.draw(pressedAs(this.campaign, live.pressed, live.run));
      this.reader.newer(live.version);
    } else if (this.kind !== kindOf(this.campaign) && !this.isKept()) {
      // The button was held when the state changed.
      this.drawStage();
    }
    this.panel?.live?.(live);
  };

  /** What is said of the press: the receipt, while there is one; else what the record says. Figures come from the live ones. */
  pressedWords() {
    const { campaign, receipt, lastLive } = this;
    const run = campaign.runs[campaign.runs.length - 1];
    const live = lastLive?.run?.kind === run?.kind && lastLive?.state === 'sending' ? lastLive : null;
    const shards = live?.shards ?? receipt?.shards ?? 0;
    const dispatched = Math.max(live?.shards_dispatched ?? 0, receipt?.dispatched ?? 0);
    if (receipt && run?.kind !== 'resume') return receiptWords(receipt, campaign.pressed ? campaign.state : receipt.state, dispatched, shards);
    if (run?.kind === 'resume' && campaign.state === 'sending') return `Resumed by ${who(run.stamp.by)} at ${exactly(run.stamp.at)}`;
    const way = live ? `, ${number(dispatched)} of ${number(shards)} on their way` : '';
    return `Pressed by ${who(campaign.pressed.by)} at ${exactly(campaign.pressed.at)}${way}`;
  }
}

/** Two records of one kind have the same stage: whoever is in it stays there, whatever else of the record changes. */
function kindOf(campaign) {
  const { state, armed, runs, stops, books, version } = campaign;
  if (state === 'ready') return state;
  if (state === 'armed') return `armed-${armed.stamp.at}-${runs.length}`;
  if (state === 'sending') return `sending-${runs.length}`;
  // After the end the record still changes: dead tokens are taken out of the device table.
  if (['stopping', 'stopped', 'done'].includes(state)) return JSON.stringify([state, runs.length, stops, books]);
  return `${state}-${version}`;
}

/** An armed record as it is once it was pressed, until it is read. A press makes at least the next version of it. */
function pressedAs(campaign, { by, at }, run) {
  if (campaign.state !== 'armed') return campaign;
  const stamp = { by, at };
  const made = { kind: 'press', epoch: campaign.epoch + 1, stamp, deadline_at: at + campaign.armed.frozen.deadline_ms };
  return { ...campaign, version: campaign.version + 1, state: 'sending', pressed: stamp, runs: [...campaign.runs, run?.kind === 'press' ? run : made] };
}

const stages = {
  draft: (page) => uploadPanel(page),
  failed: (page) => uploadPanel(page),
  building: (page) => buildingPanel(page),
  ready: (page) => preflightPanel(page),
  armed: armedStage,
  sending: sendingStage,
  stopping: (page) => ({ node: h('div', {}, stoppingPanel(page.campaign), page.blast.node) }),
  stopped: (page) => ({ node: h('div', {}, stoppedPanel(page), page.blast.node) }),
  done: doneStage,
};

function armedStage(page) {
  const { campaign } = page;
  const press = pressPanel(campaign, page.settings, page.pressing);
  const canary = async () => {
    const words = ['One batch in a hundred is sent now, to real devices if the gateways are the real ones. The press then sends the rest.'];
    if (await confirm({ title: 'Send a canary?', words, yes: 'Yes, send one in a hundred' })) page.after(await post(of(campaign.id, '/canary')));
  };
  const disarm = async () => {
    const words = ['The button does not work then. Arming again takes some seconds, or longer when the fleet is not ready.'];
    if (await confirm({ title: 'Disarm?', words, yes: 'Yes, disarm' })) page.after(await post(of(campaign.id, '/disarm')));
  };
  const ran = campaign.runs.some((run) => run.kind === 'canary');
  const node = h('div', { class: 'armed' },
    h('h2', { tabindex: -1 }, `Goes to ${number(count(campaign))} devices of ${number(campaign.snapshot.users)} people`),
    press.node,
    h('div', { class: 'row calm' },
      action('Send a canary', canary, { why: whyNot('canary') }), action('Disarm', disarm, { why: whyNot('disarm') })),
    ran && h('div', { class: 'canary' }, h('h3', {}, 'The canary'), page.blast.node));
  const stop = watchPreflight(campaign.id, press.warn, 5000);
  return { node, isHeld: press.isHeld, armedAt: campaign.armed.stamp.at, stop };
}

function sendingStage(page) {
  const words = h('h2', { class: 'receipt', tabindex: -1 }, page.pressedWords());
  const ago = h('p', { class: 'quiet' });
  const node = h('div', {}, h('div', { class: 'outcome' }, icon('good'), h('div', { class: 'grow' }, words, ago), stopButton(page)),
    page.blast.node);
  const live = () => {
    const run = page.campaign.runs[page.campaign.runs.length - 1];
    text(words, page.pressedWords());
    text(ago, `${span(now() - run.stamp.at)} ago`);
  };
  return { node, live };
}

function doneStage(page) {
  const { campaign } = page;
  const books = campaign.books;
  const words = h('p', { class: 'receipt' }, page.pressedWords());
  const node = h('div', {}, h('div', { class: 'outcome' }, icon('good'), h('div', {},
    h('h2', { tabindex: -1 }, `Done: ${number(books.accepted)} of ${number(books.devices)} accepted by Apple and Google`),
    words,
    h('p', {}, `The last outcome was there at ${exactly(campaign.done_at)}. `, h('a', { href: `/campaigns/${campaign.id}/report` }, 'Report')))),
  page.blast.node);
  // The receipt of who pressed second may come when all is sent.
  return { node, drawn: () => text(words, page.pressedWords()) };
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
    row('Armed', campaign.armed ? `by ${who(campaign.armed.stamp.by)}, ${when(campaign.armed.stamp.at)}` : wishWords(campaign) ?? 'not yet'),
    overrides.length > 0 && row('Overridden', overrides.map(([name, reason]) => h('p', {}, `${checkName(name)}: ${reason}`))),
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
  lookAt(campaign);
  const page = new Page(campaign, settings);
  show(campaign.name, page.node());
  page.draw(campaign);
  watch(campaign.id, { onLive: page.live, onState: page.blast.become });
  // After a time away nothing is as it was.
  document.addEventListener('visibilitychange', () => !document.hidden && page.reload());
}
