// The real `sealpass`, started on loopback with a configuration of its own, and one way of asking it.

import { spawn, execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { copyFile, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Starts `sealpass serve` with this configuration, with keys of its own or with those in the directory of another one.
 * `stop()` ends it and removes its directory.
 */
export async function serve(config, other) {
  const dir = await mkdtemp(join(tmpdir(), 'sealpass-browser-'));
  const within = { cwd: dir, env: environment() };
  const run = (...args) => promisify(execFile)(binary(), ['--config', 'sealpass.toml', ...args], within);
  await writeFile(join(dir, 'sealpass.toml'), config);
  if (other) await cp(join(other, 'keys'), join(dir, 'keys'), { recursive: true, filter: (file) => !file.endsWith('.redb') });
  else await run('keys', 'init');
  const made = await run('credential', 'new', '--name', 'app', '--realm', '*');
  await writeFile(join(dir, 'credentials.toml'), made.stdout, { mode: 0o600 });
  const started = await start(['--config', 'sealpass.toml', 'serve'], within, /public on (\S+), control on (\S+)\n/);
  const credential = made.stderr.trim();
  /** A call of the application's, at the control listener. */
  const call = async (path, body) => {
    const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' };
    const answer = await ask(started.control, path, { method: 'POST', headers, body: JSON.stringify(body) });
    return { ...answer, body: answer.body ? JSON.parse(answer.body) : null };
  };
  return { ...started, dir, call, credential, run };
}

/** Starts three replicas that make up one core. `stop()` ends all of them; each has its own `stop()` as well. */
export async function serveFleet() {
  const dir = await mkdtemp(join(tmpdir(), 'sealpass-browser-'));
  const names = ['a', 'b', 'c'];
  const ports = await freePorts(names.length);
  const [first] = names.map((name) => join(dir, name));
  let credential = '';
  const replicas = [];
  const stop = async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await rm(dir, { recursive: true, force: true });
  };
  for (const [at, name] of names.entries()) {
    const within = { cwd: join(dir, name), env: environment() };
    const run = (...args) => promisify(execFile)(binary(), ['--config', 'sealpass.toml', ...args], within);
    const peers = ports.filter((_, other) => other !== at).map((port) => `"127.0.0.1:${port}"`);
    const cluster = `size = 3\nname = "${name}"\ncore = ["a", "b", "c"]\nlisten = "127.0.0.1:${ports[at]}"\npeers = [${peers}]`;
    const listen = '[public]\nlisten = "127.0.0.1:0"\nworkers = 1\n[control]\nlisten = "127.0.0.1:0"\n';
    await mkdir(join(dir, name, 'keys'), { recursive: true, mode: 0o700 });
    await writeFile(join(dir, name, 'sealpass.toml'), `credentials = "credentials.toml"\ndrain = "0s"\n${listen}[cluster]\n${cluster}\n`);
    if (name === 'a') {
      await run('keys', 'init');
      const made = await run('credential', 'new', '--name', 'ops', '--realm', '*', '--scope', 'app', '--scope', 'admin');
      await writeFile(join(first, 'credentials.toml'), made.stdout, { mode: 0o600 });
      credential = made.stderr.trim();
    } else {
      for (const file of ['credentials.toml', 'keys/cluster.secret']) await copyFile(join(first, file), join(dir, name, file));
    }
    const addresses = /public on (\S+), control on (\S+)\n/;
    replicas.push({ name, ...(await start(['--config', 'sealpass.toml', 'serve'], within, addresses)) });
  }
  return { replicas, credential, stop };
}

/** UDP ports of the loopback that are free now. */
async function freePorts(count) {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'));
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve))));
  const ports = sockets.map((socket) => socket.address().port);
  for (const socket of sockets) socket.close();
  return ports;
}

/** Starts `sealpass serve --dev`. */
export async function serveDev() {
  const dir = await mkdtemp(join(tmpdir(), 'sealpass-browser-'));
  const args = ['serve', '--dev', '--public', '127.0.0.1:0', '--control', '127.0.0.1:0', '--keys', join(dir, 'keys')];
  return start(args, { cwd: dir, env: environment() }, /Open (\S+)\/ and/);
}

/** One request: header values are raw bytes, written as Latin-1, as Node hands them over and takes them. */
export function ask(base, path, { method = 'GET', headers = {}, body = '' } = {}) {
  return new Promise((resolve, reject) => {
    const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
    const options = { method, headers: sent, timeout: 10_000, maxHeaderSize: 65_536 };
    const request = http.request(base + path, options, async (answer) => {
      let text = '';
      for await (const chunk of answer.setEncoding('utf8')) text += chunk;
      resolve({ status: answer.statusCode, headers: answer.headers, body: text });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer to ${path} within 10 s`)));
    request.on('error', reject);
    request.end(body);
  });
}

/** Waits for the addresses, which what it prints names in this way. */
async function start(args, within, addresses) {
  const child = spawn(binary(), args, { ...within, stdio: ['ignore', 'pipe', 'pipe'] });
  process.once('exit', () => child.kill()).once('SIGTERM', () => process.exit(1)); // of a test that takes too long
  let printed = '';
  const listens = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        printed += text;
        const found = addresses.exec(printed);
        if (found) resolve({ public: found[1], control: found[2] });
      });
    }
    child.on('error', reject).on('exit', (code) => reject(new Error(`sealpass ended with ${code}:\n${printed}`)));
    setTimeout(() => reject(new Error(`sealpass does not listen within 20 s:\n${printed}`)), 20_000).unref();
  });
  const stop = async () => {
    if (child.exitCode === null && child.kill()) await once(child, 'exit');
    await rm(within.cwd, { recursive: true, force: true });
  };
  try {
    return { ...(await listens), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? join(import.meta.dirname, '../../../target');
  return process.env.SEALPASS_BIN ?? join(target, 'debug/sealpass');
}

/** Without our own variables: Sealpass takes each SEALPASS_… for a key of its configuration. */
export function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SEALPASS_')));
}
