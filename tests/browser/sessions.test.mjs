// A session's life in a browser: planted, posted at from elsewhere, renewed in two tabs, ended, replayed.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  APP, arrived, COOKIE, deploy, EVIL, logIn, marked, open, SIBLING, token, until, verify, within,
} from './lib/rig.mjs';

let rig;
before(async () => { rig = await deploy(); });
after(() => rig?.stop());

test('a session that an attacker planted is worthless after the login of the victim', async (t) => {
  const { context, page } = await visit(t);
  const planted = (await rig.call('/v1/sessions', { subject: 'mallory' })).body.token;
  await context.addCookies([{ name: COOKIE, value: planted, url: APP, secure: true, httpOnly: true, sameSite: 'Lax' }]);
  assert.equal((await within(page, 'GET', '/default/')).body, 'mallory');
  assert.equal((await logIn(page, 'default', 'alice')).status, 201);
  assert.equal((await within(page, 'GET', '/default/')).body, 'alice');
  assert.equal(await verify(rig, `${COOKIE}=${planted}`), 401);
});

test('posts of other sites to /logout and /renew are refused, and change nothing', async (t) => {
  const { context, page } = await visit(t);
  for (const realm of ['default', 'none']) await logIn(page, realm, 'alice');
  const held = [await token(context), await token(context, '__Host-none')];
  await page.evaluate(() => localStorage.setItem('draft', 'text'));
  for (const origin of [EVIL, SIBLING, SIBLING.replace('https:', 'http:')]) {
    for (const path of ['/logout', '/renew']) {
      for (const how of ['form', 'sandbox', 'silent']) {
        await page.goto(origin);
        assert.equal(await post(page, how, APP + path), 403, `${how} ${origin} ${path}`);
      }
    }
  }
  await page.goto(APP + '/open');
  assert.deepEqual([await token(context), await token(context, '__Host-none')], held);
  assert.equal((await within(page, 'GET', '/default/')).body, 'alice');
  assert.equal(await page.evaluate(() => localStorage.getItem('draft')), 'text');
  // The same form on the own site is meant.
  assert.equal(await post(page, 'form', APP + '/logout'), 204);
  await until('the jar is empty', async () => (await context.cookies()).length === 0);
});

for (const [realm, path, more] of [
  ['default', '', {}],
  ['strict', '', {}],
  ['none', '', {}],
  ['shared', '', {}],
  ['deep', '/deep', {}],
  ['default', '', { persistent: true }],
]) {
  const site = () => (realm === 'none' ? rig.local : APP);
  test(`logout leaves the jar empty, and what was kept is worthless: ${realm} ${JSON.stringify(more)}`, async (t) => {
    const { context, page } = await visit(t, site());
    const { set_cookie: line, token: first } = JSON.parse((await logIn(page, realm, 'alice', more)).body);
    const [saved, ...others] = await context.cookies();
    assert.deepEqual(others, []);
    assert.equal(saved.value, first);
    assert.equal(saved.expires > 0, more.persistent ?? false, line);
    assert.equal((await within(page, 'GET', `/${realm}/`)).status, 200);
    assert.equal((await within(page, 'POST', `${path}/renew`)).status, 200);
    const renewed = await token(context, saved.name);
    assert.notEqual(renewed, first);
    assert.equal((await within(page, 'POST', `${path}/logout`)).status, 204);
    assert.deepEqual(await context.cookies(), []);
    assert.equal((await within(page, 'GET', `/${realm}/`)).status, 401);
    // The thief puts back what he kept, into this browser and into a request of his own.
    for (const value of [first, renewed]) {
      await context.addCookies([{ ...saved, value }]);
      assert.equal((await within(page, 'GET', `/${realm}/`)).status, 401);
      assert.equal(rig.seen.at(-1).cookies, `${saved.name}=${value}`);
      assert.equal(await verify(rig, `${saved.name}=${value}`, realm), 401);
    }
  });
}

