// The console in a browser, from the list to the report: `cargo xtask test --only browser`.

import { after, afterEach, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World, PEOPLE, cable, until } from './world.mjs';
import { PHONE, SLOW, finger, holdMouse, longHold, look, receipt, someFigures, tabTo } from './look.mjs';

let world;
before(async () => {
  world = await World.begin();
});
after(async () => world?.end());
// A test that failed must not keep the fleet from the next one.
afterEach(async () => world.free());

test('on a laptop: from the list to the report', async (t) => {
  const engineer = await world.person('Eve', 'engineer');
  await engineer.goto('/campaigns/new');
  await engineer.getByLabel('Name').fill('Final whistle');
  await engineer.getByLabel('Title').fill('It is over!');
  await engineer.getByLabel('Text').fill('Watch the last minute');
  await engineer.getByRole('button', { name: 'Add a language' }).click();
  await engineer.getByLabel('Tag').nth(1).fill('de');
  await engineer.getByLabel('Title').nth(1).fill('Aus!');
  await look(engineer, world.shots, 'laptop-1-new');
  await engineer.getByRole('button', { name: 'Create' }).click();
  await engineer.waitForURL(/campaigns\/[0-9a-f-]{36}$/);
  await engineer.getByText('Choose a list').waitFor();
  await look(engineer, world.shots, 'laptop-2-draft');
  await engineer.setInputFiles('#list', world.list('users.csv', 300, ['nobody1', 'nobody2', ' spaced', 'user1']));
  const ready = engineer.getByRole('button', { name: 'Arm', exact: true });
  await ready.waitFor();
  await engineer.getByText('1 of 304 lines can not be used').waitFor();
  await engineer.getByText('nobody with this id has a device').click();
  await engineer.getByText('nobody2').waitFor();
  assert.match(await engineer.locator('details', { hasText: 'nobody with this id' }).innerText(), /2\s+nobody1\s+3\s+nobody2/);
  await engineer.getByLabel('Language').selectOption('de');
  await engineer.locator('.phones').getByText('Aus!').first().waitFor();
  await look(engineer, world.shots, 'laptop-3-ready');
  await ready.click();
  const marketer = await world.person('Mia', 'marketer');
  await marketer.goto(engineer.url());
  await marketer.locator('#press').waitFor();
  const details = marketer.locator('.card', { has: marketer.getByRole('heading', { name: 'Details' }) });
  await details.getByText('nothing is sent later than 10 min after the press').waitFor();
  await details.getByText(/^by Eve, /).first().waitFor();
  await look(marketer, world.shots, 'laptop-4-armed');
  // The receipt waits for nothing but the press's own answer: this page gets no figures and no record before it is there.
  let open;
  const gate = new Promise((then) => (open = then));
  const later = (route) => gate.then(() => route.continue()).catch(() => {});
  await marketer.route('**/live', later);
  await marketer.reload();
  await marketer.locator('#press').waitFor();
  await marketer.route(`**${new URL(engineer.url()).pathname.replace('/campaigns', '/v1/campaigns')}`, later);
  await marketer.evaluate(() => new MutationObserver((_, watch) => {
    if (!document.querySelector('.receipt')) return;
    watch.disconnect();
    window.drawn = performance.now();
  }).observe(document.body, { childList: true, subtree: true }));
  await holdMouse(marketer, () => receipt(marketer).waitFor());
  const took = await marketer.evaluate(() => window.drawn - performance.getEntriesByType('resource').find((one) => one.name.endsWith('/press')).startTime);
  t.diagnostic(`from the hand's request to the receipt: ${Math.round(took)} ms`);
  assert.ok(took < 5000, `the receipt took ${took} ms`);
  assert.match(await receipt(marketer).innerText(), /^Pressed by you at \d\d:\d\d:\d\d\.\d{3}, \d+ of 50 on their way(; the rest follows by itself)?$/);
  open();
  await receipt(marketer).filter({ hasText: /^Pressed by you at \d\d:\d\d:\d\d\.\d{3}(, 50 of 50 on their way)?$/ }).waitFor();
  await marketer.getByText('Done: 300 of 300 accepted by Apple and Google').waitFor();
  await engineer.getByText(/Pressed by Mia at/).waitFor();
  await look(marketer, world.shots, 'laptop-5-done');
  await marketer.getByRole('link', { name: 'Report' }).first().click();
  await marketer.getByRole('heading', { name: 'Report: Final whistle' }).waitFor();
  await look(marketer, world.shots, 'laptop-6-report');
  await marketer.emulateMedia({ media: 'print' });
  await marketer.pdf({ path: `${world.shots}/report.pdf` });
  const [download] = await Promise.all([marketer.waitForEvent('download'), marketer.emulateMedia({ media: 'screen' }).then(() => marketer.getByRole('link', { name: 'CSV' }).click())]);
  const csv = await (await import('node:fs/promises')).readFile(await download.path(), 'utf8');
  assert.match(csv, /^devices,,accepted,300\r$/m);
  assert.match(csv, /^outcome,apns,accepted,150\r$/m);
});

