// What the console keeps, asks and lets in, and what ends it: as an attacker and a bad night would have it.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { operated, visitor } from './lib/operator.mjs';
import { until } from './lib/rig.mjs';

let service;
before(async () => { service = await operated(); });
after(() => service?.stop());

test('nothing but the control listener is asked, and nothing keeps the credential', async (t) => {
  const operator = await visitor(t, service);
  const { page } = operator;
  await operator.signIn(service.both);
  await page.click('#rotate');
  await operator.says('#dialog-text', 'A');
  await page.keyboard.press('Escape');
  assert.deepEqual([...new Set(operator.requests.map((request) => new URL(request.url()).origin))], [service.control]);
  for (const request of operator.requests) {
    const { authorization, ...others } = await request.allHeaders();
    const asked = `${request.url()} ${JSON.stringify(others)} ${request.postData()}`;
    assert.equal(asked.includes(service.both), false, request.url());
    assert.equal(authorization, /\/(v1|metrics)/.test(request.url()) ? `Bearer ${service.both}` : undefined, request.url());
  }
  const kept = await page.evaluate(async () => [
    document.documentElement.outerHTML, location.href, document.cookie, JSON.stringify([localStorage, sessionStorage, history.state]),
    JSON.stringify([await indexedDB.databases(), await caches.keys(), (await navigator.serviceWorker.getRegistrations()).length]),
    ...[...document.querySelectorAll('input')].map(({ value }) => value),
  ].join('\n'));
  assert.match(kept, /<main id="board"/);
  assert.equal(kept.includes(service.both), false);
  assert.match(kept, /\[\{\},\{\},null\]\n\[\[\],\[\],0\]/);
  assert.deepEqual(await operator.complaints(), []);

  await page.click('#sign-out');
  assert.doesNotMatch(await page.textContent('body'), /default|shop|active/, 'data is gone with it');
  const since = operator.requests.length;
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  assert.equal(operator.requests.length, since);
  await page.reload();
  await page.waitForSelector('#credential');
  assert.equal(await page.locator('#board').count(), 0);
});

test('markup in what the service says is text', async (t) => {
  const operator = await visitor(t, service);
  const { page } = operator;
  const planted = '<img src=x onerror="document.title=1">';
  await page.route('**/v1/cluster', async (route) => {
    const answer = await route.fetch();
    const body = await answer.json();
    Object.assign(body, { name: planted, ready: false, why: [{ code: planted, text: planted }] });
    body.members[0].name = planted;
    await route.fulfill({ response: answer, json: body });
  });
  await operator.signIn(service.both);
  for (const place of ['#replica', '#why', '#replicas']) await operator.says(place, planted);
  assert.equal(await page.title(), 'Sealpass console');
  assert.equal(await page.evaluate(() => {
    try { document.body.innerHTML = '<b>x</b>'; } catch { return 'refused'; }
    return 'done';
  }), 'refused', 'no script can make markup of text');
});

test('a connection that is lost is said at once, and so is its return', async (t) => {
  const operator = await visitor(t, service);
  const { page, says } = operator;
  await operator.signIn(service.both);
  await page.context().setOffline(true);
  await says('#lost', /No answer from this replica\..* What stands here is of \d\d:\d\d:\d\d UTC\./);
  await says('#state', 'no answer');
  await says('#glance', 'no answer');
  await page.fill('#end-name', 'alice');
  await page.click('#end-submit');
  await says('#end-result', 'No answer from this replica.');
  await page.context().setOffline(false);
  await page.waitForSelector('#lost', { state: 'hidden' });
  await says('#state', /^ready$/);
});

test('a page that nobody sees asks nothing', async (t) => {
  const operator = await visitor(t, service);
  const { page, requests } = operator;
  await operator.signIn(service.both);
  const see = (hidden) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await until('two looks', () => requests.filter((request) => request.url().endsWith('/metrics')).length > 2);
  await see(true);
  await page.evaluate(() => new Promise((resolve) => { setTimeout(resolve, 500); })); // what was under way
  const since = requests.length;
  await page.evaluate(() => new Promise((resolve) => { setTimeout(resolve, 2_500); })); // longer than between two looks
  assert.equal(requests.length, since);
  await see(false);
  await until('another look', () => requests.length > since);
});

test('a credential that is revoked, and 30 minutes of nothing, end it', async (t) => {
  const operator = await visitor(t, service);
  await operator.page.clock.install();
  await operator.page.reload();
  const brief = await service.addCredential('brief', '--realm', '*', '--scope', 'admin');
  await operator.signIn(brief);
  await service.run('credential', 'revoke', 'brief');
  await operator.gate('The credential is not accepted any more (401)', () => operator.page.clock.runFor(2_000));
  assert.equal(await operator.page.locator('#board').count(), 0);

  await operator.signIn(service.both);
  await operator.page.clock.runFor(29 * 60_000);
  assert.equal(await operator.page.locator('#board').count(), 1);
  await operator.page.keyboard.press('Shift');
  await operator.page.clock.fastForward(29 * 60_000);
  assert.equal(await operator.page.locator('#board').count(), 1);
  await operator.page.clock.fastForward(2 * 60_000);
  await operator.gate('Signed out after 30 minutes', () => operator.page.clock.runFor(2_000));
});