test('one logout ends the sessions of all realms that the browser holds', async (t) => {
  const { context, page } = await visit(t);
  for (const realm of ['default', 'strict', 'none', 'shared']) await logIn(page, realm, 'alice');
  const held = await context.cookies();
  assert.equal(held.length, 4);
  assert.equal((await within(page, 'POST', '/logout')).status, 204);
  assert.deepEqual(await context.cookies(), []);
  for (const { name, value } of held) assert.equal(await verify(rig, `${name}=${value}`, REALMS[name]), 401, name);
});

test('two tabs that renew at the same time both stay logged in', async (t) => {
  const { context, page } = await visit(t);
  await logIn(page, 'default', 'alice');
  const other = await context.newPage();
  await other.goto(APP + '/open');
  const tokens = new Set([await token(context)]);
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all([page, other].map((tab) => within(tab, 'POST', '/renew')));
    assert.deepEqual(answers.map(({ status }) => status), [200, 200]);
    tokens.add(await token(context));
    for (const tab of [page, other]) assert.equal((await within(tab, 'GET', '/default/')).body, 'alice');
  }
  assert.equal(tokens.size, 11);
});

test('two tabs keep a session alive past its idle limit by asking, and one logout ends it in both', async (t) => {
  const { context, page } = await visit(t);
  await logIn(page, 'brief', 'alice'); // dies when not used for 6 s
  const other = await context.newPage();
  await other.goto(APP + '/open');
  const first = await token(context, '__Host-brief');
  await until('the first token is dead', async () => {
    const answers = await Promise.all([page, other].map((tab) => within(tab, 'GET', '/brief/')));
    assert.deepEqual(answers.map(({ body }) => body), ['alice', 'alice']);
    return await verify(rig, `__Host-brief=${first}`, 'brief') === 401;
  });
  assert.equal((await within(page, 'POST', '/logout')).status, 204);
  assert.equal((await within(other, 'GET', '/brief/')).status, 401);
});

test('logout clears what scripts stored, and nothing else', async (t) => {
  const { context, page } = await visit(t);
  await page.evaluate(() => { document.cookie = 'theme=dark; Secure'; });
  for (const [realm, left] of [['default', ['theme']], ['wiped', []]]) {
    await logIn(page, realm, 'alice');
    await page.evaluate(store);
    assert.deepEqual(await page.evaluate(stored), ['text', ['drafts']]);
    assert.equal((await within(page, 'POST', '/logout')).status, 204);
    assert.deepEqual(await page.evaluate(stored), [null, []]);
    assert.deepEqual((await context.cookies()).map(({ name }) => name), left);
  }
});

/** A new browser on the open page of the site. */
async function visit(t, site = APP) {
  const context = await open(t, rig);
  const page = context.pages()[0];
  await page.goto(site + '/open');
  return { context, page };
}

/** Posts from a page: by a form, by one without an origin, or by a script. The answer's status. */
async function post(page, how, to) {
  const url = marked(to);
  await page.evaluate(([how, url]) => {
    const form = `<form method="post" action="${url}"></form>`;
    if (how === 'silent') {
      const options = { mode: 'no-cors', credentials: 'include', referrerPolicy: 'no-referrer' };
      return void fetch(url, { method: 'POST', ...options });
    }
    if (how === 'sandbox') {
      const frame = document.createElement('iframe');
      frame.sandbox = 'allow-forms allow-scripts'; // its origin is null
      frame.srcdoc = `${form}<script>document.forms[0].submit()</script>`;
      return void document.body.append(frame);
    }
    document.body.innerHTML = form;
    document.forms[0].submit();
  }, [how, url]);
  const { status } = await arrived(rig, url);
  if (how === 'form' && status !== 204) await page.waitForURL(url);
  return status;
}

async function store() {
  localStorage.setItem('draft', 'text');
  await new Promise((resolve) => {
    indexedDB.open('drafts').onsuccess = ({ target }) => resolve(target.result.close());
  });
}

async function stored() {
  return [localStorage.getItem('draft'), (await indexedDB.databases()).map(({ name }) => name)];
}

const REALMS = { [COOKIE]: 'default', '__Host-strict': 'strict', '__Host-none': 'none', '__Secure-shared': 'shared' };
