// The report after a night that was not smooth: who was late, by name, and a trail that can't be read.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './world.mjs';
import { look } from './look.mjs';

let world;
let id;
before(async () => {
  world = await World.begin();
  await world.behave({ round_trip_ms: 5300 });
  id = await world.armed('late', 40);
  await world.ask('POST', `/v1/campaigns/${id}/press`, {});
  await world.state(id, 'done');
});
after(async () => world?.end());

test('who was late is named for those who may see users', async () => {
  const marketer = await world.person('Mia', 'marketer');
  await marketer.goto(`/campaigns/${id}/report`);
  await marketer.getByText('40 devices were later than 5').waitFor();
  await marketer.getByText('The latest 40').click();
  await marketer.getByRole('cell', { name: 'user7', exact: true }).waitFor();
  await look(marketer, world.shots, 'report-1-late');
  const viewer = await world.person('Vic', 'viewer');
  await viewer.goto(`/campaigns/${id}/report`);
  await viewer.getByText('The latest 40').click();
  await viewer.getByText('Seeing who they are needs role marketer').waitFor();
  assert.equal(await viewer.getByText('user7').count(), 0);
});

test('a list of late users that does not come can be asked for again', async () => {
  const marketer = await world.person('Max', 'marketer');
  let busy = true;
  const refuse = { status: 503, contentType: 'application/problem+json', body: '{"detail":"too much at once: ask again"}' };
  await marketer.route('**/late', (route) => (busy ? route.fulfill(refuse) : route.continue()));
  await marketer.goto(`/campaigns/${id}/report`);
  await marketer.getByText('The latest 40').click();
  await marketer.getByText('too much at once: ask again').waitFor();
  busy = false;
  await marketer.getByRole('button', { name: 'Try again' }).click();
  await marketer.getByRole('cell', { name: 'user7', exact: true }).waitFor();
});

test('a trail that can not be read is said, and read again', async () => {
  const page = await world.person('Eve', 'engineer');
  await page.goto(`/campaigns/${id}/report`);
  await page.getByText('ended the build').waitFor();
  await page.route('**/report', async (route) => {
    if (route.request().resourceType() === 'document') return route.continue();
    const answer = await route.fetch();
    const trail = { entries: [], cut: null, unreadable: 'the audit trail could not be read' };
    return route.fulfill({ response: answer, json: { ...(await answer.json()), trail } });
  });
  await page.reload();
  await page.getByText('Who did what could not be read').waitFor();
  await look(page, world.shots, 'report-2-no-trail');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('ended the build').waitFor();
});
