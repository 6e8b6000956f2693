// The console at `/console` of the control listener, used as an operator uses it: with a mouse, a keyboard, a phone.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lowContrast, visitor } from './lib/operator.mjs';
import { until } from './lib/rig.mjs';
import { ask, serve, serveFleet } from './lib/service.mjs';

const CONFIG = `
credentials = "credentials.toml"
drain = "0s"
[public]
listen = "127.0.0.1:0"
workers = 1
[control]
listen = "127.0.0.1:0"
[realm.default]
[realm.shop]
max_facts = 1000
[realm.shop.cookie]
name = "__Host-shop"
[policy.default]
[policy.shop]
realm = "shop"
role = ["vip"]
`;

let service;
let both;
before(async () => {
  service = await serve(CONFIG);
  both = await credential('ops', '--realm', '*', '--scope', 'app', '--scope', 'admin');
});
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
  await signIn(both);
  const [cluster, ring] = [await get('/v1/cluster'), await get('/v1/keys')];
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

  const { cookie, body } = await logIn('alice');
  for (let asked = 0; asked < 20; asked += 1) await verify(cookie);
  await verify('');
  await service.call('/v1/sessions/revoke', { token: body.token });
  await verify(cookie);
  const metrics = await get('/metrics');
  for (const [reason, meaning] of [['ok', 'let through'], ['missing', 'no cookie'], ['ended', 'ended']]) {
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
  await operator.signIn(await credential('shop', '--realm', 'shop', '--scope', 'admin'));
  await operator.says('#keys-problem', 'Not allowed (403): this call is about every realm');
  await operator.says('#keys-problem', 'Field: realm.');
  await operator.says('#replicas tbody', 'ready');
  await operator.page.fill('#end-name', 'alice');
  await operator.page.click('#end-submit');
  await operator.says('#end-result', 'Not allowed (403): this call needs a credential with the scope app.');
});

test('a rotation is first shown and then ordered', async (t) => {
  const operator = await visitor(t, service);
  const { page, says } = operator;
  await operator.signIn(both);
  const before = await get('/v1/keys');
  await page.click('#rotate');
  await says('#dialog-text', 'A new key is made now, and seals from');
  await says('#dialog-text', `Until then ${before.keys[0].key} seals on, and opens what it sealed until`);
  assert.deepEqual((await get('/v1/keys')).keys, before.keys, 'it was only asked');
  await page.click('#dialog-no');
  assert.equal(await page.isVisible('#dialog'), false);
  assert.deepEqual((await get('/v1/keys')).keys, before.keys, 'and not confirmed');

  await page.click('#rotate');
  await page.click('#dialog-yes');
  const made = await until('another key', async () => (await get('/v1/keys')).keys.find(({ state }) => state === 'pending'));
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

test('the picture has a row for each key, whatever its state, in the order of time', async (t) => {
  const operator = await visitor(t, service);
  const { page, says } = operator;
  const now = Date.parse('2026-03-01T12:00:00Z');
  const [minute, day] = [60_000, 86_400_000];
  const at = (ms) => new Date(now + ms).toISOString();
  const keys = [
    { key: '00000001', state: 'destroyed', created_at: at(-90 * day), seals_from: at(-90 * day), seals_until: at(-80 * day), destroyed_at: at(-60 * day) },
    { key: '00000002', state: 'retired', created_at: at(-80 * day), seals_from: at(-80 * day), seals_until: at(-70 * day), opens_until: at(-40 * day) },
    { key: '00000003', state: 'revoked', created_at: at(-70 * day), seals_from: at(-70 * day), seals_until: at(-9 * day), revoked_at: at(-9 * day) },
    { key: '00000004', state: 'verify-only', created_at: at(-9 * day), seals_from: at(-9 * day), seals_until: at(-2 * day), opens_until: at(28 * day) },
    { key: '00000005', state: 'active', created_at: at(-3 * day), seals_from: at(-2 * day), seals_until: at(9 * minute), opens_until: at(30 * day) },
    { key: '00000006', state: 'pending', created_at: at(-minute), seals_from: at(9 * minute) },
    { key: '00000007', state: 'proposed', created_at: at(-minute) },
  ];
  const gone = Array.from({ length: 5 }, (_, which) => ({ ...keys[0], key: `0000001${which}` }));
  await page.route('**/v1/keys', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...await answer.json(), now: at(0), keys: [...gone, ...keys] } });
  });
  await operator.signIn(both);
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

