// The page of `sealpass serve --dev`, clicked through as its reader does.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { COOKIE, open, token } from './lib/rig.mjs';
import { serveDev } from './lib/service.mjs';

let dev;
before(async () => { dev = await serveDev(); });
after(() => dev?.stop());

for (const host of ['127.0.0.1', 'localhost']) {
  test(`log in, ask, log out on http://${host}, and nothing complains in the console`, async (t) => {
    const { context, page, complaints } = await visit(t, host);
    await page.click('#login');
    await says(page, 'Logged in as alice.');
    assert.ok(await token(context), 'the browser keeps the cookie');
    assert.match(await page.textContent('#proof'), /document\.cookie has nothing of it/);

    await page.click('#verify');
    await says(page, 'Verify answers 200: alice.');
    const header = (name) => page.textContent(`[data-header=${name}] td`);
    assert.equal(await header('x-session-subject'), 'alice');
    assert.equal(await header('x-session-roles'), 'editor,billing');

    await page.click('#logout');
    await says(page, 'Logged out. Now replay the old tokens in step 6.');
    assert.deepEqual(await context.cookies(), []);

    await page.click('#replay-all');
    await says(page, 'Tokens accepted: 0, refused: 1.');
    assert.deepEqual(complaints, []);
  });
}

test('every other button does what it says', async (t) => {
  const { context, page, complaints } = await visit(t, '127.0.0.1');
  await page.fill('#subject', 'müller');
  await page.check('#persistent');
  await page.click('#login');
  await says(page, 'Logged in as müller.');
  assert.ok((await context.cookies())[0].expires > 0);
  for (const [button, answer] of [
    ['renew', 'Renewed: a new token for the same session.'],
    ['reseal', 'Resealed: new roles, the same session.'],
    ['rotate', 'Rotated: the session has a new id.'],
    ['stale', 'The roles are out of date.'],
    ['verify', 'Verify answers 200: müller.'],
    ['elsewhere', 'Every other session of this user is over, and this one goes on.'],
    ['tamper', 'The token tampered with: verify answers 401.'],
    ['replay-all', 'Tokens accepted: 1, refused: 4.'],
  ]) {
    const before = await token(context);
    await page.click(`#${button}`);
    await says(page, answer);
    const changed = ['renew', 'reseal', 'rotate', 'elsewhere'].includes(button);
    assert.equal(await token(context) !== before, changed, button);
  }
  // Another tab logs out; this one finds out when it asks.
  await page.evaluate(() => fetch('/logout', { method: 'POST' }));
  await page.click('#verify');
  await says(page, 'Verify answers 401.');
  assert.deepEqual(complaints, ['Failed to load resource: the server responded with a status of 401 (Unauthorized)']);
  assert.equal(await page.isDisabled('#logout'), true);
});

test('nothing on the page is wider than a small screen', async (t) => {
  const { page } = await visit(t, '127.0.0.1');
  await page.setViewportSize({ width: 375, height: 800 });
  for (const button of ['login', 'verify', 'renew', 'rotate', 'tamper', 'logout', 'replay-all']) {
    await page.click(`#${button}`);
    await page.waitForFunction((id) => document.getElementById(id).ariaBusy === 'false', button);
    const widths = () => page.evaluate(() => [document.documentElement, document.getElementById('page')]
      .map(({ scrollWidth }) => scrollWidth));
    assert.deepEqual(await widths(), [375, 375], `after ${button}`);
  }
});

test('on a small screen the status line covers nothing, and no id is broken', async (t) => {
  const { page } = await visit(t, '127.0.0.1');
  await page.setViewportSize({ width: 375, height: 700 });
  for (const button of ['login', 'verify', 'renew', 'rotate']) {
    await page.click(`#${button}`);
    await page.waitForFunction((id) => document.getElementById(id).ariaBusy === 'false', button);
    const [end, status] = await page.evaluate(() => ['page', 'status'].map((id) => document.getElementById(id).getBoundingClientRect()));
    assert.ok(end.bottom <= status.top && status.bottom <= 700.5 && status.height > 20, JSON.stringify([end, status]));
  }
  const lines = await page.evaluate(() => [...document.querySelectorAll('.whole, [data-header=x-session-id] td')].map((node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return [...range.getClientRects()].filter(({ width }) => width > 0).length;
  }));
  assert.ok(lines.length >= 8, `${lines.length} ids`);
  assert.deepEqual(lines.filter((count) => count !== 1), []);
});

async function visit(t, host) {
  const context = await open(t);
  const page = context.pages()[0];
  const complaints = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(`${error}`));
  await page.goto(dev.public.replace('127.0.0.1', host));
  return { context, page, complaints };
}

/** Waits for the status line. */
async function says(page, text) {
  const line = page.locator('#status');
  await line.filter({ hasText: text }).waitFor().catch(async () => assert.equal(await line.textContent(), text));
}
