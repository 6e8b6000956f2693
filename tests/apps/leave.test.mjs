// An application that leaves Sealpass: sessions go on in its own store, and each of them once.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { dependencies, deploy, put } from './lib/rig.mjs';

const { modules } = dependencies();
const installed = existsSync(modules) || process.env.SEALPASS_REQUIRE_APPS;

test('sessions of Sealpass go on elsewhere', { skip: !installed && 'not installed: .ci/run tools does it' }, async (t) => {
  const rig = await deploy(t, ['leave/express.mjs'], prepare, [process.execPath, 'express.mjs']);

  await t.test('whoever has one is known, and until when', async () => {
    const { visitor, issued } = await loggedIn(rig, 'müller');
    const { status, body } = await visitor.open('/account');
    const { user, loggedInAt, cookie, carried } = JSON.parse(body);
    assert.deepEqual([status, user, carried], [200, 'müller', 1]);
    assert.equal(Math.floor(Date.parse(loggedInAt) / 1_000), Math.floor(Date.parse(issued.started_at) / 1_000));
    assert.equal(Math.floor(Date.parse(cookie.expires) / 1_000), Math.floor(Date.parse(issued.expires_at) / 1_000));
    const again = JSON.parse((await visitor.open('/account')).body);
    assert.deepEqual([again.user, again.carried], ['müller', 1], 'once');
  });

  await t.test('the cookie of Sealpass is worthless from then on, and a logout is one', async () => {
    const { visitor } = await loggedIn(rig, 'alice');
    const kept = visitor.copy();
    assert.equal((await visitor.open('/account')).status, 200);
    assert.equal((await kept.open('/account')).status, 401);
    assert.equal((await visitor.post('/log-out')).status, 204);
    assert.equal((await visitor.open('/account')).status, 401);
  });

  await t.test('nobody gets in by saying so, or after the last day', async () => {
    const claims = { 'x-session-valid': 'true', 'x-session-subject': 'root', 'x-session-id': 'A'.repeat(22) };
    assert.equal((await rig.visitor().open('/account', claims)).status, 401);
    const { visitor } = await loggedIn(rig, 'alice');
    await rig.restart({ ENDS: '2020-01-01' });
    assert.equal((await visitor.open('/account')).status, 401);
  });
});

/** What the quick start set up, with policies that let everybody pass. */
async function prepare(rig) {
  await put(rig, ['leave/sealpass.toml']);
  await symlink(modules, join(rig.dir, 'node_modules'));
}

/** A visitor with a session of before, and what the login answered then. */
async function loggedIn({ dir, env, visitor: stranger }, subject) {
  const credential = (await readFile(join(dir, 'shop.credential'), 'utf8')).trim();
  const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ subject });
  const done = await fetch(`${env.CONTROL}/v1/sessions`, { method: 'POST', headers, body });
  const visitor = stranger();
  visitor.take(done.headers.getSetCookie());
  return { visitor, issued: await done.json() };
}
