// Each role on the page: what it may do works, and what it may not is off with the reason.

import { after, afterEach, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World, PEOPLE, until } from './world.mjs';
import { PHONE, SLOW, clickEverything, finger, holdMouse, look, numbers, receipt, someFigures } from './look.mjs';

let world;
before(async () => {
  world = await World.begin();
});
after(async () => world?.end());
// A test that failed must not keep the fleet from the next one.
afterEach(async () => world.free());

/** A row of a campaign's audit trail, as somebody sees it. */
async function audited(page, id, ...words) {
  await page.goto(`/audit?campaign=${id}`);
  for (const [who, did] of words) await page.getByRole('row').filter({ hasText: who }).filter({ hasText: did }).first().waitFor();
}

test('a marketer presses and stops, an sre sends the rest, a viewer looks on', async () => {
  await world.behave({ ...SLOW, dead_share: 0.01 });
  const id = await world.armed('halt', PEOPLE);
  await world.forget();
  const [marketer, sre, viewer] = await Promise.all([['Mia', 'marketer'], ['Sam', 'sre'], ['Vic', 'viewer']].map(async ([name, role]) => {
    const page = await world.person(name, role);
    await page.goto(`/campaigns/${id}`);
    await page.locator('#press').waitFor();
    return page;
  }));
  await sre.getByText('needs role marketer or load-tester').first().waitFor();
  await holdMouse(marketer, () => receipt(marketer).waitFor());
  await someFigures(marketer);
  await look(marketer, world.shots, 'stop-1-sending');
  await marketer.getByRole('button', { name: 'Stop', exact: true }).click();
  await marketer.getByRole('dialog').waitFor();
  await look(marketer, world.shots, 'stop-2-question');
  await marketer.getByRole('button', { name: 'Yes, stop' }).click();
  await marketer.getByRole('heading', { name: 'Stopping' }).waitFor();
  const words = (page) => page.getByRole('heading', { name: /^Stopped: / });
  const [said, ...others] = await Promise.all([marketer, sre, viewer].map((page) => words(page).innerText()));
  assert.deepEqual(others, [said, said], 'all see the same');
  await look(marketer, world.shots, 'stop-3-stopped');
  const [sent, not] = numbers(said);
  assert.equal(sent + not, (await world.ask('GET', `/v1/campaigns/${id}/status`)).devices);
  assert.ok(not > 0, 'something was left to send');
  for (const page of [marketer, viewer]) {
    const resume = page.getByRole('button', { name: 'Resume' });
    assert.equal(await resume.getAttribute('aria-disabled'), 'true');
    await resume.click({ force: true });
    await page.getByText('needs role sre or load-tester').waitFor();
    assert.equal(await page.getByRole('dialog').count(), 0);
  }
  await world.behave({ dead_share: 0.01 });
  await sre.getByRole('button', { name: 'Resume' }).click();
  await sre.getByRole('button', { name: 'Yes, send the rest' }).click();
  await Promise.all([marketer, sre, viewer].map((page) => page.getByText(/^Done: /).waitFor()));
  const books = (await world.state(id, 'done')).books;
  // A gateway that stood still for a while may have left some without an answer: those are not sent to again.
  assert.equal(books.accepted + books.rejected + books.ambiguous, books.devices, JSON.stringify(books));
  const { accepted_devices: accepted, duplicates } = await world.journal();
  assert.ok(books.accepted <= accepted && accepted <= books.accepted + books.ambiguous && duplicates === 0, `${accepted} accepted, ${duplicates} twice: ${JSON.stringify(books)}`);
  await viewer.getByRole('link', { name: 'Report' }).first().click();
  await viewer.getByText('dead token: the app was removed').waitFor();
  await viewer.getByRole('cell', { name: 'Resumed by Sam' }).waitFor();
  await look(viewer, world.shots, 'stop-4-report');
  await audited(sre, id, ['Mia', 'pressed'], ['Mia', 'asked to stop'], ['Sam', 'resumed']);
});

