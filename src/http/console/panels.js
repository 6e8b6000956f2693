// What is only looked at: the numbers at a glance, the replicas, the decisions, the facts.

import { $, code, el, fillTable, pill, setText, show } from './dom.js';
import { age, duration } from './time.js';

/** Decisions a second are those of so many milliseconds. */
const SPAN = 10_000;

/** What the word of a decision means. One that is not here is shown by its word. */
const REASONS = {
  ok: 'let through', forbidden: 'lacks a role', step_up: 'has to log in anew', anonymous: 'no subject',
  not_ready: 'this replica can’t tell', csrf: 'no CSRF token', stale: 'claims out of date', missing: 'no cookie',
  too_many: 'too many cookies', malformed: 'no token', unknown_version: 'newer version', unknown_key: 'no such key',
  bad_tag: 'forged or damaged', bad_payload: 'can’t be read', expired_idle: 'not used for too long',
  expired_absolute: 'at its end', clock: 'from the future', ended: 'ended', cut_off: 'ended with its subject',
  superseded: 'replaced', floored: 'ended with its realm', subjects_differ: 'two subjects', unbound: 'not bound',
};

const REPLICAS = [
  ['Replica', ''], ['State', ''], ['Age of view', 'number'], ['Heard', 'number'], ['Clock', 'number'], ['Keys', ''],
  ['Endings', ''], ['Release', 'dim'],
];

/** The table of the replicas, and why this one is not ready, from `GET /v1/cluster`. */
export function showReplicas(cluster) {
  const alone = cluster.size === 1 && cluster.members.length === 1;
  const ready = cluster.members.filter((member) => state(member, cluster).kind === 'ok').length;
  const all = cluster.members.length;
  setText($('replicas-sum'), alone ? 'one replica, alone' : `${ready} of ${all} ready, ${cluster.size} in the core`);
  fillTable($('replicas'), 'Replicas as this one sees them', REPLICAS, cluster.members.map((one) => member(one, cluster)));
  setText($('replica'), cluster.name);
  setText($('release'), cluster.release);
  setText($('state'), cluster.ready ? 'ready' : 'not ready');
  $('state').className = `pill ${cluster.ready ? 'ok' : 'bad'}`;
  show($('not-ready'), !cluster.ready);
  const reasons = cluster.why.map(({ code: word, text }) => el('li', '', code(word), ` ${text}`));
  const now = $('why');
  const same = now.children.length === reasons.length && reasons.every((line, at) => line.isEqualNode(now.children[at]));
  if (!same) now.replaceChildren(...reasons);
}

function state(member, cluster) {
  const own = member.standing === 'self';
  if (!own && member.standing !== 'ok') return { kind: 'bad', text: member.standing };
  if (!(own ? cluster.ready : member.ready)) return { kind: 'bad', text: 'not ready' };
  return { kind: 'ok', text: 'ready' };
}

function member(one, cluster) {
  const own = one.standing === 'self';
  const { kind, text } = state(one, cluster);
  const name = [el('span', 'name', one.name), el('span', 'dim', own ? ` this one, ${one.role}` : ` ${one.role}`)];
  const extra = [one.complete ? '' : ' learning', one.duplicate ? ' name taken twice' : ''].filter(Boolean);
  const view = own ? cluster.view_age_ms : one.view_age_ms;
  const offset = own ? cluster.clock_offset_ms : one.clock_offset_ms;
  const clock = offset === undefined ? '–' : `${offset > 0 ? '+' : offset < 0 ? '−' : ''}${age(Math.abs(offset))}`;
  return [
    name, [pill(kind, text), ...extra], age(view), own ? '–' : age(one.heard_ms_ago), clock, likeness(one.ring, own),
    likeness(one.facts, own), one.release || '–',
  ];
}

