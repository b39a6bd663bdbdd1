// Arming: what hinders it and what to do about it, who may override that, and where it takes two.

import { after, afterEach, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './world.mjs';
import { PHONE, holdMouse, look } from './look.mjs';

// Google allows ten messages a second here, and its access tokens are renewed within minutes.
let world;
before(async () => {
  world = await World.begin({ quota: 600, behaviour: { access_token_life_s: 240 } });
});
after(async () => world?.end());
// A test that failed must not keep the fleet from the next one.
afterEach(async () => world.free());

const check = (page, name) => page.locator('.check', { hasText: name });
const said = (page) => page.locator('.arm').getByRole('alert');

/** Who arms hastily: what is red has a little time to turn green, and no more. */
const hasty = (page) => page.route('**/arm', (route) => route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), wait_ms: 2000 }) }));

/** A page of somebody who looks at a campaign, and arms it hastily. */
async function looking(name, role, id, options) {
  const page = await world.person(name, role, options);
  await hasty(page);
  await page.goto(`/campaigns/${id}`);
  return page;
}

test('what is red hinders: an engineer reads what to do, an sre overrides it with a reason, and the trail keeps it', async () => {
  // 70 of them are Google's.
  const id = await world.campaign('tight', 140, { deadline_ms: 6000 });
  const engineer = await looking('Eve', 'engineer', id);
  await engineer.getByRole('heading', { name: '1 of 13 checks hinder the arming' }).waitFor();
  const sentence = /at 10\/s, fcm.s 70 devices take about 7 s; ask for more quota early/;
  for (const [name, word, words] of [['Quota', 'not good', sentence], ['Credentials', 'look at it', /the credentials for fcm are renewed within \d+ s/]]) {
    await check(engineer, name).getByText(word).waitFor();
    assert.match(await check(engineer, name).innerText(), words);
  }
  await engineer.getByText('11 of 13 checks are good').waitFor();
  await engineer.getByRole('button', { name: 'Arm', exact: true }).click();
  await said(engineer).getByText(sentence).waitFor();
  assert.match(await said(engineer).innerText(), /^Not armed\. Quota: at 10.*Mend that, then arm again; or ask somebody of role sre, who may override it with a reason\.$/);
  assert.equal(await engineer.locator('.overrides').isVisible(), false, 'an engineer is not asked for a reason');
  await look(engineer, world.shots, 'arming-1-engineer');

  const sre = await looking('Sam', 'sre', id, PHONE);
  await sre.getByText('Override a check, with a reason').waitFor();
  await sre.getByRole('button', { name: 'Arm', exact: true }).tap();
  await said(sre).getByText(/^Not armed\. Quota: .* or override it below with a reason; then arm again\.$/).waitFor();
  await look(sre, world.shots, 'arming-2-sre');
  await sre.getByLabel('Quota').fill('Google raised it by phone');
  await sre.unroute('**/arm');
  await sre.getByRole('button', { name: 'Arm', exact: true }).tap();
  await sre.locator('#press').waitFor();
  await sre.getByText('Quota: Google raised it by phone').waitFor();
  await look(sre, world.shots, 'arming-3-armed');

  // Nobody who presses is warned of what was known before.
  const marketer = await world.person('Mia', 'marketer');
  const seen = marketer.waitForResponse((answer) => answer.url().endsWith('/preflight'));
  await marketer.goto(`/campaigns/${id}`);
  assert.equal((await (await seen).json()).checks.find((one) => one.name === 'gateway_quota').light, 'red');
  await marketer.locator('#press').waitFor();
  assert.equal(await marketer.locator('.warnings').isVisible(), false);

  // What another campaign has can not be overridden.
  const other = await world.campaign('other', 5);
  await hasty(sre);
  await sre.goto(`/campaigns/${other}`);
  await sre.getByRole('button', { name: 'Arm', exact: true }).tap();
  await said(sre).getByText(/^Not armed\. Fleet: the fleet is taken: `tight` is armed\. Disarm that one or let it end, then arm again/).waitFor();
  assert.equal(await sre.locator('.overrides').isVisible(), false);
  await look(sre, world.shots, 'arming-4-taken');

  // The engineer's way: more time. Then it is to be looked at, and no more in the way.
  await engineer.getByRole('button', { name: 'Disarm' }).click();
  await engineer.getByRole('button', { name: 'Yes, disarm' }).click();
  await engineer.getByRole('link', { name: 'Edit' }).click();
  await engineer.getByLabel(/^Deadline/).fill('10');
  await engineer.getByRole('button', { name: 'Save' }).click();
  await check(engineer, 'Quota').getByText('look at it').waitFor();
  await engineer.getByRole('heading', { name: 'Everything is ready' }).waitFor();
  await engineer.unroute('**/arm');
  await engineer.getByRole('button', { name: 'Arm', exact: true }).click();
  await engineer.locator('#press').waitFor();
  await engineer.goto(`/audit?campaign=${id}`);
  const row = engineer.getByRole('row').filter({ hasText: 'overrode a check' });
  assert.match(await row.innerText(), /Sam.*gateway_quota: Google raised it by phone/s);
  await look(engineer, world.shots, 'arming-5-audit');
});

