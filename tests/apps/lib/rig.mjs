// One deployment, as the quick start makes it: `sealpass`, nginx and an application, each a process of its own on
// loopback, in a directory that is gone when the test is over. The files are those of the quick start; only ports are
// others.

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
/** Those of the walk-through with three replicas. */
const THREE = { bPublic: 8180, bControl: 8181, cPublic: 8280, cControl: 8281, aPeer: 7447, bPeer: 7448, cPeer: 7449 };

/** Starts Sealpass and nginx by the quick start's own files, and behind them an application. */
export async function deploy(t, files, prepare, command) {
  const rig = await place(t);
  await put(rig, ['sealpass.toml', 'nginx.conf', 'setup.sh', ...files]);
  rig.run('sh', '-eu', 'setup.sh');
  await prepare?.(rig);
  for (const line of commands('serve.sh')) rig.start(line);
  let app = rig.start(command);
  for (const name of ['public', 'control', 'nginx', 'app']) await rig.listens(name);
  /** The application alone, with more in its environment. */
  rig.restart = async (more) => {
    await end(app);
    app = rig.start(command, more);
    await rig.listens('app');
  };
  const ca = await readFile(join(rig.dir, 'localhost.pem'));
  rig.visitor = () => new Visitor(rig.ports.nginx, ca);
  return rig;
}

/** The ports of a walk-through with three replicas, and of one. */
export const ALL_PORTS = { ...NAMED_PORTS, ...THREE };

/** A directory in which `sealpass` is found and ports are free. What is started there ends with the test `t`. */
export async function place(t, names = NAMED_PORTS) {
  const dir = await mkdtemp(join(tmpdir(), 'sealpass-apps-'));
  const ports = await freePorts(names);
  const children = new Set();
  t.after(async () => {
    for (const child of children) await end(child);
    await rm(dir, { recursive: true, force: true });
  });
  await mkdir(join(dir, 'bin'));
  await symlink(binary(), join(dir, 'bin/sealpass'));
  const rig = { dir, ports, env: environment(dir, ports), moved: (text) => moved(text, ports) };
  rig.run = (...args) => run(rig, args);
  rig.start = (words, more) => {
    const child = start({ dir, env: { ...rig.env, ...more } }, words.map(rig.moved));
    children.add(child);
    child.on('exit', () => child.signalCode === 'SIGTERM' && children.delete(child));
    return child;
  };
  rig.end = end;
  rig.listens = (name) => listens(ports[name], [...children]);
  return rig;
}

/** A browser's part: keeps cookies, and sends what a page of the application's own would send. */
export class Visitor {
  constructor(port, ca) {
    Object.assign(this, { port, ca, jar: [], csrf: '' });
  }

  /** The same cookies in other hands. */
  copy() {
    return Object.assign(new Visitor(this.port, this.ca), { jar: [...this.jar], csrf: this.csrf });
  }

  /** The session's cookie, or nothing. */
  get cookie() {
    return this.jar.find((pair) => pair.startsWith('__Host-sealpass=')) ?? '';
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
    const known = { cookie: ['theme=dark', ...this.jar].join('; '), ...headers };
    const sent = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== '' && value !== null));
    const options = { method, path, host: '127.0.0.1', port: this.port, servername: 'localhost', ca: this.ca };
    return new Promise((resolve, reject) => {
      const all = { host: `localhost:${this.port}`, ...sent };
      const asked = https.request({ ...options, headers: all, timeout: 10_000 });
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
      const name = pair.split('=', 1)[0];
      this.jar = this.jar.filter((kept) => !kept.startsWith(`${name}=`));
      if (!/max-age=0|expires=thu, 01 jan 1970/i.test(line)) this.jar.push(pair);
    }
  }
}

/** The commands of a file of the quick start that starts something, without the & behind them. */
export function commands(file) {
  const lines = readFileSync(join(HERE, file), 'utf8').trim().split('\n');
  return lines.map((line) => line.replace(/ &$/, '').split(' '));
}

/** Where dependencies are, that `.ci/run tools` installs: `node_modules` and a Python environment. */
export function dependencies() {
  const cache = process.env.SEALPASS_APPS_CACHE ?? join(process.env.HOME ?? '', '.cache/sealpass-ci/apps');
  const [modules, python, go] = ['express/node_modules', 'venv/bin/python', 'go'].map((name) => join(cache, name));
  return { modules, python, go };
}

/** Puts files of `tests/apps` into the deployment's directory. */
export async function put({ dir, ports }, files) {
  for (const file of files) {
    const text = moved(await readFile(join(HERE, file), 'utf8'), ports);
    await writeFile(join(dir, file.split('/').at(-1)), text);
  }
}

/** `text`, with the ports of a test in place of those that the manual names. */
function moved(text, ports) {
  return Object.entries(ALL_PORTS).reduce((so, [name, port]) => so.replaceAll(`:${port}`, `:${ports[name] ?? port}`), text);
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

/** Below those that the system gives to connections: from there, one could be taken before it is listened on. */
async function freePorts(names) {
  const ports = {};
  for (const name of Object.keys(names)) {
    do ports[name] = 20_000 + (process.pid * 64 + tried++) % 12_000; while (!(await isFree(ports[name])));
  }
  return ports;
}

let tried = 0;

async function isFree(port) {
  const server = net.createServer();
  const free = await new Promise((resolve) => {
    server.on('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
  });
  if (free) await new Promise((resolve) => server.close(resolve));
  return free;
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
