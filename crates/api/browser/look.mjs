// What every page must be: without a serious fault of accessibility, without sideways scrolling, without a fault of its own.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const AXE = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Looks at the page as it is now, and keeps a picture of it. */
export async function look(page, shots, name) {
  await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(AXE);
  const found = await page.evaluate(async () => (await window.axe.run(document)).violations
    .filter((fault) => ['serious', 'critical'].includes(fault.impact))
    .map((fault) => `${fault.id}: ${fault.nodes.map((node) => `${node.html} ${node.failureSummary}`).join('\n')}`));
  assert.deepEqual(found, [], `axe-core on ${name}`);
  const [wide, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= seen, `${name} is ${wide} pixels wide where ${seen} are seen`);
  assert.deepEqual(page.faults, [], `faults on ${name}`);
}

export const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
export const receipt = (page) => page.locator('.receipt');

/** A finger over the middle of the button, wherever that is by then. */
export async function finger(page) {
  const session = await page.context().newCDPSession(page);
  const send = (type, touchPoints) => session.send('Input.dispatchTouchEvent', { type, touchPoints });
  const down = async () => {
    await page.locator('#press').scrollIntoViewIfNeeded();
    const box = await page.locator('#press').boundingBox();
    await send('touchStart', [{ x: box.x + box.width / 2, y: box.y + box.height / 2 }]);
  };
  return { down, up: () => send('touchEnd', []) };
}

/** The setting says that the button is held for this long: a test that ends a hold halfway has that time for it, on any machine. */
export const longHold = (page, ms = 6000) => page.route('**/v1/console', async (route) => {
  const response = await route.fetch();
  await route.fulfill({ response, json: { ...(await response.json()), hold_ms: ms } });
});

/** How slowly the gateways answer where somebody does something in mid-blast: everybody takes several rounds of it. */
export const SLOW = { round_trip_ms: 5000 };

/** Clicks on whatever is there, also on what is off; answers how many buttons that were. */
export async function clickEverything(page) {
  const buttons = await page.locator('main button:visible').all();
  for (const button of buttons) await button.click({ force: true });
  return buttons.length;
}

/** Waits until the page shows a share that the gateways have answered, and not all of it. */
export const someFigures = (page) => page.waitForFunction(() => {
  const share = parseFloat(document.querySelector('.share')?.innerText);
  return share > 0 && share < 100 && share;
}).then((found) => found.jsonValue());

/** Holds the button with the mouse until there is an answer. */
export async function holdMouse(page, until) {
  for (let hit = false; !hit;) {
    await page.locator('#press').hover();
    await page.evaluate(() => addEventListener('pointerdown', ({ target }) => { window.hit = target.closest('#press') !== null; }, { once: true, capture: true }));
    await page.mouse.down();
    hit = await page.evaluate(() => window.hit);
    // A warning may have come above the button, and moved it from under the hand.
    if (!hit) await page.mouse.up();
  }
  await until();
  await page.mouse.up();
}

/** Goes with the tab key to what has this name. */
export async function tabTo(page, name) {
  for (let i = 0; i < 60; i += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const node = document.activeElement;
      const label = node.labels?.[0]?.textContent ?? '';
      return [node.getAttribute('aria-label'), node.textContent?.trim(), label.trim(), node.id].filter(Boolean);
    });
    if (at.some((text) => (typeof name === 'string' ? text === name : name.test(text)))) return;
  }
  throw new Error(`the tab key does not reach ${name}`);
}

/** The number in a text. */
export const numbers = (text) => (text.match(/\d[\d,]*/g) ?? []).map((n) => Number(n.replaceAll(',', '')));
