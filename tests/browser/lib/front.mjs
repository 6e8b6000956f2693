// What stands in front of Sealpass: a small reverse proxy with an application behind it, and a stranger's site.
//
// The proxy asks Sealpass about each request under /NAME/, by the policy NAME, and passes the Set-Cookie of the answer on. It
// does no more than the tests need; real ones are tested in tests/proxies.

import { ask } from './service.mjs';

/** The site that Sealpass guards. `seen` gets a line for each request that Sealpass was asked about. */
export function guarded(service, seen) {
  return async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://any');
    const note = ({ status }) => seen.push({ id: searchParams.get('id'), cookies: request.headers.cookie ?? '', status });
    const [its] = /\/(?:logout|renew)$/.exec(pathname) ?? [];
    if (its) {
      const answer = await ask(service.public, its, asItCame(request));
      note(answer);
      return pass(response, answer);
    }
    if (pathname === '/login' && request.method === 'POST') return logIn(service, request, response);
    if (pathname === '/open') return end(response, 200, 'open to everybody');
    if (pathname === '/favicon.ico') return end(response, 404);
    const answer = await ask(service.public, `/policy/${pathname.split('/')[1]}/`, { headers: questions(request) });
    note(answer);
    if (answer.status !== 200) return pass(response, answer);
    // Here the application would see the identity headers. This one says who it is.
    const { 'set-cookie': renewed, 'x-session-subject': subject, 'x-session-data': data } = answer.headers;
    if (renewed) response.setHeader('set-cookie', renewed);
    if (data) response.setHeader('x-data', data);
    end(response, 200, subject);
  };
}

/** Somebody else's site: an empty page, and at /set one that sets the cookies it is told to (`line`, bytes as UTF-8). */
export function stranger(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://any');
  const lines = searchParams.getAll('line').map((line) => Buffer.from(line).toString('latin1'));
  if (pathname === '/set') response.setHeader('set-cookie', lines);
  response.setHeader('content-type', 'text/html; charset=utf-8');
  end(response, 200, '<!doctype html><title>A stranger</title>');
}

/** The application's login: whoever it is, by the body. Whatever session the visitor came with is over. */
async function logIn(service, request, response) {
  let body = '';
  for await (const chunk of request) body += chunk;
  const answer = await service.call('/v1/sessions', { replaces: { cookie: request.headers.cookie ?? '' }, ...JSON.parse(body) });
  if (answer.headers['set-cookie']) response.setHeader('set-cookie', answer.headers['set-cookie']);
  end(response, answer.status, JSON.stringify(answer.body));
}

/** What the proxy tells Sealpass of a request that is to be judged. */
function questions({ method, headers }) {
  return { cookie: headers.cookie, 'x-csrf-token': headers['x-csrf-token'], 'x-original-method': method };
}

/** What Sealpass needs of a request that it answers itself. */
function asItCame({ method, headers: { cookie, origin, referer, 'sec-fetch-site': site } }) {
  return { method, headers: { cookie, origin, referer, 'sec-fetch-site': site } };
}

function pass(response, { status, headers, body }) {
  for (const [name, value] of Object.entries(headers)) {
    if (!['connection', 'content-length', 'keep-alive', 'transfer-encoding'].includes(name)) response.setHeader(name, value);
  }
  // Chromium shows an error page of its own for a denial without a body.
  end(response, status, body || (status === 204 ? '' : `denied: ${status}`));
}

function end(response, status, body = '') {
  response.writeHead(status);
  response.end(body);
}