test('where it takes two to arm, the page says who wants it, and the second person arms it', async () => {
  const two = await World.begin({ config: '[access]\nsecond_person = true\n' });
  try {
    const id = await two.campaign('duo', 50);
    const [ada, bea] = [await two.person('Ada', 'engineer'), await two.person('Bea', 'sre', PHONE)];
    await ada.goto(`/campaigns/${id}`);
    await ada.getByRole('button', { name: 'Arm', exact: true }).click();
    await ada.locator('.stage').getByText(/^You want it armed; one more person must arm it, before /).waitFor();
    await look(ada, two.shots, 'two-1-first');
    await bea.goto('/');
    await bea.getByText(/^Ada wants it armed; one more person must arm it/).tap();
    for (const place of ['.stage', '.facts']) await bea.locator(place).getByText(/^Ada wants it armed; one more person must arm it/).waitFor();
    await bea.getByText('wants it armed: one more must arm it').waitFor();
    await look(bea, two.shots, 'two-2-second');
    await bea.getByRole('button', { name: 'Arm', exact: true }).tap();
    await Promise.all([ada, bea].map((page) => page.locator('#press').waitFor()));
    const { armed } = await two.ask('GET', `/v1/campaigns/${id}`);
    assert.equal(armed.stamp.by, 'Bea');
    // The second person arms in the same way as the first one wanted it, overrides included.
    await two.ask('POST', `/v1/campaigns/${id}/disarm`, {});
    const overrides = { queues_empty: 'known since noon' };
    await assert.rejects(two.ask('POST', `/v1/campaigns/${id}/arm`, { overrides }), /second_person_needed/);
    await bea.locator('.stage').getByText(/^configured administrator wants it armed/).waitFor();
    await bea.getByText('Queues overridden: known since noon').waitFor();
    assert.equal(await bea.getByLabel('Queues').inputValue(), 'known since noon');
    await look(bea, two.shots, 'two-3-override');
    await bea.getByRole('button', { name: 'Arm', exact: true }).tap();
    await bea.locator('#press').waitFor();
    assert.deepEqual((await two.ask('GET', `/v1/campaigns/${id}`)).armed.overrides, overrides);
    await ada.goto(`/audit?campaign=${id}`);
    for (const [name, words] of [['Ada', 'wants it armed: one more must arm it'], ['Bea', 'armed it']]) await ada.getByRole('row').filter({ hasText: name }).filter({ hasText: words }).first().waitFor();
    const mia = await two.person('Mia', 'marketer');
    await mia.goto(`/campaigns/${id}`);
    await holdMouse(mia, () => mia.locator('.receipt').waitFor());
    await mia.getByText('Done: 50 of 50').waitFor();
  } finally {
    await two.end();
  }
});
