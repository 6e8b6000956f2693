// An application behind Sealpass, with Express: what it does at login, on a request, at a change of roles, at logout.

import { readFileSync } from 'node:fs';
import express from 'express';

const ORIGIN = process.env.ORIGIN ?? 'https://localhost:8443';
const CONTROL = process.env.CONTROL ?? 'http://127.0.0.1:8081';
const CREDENTIAL = readFileSync('shop.credential', 'utf8').trim();

// Stands for your own table of users.
const users = new Map([
  ['alice', { password: 'wonderland', roles: ['editor'] }],
  ['müller', { password: 'mühle', roles: [] }],
  ['root', { password: 'toor', roles: ['admin'] }],
]);
const notes = [];

const app = express().disable('x-powered-by').use(express.urlencoded({ extended: false }));

// At login: end the session that the visitor came with, and hand the cookie of the new one on.
app.post('/login', async (request, response) => {
  if (request.get('Origin') !== ORIGIN) return response.sendStatus(403); // somebody else's form
  const { user: name, password } = request.body;
  const user = users.get(name);
  if (user === undefined || user.password !== password) return response.status(401).send(LOGIN_PAGE);
  const replaces = { cookie: request.get('Cookie') ?? '' };
  const { cookie } = await sealpass('/v1/sessions', { subject: name, roles: user.roles, amr: ['pwd'], replaces });
  response.set('Set-Cookie', cookie).redirect(303, '/account');
});

// The login page. Whoever comes with a session whose roles are out of date gets new ones, and has not to log in.
app.get('/login', async (request, response) => {
  const given = { cookie: request.get('Cookie') ?? '' };
  const { answer } = await sealpass('/v1/sessions/introspect', given);
  if (!answer.active || answer.fresh) return response.send(LOGIN_PAGE);
  const { roles } = users.get(answer.subject);
  const { cookie } = await sealpass('/v1/sessions/reseal', { ...given, roles });
  response.set('Set-Cookie', cookie).redirect(303, '/account');
});

// On a request: nginx has asked Sealpass, and the headers say who it is.
app.get('/account', (request, response) => {
  if (request.get('X-Session-Fresh') === 'false') return response.redirect(303, '/login');
  const roles = request.get('X-Session-Roles') ?? '';
  response.send(`<!doctype html><meta name="csrf-token" content="${request.get('X-Session-Csrf')}">
<p id="who">${escape(subject(request))}</p><p id="roles">${escape(roles)}</p>`);
});
app.get('/reports', (request, response) => response.send('for editors')); // nginx lets nobody else come here

// A form: without a CSRF token of this session, nginx has sent it away.
app.post('/forms/note', (request, response) => {
  notes.push({ by: subject(request), text: request.body.text });
  response.status(201).json(notes.at(-1));
});

// At a change of roles: first your own table, then say that what the user's cookies say is out of date.
app.post('/admin/roles', async (request, response) => {
  users.get(request.body.user).roles = request.body.roles.split(',').filter(Boolean);
  await sealpass('/v1/subjects/stale', { subject: request.body.user });
  response.sendStatus(204);
});

// At logout the page posts to /logout, which Sealpass answers. Everywhere:
app.post('/forms/log-out-everywhere', async (request, response) => {
  await sealpass('/v1/subjects/revoke', { subject: subject(request) });
  response.sendStatus(204);
});

function subject(request) {
  return decodeURIComponent(request.get('X-Session-Subject'));
}

// A call on the control listener. What is not done is an error, and the visitor sees a 500.
async function sealpass(path, body) {
  const headers = { Authorization: `Bearer ${CREDENTIAL}`, 'Content-Type': 'application/json' };
  const signal = AbortSignal.timeout(5_000);
  const done = await fetch(CONTROL + path, { method: 'POST', headers, body: JSON.stringify(body), signal });
  if (!done.ok) throw new Error(`${path}: ${done.status} ${await done.text()}`);
  const text = await done.text();
  return { answer: text && JSON.parse(text), cookie: done.headers.get('Set-Cookie') };
}

function escape(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.codePointAt(0)};`);
}

const LOGIN_PAGE = '<!doctype html><form method="post"><input name="user"><input name="password" type="password">'
  + '<button>Log in</button></form>';

app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1'); // for nginx alone