test('ending one session ends that, and ending a subject ends all of its sessions', async (t) => {
  const operator = await visitor(t, service);
  const { page, says } = operator;
  await operator.signIn(both);
  const [one, other, bystander] = [await logIn('bob'), await logIn('bob'), await logIn('carol')];
  await page.check('[value=session_id]');
  await says('#end-label', 'Session id');
  await page.fill('#end-name', one.body.session_id);
  await page.click('#end-submit');
  await says('#end-result', `The session ${one.body.session_id} in default is over.`);
  assert.deepEqual([await verify(one.cookie), await verify(other.cookie)], [401, 200]);

  await page.check('[value=subject]');
  await page.fill('#end-name', 'bob');
  await page.click('#end-submit');
  await says('#end-result', 'Every session of bob in default is over.');
  assert.deepEqual([await verify(other.cookie), await verify(bystander.cookie)], [401, 200]);

  await page.check('[value=session_id]');
  await page.fill('#end-name', 'nonsense');
  await page.click('#end-submit');
  await says('#end-result', 'A field is wrong (422): session_id is not a session id. Field: session_id.');
  assert.deepEqual(await operator.complaints(), ['422']);
});

test('the floor is raised only after the realm was typed, and only there', async (t) => {
  const operator = await visitor(t, service);
  const { page, says } = operator;
  await operator.signIn(both);
  const [here, there] = [await logIn('dora'), await logIn('dora', { realm: 'shop', roles: ['vip'] })];
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
  assert.deepEqual([await verify(here.cookie), await verify(there.cookie, 'shop')], [200, 200]);

  await page.selectOption('#floor-realm', 'shop');
  await page.click('#floor-submit');
  await says('#floor-result', 'Every session in the realm shop is over.');
  assert.deepEqual([await verify(here.cookie), await verify(there.cookie, 'shop')], [200, 401]);
  assert.equal(await page.inputValue('#floor-typed'), '');

  await page.selectOption('#floor-realm', 'all realms');
  await page.fill('#floor-typed', 'all realms');
  await page.click('#floor-submit');
  await says('#floor-result', 'Every session in all realms is over.');
  assert.equal(await verify(here.cookie), 401);
});

test('nothing but the control listener is asked, and nothing keeps the credential', async (t) => {
  const operator = await visitor(t, service);
  const { page } = operator;
  await operator.signIn(both);
  await page.click('#rotate');
  await operator.says('#dialog-text', 'A');
  await page.keyboard.press('Escape');
  assert.deepEqual([...new Set(operator.requests.map((request) => new URL(request.url()).origin))], [service.control]);
  for (const request of operator.requests) {
    const { authorization, ...others } = await request.allHeaders();
    const asked = `${request.url()} ${JSON.stringify(others)} ${request.postData()}`;
    assert.equal(asked.includes(both), false, request.url());
    assert.equal(authorization, /\/(v1|metrics)/.test(request.url()) ? `Bearer ${both}` : undefined, request.url());
  }
  const kept = await page.evaluate(async () => [
    document.documentElement.outerHTML, location.href, document.cookie, JSON.stringify([localStorage, sessionStorage, history.state]),
    JSON.stringify([await indexedDB.databases(), await caches.keys(), (await navigator.serviceWorker.getRegistrations()).length]),
    ...[...document.querySelectorAll('input')].map(({ value }) => value),
  ].join('\n'));
  assert.match(kept, /<main id="board"/);
  assert.equal(kept.includes(both), false);
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
  await operator.signIn(both);
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
  await operator.signIn(both);
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
  await operator.signIn(both);
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
  const brief = await credential('brief', '--realm', '*', '--scope', 'admin');
  await operator.signIn(brief);
  await service.run('credential', 'revoke', 'brief');
  await operator.gate('The credential is not accepted any more (401)', () => operator.page.clock.runFor(2_000));
  assert.equal(await operator.page.locator('#board').count(), 0);

  await operator.signIn(both);
  await operator.page.clock.runFor(29 * 60_000);
  assert.equal(await operator.page.locator('#board').count(), 1);
  await operator.page.keyboard.press('Shift');
  await operator.page.clock.fastForward(29 * 60_000);
  assert.equal(await operator.page.locator('#board').count(), 1);
  await operator.page.clock.fastForward(2 * 60_000);
  await operator.gate('Signed out after 30 minutes', () => operator.page.clock.runFor(2_000));
});

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
  await page.keyboard.type(both);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#board');
  await until('the focus', async () => await focused() === 'board');
  await tabTo('rotate');
  await page.keyboard.press('Enter');
  await until('the focus', async () => await focused() === 'dialog-no');
  await page.keyboard.press('Escape');
  assert.equal(await focused(), 'rotate');
  const { cookie } = await logIn('erin');
  await tabTo('end-name');
  await page.keyboard.type('erin');
  await tabTo('end-submit');
  await page.keyboard.press('Space');
  await says('#end-result', 'Every session of erin in default is over.');
  assert.equal(await verify(cookie), 401);
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
    await operator.signIn(both);
    await verify('');
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
  await operator.signIn(both);
  await verify('');
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

