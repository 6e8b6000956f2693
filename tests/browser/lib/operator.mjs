// An operator at the console: a browser of its own, what it asked, and what it had to complain about.

import assert from 'node:assert/strict';
import { open, until } from './rig.mjs';
import { ask, serve } from './service.mjs';

/** Two realms, with a policy each. */
export const CONFIG = `
credentials = "credentials.toml"
drain = "0s"
[public]
listen = "127.0.0.1:0"
workers = 1
[control]
listen = "127.0.0.1:0"
[realm.default]
[realm.shop]
max_facts = 1000
[realm.shop.cookie]
name = "__Host-shop"
[policy.default]
[policy.shop]
realm = "shop"
role = ["vip"]
`;

/**
 * Starts a replica, and makes an operator a credential that is good for everything (`both`). The rest of what is added
 * asks as others than the console would.
 */
export async function operated() {
  const service = await serve(CONFIG);
  /** Makes another credential, of which the service learns within moments. */
  const addCredential = async (name, ...terms) => {
    const secret = (await service.run('credential', 'add', '--name', name, ...terms)).stdout.trim();
    const headers = { authorization: `Bearer ${secret}` };
    await until(`the credential ${name}`, async () => (await ask(service.control, '/metrics', { headers })).status === 200);
    return secret;
  };
  const both = await addCredential('ops', '--realm', '*', '--scope', 'app', '--scope', 'admin');
  const get = async (path) => {
    const answer = await ask(service.control, path, { headers: { authorization: `Bearer ${both}` } });
    assert.equal(answer.status, 200, path);
    return path === '/metrics' ? answer.body : JSON.parse(answer.body);
  };
  const logIn = async (subject, more = {}) => {
    const { headers, body } = await service.call('/v1/sessions', { subject, ...more });
    return { cookie: headers['set-cookie'][0].split(';')[0], body };
  };
  const verify = async (cookie, policy = 'default') => (await ask(service.public, `/policy/${policy}/`, { headers: { cookie } })).status;
  return { ...service, both, addCredential, get, logIn, verify };
}

/** Opens the console of the replica at `control`. The browser ends with the test `t`. */
export async function visitor(t, { control }) {
  const context = await open(t);
  const page = context.pages()[0];
  const [requests, told] = [[], []];
  page.on('request', (request) => requests.push(request));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && told.push(message.text()));
  page.on('pageerror', (error) => told.push(`${error}`));
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile }) => {
      globalThis.violations.push(`${violatedDirective} ${blockedURI} ${sourceFile}`);
    });
  });
  await page.goto(`${control}/console`);

  /** Waits until an element's text has that, or matches it. */
  const says = async (selector, wanted) => {
    const place = page.locator(selector);
    await place.filter({ hasText: wanted }).waitFor()
      .catch(async () => assert.fail(`${selector} says ${JSON.stringify(await place.textContent())}, and not ${wanted}`));
  };
  const enter = async (credential) => {
    await page.fill('#credential', credential);
    await page.click('#enter');
  };
  const signIn = async (credential) => {
    await enter(credential);
    await page.waitForSelector('#board');
    await says('#as-of', 'UTC');
  };
  /** Waits for what is said at the gate; `meanwhile` lets time pass. */
  const gate = async (wanted, meanwhile = () => {}) => {
    for (let turns = 0; turns < 20 && !(await page.textContent('#gate-problem')).includes(wanted); turns += 1) {
      await meanwhile();
      await page.locator('#gate-problem').filter({ hasText: wanted }).waitFor({ timeout: 1_000 }).catch(() => {});
    }
    await says('#gate-problem', wanted);
  };
  /** What the browser complained about: of an answer that is an error, its status. */
  const complaints = async () => {
    const broken = await page.evaluate(() => globalThis.violations);
    const status = (text) => /responded with a status of (\d+)/.exec(text)?.[1] ?? text;
    return [...broken, ...told.map(status)];
  };
  return { page, requests, says, enter, signIn, gate, complaints };
}

/** Texts that are seen with a contrast below 4.5 (WCAG 2.2, 1.4.3), computed from colours as they are. */
export function lowContrast(page) {
  return page.evaluate(() => {
    const parts = (colour) => {
      const numbers = colour.match(/[\d.]+/g).map(Number);
      return [...numbers.slice(0, 3), numbers[3] ?? 1];
    };
    const over = ([r, g, b, a], ground) => [r, g, b].map((value, at) => value * a + ground[at] * (1 - a));
    const luminance = (colour) => {
      const [r, g, b] = colour.map((value) => {
        const share = value / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (node) => {
      if (!node) return [255, 255, 255];
      const own = parts(getComputedStyle(node).backgroundColor);
      return own[3] === 1 ? own.slice(0, 3) : over(own, ground(node.parentElement));
    };
    const low = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let seen = 0;
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest('.unseen, #announce, title, template')) continue;
      seen += 1;
      const style = getComputedStyle(node);
      const below = ground(node);
      const ink = over(parts(node instanceof SVGElement ? style.fill : style.color), below);
      const [lighter, darker] = [luminance(ink), luminance(below)].sort((a, b) => b - a);
      const contrast = (lighter + 0.05) / (darker + 0.05);
      if (contrast < 4.5) low.push(`${contrast.toFixed(2)} ${node.id || node.className || node.tagName}: ${walker.currentNode.data.trim()}`);
    }
    if (seen < 5) low.push(`only ${seen} texts were seen`);
    return low;
  });
}
