// The console at `/console` of the control listener: who gets in, and whether it shows what the API says.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { operated, visitor } from './lib/operator.mjs';

let service;
before(async () => { service = await operated(); });
after(() => service?.stop());

test('who has no credential of an operator does not get in, and is told why', async (t) => {
  const operator = await visitor(t, service);
  const { page, enter, gate } = operator;
  assert.doesNotMatch(await page.textContent('body'), /default|shop|active/);
  for (const [given, told] of [
    ['sealpass_wrong', 'Not accepted (401).'],
    ['two words', 'That is no credential'],
    ['schlüssel', 'That is no credential'],
    [service.credential, 'This credential is not for operators.'],
  ]) {
    await enter(given);
    await gate(told);
    assert.equal(await page.locator('#board').count(), 0);
  }
  await gate('needs a credential with the scope admin'); // in the service's own words
  assert.deepEqual(await operator.complaints(), ['401', '403']);
});

test('every panel shows what the API says', async (t) => {
  const operator = await visitor(t, service);
  const { page, signIn, says } = operator;
  await signIn(service.both);
  const [cluster, ring] = [await service.get('/v1/cluster'), await service.get('/v1/keys')];
  await says('#replica', cluster.name);
  await says('#state', 'ready');
  await says('#replicas tbody', `${cluster.name} this one, core`);
  const [key] = ring.keys;
  await says('#keys tbody', key.key);
  await says('#keys tbody', 'active');
  await says('#keys tbody', key.seals_from.slice(11, 19));
  await says('#next-rotation', `No rotation is ordered. Key ${key.key} has sealed for`);
  assert.equal(await page.locator('#timeline rect.seals').count(), 1);
  assert.equal(await page.locator('#timeline .now').count(), 1);
  assert.match(await page.getAttribute('#timeline svg', 'role'), /^img$/);

  const { cookie, body } = await service.logIn('alice');
  for (let asked = 0; asked < 20; asked += 1) await service.verify(cookie);
  await service.verify('');
  await service.call('/v1/sessions/revoke', { token: body.token });
  await service.verify(cookie);
  const metrics = await service.get('/metrics');
  for (const [reason, meaning] of [['ok', 'let through'], ['missing', 'no cookie'], ['ended', 'over']]) {
    const [, count] = new RegExp(`decisions_total{reason="${reason}"} (\\d+)`).exec(metrics);
    await says('#decisions tbody', new RegExp(`${reason} ${meaning}[\\d.]+${count}(?!\\d)`));
  }
  await says('#decisions-span', /a second, over \d+ s, this replica/);
  await says('#facts', /default1 of 1,000,000 \(0\.00\s%\)1 deny/);
  await says('#facts', /shop0 of 1,000 \(0\s%\)none held/);
  assert.deepEqual(await operator.complaints(), []);
});

test('a credential of one realm sees the replicas, and is told why it does not see the keys', async (t) => {
  const operator = await visitor(t, service);
  await operator.signIn(await service.addCredential('shop', '--realm', 'shop', '--scope', 'admin'));
  await operator.says('#keys-problem', 'Not allowed (403): this call is about every realm');
  await operator.says('#keys-problem', 'Field: realm.');
  await operator.says('#replicas tbody', 'ready');
  await operator.page.fill('#end-name', 'alice');
  await operator.page.click('#end-submit');
  await operator.says('#end-result', 'Not allowed (403): this call needs a credential with the scope app.');
});

test('the picture has a row for each key, whatever its state, in the order of time', async (t) => {
  const operator = await visitor(t, service);
  const { page, says } = operator;
  const now = Date.parse('2026-03-01T12:00:00Z');
  const [minute, day] = [60_000, 86_400_000];
  const at = (ms) => new Date(now + ms).toISOString();
  const key = (number, state, times) => ({
    key: `0000000${number}`, state, ...Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, at(ms)])),
  });
  const sealing = (created_at, seals_until) => ({ created_at, seals_from: created_at, seals_until });
  const keys = [
    key(1, 'destroyed', { ...sealing(-90 * day, -80 * day), destroyed_at: -60 * day }),
    key(2, 'retired', { ...sealing(-80 * day, -70 * day), opens_until: -40 * day }),
    key(3, 'revoked', { ...sealing(-70 * day, -9 * day), revoked_at: -9 * day }),
    key(4, 'verify-only', { ...sealing(-9 * day, -2 * day), opens_until: 28 * day }),
    key(5, 'active', { created_at: -3 * day, seals_from: -2 * day, seals_until: 9 * minute, opens_until: 30 * day }),
    key(6, 'pending', { created_at: -minute, seals_from: 9 * minute }),
    key(7, 'proposed', { created_at: -minute }),
  ];
  const gone = Array.from({ length: 5 }, (_, which) => ({ ...keys[0], key: `0000001${which}` }));
  await page.route('**/v1/keys', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...await answer.json(), now: at(0), keys: [...gone, ...keys] } });
  });
  await operator.signIn(service.both);
  await says('#next-rotation', 'Next rotation: key 00000006 seals from 12:09:00 UTC on, in 9 min.');
  await says('#older-keys', 'And 4 older, of which nothing opens any more: sealpass keys list has them.');
  const labels = await page.locator('#timeline .kid').allTextContents();
  assert.deepEqual(labels, ['00000014', ...keys.map(({ key }) => key)]);
  const table = (await page.locator('#keys tbody tr').allTextContents()).map((text) => text.replaceAll('\u00a0', ' '));
  assert.equal(table[3], '00000003revoked21 Dec 2025, 12:00:00 70 d ago20 Feb 2026, 12:00:00 9 d agorevoked 20 Feb 2026, 12:00:00 9 d ago');
  assert.equal(table[4], '00000004verify-only20 Feb 2026, 12:00:00 9 d ago27 Feb 2026, 12:00:00 2 d ago29 Mar 2026, 12:00:00 in 28 d');
  assert.equal(table[6], '00000006pending12:09:00 in 9 min––');

  const shapes = await page.evaluate(() => {
    const box = (node) => node.getBoundingClientRect();
    const { x: now } = box(document.querySelector('#timeline line.now'));
    return [...document.querySelectorAll('#timeline .kid')].map((label) => {
      const middle = box(label).top + box(label).height / 2;
      return [...document.querySelectorAll('#timeline rect, #timeline .over')]
        .filter((shape) => Math.abs(box(shape).top + box(shape).height / 2 - middle) < 12)
        .map((shape) => [shape.getAttribute('class'), Math.sign(Math.round(box(shape).left - now)), Math.sign(Math.round(box(shape).right - now))]);
    });
  });
  const past = ['seals', -1, -1];
  assert.deepEqual(shapes.slice(1), [
    [past, ['opens', -1, -1], ['over', -1, -1]],
    [past, ['opens', -1, -1], ['over', -1, -1]],
    [past, ['over', -1, -1]],
    [past, ['opens', -1, 1]],
    [['waits', -1, -1], ['seals', -1, 1], ['opens', 1, 1]],
    [['waits', -1, 1], ['seals', 1, 1]],
    [['waits', -1, 1]],
  ]);
});
