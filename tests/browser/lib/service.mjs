// The real `sealpass`, started on loopback with a configuration of its own, and one way of asking it.

import { spawn, execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Starts `sealpass serve` with this configuration. `stop()` ends it and removes its directory. */
export async function serve(config) {
  const dir = await mkdtemp(join(tmpdir(), 'sealpass-browser-'));
  const within = { cwd: dir, env: environment() };
  const run = (...args) => promisify(execFile)(binary(), ['--config', 'sealpass.toml', ...args], within);
  await writeFile(join(dir, 'sealpass.toml'), config);
  await run('keys', 'init');
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
  return { ...started, call };
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

function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? join(import.meta.dirname, '../../../target');
  return process.env.SEALPASS_BIN ?? join(target, 'debug/sealpass');
}

/** Without our own variables: Sealpass takes each SEALPASS_… for a key of its configuration. */
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SEALPASS_')));
}