test('of three replicas it shows who is heard, and why the last one answers nobody', async (t) => {
  const fleet = await serveFleet();
  t.after(() => fleet.stop());
  const [a, b, c] = fleet.replicas;
  const operator = await visitor(t, a);
  const { page, says } = operator;
  await operator.signIn(fleet.credential);
  await says('#replicas-sum', '3 of 3 ready, 3 in the core');
  const row = (name) => `#replicas tbody tr:has(.name:text-is("${name}"))`;
  for (const name of ['b', 'c']) await says(row(name), /core\s*ready.*(ms|s).*(ms|s).*same\s*same/);
  await says(row('a'), /this one, core\s*ready\s*[\d.]+\s(ms|s)/);

  await page.click('#rotate');
  await says('#dialog-text', 'Once a majority of the core has it, it gets its time: it seals 10 minutes later.');
  await page.click('#dialog-yes');
  await says('#dialog-result', /[23] of 3 replicas of the core have it/);
  await page.click('#dialog-no');
  await says('#next-rotation', /Next rotation: key \w{8} seals from/);
  await page.fill('#end-name', 'alice');
  await page.click('#end-submit');
  await says('#end-result', /Every session of alice in default is over\. [23] of 3 replicas of the core have it\./);

  await c.stop();
  await says(row('c'), 'silent');
  await says('#glance', 'Replicas ready2 of 3');
  assert.equal(await page.isVisible('#not-ready'), false);
  await b.stop();
  await page.waitForSelector('#not-ready');
  await says('#why', /stale .* majority of the core/);
  await says('#state', 'not ready');
  await page.click('#end-submit');
  await says('#end-result', '1 of 3 replicas of the core have it: the others get it when they can, and until a majority has it, it is not final.');
});

test('an operator who wants no console has none', async () => {
  const without = await serve(CONFIG.replace('[public]', 'console = false\n[public]'));
  const answers = await Promise.all(['/console', '/console/main.js'].map((path) => ask(without.control, path)));
  await without.stop();
  assert.deepEqual(answers.map(({ status }) => status), [404, 404]);
});

/** Makes another credential; the service takes it up within moments. */
async function credential(name, ...terms) {
  const made = await service.run('credential', 'add', '--name', name, ...terms);
  const secret = made.stdout.trim();
  await until(`the credential ${name}`, async () => {
    const { status } = await ask(service.control, '/metrics', { headers: { authorization: `Bearer ${secret}` } });
    return status === 200;
  });
  return secret;
}

async function get(path) {
  const answer = await ask(service.control, path, { headers: { authorization: `Bearer ${both}` } });
  assert.equal(answer.status, 200, path);
  return path === '/metrics' ? answer.body : JSON.parse(answer.body);
}

async function logIn(subject, more = {}) {
  const { headers, body } = await service.call('/v1/sessions', { subject, ...more });
  return { cookie: headers['set-cookie'][0].split(';')[0], body };
}

async function verify(cookie, policy = 'default') {
  return (await ask(service.public, `/policy/${policy}/`, { headers: { cookie } })).status;
}
