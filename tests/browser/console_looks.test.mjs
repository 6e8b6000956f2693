// The console for a keyboard, for tired eyes, and on a phone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lowContrast, operated, visitor } from './lib/operator.mjs';
import { until } from './lib/rig.mjs';

let service;
before(async () => { service = await operated(); });
after(() => service?.stop());

test('with the keyboard alone', async (t) => {
  const operator = await visitor(t, service);
  const { page, says } = operator;
  const focused = () => page.evaluate(() => document.activeElement.id);
  const tabTo = async (id) => {
    for (let presses = 0; presses < 25 && await focused() !== id; presses += 1) await page.keyboard.press('Tab');
    assert.equal(await focused(), id);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, 'solid', `it is seen that ${id} has the focus`);
  };
  assert.equal(await focused(), 'credential');
  await page.keyboard.type(service.both);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#board');
  await until('the focus', async () => await focused() === 'board');
  await tabTo('rotate');
  await page.keyboard.press('Enter');
  await until('the focus', async () => await focused() === 'dialog-no');
  await page.keyboard.press('Escape');
  assert.equal(await focused(), 'rotate');
  const { cookie } = await service.logIn('erin');
  await tabTo('end-name');
  await page.keyboard.type('erin');
  await tabTo('end-submit');
  await page.keyboard.press('Space');
  await says('#end-result', 'Every session of erin in default is over.');
  assert.equal(await service.verify(cookie), 401);
  await tabTo('floor-typed');
  await page.keyboard.type('default');
  await tabTo('floor-submit');
  const nameless = await page.evaluate(() => [...document.querySelectorAll('button, input, select')]
    .filter((control) => !control.labels?.length && !control.textContent.trim()).map(({ id }) => id));
  assert.deepEqual(nameless, []);
});

for (const colorScheme of ['light', 'dark']) {
  test(`every text can be read, ${colorScheme}`, async (t) => {
    const operator = await visitor(t, service);
    const { page } = operator;
    await page.emulateMedia({ colorScheme });
    await operator.enter('sealpass_wrong');
    await operator.gate('Not accepted');
    assert.deepEqual(await lowContrast(page), []);
    await operator.signIn(service.both);
    await service.verify('');
    await operator.says('#decisions', 'missing');
    await page.fill('#end-name', 'nobody');
    await page.click('#end-submit');
    await operator.says('#end-result', 'is over');
    await page.fill('#floor-typed', 'default');
    assert.deepEqual(await lowContrast(page), []);
    await page.route('**/v1/cluster', async (route) => {
      const answer = await route.fetch();
      const why = [{ code: 'stale', text: 'nobody was heard' }];
      await route.fulfill({ response: answer, json: { ...await answer.json(), ready: false, why } });
    });
    await operator.says('#why', 'nobody was heard');
    await page.click('#rotate');
    await operator.says('#dialog-text', 'key');
    assert.deepEqual(await lowContrast(page), []);
  });
}

test('nothing on the page is wider than a phone', async (t) => {
  const operator = await visitor(t, service);
  const { page } = operator;
  await page.setViewportSize({ width: 375, height: 800 });
  const wide = async (what) => {
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.equal(width, 375, what);
    const clipped = await page.evaluate(() => [...document.querySelectorAll('body *')].filter((node) => {
      const { left, right, width: size } = node.getBoundingClientRect();
      return size > 1 && !node.closest('.unseen, svg, #announce') && (left < 0 || right > 375);
    }).map((node) => node.id || node.tagName));
    assert.deepEqual(clipped, [], what);
  };
  await wide('signed out');
  await operator.signIn(service.both);
  await service.verify('');
  await operator.says('#decisions', 'missing');
  await wide('signed in');
  await page.click('#rotate');
  await operator.says('#dialog-text', 'key');
  await wide('before a rotation');
  await page.keyboard.press('Escape');
  await page.fill('#end-name', 'x'.repeat(128));
  await page.click('#end-submit');
  await operator.says('#end-result', 'xxx in default is over');
  await wide('with a long name');
  assert.ok(await page.evaluate(() => document.querySelector('#timeline svg').getBoundingClientRect().width) > 300);
});
