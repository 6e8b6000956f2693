// One deployment, as the quick start makes it: `sealpass`, nginx and an application, each a process of its own on loopback,
// in a directory that is gone when the test is over. The files are those of the quick start; only ports are others.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HERE = join(import.meta.dirname, '..');
const NAMED_PORTS = { public: 8080, control: 8081, app: 3000, nginx: 8443 };

/** Starts Sealpass and nginx by the quick start's own files, and behind them an application. */
export async function deploy(t, files, prepare, command) {
  const dir = await mkdtemp(join(tmpdir(), 'sealpass-apps-'));
  const ports = await freePorts();
  const children = [];
  t.after(async () => {
    for (const child of children.reverse()) await end(child);
    await rm(dir, { recursive: true, force: true });
  });
  await mkdir(join(dir, 'bin'));
  await symlink(binary(), join(dir, 'bin/sealpass'));
  for (const file of ['sealpass.toml', 'nginx.conf', 'setup.sh', ...files]) {
    const text = moved(await readFile(join(HERE, file), 'utf8'), ports);
    await writeFile(join(dir, file.split('/').at(-1)), text);
  }
  const rig = { dir, ports, env: environment(dir, ports) };
  rig.run = (...args) => run(rig, args);
  run(rig, ['sh', '-eu', 'setup.sh']);
  // The two commands of the quick start, without the & behind them.
  const started = readFileSync(join(HERE, 'serve.sh'), 'utf8').trim().split('\n').map((line) => line.replace(/ &$/, ''));
  for (const line of started) children.push(start(rig, line.split(' ')));
  await prepare?.(rig);
  children.push(start(rig, command.map((word) => moved(word, ports))));
  for (const port of Object.values(ports)) await listens(port, children);
  const ca = await readFile(join(dir, 'localhost.pem'));
  rig.visitor = () => new Visitor(ports.nginx, ca);
  return rig;
}

/** A browser's part: keeps the session cookie, and sends what a page of the application's own would send. */
export class Visitor {
  constructor(port, ca) {
    Object.assign(this, { port, ca, cookie: '', csrf: '' });
  }

  /** The same cookie in other hands. */
  copy() {
    return Object.assign(new Visitor(this.port, this.ca), { cookie: this.cookie, csrf: this.csrf });
  }

  get origin() {
    return `https://localhost:${this.port}`;
  }

  /** Opens a page, as somebody who types its address. */
  async open(path, headers = {}) {
    const answer = await this.ask('GET', path, { accept: 'text/html', 'sec-fetch-mode': 'navigate', ...headers });
    this.csrf = /name="csrf-token" content="([^"]*)"/.exec(answer.body)?.[1] ?? this.csrf;
    return answer;
  }

  /** Posts a form of a page of this site. */
  post(path, fields = {}, headers = {}) {
    const from = { origin: this.origin, 'sec-fetch-site': 'same-origin', 'x-csrf-token': this.csrf };
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    return this.ask('POST', path, { ...from, ...type, ...headers }, new URLSearchParams(fields).toString());
  }

  async logIn(user, password) {
    const answer = await this.post('/login', { user, password });
    if (answer.status === 303) await this.open('/account');
    return answer;
  }

  ask(method, path, headers, body = '') {
    const known = { ...(this.cookie && { cookie: `theme=dark; ${this.cookie}` }), ...headers };
    const sent = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== '' && value !== null));
    const options = { method, path, host: '127.0.0.1', port: this.port, servername: 'localhost', ca: this.ca };
    return new Promise((resolve, reject) => {
      const asked = https.request({ ...options, headers: { host: `localhost:${this.port}`, ...sent }, timeout: 10_000 });
      asked.on('response', async (answer) => {
        let text = '';
        for await (const chunk of answer.setEncoding('utf8')) text += chunk;
        this.take(answer.headers['set-cookie'] ?? []);
        resolve({ status: answer.statusCode, headers: answer.headers, body: text });
      });
      asked.on('timeout', () => asked.destroy(new Error(`no answer to ${path} within 10 s`))).on('error', reject);
      asked.end(body);
    });
  }

  take(lines) {
    for (const line of lines) {
      const [pair] = line.split(';');
      if (pair.startsWith('__Host-sealpass=')) this.cookie = /max-age=0/i.test(line) ? '' : pair;
    }
  }
}

/** Where dependencies are, that `.ci/run tools` installs: `node_modules` and a Python environment. */
export function dependencies() {
  const cache = process.env.SEALPASS_APPS_CACHE ?? join(process.env.HOME ?? '', '.cache/sealpass-ci/apps');
  return { modules: join(cache, 'express/node_modules'), python: join(cache, 'venv/bin/python'), go: join(cache, 'go') };
}

/** `text`, with the ports of a test in place of those that the manual names. */
function moved(text, ports) {
  return Object.entries(NAMED_PORTS).reduce((so, [name, port]) => so.replaceAll(`:${port}`, `:${ports[name]}`), text);
}

function start({ dir, env }, [program, ...args]) {
  const child = spawn(program, args, { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => { child.printed += text; });
  child.on('error', (error) => { child.printed += error; });
  running.add(child);
  return child;
}

function run({ dir, env }, [program, ...args]) {
  const done = spawnSync(program, args, { cwd: dir, env, encoding: 'utf8', timeout: 60_000 });
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.status}\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

async function end(child) {
  running.delete(child);
  if (child.exitCode === null && child.signalCode === null && child.pid && child.kill()) await once(child, 'exit');
}

/** Waits, a bounded time, until somebody listens; not for longer than all of them run. */
async function listens(port, children) {
  for (const begun = Date.now(); Date.now() - begun < 30_000;) {
    if (await connects(port)) return;
    const ended = children.find((child) => child.exitCode !== null || child.pid === undefined);
    if (ended) throw new Error(`${ended.spawnfile} ended:\n${ended.printed}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nobody listens on ${port} within 30 s:\n${children.map((child) => child.printed).join('\n')}`);
}

function connects(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false)).on('connect', () => socket.destroy());
  });
}

/** All at one moment, so that they differ. */
async function freePorts() {
  const held = await Promise.all(Object.keys(NAMED_PORTS).map(async (name) => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return [name, server];
  }));
  const ports = Object.fromEntries(held.map(([name, server]) => [name, server.address().port]));
  await Promise.all(held.map(([, server]) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Without our own variables: Sealpass takes each SEALPASS_… for a key of its configuration. */
function environment(dir, ports) {
  const own = Object.entries(process.env).filter(([name]) => !/^SEALPASS_|_proxy$/i.test(name));
  return {
    ...Object.fromEntries(own),
    PATH: `${join(dir, 'bin')}:${process.env.PATH}:/usr/sbin`,
    SEALPASS_PUBLIC__LISTEN: `127.0.0.1:${ports.public}`,
    SEALPASS_CONTROL__LISTEN: `127.0.0.1:${ports.control}`,
    CONTROL: `http://127.0.0.1:${ports.control}`,
    ORIGIN: `https://localhost:${ports.nginx}`,
    PORT: `${ports.app}`,
    PYTHONDONTWRITEBYTECODE: '1',
  };
}

function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? join(HERE, '../../target');
  return process.env.SEALPASS_BIN ?? join(target, 'debug/sealpass');
}

// Of a test that takes too long.
const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill())).once('SIGTERM', () => process.exit(1));
