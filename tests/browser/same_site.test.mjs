// Which requests a browser sends the session with, for each SameSite setting: over TLS and on http://localhost.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { APP, arrived, deploy, EVIL, logIn, marked, open, SIBLING, within } from './lib/rig.mjs';

let rig;
before(async () => { rig = await deploy(); });
after(() => rig?.stop());

/** How a page makes the browser send a request, and with which method. */
const KINDS = {
  image: (url) => { new Image().src = url; },
  fetch: (url) => { fetch(url, { mode: 'no-cors', credentials: 'include' }); },
  beacon: (url) => { navigator.sendBeacon(url); },
  frame: (url) => { document.body.append(Object.assign(document.createElement('iframe'), { src: url })); },
  link: (url) => { Object.assign(document.createElement('a'), { href: url }).click(); },
  form: (url) => {
    const form = Object.assign(document.createElement('form'), { action: url, method: 'post' });
    document.body.append(form);
    form.submit();
  },
};
const POSTS = ['beacon', 'form'];
/** Those after which the browser shows another page. */
const LEAVES = ['link', 'form'];
/** What reaches the site with its session from another site. */
const FROM_ELSEWHERE = { strict: [], lax: ['link'], none: Object.keys(KINDS) };

for (const setting of ['strict', 'lax', 'none']) {
  test(`SameSite=${setting} over TLS`, (t) => matrix(t, setting, APP, [
    [APP, '/open', true],
    [SIBLING, '/', true],
    [EVIL, '/', false],
    [SIBLING.replace('https:', 'http:'), '/', false], // another scheme is another site
  ]));
  test(`SameSite=${setting} on http://localhost`, (t) => matrix(t, setting, rig.local, [
    [rig.local, '/open', true],
    [rig.localNeighbour, '/', true],
    [rig.localStranger, '/', false],
  ]));
}

test('a browser that blocks third-party cookies sends SameSite=None where it leaves the page, and only there', (t) =>
  matrix(t, 'none', APP, [[APP, '/open', true], [SIBLING, '/', true], [EVIL, '/', false]], { blocking: true }));

test('a form of the own site passes where SameSite=None, once a script sends its CSRF token', async (t) => {
  const page = (await open(t, rig)).pages()[0];
  await page.goto(APP + '/open');
  const { csrf_token: csrf } = JSON.parse((await logIn(page, 'none', 'alice')).body);
  assert.equal((await within(page, 'POST', '/none/')).status, 403);
  const answer = await within(page, 'POST', '/none/', { headers: { 'X-CSRF-Token': csrf } });
  assert.deepEqual([answer.status, answer.body], [200, 'alice']);
});

/** Logs in at `site`, and sends every kind of request to it from each page: whether that is of the same site. */
async function matrix(t, setting, site, pages, { blocking = false } = {}) {
  const realm = setting === 'lax' ? 'default' : setting;
  const context = await open(t, rig, { blocking });
  const page = context.pages()[0];
  await page.goto(site + '/open');
  assert.equal((await logIn(page, realm, 'alice')).status, 201);
  const [cookie] = await context.cookies();
  const { sameSite, secure, httpOnly, path: of } = cookie;
  assert.deepEqual([sameSite.toLowerCase(), secure, httpOnly, of], [setting, true, true, '/']);
  for (const [origin, path, same] of pages) {
    for (const [kind, send] of Object.entries(KINDS)) {
      const url = marked(`${site}/${realm}/`);
      await page.goto(origin + path);
      await page.evaluate(send, url);
      if (LEAVES.includes(kind)) await page.waitForURL(url);
      const { cookies, status } = await arrived(rig, url);
      const sent = same || (blocking ? LEAVES : FROM_ELSEWHERE[setting]).includes(kind);
      assert.equal(cookies.startsWith(`${cookie.name}=`), sent, `${origin} ${kind}`);
      // Where other sites can send the session, what may change something needs more than the session.
      const allowed = setting === 'none' && POSTS.includes(kind) ? 403 : 200;
      assert.equal(status, sent ? allowed : 401, `${origin} ${kind}`);
    }
  }
}
