// What the README and the page `operations` print to be typed, typed as it stands: the file, and then the commands.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { place } from './lib/rig.mjs';

test('the README sets up a service that logs in and out', async (t) => {
  const { section, rig } = await of(t, 'README.md');
  const [setUp, config] = section('In production');
  await writeFile(join(rig.dir, 'sealpass.toml'), config);
  typed(rig, setUp.replace(/^cargo install.*$/m, ''));
  await rig.listens('control');
  const [proxy] = section('Behind your proxy');
  assert.match(rig.run('sh', '-eu', '-c', proxy), /auth_request \/_sealpass\/policy\/admin;/);

  const [logIn, logOut] = section('Log in, log out');
  const issued = rig.run('sh', '-eu', '-c', logIn);
  assert.match(issued, /^HTTP\/1.1 201 /);
  const [, cookie] = /^set-cookie: (__Host-sealpass=[^;]+)/im.exec(issued);
  const verify = () => rig.run('curl', '-sS', '-o', 'body', '-w', '%{http_code}', '-b', cookie,
    rig.moved('http://127.0.0.1:8080/verify/'));
  assert.equal(verify(), '200');
  assert.ok(logOut.includes('__Host-sealpass=AZnA…'));
  assert.match(rig.run('sh', '-eu', '-c', logOut.replace('__Host-sealpass=AZnA…', cookie)), /^HTTP\/1.1 204 /);
  assert.equal(verify(), '401');

  const [keys] = section('Keys');
  const [, active] = /^([0-9a-f]{8}) +active/m.exec(rig.run('sealpass', 'keys', 'list'));
  assert.match(keys, /revoke ID /);
  assert.match(rig.run('sh', '-eu', '-c', keys.replace(/revoke ID .*/, `revoke ${active} --yes`)), /pending/);
  assert.match(rig.run('sealpass', 'keys', 'list'), new RegExp(`^${active} +revoked`, 'm'));
});

test('the page on operations sets up a service', async (t) => {
  const { section, rig } = await of(t, 'src/manual/operations.md');
  const [setUp] = section('Setting up');
  typed(rig, setUp);
  await rig.listens('control');
  assert.match(rig.run('cat', 'sealpass.toml'), /\[realm\.default\]/);
});

/** The blocks below a heading of a page of ours, and a place for them. */
async function of(t, page) {
  const rig = await place(t);
  const text = rig.moved(await readFile(join(import.meta.dirname, '../..', page), 'utf8'));
  const section = (heading) => {
    const [, rest] = text.split(new RegExp(`^#{2,4} ${heading}$`, 'm'));
    assert.ok(rest, `${page} has no heading ${heading}`);
    return [...rest.split(/^#{2,4} /m)[0].matchAll(/^```(?:sh|toml|text)\n([^]*?)^```$/gm)].map(([, block]) => block);
  };
  return { section, rig };
}

/** Types the lines, and leaves the last one, which serves, running. */
function typed(rig, lines) {
  const [, before, serve] = /^([^]*?)^(sealpass serve .*)\n$/m.exec(lines);
  rig.run('sh', '-eu', '-c', before);
  rig.start(['sh', '-c', `exec ${serve}`]);
}
