// The redirecting mode (`login_url`) and CORS preflights: who is sent to the login page and comes back, and who is not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { APP, arrived, COOKIE, deploy, EVIL, logIn, marked, open, SHOP, SIBLING, token, within } from './lib/rig.mjs';

let rig;
before(async () => { rig = await deploy(); });
after(() => rig?.stop());

for (const [from, follow] of [
  ['the address bar', (page, url) => page.goto(url)],
  ['a link of another site', async (page, url) => {
    await page.goto(EVIL);
    await leave(page, (url) => { Object.assign(document.createElement('a'), { href: url }).click(); }, url);
  }],
]) {
  test(`from ${from} to the login page, and back to where the visitor wanted to go`, async (t) => {
    const page = (await open(t, rig)).pages()[0];
    const wanted = `${APP}/account/m%C3%BCller?page=2&next=%2F%2Fevil.test%2F`;
    await follow(page, wanted);
    assert.equal(page.url(), `${APP}/login?return_to=${encodeURIComponent(wanted)}`);
    await enter(page);
    assert.equal(page.url(), wanted);
    assert.equal(await page.textContent('body'), 'alice');
  });
}

test('a login page on another host of ours sends back as well', async (t) => {
  const page = (await open(t, rig)).pages()[0];
  await page.goto(`${APP}/away/?tab=1`);
  assert.equal(page.url(), `${SHOP}/login?return_to=${encodeURIComponent(`${APP}/away/?tab=1`)}`);
  await enter(page);
  assert.deepEqual([page.url(), await page.textContent('body')], [`${APP}/away/?tab=1`, 'alice']);
});

test('a session that has ended leads to the login page like none', async (t) => {
  const context = await open(t, rig);
  const page = context.pages()[0];
  await page.goto(APP + '/open');
  await logIn(page, 'default', 'alice');
  const [kept] = await context.cookies();
  assert.equal((await within(page, 'POST', '/logout')).status, 204);
  await context.addCookies([kept]);
  await page.goto(APP + '/account');
  assert.equal(page.url(), `${APP}/login?return_to=${encodeURIComponent(`${APP}/account`)}`);
  assert.equal(await token(context), kept.value);
});

test('scripts, images and frames get 401 and no login page', async (t) => {
  const page = (await open(t, rig)).pages()[0];
  await page.goto(APP + '/open');
  const answer = await within(page, 'GET', '/account', { redirect: 'manual', headers: { Accept: 'text/html' } });
  assert.equal(answer.status, 401);
  for (const element of ['img', 'iframe', 'script']) {
    const url = marked(`${APP}/account`);
    await page.evaluate(([element, src]) => {
      document.body.append(Object.assign(document.createElement(element), { src }));
    }, [element, url]);
    assert.equal((await arrived(rig, url)).status, 401, element);
  }
});

test('a form that comes too late leads back to the page that it was on, one of a stranger to none', async (t) => {
  const page = (await open(t, rig)).pages()[0];
  await page.goto(`${APP}/open?draft=1`);
  await leave(page, submit, `${APP}/account/save`);
  assert.equal(page.url(), `${APP}/login?return_to=${encodeURIComponent(`${APP}/open?draft=1`)}`);
  await enter(page);
  assert.equal(page.url(), `${APP}/open?draft=1`);
  await page.goto(EVIL);
  await leave(page, submit, `${APP}/account/save`); // without the session, which is SameSite=Lax
  assert.equal(page.url(), `${APP}/login`);
  assert.deepEqual([rig.seen.at(-1).method, rig.seen.at(-1).status], ['POST', 303]);
});

const READ_AS_ANOTHER_HOST = [
  '//evil.test/', '/\\evil.test/', '/%09/evil.test/', '/%2fevil.test/', '/%5cevil.test/', '/.//evil.test/',
];
for (const path of READ_AS_ANOTHER_HOST) {
  test(`no return address that could be read as another host: ${path}`, async (t) => {
    const page = (await open(t, rig)).pages()[0];
    await page.goto(APP + path);
    assert.equal(page.url(), `${APP}/login`);
    await enter(page);
    assert.equal(page.url(), `${APP}/open`);
  });
}

test('a preflight passes as nobody where the policy says so, and the request after it with its session', async (t) => {
  const page = (await open(t, rig)).pages()[0];
  await page.goto(APP + '/open');
  await logIn(page, 'default', 'alice');
  await page.goto(SIBLING);
  const cross = (url) => page.evaluate(async (url) => {
    const options = { method: 'POST', credentials: 'include', headers: { 'X-Asked-By': 'a script' } };
    return fetch(url, options).then((answer) => answer.status, () => 'stopped by the browser');
  }, url);
  const since = rig.seen.length;
  const lines = () => rig.seen.slice(since)
    .map(({ method, cookies, status }) => [method, cookies.startsWith(COOKIE), status]);
  assert.equal(await cross(`${APP}/default/`), 'stopped by the browser');
  assert.deepEqual(lines(), [['OPTIONS', false, 401]]);
  assert.equal(await cross(`${APP}/account`), 'stopped by the browser');
  assert.deepEqual(lines().at(-1), ['OPTIONS', false, 401]); // no redirect
  assert.equal(await cross(`${APP}/api/`), 200);
  assert.deepEqual(lines().slice(-2), [['OPTIONS', false, 200], ['POST', true, 200]]);
});

/** Fills in the login page. */
async function enter(page) {
  await page.fill('input', 'alice');
  await leave(page, () => document.querySelector('button').click());
}

/** What makes the browser show another page, until it shows it. */
async function leave(page, how, what) {
  const [left] = await Promise.all([page.waitForEvent('domcontentloaded'), page.evaluate(how, what)]);
  await left.waitForLoadState();
}

function submit(url) {
  document.body.innerHTML = `<form method="post" action="${url}"></form>`;
  document.forms[0].submit();
}
