// The console of one replica among three, and no console at all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFIG, visitor } from './lib/operator.mjs';
import { ask, serve, serveFleet } from './lib/service.mjs';

test('of three replicas it shows who is heard, and why the last one answers nobody', async (t) => {
  const fleet = await serveFleet();
  t.after(() => fleet.stop());
  const [a, b, c] = fleet.replicas;
  const operator = await visitor(t, a);
  const { page, says } = operator;
  await operator.signIn(fleet.credential);
  await says('#replicas-sum', '3 of 3 ready, 3 in the core');
  const row = (name) => `#replicas tbody tr:has(.name:text-is("${name}"))`;
  for (const name of ['b', 'c']) await says(row(name), /core\s*ready.*(ms|s).*(ms|s).*same\s*same/);
  await says(row('a'), /this one, core\s*ready\s*[\d.]+\s(ms|s)/);

  await page.click('#rotate');
  await says('#dialog-text', 'Once a majority of the core has it, it gets its time: it seals 10 minutes later.');
  await page.click('#dialog-yes');
  await says('#dialog-result', /[23] of 3 replicas of the core have it/);
  await page.click('#dialog-no');
  await says('#next-rotation', /Next rotation: key \w{8} seals from/);
  await page.fill('#end-name', 'alice');
  await page.click('#end-submit');
  await says('#end-result', /Every session of alice in default is over\. [23] of 3 replicas of the core have it\./);

  await c.stop();
  await says(row('c'), 'silent');
  await says('#glance .warn', 'Replicas ready2 of 3');
  assert.equal(await page.isVisible('#not-ready'), false);
  await b.stop();
  await page.waitForSelector('#not-ready');
  await says('#why', /stale .* majority of the core/);
  await says('#state', 'not ready');
  assert.equal(await page.locator('#glance .bad').count(), 2);
  await page.click('#end-submit');
  await says('#end-result', '1 of 3 replicas of the core have it: the others get it when they can, and until a majority has it, it is not final.');
});

test('an operator who wants no console has none', async () => {
  const without = await serve(CONFIG.replace('[public]', 'console = false\n[public]'));
  const answers = await Promise.all(['/console', '/console/main.js'].map((path) => ask(without.control, path)));
  await without.stop();
  assert.deepEqual(answers.map(({ status }) => status), [404, 404]);
});
