// The button when the answer is lost, slow, late or wrong: it never presses later than the hand meant, and always says what
// is known.

import { after, afterEach, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World, PEOPLE, cable, until } from './world.mjs';
import { SLOW, holdMouse, look } from './look.mjs';

let world;
before(async () => {
  world = await World.begin();
});
after(async () => world?.end());
// A test that failed must not keep the fleet from the next one.
afterEach(async () => world.free());

const receipt = (page) => page.locator('.receipt');
const notice = (page) => page.locator('.press-notice');
const stateOf = async (id) => (await world.ask('GET', `/v1/campaigns/${id}`)).state;
const problem = (status, type, detail) => ({ status, contentType: 'application/problem+json', json: { type: `/problems/${type}`, status, detail } });

/** A marketer before an armed button, and how often the page has asked to press. */
async function ready(name, people, options) {
  const id = await world.armed(name, people);
  const page = await world.person('Mia', 'marketer', options);
  const asked = [];
  page.on('request', (request) => request.url().endsWith('/press') && asked.push(request.postDataJSON()));
  await page.goto(`/campaigns/${id}`);
  await page.locator('#press').waitFor();
  return { id, page, asked };
}

/** From now on nothing tells this page what becomes of its campaign, or the time. */
async function alone(page) {
  await page.route('**/live', (route) => route.abort());
  await page.route('**/preflight', (route) => route.abort());
  await page.reload();
  await page.locator('#press').waitFor();
}

/** Holds the button until the page says this about the press. */
const holdUntil = (page, words) => holdMouse(page, () => notice(page).getByText(words).waitFor());

test('who stops trying is told when it is certain that nothing was pressed', async () => {
  const { id, page, asked } = await ready('quitter', 50);
  // With no word of the time its clock stays as it is.
  await alone(page);
  await page.route('**/press', (route) => route.abort());
  await holdUntil(page, 'Trying again, 15 s at most');
  await page.getByRole('button', { name: 'Stop trying', exact: true }).click();
  await notice(page).getByText(/^Stopped trying\. It is not pressed so far\. What is still on its way counts until /).waitFor();
  const tries = asked.length;
  await notice(page).getByText('Stopped trying. It was not pressed.').waitFor();
  await look(page, world.shots, 'press-2-not');
  assert.deepEqual([asked.length, await stateOf(id)], [tries, 'armed']);
  const { armed } = await world.ask('GET', `/v1/campaigns/${id}`);
  assert.ok(asked.every((body) => body.armed_at === armed.stamp.at), JSON.stringify(asked));
  const limits = asked.map((body) => body.not_after);
  assert.ok(Math.max(...limits) - Math.min(...limits) < 100, `each try is meant until the same moment: ${limits}`);
  await page.unroute('**/press');
  await holdMouse(page, () => receipt(page).waitFor());
  assert.equal(await notice(page).isVisible(), false);
  await world.state(id, 'done');
});

test('without a network it gives up, says that it does not know, and looks until it does', async () => {
  const way = await cable(new URL(world.url).port);
  try {
    const { id, page, asked } = await ready('no network', 50, { url: way.url });
    way.cut();
    const began = Date.now();
    await holdUntil(page, 'Trying again, 15 s at most');
    await look(page, world.shots, 'press-1-trying');
    await notice(page).getByText(/does not try any more after 15 s.*We don’t know whether it was pressed/).waitFor();
    assert.ok(Date.now() - began > 14000, 'it had tried');
    await page.screenshot({ path: `${world.shots}/press-3-unknown.png` });
    const tries = asked.length;
    way.mend();
    await notice(page).getByText(/does not try any more after 15 s.* It was not pressed\.$/).waitFor();
    assert.deepEqual([asked.length, await stateOf(id)], [tries, 'armed']);
  } finally {
    way.end();
  }
});

test('a page that is hidden does not press later', async () => {
  const { id, page, asked } = await ready('hidden', 50);
  await page.route('**/press', (route) => route.abort());
  await holdUntil(page, 'Trying again');
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await notice(page).getByText('This page was hidden, and does not try any more.').waitFor();
  const tries = asked.length;
  await page.unroute('**/press');
  await notice(page).getByText('It was not pressed.').waitFor();
  assert.deepEqual([asked.length, await stateOf(id)], [tries, 'armed']);
});

test('what was armed anew meanwhile is not pressed by an older hand', async () => {
  const { id, page } = await ready('anew', 50);
  // Nothing tells this page of it.
  await alone(page);
  await world.ask('POST', `/v1/campaigns/${id}/disarm`, {});
  await world.ask('POST', `/v1/campaigns/${id}/arm`, {});
  await page.evaluate(() => { document.getElementById('press').dataset.old = 'yes'; });
  await holdUntil(page, /^It was not pressed: it was armed anew by .* since: look at it, and press again$/);
  assert.equal(await stateOf(id), 'armed');
  // The button of the new arming is there, and works.
  await page.locator('#press:not([data-old])').waitFor();
  await holdMouse(page, () => receipt(page).waitFor());
  await world.state(id, 'done');
});

