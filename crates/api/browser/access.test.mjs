// Who comes in: the first administrator's link, tokens made and revoked on the page, links that lead elsewhere.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './world.mjs';
import { look } from './look.mjs';

let world;
before(async () => {
  world = await World.begin({ first: true });
});
after(async () => world?.end());

test('the first administrator comes in by the link, lets others in, and keeps them out again', async () => {
  const admin = await world.visitor();
  await admin.goto(world.link);
  await admin.getByRole('heading', { name: 'You are the first administrator' }).waitFor();
  assert.equal(new URL(admin.url()).hash, '');
  assert.match(await admin.locator('code.token').innerText(), /^owl_[0-9a-f]{8}_[\w-]{43}$/);
  await look(admin, world.shots, 'first-1-token');
  await admin.getByRole('link', { name: 'Go on' }).click();
  await admin.getByRole('link', { name: 'Tokens' }).click();
  await admin.getByRole('heading', { name: 'Tokens' }).waitFor();
  const again = await world.visitor();
  await again.goto(world.link);
  await again.getByText('this code is not good').waitFor();
  await again.getByLabel('Your token').waitFor();

  await admin.getByLabel('Name').fill('Bea');
  await admin.getByLabel('Role').selectOption('marketer');
  await admin.getByLabel('Days').fill('7');
  await admin.getByRole('button', { name: 'Make a token' }).click();
  const link = await admin.locator('.note code.token').innerText();
  const row = admin.getByRole('row').filter({ hasText: 'Bea' });
  await row.getByText('marketer').waitFor();
  await look(admin, world.shots, 'first-2-tokens');

  const bea = await world.visitor();
  await bea.goto(link);
  await bea.getByText('Bea (marketer)').waitFor();
  assert.equal(await bea.getByRole('link', { name: 'Tokens' }).count(), 0);
  await bea.goto('/tokens');
  await bea.getByText('needs role admin').waitFor();

  // A link does not make an administrator somebody else behind their back.
  await admin.goto(link);
  await admin.getByRole('dialog').getByText('You are signed in as first administrator (admin)').waitFor();
  await look(admin, world.shots, 'first-3-question');
  await admin.getByRole('button', { name: 'No, stay first administrator' }).click();
  await admin.getByText('first administrator (admin)').waitFor();
  await admin.goto('/tokens');

  await row.getByRole('button', { name: 'Revoke' }).click();
  await admin.getByRole('button', { name: 'Yes, revoke' }).click();
  await row.getByText(/revoked by/).waitFor();
  await bea.goto('/fleet');
  await bea.waitForURL(/\/sign-in\?to=%2Ffleet$/);
});

test('after signing in nobody is led elsewhere', async () => {
  const page = await world.visitor();
  await page.route('**/v1/session', (route) => route.fulfill({ json: { name: 'Liv', role: 'viewer', expires_at: null, can: [] } }));
  await page.route('**/v1/campaigns*', (route) => route.fulfill({ json: { campaigns: [] } }));
  for (const to of ['//evil.example', '/\t/evil.example', '/\\evil.example', 'https://evil.example', '\n//evil.example', 'javascript:alert(1)']) {
    await page.goto(`/sign-in?to=${encodeURIComponent(to)}`);
    await page.getByLabel('Your token').fill('owl_good');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(`${world.url}/`);
  }
});

test('a link signs in, and its secret leaves the address bar', async () => {
  const page = await world.visitor();
  const seen = [];
  await page.route('**/v1/session', (route) => {
    if (route.request().method() === 'POST') seen.push(route.request().postDataJSON());
    const token = seen.at(-1)?.token;
    return token === 'owl_good' ? route.fulfill({ json: { name: 'Liv', role: 'viewer', can: [] } })
      : route.fulfill({ status: 401, contentType: 'application/problem+json', json: { type: '/problems/bad_token', status: 401, detail: 'this token is not known' } });
  });
  await page.route('**/v1/audit*', (route) => route.fulfill({ json: { entries: [] } }));
  await page.goto('/audit');
  await page.waitForURL(/sign-in\?to=%2Faudit$/);
  await page.goto('/sign-in?to=%2Faudit#owl_bad');
  await page.getByText('this token is not known').waitFor();
  assert.equal(new URL(page.url()).hash, '');
  await look(page, world.shots, 'sign-in');
  await page.getByLabel('Your token').fill('owl_good');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Audit trail' }).waitFor();
  assert.deepEqual(seen.map((body) => body.token), ['owl_bad', 'owl_good']);
});
