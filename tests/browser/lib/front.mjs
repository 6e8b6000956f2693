// What stands in front of Sealpass: a small reverse proxy with an application behind it, and a stranger's site.
//
// The proxy asks Sealpass about each request under /NAME/, by the policy NAME, and passes the Set-Cookie of the answer
// on. It does no more than the tests need; real ones are tested in tests/proxies.

import { ask } from './service.mjs';

/**
 * The site that Sealpass guards. `seen` gets a line for each request that Sealpass was asked about. `pages` are the
 * origins to which the login page sends its visitors back.
 */
export function guarded(service, seen, pages) {
  return async (request, response) => {
    const { pathname, searchParams } = new URL(`http://any${request.url}`);
    const { method, headers: { cookie: cookies = '' } } = request;
    const note = ({ status }) => seen.push({ id: searchParams.get('id'), method, cookies, status });
    const [its] = /\/(?:logout|renew)$/.exec(pathname) ?? [];
    if (its) {
      const answer = await ask(service.public, its, asItCame(request));
      note(answer);
      return pass(response, answer);
    }
    if (pathname === '/login') return login(service, pages, request, response, searchParams.get('return_to'));
    if (pathname === '/open') return end(response, 200, 'open to everybody');
    if (pathname === '/favicon.ico') return end(response, 404);
    const answer = await ask(service.public, `/policy/${policyOf(pathname)}/`, { headers: questions(request) });
    note(answer);
    if (answer.status !== 200) return pass(response, answer);
    application(request, response, answer.headers);
  };
}

/** Somebody else's site: an empty page, and at /set one with the Set-Cookie lines that it is told (`line`, UTF-8). */
export function stranger(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://any');
  const lines = searchParams.getAll('line').map((line) => Buffer.from(line).toString('latin1'));
  if (pathname === '/set') response.setHeader('set-cookie', lines);
  response.setHeader('content-type', 'text/html; charset=utf-8');
  end(response, 200, '<!doctype html><title>A stranger</title>');
}

/** Here an application would see the identity headers. This one says who it is, to a sibling's scripts as well. */
function application({ headers: { origin } }, response, identity) {
  const { 'set-cookie': renewed, 'x-session-subject': subject, 'x-session-data': data } = identity;
  if (renewed) response.setHeader('set-cookie', renewed);
  if (data) response.setHeader('x-data', data);
  if (origin === 'https://sibling.site.test') {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-allow-credentials', 'true');
    response.setHeader('access-control-allow-headers', 'x-asked-by');
  }
  end(response, 200, subject || 'nobody');
}

/** The application's login: whoever it is, by the body, which is JSON of a script or a form's name. */
async function login(service, pages, request, response, back) {
  response.setHeader('content-type', 'text/html; charset=utf-8');
  if (request.method === 'GET') return end(response, 200, LOGIN_PAGE);
  let body = '';
  for await (const chunk of request) body += chunk;
  const isForm = request.headers['content-type'] === 'application/x-www-form-urlencoded';
  const realm = request.headers.host.startsWith('shop.') ? 'shared' : 'default';
  const who = isForm ? { realm, subject: new URLSearchParams(body).get('subject') } : JSON.parse(body);
  // Whatever session the visitor came with is over.
  const replaces = { cookie: request.headers.cookie ?? '' };
  const answer = await service.call('/v1/sessions', { replaces, ...who });
  if (answer.headers['set-cookie']) response.setHeader('set-cookie', answer.headers['set-cookie']);
  if (!isForm) return end(response, answer.status, JSON.stringify(answer.body));
  // Anybody can write a link to this page with an address of his own in it.
  const ours = URL.canParse(back) && pages.includes(new URL(back).origin);
  response.setHeader('location', ours ? back : '/open');
  end(response, 303);
}

/** /NAME/ is guarded by the policy of that name, and whatever is under none by `page`. */
function policyOf(pathname) {
  return /^\/(default|strict|none|shared|deep|wide|brief|wiped|washed|away|api)\//.exec(pathname)?.[1] ?? 'page';
}

/** What the proxy tells Sealpass of a request that is to be judged. */
function questions({ method, url, socket, headers }) {
  const {
    cookie, accept, origin, referer, 'x-csrf-token': csrf, 'sec-fetch-mode': mode, 'sec-fetch-dest': dest,
    'access-control-request-method': wanted,
  } = headers;
  return {
    cookie, accept, origin, referer, 'x-csrf-token': csrf, 'sec-fetch-mode': mode, 'sec-fetch-dest': dest,
    'access-control-request-method': wanted,
    'x-forwarded-method': method,
    'x-forwarded-proto': socket.encrypted ? 'https' : 'http',
    'x-forwarded-host': headers.host,
    'x-forwarded-uri': url,
  };
}

/** What Sealpass needs of a request that it answers itself. */
function asItCame({ method, headers: { cookie, origin, referer, 'sec-fetch-site': site } }) {
  return { method, headers: { cookie, origin, referer, 'sec-fetch-site': site } };
}

function pass(response, { status, headers, body }) {
  for (const [name, value] of Object.entries(headers)) {
    const ours = ['connection', 'content-length', 'keep-alive', 'transfer-encoding'];
    if (!ours.includes(name)) response.setHeader(name, value);
  }
  // Chromium shows an error page of its own for a denial without a body.
  end(response, status, body || (status === 204 ? '' : `denied: ${status}`));
}

function end(response, status, body = '') {
  response.writeHead(status);
  response.end(body);
}

const LOGIN_PAGE = '<!doctype html><form method="post"><input name="subject"><button>Log in</button></form>';
