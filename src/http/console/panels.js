// What is only looked at: the numbers at a glance, the replicas and why this one is not ready.

import { $, code, el, fill, fillTable, pill, setText, show } from './dom.js';
import { perSecond } from './load.js';
import { age } from './time.js';

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
  const rows = cluster.members.map((one) => member(one, cluster));
  fillTable($('replicas'), 'Replicas as this one sees them', REPLICAS, rows);
  setText($('replica'), cluster.name);
  setText($('release'), cluster.release);
  setText($('state'), cluster.ready ? 'ready' : 'not ready');
  $('state').className = `pill ${cluster.ready ? 'ok' : 'bad'}`;
  show($('not-ready'), !cluster.ready);
  fill($('why'), cluster.why.map(({ code: word, text }) => el('li', '', code(word), ` ${text}`)));
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

/** The numbers that are looked at first. */
export function showGlance(cluster, keys, load, lost) {
  const up = cluster.members.filter((member) => state(member, cluster).kind === 'ok').length;
  // One that is down is no alarm while a majority answers.
  const few = up === cluster.members.length ? '' : cluster.ready ? 'warn' : 'bad';
  const active = keys.active;
  const tiles = [
    ['This replica', lost ? 'no answer' : cluster.ready ? 'ready' : 'not ready', cluster.ready && !lost ? 'ok' : 'bad'],
    ['Replicas ready', `${up} of ${cluster.members.length}`, few],
    ['Age of view', cluster.size === 1 && cluster.role === 'core' ? 'alone' : age(cluster.view_age_ms), ''],
    ['Decisions a second', perSecond(load.rate), ''],
    ['Active key', active ? code(active.key) : keys.known ? 'none' : '–', active || !keys.known ? '' : 'bad'],
    ['Next rotation', keys.next.brief, ''],
  ];
  fill($('glance'), tiles.map(([name, value, kind]) => el('div', kind, el('dt', '', name), el('dd', '', value))));
}
