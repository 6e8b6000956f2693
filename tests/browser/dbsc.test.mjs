// Sessions bound to the device, in the browser that has them: Chromium registers, refreshes by itself, after a restart and at
// another replica; and what is copied out of it is worthless.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { ANCHOR, APP, EVIL, TOKEN, deploy, open } from './lib/dbsc.mjs';
import { until, within } from './lib/rig.mjs';
import { ask, binary, environment } from './lib/service.mjs';

const skip = await missing();
let rig;
before(async () => { if (!skip) rig = await deploy('10m'); });
after(() => rig?.stop());

test('a login is bound to the device, and refreshed when its cookie is gone', { skip }, async (t) => {
  const { context, page } = await visit(t);
  const bound = await logIn(context, page);
  const { sent } = rig.seen.find(({ url }) => url.endsWith('/registration'));
  assert.equal(sent['sec-fetch-site'], 'same-origin');
  assert.ok(bound.expires > Date.now() / 1_000, 'it has an end that the browser knows');
  await forget(context);
  assert.equal(await who(page), 'alice');
  assert.notEqual((await cookie(context, TOKEN)).value, bound.value);
  const statuses = rig.seen.filter(({ url }) => url.endsWith('/refresh')).map(({ status }) => status);
  assert.deepEqual(statuses, [403, 200], 'asked for a proof, and proven');
});

test('it goes on when the browser was closed, and at another replica', { skip }, async (t) => {
  const { context, page, again } = await visit(t);
  await logIn(context, page, '?keep');
  await forget(context);
  await context.close();
  rig.use(1);
  const { context: later, page: first } = await again();
  assert.equal(await cookie(later, TOKEN), undefined);
  assert.equal(await who(first), 'alice');
  assert.ok(rig.seen.some(({ url, status, at }) => url.endsWith('/refresh') && status === 200 && at === 1));
  await forget(later);
  rig.use(0);
  assert.equal(await who(first), 'alice', 'and back');
});

test('a link on another site is followed with a fresh cookie', { skip }, async (t) => {
  const { context, page } = await visit(t);
  await logIn(context, page);
  await forget(context);
  await page.goto(EVIL);
  await page.click('a');
  await page.waitForURL(`${APP}/linked`);
  assert.equal(await page.textContent('body'), 'alice');
});

test('a replica that is not ready ends nothing', { skip }, async (t) => {
  const { context, page } = await visit(t);
  await logIn(context, page);
  await forget(context);
  rig.down = 503;
  assert.equal(await who(page), 'denied: 401');
  rig.down = 0;
  assert.equal(await until('it is refreshed', async () => (await who(page)) === 'alice' && 'alice'), 'alice');
});

test('logout ends it, in the jar and in the browser', { skip }, async (t) => {
  const { context, page } = await visit(t);
  await logIn(context, page);
  const held = await jar(context);
  assert.equal((await within(page, 'POST', '/logout')).status, 204);
  assert.deepEqual(await context.cookies(), []);
  const refreshes = () => rig.seen.filter(({ url }) => url.endsWith('/refresh')).length;
  const before = refreshes();
  assert.equal(await who(page), 'denied: 401');
  assert.equal(refreshes(), before, 'the browser has nothing left to refresh');
  assert.equal((await thief(held)).status, 401);
});

test('logout while the cookie is gone ends it as well', { skip }, async (t) => {
  const { context, page } = await visit(t);
  await logIn(context, page);
  const held = await jar(context);
  await forget(context);
  assert.equal((await within(page, 'POST', '/logout')).status, 204);
  assert.deepEqual(await context.cookies(), []);
  assert.equal((await thief(held)).status, 401);
});

test('the next login in the same browser is bound anew', { skip }, async (t) => {
  const { context, page } = await visit(t);
  const first = await logIn(context, page);
  const second = await logIn(context, page);
  assert.notEqual(second.value, first.value);
  await forget(context);
  assert.equal(await who(page), 'alice');
  assert.equal((await thief(`${TOKEN}=${first.value}`)).status, 401, 'the one before was replaced');
});

test('a jar that is copied is worthless when its short life is over', { skip }, async (t) => {
  const short = await deploy('4s');
  t.after(() => short.stop());
  const { context, page } = await visit(t, short);
  await logIn(context, page, '', short);
  const copied = await jar(context);
  assert.equal((await thief(copied, short)).status, 200, 'for a moment it works, and that is said');
  await until('its life is over', async () => (await thief(copied, short)).status === 401);
  // The thief has the anchor too, and the browser's name for the session; not its key.
  const { body } = short.seen.find(({ url }) => url.endsWith('/registration'));
  const id = JSON.parse(body).session_identifier;
  const headers = { cookie: copied, 'sec-fetch-site': 'same-origin', 'sec-secure-session-id': id };
  const { public: at } = short.replicas[0];
  const answer = await ask(at, '/dbsc/default/refresh', { method: 'POST', headers });
  assert.equal(answer.status, 403, 'he is asked for a proof');
  assert.equal(answer.headers['set-cookie'], undefined);
  assert.equal(await who(page), 'alice', 'the browser itself goes on');
});

/** A new browser on the site, and the same one opened again. */
async function visit(t, at = rig) {
  at.seen.length = 0;
  at.use(0);
  const profile = await mkdtemp(join(tmpdir(), 'sealpass-profile-'));
  let context;
  const again = async () => {
    context = await open(at, profile);
    return { context, page: context.pages()[0] };
  };
  t.after(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });
  return { ...(await again()), again };
}

/** Logs in, and waits until the browser has bound the session: its cookie. */
async function logIn(context, page, how = '', at = rig) {
  const registered = () => at.seen.filter(({ url, status }) => url.endsWith('/registration') && status === 200).length;
  const before = registered();
  await page.goto(`${APP}/login${how}`);
  return until('the session is bound', async () => {
    const found = await cookie(context, TOKEN);
    return registered() > before && found?.expires > 0 && found;
  });
}

/** As if the time of the cookie were over. */
async function forget(context) {
  await context.clearCookies({ name: TOKEN });
}

/** Whom the site takes the browser for. */
async function who(page) {
  await page.goto(`${APP}/page`);
  return page.textContent('body');
}

async function cookie(context, wanted) {
  return (await context.cookies(APP)).find(({ name }) => name === wanted);
}

/** The Cookie header with all that a thief finds. */
async function jar(context) {
  const all = await context.cookies(APP);
  assert.deepEqual(all.map(({ name }) => name).sort(), [TOKEN, ANCHOR]);
  return all.map(({ name, value }) => `${name}=${value}`).join('; ');
}

/** What a client without the device's key is told. */
function thief(copied, { replicas } = rig) {
  return ask(replicas[0].public, '/policy/page/', { headers: { cookie: copied } });
}

/** Why there is nothing to test: the feature is off by default. */
async function missing() {
  const dir = await mkdtemp(join(tmpdir(), 'sealpass-dbsc-'));
  try {
    await writeFile(join(dir, 'sealpass.toml'), '[realm.default.dbsc]\nenabled = true\n');
    const within = { cwd: dir, env: environment() };
    const told = await promisify(execFile)(binary(), ['--config', 'sealpass.toml', 'check'], within).catch((error) => error);
    const without = /built without it/.test(`${told.stdout}${told.stderr}`);
    assert.ok(!without || !process.env.SEALPASS_REQUIRE_DBSC, 'SEALPASS_BIN has to be built with --features dbsc');
    return without && 'needs `cargo build --features dbsc`';
  } finally {
    await rm(dir, { recursive: true });
  }
}
