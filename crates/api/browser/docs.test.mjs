// The API's page: for everybody, with no script, on any screen, by keyboard.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './world.mjs';
import { look } from './look.mjs';

let world;
before(async () => {
  world = await World.begin({ first: true });
});
after(async () => world?.end());

for (const [name, width, colorScheme] of [['wide', 1280, 'light'], ['phone', 360, 'dark']]) {
  test(`the API's page reads well: ${name}, ${colorScheme}`, async () => {
    const page = await world.visitor({ viewport: { width, height: 740 }, colorScheme });
    await page.goto('/docs');
    await page.getByRole('heading', { name: 'HTTP API' }).waitFor();
    await look(page, world.shots, `docs-1-${name}`);
    // The first stop leads past what is around the page, and a route of the contents to its text.
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'To the content');
    const link = page.getByRole('link', { name: 'POST /v1/campaigns/{id}/press' });
    await link.focus();
    await page.keyboard.press('Enter');
    const heading = page.getByRole('heading', { name: 'POST /v1/campaigns/{id}/press' });
    // The browser goes there with a later frame: it comes into sight, in the upper half.
    await page.waitForFunction((h) => h.getBoundingClientRect().top >= 0 && h.getBoundingClientRect().top < innerHeight / 2, await heading.elementHandle());
    assert.deepEqual(page.faults, []);
  });
}
