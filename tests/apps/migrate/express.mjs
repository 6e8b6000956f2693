// An application that leaves express-session: sessions that it began before go on in Sealpass.

import { readFileSync } from 'node:fs';
import express from 'express';
import session from 'express-session';

const CONTROL = process.env.CONTROL ?? 'http://127.0.0.1:8081';
const CREDENTIAL = readFileSync('shop.credential', 'utf8').trim();
const app = express().disable('x-powered-by').use(express.urlencoded({ extended: false }));
const rolesOf = (user) => (user === 'root' ? ['admin'] : []); // stands for your own table

// As it was, with the store that it had. Nothing but the two paths below reads it any more.
const before = session({ name: 'sid', secret: 'as it was', resave: false, saveUninitialized: false });
const ENDS = new Date(process.env.ENDS ?? '2027-03-01');
const counted = { carried: 0, refused: 0 };

// Whoever has no session of Sealpass is sent here: somebody new, or one of before.
app.get('/login', before, async (request, response) => {
  const { user, loggedInAt } = request.session;
  if (user === undefined || Date.now() >= ENDS) return response.send(LOGIN_PAGE);
  const old = { key: request.sessionID, started_at: loggedInAt };
  const whoever = { subject: user, roles: rolesOf(user), authenticated_at: loggedInAt };
  const { status, cookie } = await sealpass('/v1/sessions', { ...whoever, import: old });
  counted[cookie ? 'carried' : 'refused'] += 1;
  if (status === 409) return response.send(LOGIN_PAGE); // ended in Sealpass, or older than it may get
  response.set('Set-Cookie', cookie).redirect(303, '/account');
});

// A logout ends both, or the one of before would begin again what is over.
app.post('/log-out', before, async (request, response) => {
  if (request.get('Sec-Fetch-Site') !== 'same-origin') return response.sendStatus(403);
  await sealpass('/v1/sessions/revoke', { cookie: request.get('Cookie') ?? '' });
  request.session.destroy(() => response.clearCookie('sid').sendStatus(204));
});

// When nobody comes with one any more, or on the day it ends: `before` and its store can go.
app.get('/admin/before', (request, response) => response.json({ ...counted, ends: ENDS }));

async function sealpass(path, body) {
  const headers = { Authorization: `Bearer ${CREDENTIAL}`, 'Content-Type': 'application/json' };
  const signal = AbortSignal.timeout(5_000);
  const done = await fetch(CONTROL + path, { method: 'POST', headers, body: JSON.stringify(body), signal });
  if (!done.ok && done.status !== 409) throw new Error(`${path}: ${done.status}`);
  return { status: done.status, cookie: done.headers.get('Set-Cookie') };
}

app.get('/account', (request, response) => {
  const [who, since] = ['X-Session-Subject', 'X-Session-Auth-Time'].map((name) => request.get(name));
  response.send(`<p id="who">${escape(decodeURIComponent(who))}</p><p id="since">${since}</p>`);
});

// For the test: a login as it was. In yours it is gone, and the sessions are in the store.
app.post('/before', before, (request, response) => {
  Object.assign(request.session, request.body);
  response.sendStatus(204);
});

function escape(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.codePointAt(0)};`);
}

const LOGIN_PAGE = '<!doctype html><form method="post"><input name="user"></form>';

app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1'); // for nginx alone