test('a marketer sends a canary to a little, and the press to the rest', async () => {
  const id = await world.armed('canary', 400);
  const page = await world.person('Mia', 'marketer');
  await page.goto(`/campaigns/${id}`);
  await page.getByRole('button', { name: 'Send a canary' }).click();
  await page.getByRole('button', { name: 'Yes, send one in a hundred' }).click();
  await page.getByRole('heading', { name: 'The canary' }).waitFor();
  await until('its outcome', async () => numbers(await page.locator('.canary .headline .quiet').innerText())[0] > 0);
  await look(page, world.shots, 'canary');
  await holdMouse(page, () => receipt(page).waitFor());
  // The dead tokens of the test before are out of the table.
  await page.getByText(/^Done: (\d+) of \1 accepted/).waitFor();
});

test('a load-tester takes a silent campaign from its creation to its report, on a phone, 360 pixels wide', async () => {
  const page = await world.person('Lou', 'load-tester', PHONE);
  await page.goto('/');
  await page.getByRole('link', { name: 'New campaign' }).tap();
  await page.getByLabel('Name').fill('load');
  await page.getByLabel('Title').fill('People would read this');
  await page.getByRole('button', { name: 'Create' }).tap();
  await page.getByRole('alert').getByText('people would see this campaign').waitFor();
  await look(page, world.shots, 'silent-1-refused');
  await page.getByLabel(/Silent: wakes/).check();
  await page.getByRole('button', { name: 'Create' }).tap();
  await page.getByText('Choose a list').waitFor();
  await look(page, world.shots, 'silent-2-draft');
  await page.setInputFiles('#list', world.list('load.csv', 300));
  const arm = page.getByRole('button', { name: 'Arm', exact: true });
  await arm.waitFor();
  await look(page, world.shots, 'silent-3-ready');
  await arm.tap();
  await page.locator('#press').waitFor();
  const touch = await finger(page);
  await touch.down();
  await receipt(page).waitFor();
  await touch.up();
  await page.getByText(/^Done: /).waitFor();
  await look(page, world.shots, 'silent-4-done');
  await page.getByRole('link', { name: 'Report' }).first().tap();
  await page.getByRole('heading', { name: 'Report: load' }).waitFor();
  await look(page, world.shots, 'silent-5-report');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'CSV' }).tap()]);
  assert.match(download.suggestedFilename(), /csv/);
  // What people would see is not for a load-tester, and the page says so beforehand.
  const id = await world.campaign('loud', 5);
  await page.goto(`/campaigns/${id}`);
  await page.getByText('a load-tester works with silent ones only').first().waitFor();
  assert.equal(await arm.getAttribute('aria-disabled'), 'true');
});

test('a viewer looks at everything and changes nothing', async () => {
  const page = await world.person('Vic', 'viewer');
  const content = { texts: { en: { title: 'It is over!', body: '' } }, default_locale: 'en' };
  const { id: draft } = await world.ask('POST', '/v1/campaigns', { name: 'drafted', content });
  const asked = [];
  page.on('request', (request) => request.method() !== 'GET' && asked.push(`${request.method()} ${request.url()}`));
  const ready = await world.campaign('prepared', 50);
  const armed = await world.armed('viewer', 50);
  for (const [id, reason] of [[draft, 'needs role engineer or load-tester'], [ready, 'needs role engineer or sre or load-tester'], [armed, 'needs role marketer or load-tester']]) {
    await page.goto(`/campaigns/${id}`);
    await page.getByText(reason).first().waitFor();
    assert.ok((await clickEverything(page)) >= 2, 'there was something to click on');
    assert.equal(await page.getByRole('dialog').count(), 0, 'nobody is asked what they may not do');
  }
  assert.equal(await page.locator('#press').getAttribute('aria-disabled'), 'true');
  await page.locator('#press').hover();
  await page.mouse.down();
  await page.getByText('The button works.').waitFor();
  await page.locator('#press').focus();
  await page.keyboard.press('Enter', { delay: 600 });
  await page.mouse.up();
  await look(page, world.shots, 'viewer-1-armed');
  await page.goto(`/campaigns/${draft}`);
  assert.equal(await page.locator('#list').isDisabled(), true);
  await page.goto('/');
  await page.getByText('needs role engineer').waitFor();
  await look(page, world.shots, 'viewer-2-list');
  assert.deepEqual(asked, [], 'the page does not even ask');
  assert.deepEqual(await Promise.all([draft, ready, armed].map(async (id) => (await world.ask('GET', `/v1/campaigns/${id}`)).state)), ['draft', 'ready', 'armed']);
});
