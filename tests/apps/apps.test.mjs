// The example applications, each behind real nginx and the real `sealpass`: one suite for all.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { dependencies, deploy } from './lib/rig.mjs';

const { modules, python, go } = dependencies();
const has = (program) => spawnSync(program, ['version']).status === 0;
const APPS = {
  express: {
    file: 'express/app.mjs',
    there: existsSync(modules),
    prepare: ({ dir }) => symlink(modules, join(dir, 'node_modules')),
    command: [process.execPath, 'app.mjs'],
  },
  django: { file: 'django/app.py', there: existsSync(python), command: [python, 'app.py'] },
  flask: { file: 'flask/app.py', there: existsSync(python), command: [python, 'app.py'] },
  go: {
    file: 'go/main.go',
    there: has('go'),
    prepare: ({ run }) => run('env', `GOCACHE=${go}`, 'go', 'build', '-o', 'app', 'main.go'),
    command: ['./app'],
  },
};

for (const [name, app] of Object.entries(APPS)) {
  const skip = !app.there && !process.env.SEALPASS_REQUIRE_APPS && 'not installed: .ci/run tools does it';
  test(name, { skip }, async (t) => {
    const rig = await deploy(t, [app.file], app.prepare, app.command);
    for (const [what, check] of Object.entries(CHECKS)) await t.test(what, () => check(rig.visitor, t));
  });
}

const CHECKS = {
  async 'nobody gets in without a session, whatever the request says'(visitor) {
    const stranger = visitor();
    const sent = await stranger.open('/account');
    assert.deepEqual([sent.status, sent.headers.location], [302, '/login']);
    assert.equal((await stranger.open('/login')).status, 200);
    const claims = { 'x-session-subject': 'root', 'x-session-valid': 'true', 'x-session-roles': 'admin,editor' };
    for (const path of ['/account', '/reports', '/admin/roles', '/forms/note', '/elsewhere']) {
      assert.equal((await stranger.ask('GET', path, claims)).status, 401, path);
    }
  },

  async 'a login gives a session, and a page says whose'(visitor) {
    const alice = visitor();
    assert.equal((await alice.logIn('alice', 'guess')).status, 401);
    assert.equal((await alice.post('/login', WONDERLAND, { origin: 'https://evil.test' })).status, 403);
    assert.equal(alice.cookie, '');
    const { status, headers } = await alice.logIn('alice', 'wonderland');
    assert.deepEqual([status, headers.location, headers['set-cookie'].length], [303, '/account', 1]);
    assert.match(headers['set-cookie'][0], /^__Host-sealpass=[^;]+(?=.*; HttpOnly)(?=.*; Secure)(?=.*; SameSite=Lax)/);
    const page = await alice.open('/account', { 'x-session-subject': 'root', 'x-session-roles': 'admin' });
    assert.deepEqual([who(page), roles(page)], ['alice', 'editor']);
    const mueller = visitor();
    await mueller.logIn('müller', 'mühle');
    assert.equal(who(await mueller.open('/account')), 'müller');
  },

  async 'a login ends the session that the visitor came with'(visitor) {
    const browser = visitor();
    await browser.logIn('alice', 'wonderland');
    const kept = browser.copy();
    assert.equal((await kept.open('/account')).status, 200);
    await browser.logIn('müller', 'mühle');
    assert.equal(who(await browser.open('/account')), 'müller');
    assert.equal((await kept.open('/account')).status, 302);
  },

  async 'a form needs a token of its own session'(visitor) {
    const [alice, mueller] = [visitor(), visitor()];
    await alice.logIn('alice', 'wonderland');
    await mueller.logIn('müller', 'mühle');
    const send = (token) => alice.post('/forms/note', { text: 'hello' }, { 'x-csrf-token': token });
    for (const token of ['', mueller.csrf, `${alice.csrf}A`]) assert.equal((await send(token)).status, 403, token);
    const { status, body } = await send(alice.csrf);
    assert.deepEqual([status, JSON.parse(body)], [201, { by: 'alice', text: 'hello' }]);
  },

  async 'a role that was taken counts no more, without a login'(visitor) {
    const [alice, root] = [visitor(), visitor()];
    await alice.logIn('alice', 'wonderland');
    await root.logIn('root', 'toor');
    const change = (by, to) => by.post('/admin/roles', { user: 'alice', roles: to });
    assert.equal((await alice.open('/reports')).status, 200);
    assert.equal((await change(alice, 'editor,admin')).status, 403);
    assert.equal((await change(root, '')).status, 204);
    const before = alice.copy();
    const sent = await alice.open('/reports');
    assert.deepEqual([sent.status, sent.headers.location], [302, '/login']);
    const resealed = await alice.open('/login');
    assert.deepEqual([resealed.status, resealed.headers.location], [303, '/account']);
    const page = await alice.open('/account');
    assert.deepEqual([page.status, who(page), roles(page)], [200, 'alice', '']);
    assert.equal((await alice.open('/reports')).status, 403);
    assert.equal((await before.open('/account')).status, 302, 'the cookie of before is worthless');

    assert.equal((await change(root, 'editor')).status, 204);
    const noticed = await alice.open('/account');
    assert.deepEqual([noticed.status, noticed.headers.location], [303, '/login']);
    await alice.open('/login');
    assert.deepEqual([roles(await alice.open('/account')), (await alice.open('/reports')).status], ['editor', 200]);
  },

  async 'after a logout a kept cookie is refused'(visitor) {
    const alice = visitor();
    await alice.logIn('alice', 'wonderland');
    const kept = alice.copy();
    assert.equal((await alice.post('/logout', {}, { origin: null, 'sec-fetch-site': 'cross-site' })).status, 403);
    assert.equal((await kept.open('/account')).status, 200);
    assert.equal((await alice.post('/logout')).status, 204);
    assert.equal(alice.cookie, '');
    assert.equal((await kept.open('/account')).status, 302);
    assert.equal((await kept.post('/forms/note', { text: 'again' })).status, 401);
  },

  async 'logged out everywhere, on every device, and nobody else'(visitor) {
    const [phone, laptop, mueller] = [visitor(), visitor(), visitor()];
    await phone.logIn('alice', 'wonderland');
    await laptop.logIn('alice', 'wonderland');
    await mueller.logIn('müller', 'mühle');
    assert.equal((await phone.post('/forms/log-out-everywhere')).status, 204);
    for (const device of [phone, laptop]) assert.equal((await device.open('/account')).status, 302);
    assert.equal((await mueller.open('/account')).status, 200);
    await laptop.logIn('alice', 'wonderland');
    assert.equal((await laptop.open('/account')).status, 200);
    assert.equal((await phone.open('/account')).status, 302);
  },
};

function who({ body }) {
  return unescaped(/<p id="who">([^<]*)/.exec(body)?.[1]);
}

function roles({ body }) {
  return unescaped(/<p id="roles">([^<]*)/.exec(body)?.[1]);
}

function unescaped(text) {
  return text?.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(code));
}

const WONDERLAND = { user: 'alice', password: 'wonderland' };
