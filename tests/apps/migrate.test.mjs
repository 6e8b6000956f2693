// Applications that leave their own sessions for Sealpass: both are read for a while, and nobody logs in again.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { dependencies, deploy, put } from './lib/rig.mjs';

const { modules, python } = dependencies();
const APPS = {
  'express-session': {
    file: 'migrate/express.mjs',
    there: existsSync(modules),
    command: [process.execPath, 'express.mjs'],
  },
  Django: { file: 'migrate/app.py', there: existsSync(python), command: [python, 'app.py'] },
};
const EARLIER = 1_000 * Math.floor(Date.now() / 1_000 - 600);

for (const [name, app] of Object.entries(APPS)) {
  const skip = !app.there && !process.env.SEALPASS_REQUIRE_APPS && 'not installed: .ci/run tools does it';
  test(`sessions of ${name} go on in Sealpass, once and until a day`, { skip }, async (t) => {
    const { visitor, restart } = await deploy(t, [app.file], prepare, app.command);
    const began = (user, at = EARLIER) => withSessionOfBefore(visitor(), user, at);

    await t.test('a session of before goes on, as old as it is', async () => {
      const alice = await began('alice');
      assert.equal(alice.cookie, '');
      assert.equal((await alice.open('/account')).headers.location, '/login');
      const [first, second] = await Promise.all([alice.copy(), alice.copy()].map(enter));
      for (const one of [first, second]) {
        const { status, body } = await one.open('/account');
        assert.deepEqual([status, field(body, 'who'), field(body, 'since')], [200, 'alice', `${EARLIER / 1_000}`]);
      }
      assert.equal((await first.post('/logout')).status, 204);
      assert.equal((await second.open('/account')).status, 302, 'they are one session');
    });

    await t.test('what was ended in Sealpass does not come back from before', async () => {
      const alice = await began('alice');
      await enter(alice);
      const kept = alice.copy();
      assert.equal((await alice.post('/logout')).status, 204);
      assert.deepEqual([(await kept.open('/login')).status, (await kept.open('/account')).status], [200, 302]);
    });

    await t.test('a logout ends both', async () => {
      const alice = await began('alice');
      await enter(alice);
      const kept = alice.copy();
      assert.equal((await alice.post('/log-out', {}, { 'sec-fetch-site': 'cross-site' })).status, 403);
      assert.equal((await alice.post('/log-out')).status, 204);
      assert.deepEqual([(await kept.open('/login')).status, (await kept.open('/account')).status], [200, 302]);
    });

    await t.test('one that is older than a session may get is over', async () => {
      const alice = await began('alice', Date.now() - 13 * 3_600_000);
      assert.equal((await alice.open('/login')).status, 200);
      assert.equal(alice.cookie, '');
    });

    await t.test('how many came is counted', async () => {
      const root = await enter(await began('root'));
      const { carried, refused } = JSON.parse((await root.open('/admin/before')).body);
      assert.deepEqual([carried, refused], [5, 2]);
    });

    await t.test('from the last day on, nobody is taken for who they were before', async () => {
      await restart({ ENDS: '2020-01-01' });
      const alice = await began('alice');
      assert.equal((await alice.open('/login')).status, 200);
      assert.equal(alice.cookie, '');
    });
  });
}

/** What the quick start set up, with another configuration. */
async function prepare(rig) {
  await put(rig, ['migrate/sealpass.toml', 'migrate/setup.sh']);
  rig.run('sh', '-eu', 'setup.sh');
  await symlink(modules, join(rig.dir, 'node_modules'));
}

async function withSessionOfBefore(visitor, user, at) {
  const logged = await visitor.post('/before', { user, loggedInAt: new Date(at).toISOString() });
  assert.equal(logged.status, 204);
  return visitor;
}

/** To the login page, where nginx sends whoever has no session. */
async function enter(visitor) {
  const { status, headers } = await visitor.open('/login');
  assert.deepEqual([status, headers.location], [303, '/account']);
  return visitor;
}

function field(body, id) {
  return new RegExp(`<p id="${id}">([^<]*)`).exec(body)?.[1];
}
