// Two replicas with equal keys behind one site over TLS, and Chromium with device bound sessions: its keys are software's, as
// there is no security chip to be had.

import { createServer } from 'node:https';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { certificate, chromium, fingerprint, listen } from './rig.mjs';
import { ask, serve } from './service.mjs';

export const APP = 'https://app.site.test';
export const EVIL = 'https://evil.test';
export const TOKEN = '__Host-sealpass';
export const ANCHOR = '__Host-sealpass-anchor';

/** Starts all but the browser. `use(1)` leads the site to the second replica from then on. */
export async function deploy(life) {
  const one = await serve(config(life));
  const two = await serve(config(life), one.dir);
  const replicas = [one, two];
  const dir = await mkdtemp(join(tmpdir(), 'sealpass-tls-'));
  const tls = await certificate(dir);
  await rm(dir, { recursive: true });
  const rig = { replicas, seen: [], down: 0, at: 0, use(at) { rig.at = at; } };
  const server = createServer(tls, (request, response) => {
    site(rig, request, response).catch((error) => {
      console.error(error);
      response.writeHead(500).end();
    });
  });
  const port = await listen(server);
  rig.browserArguments = [
    `--host-resolver-rules=MAP *.test:443 127.0.0.1:${port}`,
    `--ignore-certificate-errors-spki-list=${fingerprint(tls.cert)}`,
    '--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting',
  ];
  rig.stop = async () => {
    server.close().closeAllConnections();
    await two.stop();
    await one.stop();
  };
  return rig;
}

/** A browser on this profile, which outlives it. */
export async function open(rig, profile) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM_BIN ?? '/usr/bin/chromium',
    chromiumSandbox: false,
    args: ['--no-proxy-server', ...rig.browserArguments],
  });
  context.setDefaultTimeout(10_000);
  return context;
}

/** The guarded site: logs in at /login, passes /dbsc/ and /logout on, and says who it is everywhere else. */
async function site(rig, request, response) {
  const { method, headers, url } = request;
  response.setHeader('content-type', 'text/html; charset=utf-8');
  if (headers.host !== 'app.site.test') return response.end(`${HEAD}<a href="${APP}/linked">a link</a>`);
  const replica = rig.replicas[rig.at];
  if (url.startsWith('/login')) {
    const persistent = url.endsWith('?keep');
    const replaces = { cookie: headers.cookie ?? '' };
    const { body } = await replica.call('/v1/sessions', { subject: 'alice', persistent, replaces });
    response.setHeader('set-cookie', body.set_cookies);
    for (const [name, value] of Object.entries(body.headers)) response.setHeader(name, value);
    return response.end(`${HEAD}welcome`);
  }
  if (url.startsWith('/dbsc/') || url === '/logout') {
    const answer = rig.down ? { status: rig.down, headers: {}, body: '' } : await ask(replica.public, url, { method, headers: of(headers) });
    rig.seen.push({ url, status: answer.status, at: rig.at, sent: headers, body: answer.body });
    for (const name of PASSED) if (answer.headers[name]) response.setHeader(name, answer.headers[name]);
    return response.writeHead(answer.status).end(answer.body);
  }
  const { status, headers: told } = await ask(replica.public, '/policy/page/', { headers: { cookie: headers.cookie } });
  rig.seen.push({ url, status, at: rig.at, sent: headers });
  if (told['set-cookie']) response.setHeader('set-cookie', told['set-cookie']);
  response.writeHead(status).end(`${HEAD}${told['x-session-subject'] || `denied: ${status}`}`);
}

/** What is passed on of a request: all that `/dbsc/` and `/logout` are decided by. */
function of(headers) {
  const names = ['cookie', 'origin', 'sec-fetch-site', 'sec-secure-session-id', 'secure-session-response'];
  return Object.fromEntries(names.map((name) => [name, headers[name]]));
}

/** A page has no icon to ask for: that would come when the browser likes, and refresh what a test has just taken the cookie from. */
const HEAD = '<!doctype html><link rel="icon" href="data:,">';

const PASSED = ['content-type', 'set-cookie', 'clear-site-data', 'secure-session-challenge'];

const config = (life) => `
credentials = "credentials.toml"
drain = "0s"
[public]
listen = "127.0.0.1:0"
workers = 1
[control]
listen = "127.0.0.1:0"
[realm.default.dbsc]
enabled = true
lifetime = "${life}"
[policy.page]
bound = "none"
`;