test('what can not be used of a list is shown, also when its record is there before the answer', async () => {
  const page = await world.person('Eve', 'engineer');
  // The answer of the upload comes to the page when the test says so.
  await page.addInitScript(() => {
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (body) {
      const then = this.onload;
      this.onload = () => { window.answer = then; };
      send.call(this, body);
    };
  });
  const content = { texts: { en: { title: 'It is over!', body: '' } }, default_locale: 'en' };
  const { id } = await world.ask('POST', '/v1/campaigns', { name: 'late answer', content });
  await page.goto(`/campaigns/${id}`);
  await page.setInputFiles('#list', world.list('late.csv', 30, [' spaced']));
  await page.getByRole('button', { name: 'Arm', exact: true }).waitFor();
  await page.waitForFunction(() => window.answer);
  assert.equal(await page.getByText('1 of 31 lines can not be used').count(), 0);
  await page.evaluate(() => window.answer());
  await page.getByText('1 of 31 lines can not be used').waitFor();
  await page.getByRole('button', { name: 'Arm', exact: true }).waitFor();
});

test('who is on the page of a finished campaign stays where they are when its dead tokens are taken out', async () => {
  const id = await world.armed('tidied', 50);
  await world.ask('POST', `/v1/campaigns/${id}/press`, {});
  const { version } = await until('the tokens are taken out', async () => {
    const campaign = await world.ask('GET', `/v1/campaigns/${id}`);
    return typeof campaign.tokens_removed === 'number' && campaign;
  });
  const page = await world.person('Mia', 'marketer');
  await page.goto(`/campaigns/${id}`);
  await page.getByText(/^Done: /).waitFor();
  await tabTo(page, 'Report');
  await page.evaluate(() => { window.at = document.activeElement; });
  // As if that were done now.
  await page.route(`**/v1/campaigns/${id}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), version: version + 1, tokens_removed: 7 } });
  });
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await page.locator(`[data-version="${version + 1}"]`).waitFor();
  assert.ok(await page.evaluate(() => document.activeElement === window.at && window.at.closest('.stage') !== null), 'the focus stays');
});

test('on a phone, 360 pixels wide, by touch', async () => {
  const id = await world.armed('phone', 200);
  const page = await world.person('Mia', 'marketer', { ...PHONE, colorScheme: 'dark' });
  await longHold(page);
  await page.goto('/');
  await page.getByText('phone').first().waitFor();
  await look(page, world.shots, 'phone-1-list');
  await page.goto(`/campaigns/${id}`);
  const button = page.locator('#press');
  await button.waitFor();
  await look(page, world.shots, 'phone-2-armed');
  const box = await button.boundingBox();
  assert.ok(box.width >= 176 && Math.abs(box.width - box.height) < 2, 'it is large, and a square');
  const touch = await finger(page);
  await touch.down();
  await touch.up();
  await page.getByText('Too short: nothing was sent').waitFor();
  assert.equal((await world.ask('GET', `/v1/campaigns/${id}`)).state, 'armed');
  await page.unroute('**/v1/console');
  await page.reload();
  await page.getByText('Hold for 0.4 s.').waitFor();
  await touch.down();
  await receipt(page).waitFor();
  await touch.up();
  await page.getByText('Done: 200 of 200').waitFor();
  await look(page, world.shots, 'phone-3-done');
  await page.goto(`/campaigns/${id}/report`);
  await page.getByRole('heading', { name: 'Outcomes', exact: true }).waitFor();
  await look(page, world.shots, 'phone-4-report');
  for (const [where, name] of [['/fleet', 'Fleet'], ['/audit', 'Audit trail'], ['/campaigns/new', 'New campaign']]) {
    await page.goto(where);
    await page.getByRole('heading', { name }).waitFor();
    await look(page, world.shots, `phone-5${where.replaceAll('/', '-')}`);
  }
});

test('by keyboard alone, on a phone of 390 pixels', async () => {
  const page = await world.person('Kim', 'admin', { viewport: { width: 390, height: 844 } });
  await longHold(page);
  const list = world.list('keys.csv', PEOPLE);
  // The chooser itself is the browser's; what it gives is set here.
  page.on('filechooser', (chooser) => chooser.setFiles(list));
  // Where the focus is after what was done: never nowhere.
  const isAt = async (where) => assert.ok(await page.evaluate((at) => document.activeElement.closest(at) !== null, where), `the focus is in ${where}`);
  await page.goto('/');
  await page.getByRole('link', { name: 'New campaign' }).waitFor();
  await tabTo(page, 'New campaign');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'New campaign' }).waitFor();
  await tabTo(page, 'Name');
  await page.keyboard.type('keys');
  await tabTo(page, 'Title');
  await page.keyboard.type('Now');
  await tabTo(page, 'Create');
  await page.keyboard.press('Enter');
  await page.getByText('Choose a list').waitFor();
  await tabTo(page, /^Choose a list/);
  await page.keyboard.press('Space');
  await page.getByRole('button', { name: 'Arm', exact: true }).waitFor();
  await tabTo(page, 'Arm');
  await page.keyboard.press('Enter');
  await page.locator('#press').waitFor();
  await world.behave(SLOW);
  await tabTo(page, /^Press: send/);
  await page.keyboard.press('Space');
  await page.getByText('Too short: nothing was sent').waitFor();
  await page.keyboard.down('Space');
  await receipt(page).waitFor();
  await page.keyboard.up('Space');
  assert.match(await receipt(page).innerText(), /^Pressed by you at/);
  await someFigures(page);
  await tabTo(page, 'Stop');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await isAt('dialog');
  await page.keyboard.press('Escape');
  // A closed dialog is out of sight a moment before its answer is read: only then is the button one again.
  await page.getByRole('button', { name: 'Stop', exact: true }).waitFor();
  assert.equal(await page.locator('dialog').count(), 0, 'the question is gone');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Stop', 'who goes back is where they were');
  await page.keyboard.press('Enter');
  await tabTo(page, 'Yes, stop');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /^Stopped: / }).waitFor();
  await isAt('.stage');
  await world.behave();
  await tabTo(page, 'Resume');
  await page.keyboard.press('Enter');
  await tabTo(page, 'Yes, send the rest');
  await page.keyboard.press('Enter');
  await page.getByText(/^Done: /).waitFor();
  await isAt('.stage');
  await tabTo(page, 'Report');
  await isAt('.stage');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Report: keys' }).waitFor();
  await tabTo(page, 'CSV');
  await tabTo(page, 'Outcomes');
});

test('two people press at once: each has an answer, and nothing is sent twice', async () => {
  const id = await world.armed('both', 1000);
  await world.forget();
  const people = await Promise.all([world.person('Ada', 'marketer'), world.person('Bob', 'marketer')]);
  await Promise.all(people.map(async (page) => {
    // Both hands are down before either of them has pressed.
    await longHold(page);
    await page.goto(`/campaigns/${id}`);
    await page.locator('#press').hover();
  }));
  await Promise.all(people.map((page) => page.mouse.down()));
  // Before its own answer a page says what it hears of the other's press.
  const words = await Promise.all(people.map((page) => receipt(page).filter({ hasText: /^(Pressed by you|Already pressed by)/ }).innerText()));
  await Promise.all(people.map((page) => page.mouse.up()));
  const first = words.filter((text) => /^Pressed by you/.test(text));
  const second = words.filter((text) => /^Already pressed by (Ada|Bob) [\d.]+ s ago, at [\d:.]+\. (Nothing was sent twice|It is finished)\.$/.test(text));
  assert.deepEqual([first.length, second.length], [1, 1], words.join(' | '));
  await world.state(id, 'done');
  const journal = await world.journal();
  assert.deepEqual([journal.accepted_devices, journal.duplicates], [1000, 0]);
});

test('with less motion the button fills in quarters, for as long as the setting says', async () => {
  const id = await world.armed('calm', 50);
  const page = await world.person('Mia', 'marketer', { reducedMotion: 'reduce' });
  await longHold(page, 10000);
  await page.goto(`/campaigns/${id}`);
  await page.getByText('Hold for 10 s.').waitFor();
  /** How full it was drawn, and in how many frames, until the mouse slips off in mid-hold. */
  const filled = async () => {
    await page.evaluate(() => {
      window.drawn = new Set();
      window.painted = 0;
      const fill = document.querySelector('.press-fill');
      const note = () => window.drawn.add(Number(fill.style.getPropertyValue('--held')));
      new MutationObserver(note).observe(fill, { attributeFilter: ['style'] });
      const mine = window.drawn;
      const count = () => {
        if (window.drawn !== mine) return;
        window.painted += fill.closest('.held') ? 1 : 0;
        requestAnimationFrame(count);
      };
      requestAnimationFrame(count);
    });
    await page.locator('#press').hover();
    await page.mouse.down();
    await page.waitForFunction(() => Math.max(...window.drawn) >= 0.25);
    const seen = await page.evaluate(() => [[...window.drawn], window.painted]);
    await page.mouse.move(5, 5);
    await page.getByText('Cancelled: nothing was sent').waitFor();
    await page.mouse.up();
    return seen;
  };
  const [calm] = await filled();
  assert.ok(calm.every((share) => Number.isInteger(share * 4)), `it fills in quarters: ${calm}`);
  const moving = () => page.evaluate(() => [...document.querySelectorAll('*')].filter((node) => {
    const { animationName, transitionDuration } = getComputedStyle(node);
    return animationName !== 'none' || parseFloat(transitionDuration) > 0;
  }).map((node) => node.outerHTML));
  assert.deepEqual(await moving(), []);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  const [smooth, painted] = await filled();
  assert.ok(smooth.some((share) => !Number.isInteger(share * 4)) && smooth.length >= painted - 1, `otherwise each of ${painted} frames is another: ${smooth.length}, ${smooth}`);
  await world.ask('POST', `/v1/campaigns/${id}/disarm`, {});
});

test('slipping off or letting go presses nothing; a question does instead', async () => {
  const id = await world.armed('cat', 50);
  const page = await world.person('Mia', 'marketer');
  await longHold(page);
  let asked = 0;
  page.on('request', (request) => (asked += request.url().endsWith('/press') ? 1 : 0));
  await page.goto(`/campaigns/${id}`);
  await page.locator('#press').hover();
  await page.mouse.down();
  await page.mouse.move(5, 5);
  await page.getByText('Cancelled: nothing was sent').waitFor();
  await page.mouse.up();
  await page.locator('#press').focus();
  await page.keyboard.down('Enter');
  await page.locator('.press.held').waitFor();
  const began = await page.evaluate(() => {
    document.getElementById('press-how').textContent = '';
    document.activeElement.blur();
    return performance.now();
  });
  await page.getByText('Cancelled: nothing was sent').waitFor();
  // The time of a hold passes with the key still down.
  await page.waitForFunction((at) => performance.now() - at > 6500, began);
  await page.keyboard.up('Enter');
  assert.equal(asked, 0);
  assert.equal((await world.ask('GET', `/v1/campaigns/${id}`)).state, 'armed');
  await page.getByRole('button', { name: /Can’t hold/ }).click();
  await page.getByRole('dialog').getByText('goes to 50 devices at once').waitFor();
  await look(page, world.shots, 'question');
  await page.getByRole('button', { name: 'Yes, press' }).click();
  await page.getByText('Done: 50 of 50').waitFor();
});

test('what turns red after the arming warns, and the button works', async () => {
  const id = await world.armed('red', 50);
  const page = await world.person('Mia', 'marketer');
  await page.route('**/preflight', async (route) => {
    const answer = await route.fetch();
    const preflight = await answer.json();
    Object.assign(preflight.checks.find((check) => check.name === 'push_workers'), { light: 'red', sentence: '0 of 5 push workers ready (0 live)' });
    await route.fulfill({ response: answer, json: { ...preflight, go: false } });
  });
  await page.goto(`/campaigns/${id}`);
  await page.getByText('The button works all the same').waitFor();
  await page.getByText('0 of 5 push workers ready').waitFor();
  await look(page, world.shots, 'warned');
  await holdMouse(page, () => receipt(page).waitFor());
  await page.getByText('Done: 50 of 50').waitFor();
});

test('a connection lost in mid-blast is said, and mended by itself; a new page shows the same', async () => {
  await world.behave(SLOW);
  const id = await world.armed('lost', PEOPLE);
  const way = await cable(new URL(world.url).port);
  try {
    const page = await world.person('Mia', 'marketer', { url: way.url });
    await page.goto(`/campaigns/${id}`);
    await holdMouse(page, () => receipt(page).waitFor());
    const before = await someFigures(page);
    await page.reload();
    const after = await someFigures(page);
    assert.ok(after >= before, `${before} % before the reload, ${after} % after it`);
    assert.match(await receipt(page).innerText(), /^Pressed by you at /);
    way.cut();
    await page.locator('.lost', { hasText: /^Connection lost\. The figures are from \d\d:\d\d:\d\d, trying again\.$/ }).waitFor();
    await page.screenshot({ path: `${world.shots}/lost.png` });
    way.mend();
    await page.locator('.lost').waitFor({ state: 'hidden' });
    await look(page, world.shots, 'mended');
    await world.behave();
    await page.getByText(`Done: ${PEOPLE.toLocaleString('en-GB')} of`).waitFor();
    // The record may be newer than the last figures.
    await page.getByText(`${PEOPLE.toLocaleString('en-GB')} of ${PEOPLE.toLocaleString('en-GB')} devices have an outcome`, { exact: true }).waitFor();
    const seen = await page.locator('.tiles').innerText();
    await page.reload();
    await page.locator('.tiles').waitFor();
    await until('the same figures', async () => (await page.locator('.tiles').innerText()) === seen);
  } finally {
    way.end();
    await world.behave();
  }
});

test('a test to two phones before the press, by keyboard, and the press reaches them too', async () => {
  const dead = 'fcm-dead-'.padEnd(140, 'y');
  const line = (person, platform, token) => JSON.stringify({ person, platform, token, locale: 'de-DE' });
  const lists = [['team', [line("Ann's iPhone", 'apns', '0'.padStart(64, '0')), line('Bo', 'fcm', 'fcm-1-'.padEnd(140, 'x'))]],
    ['wrong', [line('Cleo', 'fcm', dead), line('Ann', 'apns', 'ab'.repeat(32))]]];
  for (const [name, rows] of lists) await world.ask('PUT', `/v1/testers/${name}`, rows.join('\n'), 'application/x-ndjson');
  const id = await world.campaign('probe', 50);
  await world.forget();
  const page = await world.person('Mia', 'marketer', { ...PHONE, hasTouch: false, isMobile: false });
  await page.goto(`/campaigns/${id}`);
  const card = page.getByRole('region', { name: 'Send a test' });
  await card.getByText('team (2 devices)').waitFor({ state: 'attached' });
  await tabTo(page, 'List of testers');
  await page.keyboard.type('team');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await tabTo(page, 'Run the test');
  await page.keyboard.press('Enter');
  await card.getByText('dry run: 2 of 2 devices are good, and nothing was sent to a phone').waitFor();
  await card.getByText('not sent: Apple has no dry run').waitFor();
  await look(page, world.shots, 'probe-1-dry');
  assert.equal((await world.journal()).accepted_devices, 0, 'a dry run reaches nobody');
  await card.getByLabel(/Dry run/).uncheck();
  await card.getByRole('button', { name: 'Run the test' }).click();
  await card.getByText('2 of 2 devices accepted by Apple and Google').waitFor();
  await card.getByText(/200, id .+ ms/).first().waitFor();
  assert.equal((await world.journal()).accepted_devices, 2);
  await page.getByText(/tested it/).first().waitFor();
  await world.behave({ dead_share: 1 });
  await card.getByLabel('List of testers').selectOption('wrong');
  await card.getByRole('button', { name: 'Run the test' }).click();
  await card.getByText('0 of 2 devices accepted').waitFor();
  await card.getByText('the token is dead').first().waitFor();
  await look(page, world.shots, 'probe-2-dead');
  await world.behave();
  await card.getByLabel('List of testers').selectOption('');
  await card.getByRole('button', { name: 'Run the test' }).click();
  await card.getByText('rendered and measured only').waitFor();
  await look(page, world.shots, 'probe-3-rendered');
  await world.ask('POST', `/v1/campaigns/${id}/arm`, {});
  await page.locator('#press').waitFor();
  await card.waitFor();
  await holdMouse(page, () => receipt(page).waitFor());
  await page.getByText('Done: 50 of 50').waitFor();
  await card.waitFor({ state: 'hidden' });
  const { accepted_devices: devices, duplicates } = await world.journal();
  assert.deepEqual([devices, duplicates], [50, 2], 'the two testers got a test and the real one');
  const viewer = await world.person('Vic', 'viewer');
  const other = await world.campaign('probe2', 5);
  await viewer.goto(`/campaigns/${other}`);
  await viewer.getByRole('region', { name: 'Send a test' }).getByText('needs role marketer or engineer or sre').waitFor();
});

test('another zone and language, and a clock a day wrong', async () => {
  const id = await world.armed('zone', 50);
  const page = await world.person('Yui', 'marketer', { locale: 'ja-JP', timezoneId: 'Asia/Tokyo', colorScheme: 'dark' });
  await page.addInitScript(() => {
    const real = Date.now;
    Date.now = () => real() + 86400000;
  });
  await page.goto(`/campaigns/${id}`);
  await page.locator('#press').waitFor();
  await page.getByText(/Asia\/Tokyo/).waitFor();
  await holdMouse(page, () => receipt(page).waitFor());
  const { pressed } = await world.state(id, 'done');
  const time = new Intl.DateTimeFormat('ja-JP', { timeZone: 'Asia/Tokyo', hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 }).format(pressed.at);
  await page.getByText(time).first().waitFor();
  await page.goto('/fleet');
  assert.match(await page.locator('tbody tr td:last-child').first().innerText(), /^\d+(\.\d)? s ago$/);
});

test('old figures on a good connection are said to be old, and the connection not to be lost', async () => {
  const id = await world.campaign('old', 50);
  const page = await world.person('Vic', 'viewer');
  // From then on the page gets the time only.
  await page.addInitScript(() => {
    const listen = EventSource.prototype.addEventListener;
    const silence = { last: performance.now(), longest: 0 };
    window.silent = () => Math.max(silence.longest, performance.now() - silence.last);
    EventSource.prototype.addEventListener = function (name, then) {
      if (name === 'beat') this.beat = then;
      listen.call(this, name, (event) => {
        silence.longest = window.silent();
        silence.last = performance.now();
        if (name === 'live' && window.noFigures) return this.beat(event);
        window.hadFigures ||= name === 'live';
        return then(event);
      });
    };
  });
  await page.goto(`/campaigns/${id}`);
  await page.waitForFunction(() => window.hadFigures);
  await page.evaluate(() => { window.noFigures = true; });
  // On a machine that stood still it may rightly count as lost for a while, and is then old again.
  const said = await page.waitForFunction(() => {
    const words = /no new figures|Connection lost/.exec(document.getElementById('said').textContent)?.[0];
    return words === 'Connection lost' && window.silent() > 3500 ? null : words;
  });
  assert.equal(await said.jsonValue(), 'no new figures');
});
