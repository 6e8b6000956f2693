// What the README and the page `operations` print to be typed, typed as it stands: the file, and then the commands.

import assert from 'node:assert/strict';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ALL_PORTS, place } from './lib/rig.mjs';

test('the README leads from a clone to a guarded page', async (t) => {
  const { section, rig } = await of(t, 'README.md');
  const [setUp, ask] = section('A guarded page');
  await walked(rig, setUp);
  for (const name of ['public', 'control', 'nginx', 'app']) await rig.listens(name);
  const seen = rig.run('sh', '-eu', '-c', `cd ${join(rig.dir, 'shop')}\n${ask}`);
  const promised = ask.match(/(?<= # )\d{3}\b/g);
  assert.deepEqual(promised, ['401', '200', '204', '401']);
  assert.deepEqual([...seen.matchAll(/HTTP\/\d\S* (\d{3})/g)].map(([, status]) => status), promised);
  assert.match(seen, /x-session-subject\W+alice/i);
});

test('the README leads from a clone to three replicas', async (t) => {
  const { section, rig } = await of(t, 'README.md', ALL_PORTS);
  const [setUp, config] = section('Several replicas');
  const told = await walked(rig, setUp);
  assert.match(told, /All is well: 3 of 3 replicas answer\./);
  assert.deepEqual(told.match(/^\d{3}$/gm), ['200', '200', '401', '401']);
  const cluster = (text) => text.split('[cluster]\n')[1].replace(/ *#.*$/gm, '').trim();
  assert.equal(cluster(await readFile(join(rig.dir, 'three/sealpass.toml'), 'utf8')), cluster(config));
});

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

test('the page on operations is typed as it stands', async (t) => {
  const { section, rig } = await of(t, 'src/manual/operations.md');
  const config = 'credentials = "credentials.toml"\n[realm.default]\n[realm.shop]\ncookie.name = "__Host-shop"\n';
  await writeFile(join(rig.dir, 'sealpass.toml'), config);
  rig.env.SEALPASS_CONFIG = 'sealpass.toml';
  const type = (commands) => rig.run('sh', '-eu', '-c', commands);
  assert.match(type(section('Credentials')[0]), /^shop .*shop:/m);
  type('rm credentials.toml shop.credential');
  type(section('Setting up')[0].match(/^sealpass (keys|credential) .*$/gm).join('\n'));
  const service = rig.start(['sealpass', 'serve']);
  await rig.listens('control');
  assert.match(type(section('Why was somebody refused\\?')[0]), /Nothing is in force/);
  assert.match(type(section('Looking at it')[0]), /This replica is alone, and answers\./);
  const [rotation] = section('A routine rotation');
  const rotate = rotation.replace(/^.*?(?=sealpass keys)/, '').replace('/etc/sealpass/sealpass.toml', 'sealpass.toml');
  assert.match(type(rotate), /seals in 10 minutes/);
  const [, active] = /^([0-9a-f]{8}) +active/m.exec(rig.run('sealpass', 'keys', 'list'));
  const [revoke] = section('An emergency: a key leaked');
  type(revoke.replace('1615dc50', `${active} --yes`));
  assert.match(rig.run('sealpass', 'keys', 'list'), new RegExp(`^${active} +revoked`, 'm'));
  await rig.end(service);
  assert.match(type(section('Changing the cluster secret')[0]), /alone opens the ring/);
  const [replace] = section('The ring file or the cluster secret leaked, or the secret is lost');
  type(replace.replace('/etc/sealpass/new.secret', 'newer.secret --yes'));
  assert.match(type('sealpass keys list --cluster-secret newer.secret'), /active/);
});

/** The blocks below a heading of a page of ours, and a place for them. */
async function of(t, page, names) {
  const rig = await place(t, names);
  const text = rig.moved(await readFile(join(import.meta.dirname, '../..', page), 'utf8'));
  const section = (heading) => {
    const [, rest] = text.split(new RegExp(`^#{2,4} ${heading}$`, 'm'));
    assert.ok(rest, `${page} has no heading ${heading}`);
    return [...rest.split(/^#{2,4} /m)[0].matchAll(/^```(?:sh|toml|text)\n([^]*?)^```$/gm)].map(([, block]) => block);
  };
  return { section, rig };
}

/** Types the lines one by one as somebody in the clone does, whose home is the place. Returns what was said. */
async function walked(rig, lines) {
  let [at, said] = [join(import.meta.dirname, '../..'), ''];
  Object.assign(rig.env, { HOME: rig.dir, SEALPASS_DRAIN: '0s' });
  for (const line of lines.split('\n').map((text) => text.replace(/ +# .*$/, '')).filter(Boolean)) {
    const [word, file] = line.split(' ');
    if (word === 'cargo') continue; // it is there already
    if (word === 'cd') {
      at = file.replace('~', rig.dir);
      for (const name of await readdir(at)) await move(rig, join(at, name));
    } else if (word === '.' || line.endsWith(' &')) {
      const started = word === '.' ? await readFile(join(at, file), 'utf8') : `${line}\n`;
      for (const one of started.trim().split('\n')) rig.start(['sh', '-c', `cd ${at} && exec ${one.replace(/ &$/, '')}`]);
    } else {
      said += await until(() => rig.run('sh', '-eu', '-c', `cd ${at}\n${line}`), line.includes('cluster status'));
    }
  }
  return said;
}

/** What is said once it is no failure, if that is worth waiting for: a bounded time. */
async function until(asked, patient) {
  for (const begun = Date.now(); ;) {
    try {
      return asked();
    } catch (error) {
      if (!patient || Date.now() - begun > 30_000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** With the ports of the test in a file that was copied. */
async function move(rig, path) {
  if ((await stat(path)).isFile()) await writeFile(path, rig.moved(await readFile(path, 'utf8')));
}

/** Types the lines, and leaves the last one, which serves, running. */
function typed(rig, lines) {
  const [, before, serve] = /^([^]*?)^(sealpass serve .*)\n$/m.exec(lines);
  rig.run('sh', '-eu', '-c', before);
  rig.start(['sh', '-c', `exec ${serve}`]);
}