function likeness(word, own) {
  if (own) return '–';
  return word === 'same' ? 'same' : el('span', word === 'other' ? 'bad' : 'warn', word);
}

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
    const now = performance.now();
    const began = this.#readings.at(-1);
    // A service that started anew counts from zero, and a page that was away for long shows what is now.
    const broken = began && ([...began.counts].some(([reason, count]) => (counts.get(reason) ?? 0) < count) || now - began.now > SPAN);
    this.#readings = [...(broken ? [] : this.#readings), { now, counts }];
    while (this.#readings.length > 2 && now - this.#readings[1].now > SPAN) this.#readings.shift();
    const [first] = this.#readings;
    const seconds = (now - first.now) / 1000;
    const rates = new Map([...counts].map(([reason, count]) => [reason, seconds ? (count - first.counts.get(reason)) / seconds : 0]));
    this.rate = seconds ? [...rates.values()].reduce((sum, rate) => sum + rate, 0) : null;
    setText($('decisions-span'), seconds ? `a second, over ${Math.round(seconds)} s, this replica` : 'counting…');
    const seen = [...counts].filter(([, count]) => count > 0).sort(([a], [b]) => rates.get(b) - rates.get(a) || counts.get(b) - counts.get(a));
    const most = Math.max(...rates.values(), 1e-9);
    const columns = [['Reason', ''], ['A second', 'number'], ['', 'share'], ['Since start', 'number']];
    fillTable($('decisions'), 'Decisions of verify by reason', columns, seen.map(([reason, count]) => {
      return [[code(reason), el('span', 'dim', ` ${REASONS[reason] ?? ''}`)], perSecond(seconds ? rates.get(reason) : null), bar(kindOf(reason), rates.get(reason) / most), whole(count)];
    }));
    show($('decisions'), seen.length > 0);
    const rest = counts.size - seen.length;
    const none = `None of the other ${rest} reasons since the start.`;
    setText($('decisions-rest'), seen.length ? none : 'Nobody has asked since the start.');
  }

  #facts(samples) {
    const of = (name) => samples.filter((sample) => sample.name === name);
    this.realms = of('sealpass_facts_budget').map(({ labels }) => labels.realm).sort();
    const lines = this.realms.map((realm) => {
      const kinds = of('sealpass_facts').filter(({ labels, value }) => labels.realm === realm && value > 0);
      const held = kinds.reduce((sum, { value }) => sum + value, 0);
      const budget = of('sealpass_facts_budget').find(({ labels }) => labels.realm === realm).value;
      const folds = of('sealpass_fact_folds_total').filter(({ labels }) => labels.realm === realm)
        .reduce((sum, { value }) => sum + value, 0);
      const share = held / budget;
      const words = kinds.map(({ labels, value }) => `${whole(value)} ${labels.kind}`).join(', ') || 'none held';
      return el('div', 'fact', el('div', 'head', el('strong', '', realm), el('span', 'number', `${whole(held)} of ${whole(budget)} (${percent(share)})`)),
        el('div', 'track', bar(share > 0.9 ? 'bad' : share > 0.7 ? 'warn' : 'ok', share)), el('div', 'dim small', words, folds ? el('span', 'bad', `; folded ${whole(folds)} times since the start`) : ''));
    });
    const place = $('facts');
    const same = place.children.length === lines.length && lines.every((line, at) => line.isEqualNode(place.children[at]));
    if (!same) place.replaceChildren(...lines);
  }
}

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

/** The numbers that are looked at first. */
export function showGlance(cluster, keys, load, lost) {
  const up = cluster.members.filter((member) => state(member, cluster).kind === 'ok').length;
  const active = keys.active;
  const tiles = [
    ['This replica', lost ? 'no answer' : cluster.ready ? 'ready' : 'not ready', cluster.ready && !lost ? 'ok' : 'bad'],
    ['Replicas ready', `${up} of ${cluster.members.length}`, up === cluster.members.length ? '' : 'bad'],
    ['Age of view', cluster.size === 1 && cluster.role === 'core' ? 'alone' : age(cluster.view_age_ms), ''],
    ['Decisions a second', perSecond(load.rate), ''],
    ['Active key', active ? code(active.key) : keys.known ? 'none' : '–', active || !keys.known ? '' : 'bad'],
    ['Next rotation', keys.next.brief, ''],
  ];
  const place = $('glance');
  const made = tiles.map(([name, value, kind]) => el('div', kind, el('dt', '', name), el('dd', '', value)));
  const same = place.children.length === made.length;
  made.forEach((tile, at) => {
    if (!same) place.append(tile);
    else if (!tile.isEqualNode(place.children[at])) place.children[at].replaceWith(tile);
  });
}

const whole = (count) => count.toLocaleString('en');
const percent = (share) => `${(100 * share).toFixed(share && share < 0.1 ? 2 : 0)}\u00a0%`;

function perSecond(rate) {
  if (rate === null) return '–';
  return rate >= 100 ? whole(Math.round(rate)) : rate.toFixed(rate < 10 ? 2 : 1);
}
