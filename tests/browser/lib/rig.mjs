// One deployment: `sealpass`, a site that it guards and a stranger's, both over TLS on names like real ones and on
// http://localhost, and Chromium. All of it on loopback, and gone when the test is over.

import { execFile } from 'node:child_process';
import { createHash, randomUUID, X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { guarded, stranger } from './front.mjs';
import { ask, serve } from './service.mjs';

// Not by `import`, which does not look into NODE_PATH.
export const { chromium } = createRequire(import.meta.url)('playwright-core');

export const APP = 'https://app.site.test';
/** The same application on another name: of the same site, and guarded as well. */
export const SHOP = 'https://shop.site.test';
/** Somebody else's name below the same domain. */
export const SIBLING = 'https://sibling.site.test';
export const EVIL = 'https://evil.test';
/** The cookie of the realm `default`. */
export const COOKIE = '__Host-sealpass';

/** Starts it all but the browser. */
export async function deploy(config = CONFIG) {
  const dir = await mkdtemp(join(tmpdir(), 'sealpass-tls-'));
  const tls = await certificate(dir);
  await rm(dir, { recursive: true });
  const service = await serve(config);
  const seen = [];
  const app = careful(guarded(service, seen, [APP, SHOP]));
  const byName = (request, response) => {
    const own = [APP, SHOP].includes(`https://${request.headers.host}`);
    return (own ? app : stranger)(request, response);
  };
  const plainly = (handle) => http.createServer(handle);
  const servers = [https.createServer(tls, byName), ...[byName, app, stranger].map(plainly)];
  const [secure, plain, localhost, neighbour] = await Promise.all(servers.map(listen));
  return {
    ...service,
    seen,
    /** The guarded site on http://localhost. */
    local: `http://localhost:${localhost}`,
    /** The stranger's, on another port of the same host, and on another host. */
    localNeighbour: `http://localhost:${neighbour}`,
    localStranger: `http://127.0.0.1:${neighbour}`,
    browserArguments: [
      `--host-resolver-rules=MAP *.test:443 127.0.0.1:${secure}, MAP *.test:80 127.0.0.1:${plain}`,
      `--ignore-certificate-errors-spki-list=${fingerprint(tls.cert)}`,
    ],
    stop: async () => {
      for (const server of servers) server.close().closeAllConnections();
      await service.stop();
    },
  };
}

/**
 * A browser that nobody has used yet. It ends with the test `t`. Unless `blocking`, it sends third-party cookies:
 * that is a setting of its user, whose default differs.
 */
export async function open(t, { browserArguments = [] } = {}, { blocking = false } = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'sealpass-profile-'));
  await mkdir(join(profile, 'Default'));
  const settings = { cookie_controls_mode: blocking ? 1 : 0, block_third_party_cookies: blocking };
  await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify({ profile: settings }));
  // A profile on disk and not an "incognito" one, which never sends them.
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM_BIN ?? '/usr/bin/chromium',
    chromiumSandbox: false,
    args: ['--no-proxy-server', ...browserArguments],
  });
  context.setDefaultTimeout(10_000);
  t.after(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });
  return context;
}

/** Logs in by the application's page: the issue call's status and body. */
export function logIn(page, realm, subject, more = {}) {
  return within(page, 'POST', '/login', { body: JSON.stringify({ realm, subject, ...more }) });
}

/** What a script on the page gets from its own site. */
export function within(page, method, path, more = {}) {
  return page.evaluate(async ([path, options]) => {
    const answer = await fetch(path, { credentials: 'same-origin', ...options });
    return { status: answer.status, body: await answer.text(), data: answer.headers.get('x-data') };
  }, [path, { method, ...more }]);
}

/** The token in the browser's jar, or undefined. */
export async function token(context, name = COOKIE) {
  return (await context.cookies()).find((cookie) => cookie.name === name)?.value;
}

/** What Sealpass tells a proxy of this Cookie header, without any browser: what a thief learns. */
export async function verify({ public: base }, cookie, policy = 'default') {
  return (await ask(base, `/policy/${policy}/`, { headers: { cookie } })).status;
}

/** The request that asked for this URL, once Sealpass was asked about it. The URL has to be one of `marked`. */
export function arrived({ seen }, url) {
  const { searchParams } = new URL(url);
  return until(`a request for ${url}`, () => seen.find(({ id }) => id === searchParams.get('id')));
}

/** The same URL, with something in its query that no other request has. */
export function marked(url) {
  return `${url}?id=${randomUUID()}`;
}

/** Waits, a bounded time, until `look` finds something. */
export async function until(what, look) {
  for (const begun = Date.now(); Date.now() - begun < 15_000;) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not within 15 s: ${what}`);
}

/** On which port it listens. */
export function listen(server) {
  return new Promise((resolve, reject) => {
    server.on('error', reject).listen(0, '127.0.0.1', () => resolve(server.address().port));
  });
}

/** A fault of the proxy's own is a 500, which no test takes for an answer of Sealpass. */
function careful(handle) {
  return (request, response) => handle(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
}

/** Of the names that the tests use. */
export async function certificate(dir) {
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const named = ['-subj', '/CN=site.test', '-addext', 'subjectAltName=DNS:*.site.test,DNS:evil.test'];
  await promisify(execFile)('openssl', ['req', '-x509', ...made, ...named, '-keyout', key, '-out', cert]);
  return { key: await readFile(key), cert: await readFile(cert) };
}

/** By which the browser trusts this one certificate, and no other. */
export function fingerprint(cert) {
  const key = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64');
}

/** So long that a cookie reaches its limit before the token in it does. */
export const LONG_PATH = `/wide/${'p'.repeat(300)}`;
const realm = (name, cookie, more = '') => `
[realm.${name}]
${more}
[realm.${name}.cookie]
${cookie}
[policy.${name}]
realm = "${name}"
`;

const ORIGINS = `public_origins = ["${APP}", "${SHOP}"]`;

const CONFIG = `
credentials = "credentials.toml"
trusted_proxies = ["127.0.0.1"]
[public]
listen = "127.0.0.1:0"
workers = 2
[control]
listen = "127.0.0.1:0"
[realm.default]
${ORIGINS}
[policy.default]
${realm('strict', 'name = "__Host-strict"\nsame_site = "strict"')}
${realm('none', 'name = "__Host-none"\nsame_site = "none"')}csrf = "require"
${realm('shared', 'name = "__Secure-shared"\ndomain = "site.test"', ORIGINS)}
${realm('deep', 'name = "__Secure-deep"\ndomain = "site.test"\npath = "/deep"')}
${realm('wide', `name = "__Secure-wide"\npath = "${LONG_PATH}"`)}
${realm('brief', 'name = "__Host-brief"', 'idle = "6s"')}
${realm('washed', 'name = "__Secure-washed"\ndomain = "site.test"', 'clear_site_data = ["cookies", "storage"]')}
${realm('wiped', 'name = "__Host-wiped"', 'clear_site_data = ["cookies", "storage"]')}
[policy.page]
login_url = "/login"
[policy.away]
realm = "shared"
login_url = "${SHOP}/login"
[policy.api]
preflight = true
`;
