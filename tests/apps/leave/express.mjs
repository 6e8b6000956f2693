// An application that leaves Sealpass for express-session: sessions that Sealpass has still go on here.

import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import express from 'express';
import session from 'express-session';

const CONTROL = process.env.CONTROL ?? 'http://127.0.0.1:8081';
const CREDENTIAL = readFileSync('shop.credential', 'utf8').trim();
const ENDS = new Date(process.env.ENDS ?? '2027-03-01');
let carried = 0;

const app = express().disable('x-powered-by').set('trust proxy', 'loopback');
const cookie = { secure: true, httpOnly: true, sameSite: 'lax' };
app.use(session({ name: '__Host-sid', secret: 'your own', resave: false, saveUninitialized: false, cookie }));

// nginx lets everybody pass now, and says who still has a session of Sealpass. It goes on as one of the application's, and
// ends there in the same breath, so that it does so once.
app.use(async (request, response, next) => {
  const valid = request.get('X-Session-Valid') === 'true' && Date.now() < ENDS;
  if (request.session.user !== undefined || !valid) return next();
  await sealpass('/v1/sessions/revoke', { session_id: request.get('X-Session-Id') });
  await promisify(request.session.regenerate).call(request.session);
  request.session.user = decodeURIComponent(request.get('X-Session-Subject'));
  request.session.loggedInAt = new Date(1_000 * request.get('X-Session-Auth-Time'));
  request.session.cookie.expires = new Date(1_000 * request.get('X-Session-Expires'));
  carried += 1;
  next();
});

// Each page guards itself again.
app.use((request, response, next) => {
  if (request.session.user === undefined) return response.status(401).send('log in');
  next();
});

async function sealpass(path, body) {
  const headers = { Authorization: `Bearer ${CREDENTIAL}`, 'Content-Type': 'application/json' };
  const signal = AbortSignal.timeout(5_000);
  const done = await fetch(CONTROL + path, { method: 'POST', headers, body: JSON.stringify(body), signal });
  if (!done.ok) throw new Error(`${path}: ${done.status}`);
}

app.get('/account', (request, response) => response.json({ ...request.session, carried }));

app.post('/log-out', (request, response) => {
  request.session.destroy(() => response.clearCookie('__Host-sid', { ...cookie, path: '/' }).sendStatus(204));
});

app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1'); // for nginx alone
