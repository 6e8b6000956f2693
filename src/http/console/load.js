// What is counted: decisions a second by reason, and facts against their budget, from `/metrics`.

import { $, code, el, fill, fillTable, setText, show } from './dom.js';

/** Decisions a second are those of so many milliseconds. */
const SPAN = 10_000;

/** What the word of a decision means. One that is not here is shown by its word. */
const REASONS = {
  ok: 'let through', forbidden: 'lacks a role', step_up: 'has to log in anew', anonymous: 'no subject',
  not_ready: 'this replica can’t tell', csrf: 'no CSRF token', stale: 'claims out of date', missing: 'no cookie',
  too_many: 'too many cookies', malformed: 'no token', unknown_version: 'newer version', unknown_key: 'no such key',
  bad_tag: 'forged or damaged', bad_payload: 'can’t be read', expired_idle: 'not used for too long',
  expired_absolute: 'at its end', clock: 'from the future', ended: 'over', cut_off: 'ended with its subject',
  superseded: 'replaced', floored: 'ended with its realm', subjects_differ: 'two subjects', unbound: 'not bound',
};

const DECISIONS = [['Reason', ''], ['A second', 'number'], ['', 'share'], ['Since start', 'number']];

/** What is counted, from two readings of `/metrics`. */
export class Load {
  #readings = [];
  realms = [];
  rate = null;

  /** Takes in the text of `GET /metrics`. */
  show(text) {
    const samples = read(text);
    const counts = new Map(samples.filter(({ name }) => name === 'sealpass_verify_decisions_total')
      .map(({ labels, value }) => [labels.reason, value]));
    this.#facts(samples);
    this.#decisions(counts);
  }

  #decisions(counts) {
    const { seconds, rates } = this.#measured(counts);
    this.rate = seconds ? [...rates.values()].reduce((sum, rate) => sum + rate, 0) : null;
    setText($('decisions-span'), seconds ? `a second, over ${Math.round(seconds)} s, this replica` : 'counting…');
    const most = Math.max(...rates.values(), 1e-9);
    const seen = [...counts.keys()].filter((reason) => counts.get(reason) > 0)
      .sort((a, b) => rates.get(b) - rates.get(a) || counts.get(b) - counts.get(a));
    fillTable($('decisions'), 'Decisions of verify by reason', DECISIONS, seen.map((reason) => {
      const rate = rates.get(reason);
      const name = [code(reason), el('span', 'dim', ` ${REASONS[reason] ?? ''}`)];
      return [name, perSecond(seconds ? rate : null), bar(kindOf(reason), rate / most), whole(counts.get(reason))];
    }));
    show($('decisions'), seen.length > 0);
    const none = `None of the other ${counts.size - seen.length} reasons since the start.`;
    setText($('decisions-rest'), seen.length ? none : 'Nobody has asked since the start.');
  }

  /** How much each counter rose a second, over the last readings; in no time at all for the first one. */
  #measured(counts) {
    const now = performance.now();
    const last = this.#readings.at(-1);
    // A service that started anew counts from zero, and a page that was away for long shows what is now.
    const anew = last && [...last.counts].some(([reason, count]) => (counts.get(reason) ?? 0) < count);
    if (anew || now - last?.now > SPAN) this.#readings = [];
    this.#readings.push({ now, counts });
    while (this.#readings.length > 2 && now - this.#readings[1].now > SPAN) this.#readings.shift();
    const [first] = this.#readings;
    const seconds = (now - first.now) / 1000;
    const rate = ([reason, count]) => [reason, seconds ? (count - (first.counts.get(reason) ?? 0)) / seconds : 0];
    return { seconds, rates: new Map([...counts].map(rate)) };
  }

  #facts(samples) {
    const of = (name, realm) => samples.filter((sample) => sample.name === name && sample.labels.realm === realm);
    const budgets = samples.filter(({ name }) => name === 'sealpass_facts_budget');
    this.realms = budgets.map(({ labels }) => labels.realm).sort();
    fill($('facts'), this.realms.map((realm) => {
      const [{ value: budget }] = of('sealpass_facts_budget', realm);
      const kinds = of('sealpass_facts', realm).filter(({ value }) => value > 0);
      return facts(realm, budget, kinds, sum(of('sealpass_fact_folds_total', realm)));
    }));
  }
}

/** What a realm holds of what it may hold, and whether that was ever too much. */
function facts(realm, budget, kinds, folds) {
  const held = sum(kinds);
  const share = held / budget;
  const kind = share > 0.9 ? 'bad' : share > 0.7 ? 'warn' : 'ok';
  const numbers = el('span', 'number', `${whole(held)} of ${whole(budget)} (${percent(share)})`);
  const words = kinds.map(({ labels, value }) => `${whole(value)} ${labels.kind}`).join(', ') || 'none held';
  const folded = folds ? el('span', 'bad', `; folded ${whole(folds)} times since the start`) : '';
  return el('div', 'fact', el('div', 'head', el('strong', '', realm), numbers), el('div', 'track', bar(kind, share)),
    el('div', 'dim small', words, folded));
}

const sum = (samples) => samples.reduce((all, { value }) => all + value, 0);

/** A bar of that share; what is not nothing is seen. */
function bar(kind, share) {
  const made = el('div', share > 0 ? `bar ${kind}` : '');
  made.style.width = `${Math.min(100, 100 * share)}%`;
  return made;
}

function kindOf(reason) {
  if (reason === 'ok') return 'ok';
  return reason === 'not_ready' ? 'bad' : 'other';
}

/** The lines of OpenMetrics' text that are samples. */
function read(text) {
  return [...text.matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)/gm)].map(([, name, inside = '', value]) => {
    const labels = [...inside.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text]);
    return { name, labels: Object.fromEntries(labels), value: Number(value) };
  });
}

const whole = (count) => count.toLocaleString('en');
const percent = (share) => `${(100 * share).toFixed(share && share < 0.1 ? 2 : 0)}\u00a0%`;

export function perSecond(rate) {
  if (rate === null) return '–';
  return rate >= 100 ? whole(Math.round(rate)) : rate.toFixed(rate < 10 ? 2 : 1);
}
