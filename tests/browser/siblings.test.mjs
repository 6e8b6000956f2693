// What somebody else's name below the same domain can do to a session: nothing to a `__Host-` cookie. A `__Secure-` one
// with a Domain can be planted and shadowed, and then nobody is recognised, or the attacker is.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { APP, COOKIE, deploy, logIn, open, SHOP, SIBLING, token, verify, within } from './lib/rig.mjs';

let rig;
before(async () => { rig = await deploy(); });
after(() => rig?.stop());

const SHARED = '__Secure-shared';
const NO_BREAK_SPACE = '\u00a0';
const EN_SPACE = '\u2002';
/** Cookies that a sibling tries to plant with a session of its own. Those that Chromium keeps and sends are marked. */
const LOOK_ALIKES = [
  [(value) => `${COOKIE}=${value}; Path=/; Secure; Domain=site.test`],
  [(value) => `${COOKIE}=${value}; Path=/default/; Secure; Domain=site.test`],
  [(value) => `${COOKIE.toLowerCase()}=${value}; Path=/; Secure; Domain=site.test`],
  [(value) => `${COOKIE.toUpperCase()}=${value}; Path=/; Secure; Domain=site.test`],
  [(value) => `=${COOKIE}=${value}; Path=/; Secure; Domain=site.test`],
  [(value) => `==${COOKIE}=${value}; Path=/; Secure; Domain=site.test`],
  [(value) => ` \t${COOKIE}\t =${value}; Path=/; Secure; Domain=site.test`],
  [(value) => `__%48ost-sealpass=${value}; Path=/; Secure; Domain=site.test`, true],
  [(value) => `%5F%5FHost-sealpass=${value}; Path=/; Secure; Domain=site.test`, true],
  [(value) => `${NO_BREAK_SPACE}${COOKIE}=${value}; Path=/; Secure; Domain=site.test`, true],
  [(value) => `${EN_SPACE}${COOKIE}=${value}; Path=/; Secure; Domain=site.test`, true],
  [(value) => `${COOKIE}${NO_BREAK_SPACE}=${value}; Path=/; Secure; Domain=site.test`],
  [(value) => `"${COOKIE}"=${value}; Path=/; Secure; Domain=site.test`, true],
  [(value) => `$${COOKIE}=${value}; Path=/; Secure; Domain=site.test`, true],
  [(value) => `x="; ${COOKIE}=${value}"; Path=/; Secure; Domain=site.test`],
];

for (const [how, plant] of [['by Set-Cookie', plantByHeader], ['by script', plantByScript]]) {
  test(`a sibling plants no __Host- session ${how}`, async (t) => {
    const mallory = await issue('default', 'mallory');
    const context = await open(t, rig);
    const page = context.pages()[0];
    for (const [line, kept] of LOOK_ALIKES) {
      const shown = line('…');
      await plant(page, line(mallory));
      await page.goto(APP + '/open');
      assert.equal((await within(page, 'GET', '/default/')).status, 401, shown);
      const came = Buffer.from(rig.seen.at(-1).cookies, 'latin1').toString();
      assert.equal(came.includes(mallory), kept ?? false, `${shown} came as ${came.replaceAll(mallory, '…')}`);
      // Nor does it stand in the way of the visitor's own.
      await logIn(page, 'default', 'alice');
      await plant(page, line(mallory));
      await page.goto(APP + '/open');
      const answer = await within(page, 'GET', '/default/');
      assert.deepEqual([answer.status, answer.body], [200, 'alice'], shown);
      await context.clearCookies();
    }
    assert.equal(await verify(rig, `${COOKIE}=${mallory}`), 200, 'under its right name it would have counted');
  });
}

test('a sibling that fills the cookie jar logs out at worst', async (t) => {
  const context = await open(t, rig);
  const page = context.pages()[0];
  await page.goto(APP + '/open');
  await logIn(page, 'default', 'alice');
  const mallory = await issue('default', 'mallory');
  await page.goto(SIBLING);
  await page.evaluate((value) => {
    for (let n = 0; n < 400; n++) document.cookie = `junk${n}=${n}; Path=/; Secure; Domain=site.test`;
    document.cookie = `__Host-sealpass=${value}; Path=/; Secure; Domain=site.test`;
  }, mallory);
  await page.goto(APP + '/open');
  const answer = await within(page, 'GET', '/default/');
  const kept = await token(context) !== undefined;
  t.diagnostic(`the session ${kept ? 'stayed' : 'was pushed out'}, beside ${(await context.cookies()).length} cookies`);
  assert.deepEqual([answer.status, answer.body], kept ? [200, 'alice'] : [401, 'denied: 401']);
  assert.equal((await logIn(page, 'default', 'alice')).status, 201);
  assert.equal((await within(page, 'GET', '/default/')).body, 'alice');
});

