// The buttons of the console: what they ask first, what they do, and what they leave alone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { operated, visitor } from './lib/operator.mjs';
import { until } from './lib/rig.mjs';

let service;
before(async () => { service = await operated(); });
after(() => service?.stop());

test('a rotation is first shown and then ordered', async (t) => {
  const operator = await visitor(t, service);
  const { page, says } = operator;
  await operator.signIn(service.both);
  const before = await service.get('/v1/keys');
  await page.click('#rotate');
  await says('#dialog-text', 'A new key is made now, and seals from');
  await says('#dialog-text', `Until then ${before.keys[0].key} seals on, and opens what it sealed until`);
  assert.deepEqual((await service.get('/v1/keys')).keys, before.keys, 'it was only asked');
  await page.click('#dialog-no');
  assert.equal(await page.isVisible('#dialog'), false);
  assert.deepEqual((await service.get('/v1/keys')).keys, before.keys, 'and not confirmed');

  await page.click('#rotate');
  await page.click('#dialog-yes');
  const made = await until('another key', async () => (await service.get('/v1/keys')).keys.find(({ state }) => state === 'pending'));
  await says('#dialog-result', `Ordered: key ${made.key} seals from ${made.seals_from.slice(11, 19)} UTC on, in`);
  await says('#dialog-result', /Request [\w-]{8,}/);
  await page.click('#dialog-no');
  await says('#next-rotation', `Next rotation: key ${made.key} seals from ${made.seals_from.slice(11, 19)} UTC on, in`);
  await says('#keys tbody', `${made.key}pending`);
  for (const kind of ['waits', 'seals', 'opens']) await page.waitForSelector(`#timeline rect.${kind}`);

  await page.click('#rotate');
  await page.waitForFunction((key) => document.getElementById('dialog').textContent.includes(key), made.key);
  assert.equal(await page.isVisible('#dialog-yes'), false, 'there is nothing to confirm');
});

test('ending one session ends that, and ending a subject ends all of its sessions', async (t) => {
  const operator = await visitor(t, service);
  const { page, says } = operator;
  await operator.signIn(service.both);
  const [one, other, bystander] = [await service.logIn('bob'), await service.logIn('bob'), await service.logIn('carol')];
  await page.check('[value=session_id]');
  await says('#end-label', 'Session id');
  await page.fill('#end-name', one.body.session_id);
  await page.click('#end-submit');
  await says('#end-result', `The session ${one.body.session_id} in default is over.`);
  assert.deepEqual([await service.verify(one.cookie), await service.verify(other.cookie)], [401, 200]);

  await page.check('[value=subject]');
  await page.fill('#end-name', 'bob');
  await page.click('#end-submit');
  await says('#end-result', 'Every session of bob in default is over.');
  assert.deepEqual([await service.verify(other.cookie), await service.verify(bystander.cookie)], [401, 200]);

  await page.check('[value=session_id]');
  await page.fill('#end-name', 'nonsense');
  await page.click('#end-submit');
  await says('#end-result', 'A field is wrong (422): session_id is not a session id. Field: session_id.');
  assert.deepEqual(await operator.complaints(), ['422']);
});

test('the floor is raised only after the realm was typed, and only there', async (t) => {
  const operator = await visitor(t, service);
  const { page, says } = operator;
  await operator.signIn(service.both);
  const [here, there] = [await service.logIn('dora'), await service.logIn('dora', { realm: 'shop', roles: ['vip'] })];
  await page.selectOption('#floor-realm', 'shop');
  await says('#floor-word', 'shop');
  for (const typed of ['', 'default', 'Shop', 'sho']) {
    await page.fill('#floor-typed', typed);
    assert.equal(await page.isDisabled('#floor-submit'), true, typed);
    await page.press('#floor-typed', 'Enter');
  }
  await page.fill('#floor-typed', 'shop');
  await page.selectOption('#floor-realm', 'all realms'); // what was typed is about another one
  assert.equal(await page.isDisabled('#floor-submit'), true);
  assert.deepEqual([await service.verify(here.cookie), await service.verify(there.cookie, 'shop')], [200, 200]);

  await page.selectOption('#floor-realm', 'shop');
  await page.click('#floor-submit');
  await says('#floor-result', 'Every session in the realm shop is over.');
  assert.deepEqual([await service.verify(here.cookie), await service.verify(there.cookie, 'shop')], [200, 401]);
  assert.equal(await page.inputValue('#floor-typed'), '');

  await page.selectOption('#floor-realm', 'all realms');
  await page.fill('#floor-typed', 'all realms');
  await page.click('#floor-submit');
  await says('#floor-result', 'Every session in all realms is over.');
  assert.equal(await service.verify(here.cookie), 401);
});
