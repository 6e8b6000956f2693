// The largest cookie that a login can give is one that the browser keeps; a step more is refused at the login.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { APP, deploy, logIn, LONG_PATH, open, within } from './lib/rig.mjs';

let rig;
before(async () => { rig = await deploy(); });
after(() => rig?.stop());

/** Tokens grow by 32 bytes, which is 43 characters at most. */
const STEP = 43;
/** What the padded claims may be, in bytes, so that a token stays within 3,800 characters. */
const CLAIMS = 2_784;

for (const [what, realm, path, most, limit, more] of [
  ['token', 'default', '/default/', 3_800, CLAIMS, {}],
  ['token, kept for days,', 'default', '/default/', 3_800, CLAIMS, { persistent: true }],
  ['cookie', 'wide', `${LONG_PATH}/`, 4_096, 4_096, {}],
  ['cookie, kept for days,', 'wide', `${LONG_PATH}/`, 4_096, 4_096, { persistent: true }],
]) {
  test(`s32 the largest ${what} is kept by the browser, a step more is refused: ${realm}`, async (t) => {
    const context = await open(t, rig);
    const page = context.pages()[0];
    await page.goto(APP + '/open');
    const log = (length) => logIn(page, realm, 'alice', { data: data(length), ...more });
    const fits = await largest(async (length) => (await log(length)).status === 201);
    await context.clearCookies();

    const issued = JSON.parse((await log(fits)).body);
    const reached = realm === 'wide' ? issued.set_cookie.length : issued.token.length;
    t.diagnostic(`token ${issued.token.length} characters, Set-Cookie ${issued.set_cookie.length} octets`);
    const longerAge = more.persistent ? 2 : 0; // for a Max-Age of 400 days
    assert.ok(reached <= most && reached > most - STEP - longerAge, `${reached}`);
    assert.deepEqual((await context.cookies()).map(({ value }) => value), [issued.token]);
    const answer = await within(page, 'GET', path);
    assert.deepEqual([answer.status, answer.body], [200, 'alice']);
    assert.deepEqual(JSON.parse(Buffer.from(answer.data, 'base64url')), data(fits));

    const refused = await log(fits + 1);
    const problem = JSON.parse(refused.body);
    assert.deepEqual([refused.status, problem.limit], [422, limit], refused.body);
    assert.ok(problem.found > limit && problem.found <= limit + STEP, refused.body);
    assert.deepEqual((await context.cookies()).map(({ value }) => value), [issued.token], 'the one before stays');
  });
}

test('the browser drops a cookie of one octet more than the limit stands for', async (t) => {
  const context = await open(t, rig);
  const page = context.pages()[0];
  await page.goto(APP + '/open');
  for (const [octets, kept] of [[4_096, 1], [4_097, 0]]) {
    await page.evaluate((octets) => {
      document.cookie = `${'__Host-x='.padEnd(octets + 1, 'v')}; Path=/; Secure`; // the = does not count
    }, octets);
    assert.equal((await context.cookies()).length, kept, `${octets}`);
    await context.clearCookies();
  }
});

function data(length) {
  return { a: 'a'.repeat(Math.floor(length / 2)), b: 'b'.repeat(Math.ceil(length / 2)) };
}

/** The largest number below 4,000 of which `good` holds, as it does of all below it. */
async function largest(good) {
  let [fits, not] = [0, 4_000];
  while (not - fits > 1) {
    const middle = (fits + not) >> 1;
    if (await good(middle)) fits = middle; else not = middle;
  }
  return fits;
}