test('no script reads or overwrites the session, that of the own site neither', async (t) => {
  const context = await open(t, rig);
  const page = context.pages()[0];
  await page.goto(APP + '/open');
  for (const realm of ['default', 'shared']) await logIn(page, realm, 'alice');
  const [own, shared] = [await token(context), await token(context, SHARED)];
  for (const site of [APP, SIBLING]) {
    await page.goto(site + '/open');
    await page.evaluate((shared) => {
      document.cookie = 'theme=dark';
      document.cookie = '__Host-sealpass=mine; Path=/; Secure';
      document.cookie = `${shared}=mine; Path=/; Secure; Domain=site.test`;
    }, SHARED);
    const seen = await page.evaluate(async () => [document.cookie, JSON.stringify(await cookieStore.getAll())]);
    assert.ok(seen[0].includes('theme=dark'), seen[0]); // that there is something to see at all
    for (const text of seen) assert.ok(![own, shared].some((value) => text.includes(value)), text);
  }
  const held = (await context.cookies([APP])).filter(({ name }) => name !== 'theme');
  assert.deepEqual(held.map(({ value }) => value).sort(), [own, shared].sort());
});

test('a __Secure- session with a Domain holds on every sub-domain, and ends on all of them', async (t) => {
  const context = await open(t, rig);
  const page = context.pages()[0];
  await page.goto(APP + '/open');
  await logIn(page, 'shared', 'alice');
  await page.goto(SHOP + '/open');
  assert.equal((await within(page, 'GET', '/shared/')).body, 'alice');
  assert.equal((await within(page, 'POST', '/logout')).status, 204);
  assert.deepEqual(await context.cookies(), []);
  await page.goto(APP + '/open');
  assert.equal((await within(page, 'GET', '/shared/')).status, 401);
});

test('a sibling can replace a __Secure- session with its own, and the next login ends that', async (t) => {
  const context = await open(t, rig);
  const page = context.pages()[0];
  const mallory = await issue('shared', 'mallory');
  await page.goto(APP + '/open');
  await logIn(page, 'shared', 'alice');
  const alice = await token(context, SHARED);
  await plantByHeader(page, `${SHARED}=${mallory}; Path=/; Secure; Domain=site.test`);
  await page.goto(APP + '/open');
  // It is a good session of a real user, in the only cookie that comes: nothing tells it from a login.
  assert.equal((await within(page, 'GET', '/shared/')).body, 'mallory');
  assert.equal(await verify(rig, `${SHARED}=${alice}`, 'shared'), 200, 'the session of before lives, out of reach');
  await logIn(page, 'shared', 'alice');
  assert.equal((await within(page, 'GET', '/shared/')).body, 'alice');
  assert.equal(await verify(rig, `${SHARED}=${mallory}`, 'shared'), 401);
});

test('a sibling can put its __Secure- session in front: nobody is recognised, not after a login either', async (t) => {
  const context = await open(t, rig);
  const page = context.pages()[0];
  const mallory = await issue('shared', 'mallory');
  await page.goto(APP + '/open');
  await logIn(page, 'shared', 'alice');
  await plantByHeader(page, `${SHARED}=${mallory}; Path=/shared/; Secure; Domain=site.test`);
  await page.goto(APP + '/open');
  assert.equal((await within(page, 'GET', '/shared/')).status, 401);
  const [first, second] = rig.seen.at(-1).cookies.split('; ');
  // The longer path comes first: whoever takes the first one, takes mallory.
  assert.equal(first, `${SHARED}=${mallory}`);
  assert.ok(second.startsWith(`${SHARED}=`));
  // A logout that both reach ends both. The dead one stays in the jar, and the visitor stays out until it is gone.
  assert.equal((await within(page, 'POST', '/shared/logout')).status, 204);
  assert.equal(await verify(rig, `${SHARED}=${mallory}`, 'shared'), 401);
  assert.deepEqual((await context.cookies()).map(({ value }) => value), [mallory]);
  await logIn(page, 'shared', 'alice');
  assert.equal((await within(page, 'GET', '/shared/')).status, 401);
  await context.clearCookies({ path: '/shared/' });
  assert.equal((await within(page, 'GET', '/shared/')).body, 'alice');
});

test('a realm whose logout clears all cookies gets rid of what a sibling put in front', async (t) => {
  const context = await open(t, rig);
  const page = context.pages()[0];
  const mallory = await issue('washed', 'mallory');
  await page.goto(APP + '/open');
  await logIn(page, 'washed', 'alice');
  await plantByHeader(page, `__Secure-washed=${mallory}; Path=/washed/; Secure; Domain=site.test`);
  await page.goto(APP + '/open');
  assert.equal((await within(page, 'GET', '/washed/')).status, 401);
  assert.equal((await within(page, 'POST', '/logout')).status, 204);
  assert.deepEqual(await context.cookies(), []);
  await logIn(page, 'washed', 'alice');
  assert.equal((await within(page, 'GET', '/washed/')).body, 'alice');
});

async function plantByHeader(page, line) {
  await page.goto(`${SIBLING}/set?line=${encodeURIComponent(line)}`);
}

async function plantByScript(page, line) {
  await page.goto(SIBLING);
  await page.evaluate((line) => { document.cookie = line; }, line);
}

/** A session of somebody who sits elsewhere: its token. */
async function issue(realm, subject) {
  return (await rig.call('/v1/sessions', { realm, subject })).body.token;
}