test('a balancer’s faults, a limit and a foreign page in between are no answer', async () => {
  const { id, page, asked } = await ready('faults', 50);
  const faults = [{ status: 502, contentType: 'text/html', body: 'Bad Gateway' }, problem(429, 'too_many', 'too many requests'), { status: 200, contentType: 'text/html', body: 'Sign in to the WiFi' }];
  await page.route('**/press', (route) => (faults.length > 0 ? route.fulfill(faults.shift()) : route.continue()));
  // An answer that takes more than three seconds is asked for again.
  let late = 0;
  page.on('requestfailed', (request) => (late += request.url().endsWith('/press') ? 1 : 0));
  await holdMouse(page, () => receipt(page).waitFor());
  assert.match(await receipt(page).innerText(), /^Pressed by you at/);
  assert.equal(asked.length, 4 + late);
  await world.state(id, 'done');
});

test('who is signed out in mid-press reads so, and is not led away', async () => {
  const { id, page } = await ready('signed out', 50);
  await page.route('**/press', (route) => route.fulfill(problem(401, 'not_signed_in', 'this token was revoked')));
  await holdUntil(page, 'It was not pressed: this token was revoked');
  await notice(page).getByRole('link', { name: 'Sign in' }).waitFor();
  await look(page, world.shots, 'press-4-signed-out');
  await page.context().clearCookies();
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await page.waitForResponse((answer) => answer.status() === 401);
  assert.equal(new URL(page.url()).pathname, `/campaigns/${id}`);
  assert.equal(await stateOf(id), 'armed');
});

test('while the answer is slow, what is sent is seen and can be stopped', async () => {
  await world.behave(SLOW);
  const { id, page } = await ready('slow', PEOPLE);
  let open;
  const gate = new Promise((then) => (open = then));
  await page.route('**/press', async (route) => {
    const response = await route.fetch();
    await gate;
    await route.fulfill({ response }).catch(() => {});
  });
  await holdMouse(page, () => page.getByRole('button', { name: 'Stop', exact: true }).waitFor());
  await until('some figures', async () => parseFloat(await page.locator('.share').innerText()) > 0);
  assert.match(await receipt(page).innerText(), /^Pressed by you at [\d:.]+, \d+ of 50 on their way/);
  open();
  let lost = 2;
  await page.route('**/abort', (route) => ((lost -= 1) >= 0 ? route.fulfill({ status: 504, body: 'Gateway Timeout' }) : route.continue()));
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('button', { name: 'Yes, stop' }).click();
  await page.getByRole('heading', { name: /^Stopped: / }).waitFor();
  await world.behave();
  await world.state(id, 'stopped');
});

test('with a slow way to the server each page follows, and asks little', async () => {
  const { id, page } = await ready('far', 200);
  const watcher = await world.person('Vic', 'viewer');
  const asked = { page: 0, watcher: 0 };
  for (const [name, one] of Object.entries({ page, watcher })) {
    await one.route(`**/v1/campaigns/${id}`, async (route) => {
      asked[name] += 1;
      const response = await route.fetch();
      await new Promise((then) => setTimeout(then, 400));
      await route.fulfill({ response });
    });
  }
  await watcher.goto(`/campaigns/${id}`);
  await watcher.locator('#press').waitFor();
  const { version: armed } = await world.ask('GET', `/v1/campaigns/${id}`);
  await holdMouse(page, () => receipt(page).waitFor());
  await Promise.all([page, watcher].map((one) => one.getByText('Done: ').first().waitFor()));
  // Each change of the record is read once; besides there is the first look, and the one after the press.
  const so = { ...asked };
  const most = (await world.ask('GET', `/v1/campaigns/${id}`)).version - armed + 2;
  assert.ok(most <= 8 && so.page <= most && so.watcher <= most, `${JSON.stringify(so)}, of ${most}`);
});

test('who presses second reads how long ago it was, by the server’s clock', async () => {
  await world.behave(SLOW);
  const { id, page } = await ready('second', PEOPLE);
  // Nothing tells this page that it was pressed.
  await alone(page);
  const { at } = await world.ask('POST', `/v1/campaigns/${id}/press`, {});
  await until('three seconds', async () => Date.now() - at > 3000);
  await holdMouse(page, () => receipt(page).waitFor());
  const [, ago] = (await receipt(page).innerText()).match(/^Already pressed by .* ([\d.]+) s ago, at [\d:.]+\. Nothing was sent twice\.$/);
  assert.ok(Number(ago) >= 2.5 && Number(ago) < 20, `${ago} s`);
  await world.behave();
  await world.state(id, 'done');
});

test('a press whose answer is lost is asked again, and is still ours', async () => {
  const id = await world.armed('again', 50);
  const page = await world.person('Mia', 'marketer');
  let lost = 0;
  await page.route('**/press', async (route) => {
    lost += 1;
    if (lost > 1) return route.continue();
    await route.fetch();
    return route.abort();
  });
  await page.goto(`/campaigns/${id}`);
  await page.locator('#press').hover();
  await page.mouse.down();
  await receipt(page).waitFor();
  await page.mouse.up();
  assert.match(await receipt(page).innerText(), /^Pressed by you at /);
  await world.state(id, 'done');
});
