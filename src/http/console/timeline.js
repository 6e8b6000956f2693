// The picture of the ring: a row for each key, from when it waits, seals and only opens, with a line at now.
//
// What comes in ten minutes matters as much as what opens for thirty days yet, so the scale is logarithmic to either
// side of now. The table below the picture says the same in words.

import { svg } from './dom.js';
import { away, instant } from './time.js';

const MINUTE = 60_000;
const ROW = 30;
const BAR = 16;
const AXIS = 22;
const GUTTER = 8;
/** Where a line can stand, in minutes from now. */
const TICKS = [1, 10, 60, 360, 1440, 10_080, 43_200, 129_600, 525_600];
const NAMES = ['1 min', '10 min', '1 h', '6 h', '1 d', '7 d', '30 d', '90 d', '1 a'];
/** Room that the text of a tick takes. */
const TICK_ROOM = 54;
/** At least so far to either side of now it shows, in minutes. */
const LEAST = 20;

/** Draws `keys` into `place`. */
export function timeline(place, keys, now) {
  const width = place.clientWidth;
  if (!width) return;
  const narrow = width < 520;
  const left = narrow ? 4 : 88;
  const rowHeight = narrow ? ROW + 16 : ROW;
  const height = AXIS + keys.length * rowHeight + 4;
  const lives = keys.map((key) => ({ key, spans: spans(key, now) }));
  const at = scale(lives, now, left, width - GUTTER);
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  const told = `Life of ${keys.length} keys around now; the table below has the same times`;
  const picture = svg('svg', { ...size, role: 'img', 'aria-labelledby': 'timeline-title' },
    svg('title', { id: 'timeline-title' }, told), hatching(), ...axis(at, now, height, left, width));
  lives.forEach(({ key, spans }, index) => {
    const top = AXIS + index * rowHeight + (narrow ? 18 : (ROW - BAR) / 2);
    const label = narrow ? { x: left, y: top - 4 } : { x: 0, y: top + BAR - 4 };
    picture.append(svg('text', { ...label, class: 'kid' }, key.key), ...spans.map((span) => bar(span, at, top, now)));
  });
  const x = at(now);
  picture.append(svg('line', { x1: x, x2: x, y1: AXIS - 4, y2: height, class: 'now' }));
  place.replaceChildren(picture);
}

/** What a key does when: `[kind, from, until]`, where `until` may be open. */
function spans(key, now) {
  const ms = (name) => (key[name] ? Date.parse(key[name]) : undefined);
  const [made, from, until, opens] = ['created_at', 'seals_from', 'seals_until', 'opens_until'].map(ms);
  const ended = ms('revoked_at') ?? ms('destroyed_at');
  const all = [];
  const add = (kind, begin, end) => {
    const stop = ended === undefined ? end : Math.min(end ?? ended, ended);
    if (begin !== undefined && (stop === undefined || stop > begin)) all.push([kind, begin, stop]);
  };
  add('waits', made, from ?? Math.max(now, made) + LEAST * MINUTE);
  add('seals', from, until);
  if (until !== undefined) add('opens', until, opens ?? ended);
  const over = ended ?? (opens < now ? opens : undefined);
  if (over !== undefined) all.push(['over', over, undefined]);
  return all;
}

/** Time to place: logarithmic to either side of now. */
function scale(lives, now, left, right) {
  const bend = (ms) => Math.sign(ms - now) * Math.log1p(Math.abs(ms - now) / MINUTE);
  const times = lives.flatMap(({ spans }) => spans.flatMap(([, from, until]) => [from, until ?? from]));
  const low = bend(Math.min(now - LEAST * MINUTE, ...times));
  const high = bend(Math.max(now + LEAST * MINUTE, ...times)) * 1.04;
  return (ms) => (ms === undefined ? right : left + ((bend(ms) - low) / (high - low)) * (right - left));
}

function bar([kind, from, until], at, top, now) {
  const [x, end] = [at(from), at(until)];
  if (kind === 'over') {
    const middle = top + BAR / 2;
    const mark = svg('path', { d: `M${x + 4} ${middle - 4}l8 8m0 -8l-8 8`, class: 'over' });
    mark.append(svg('title', {}, `over since ${instant(from, now)} UTC`));
    return mark;
  }
  const shape = svg('rect', { x, y: top, width: Math.max(2, end - x), height: BAR, rx: 3, class: kind });
  const till = until === undefined ? 'until another one does' : `until ${instant(until, now)} UTC, ${away(until, now)}`;
  const does = { waits: 'waits', seals: 'seals and opens', opens: 'only opens' }[kind];
  shape.append(svg('title', {}, `${does} from ${instant(from, now)} UTC, ${away(from, now)}, ${till}`));
  return shape;
}

function axis(at, now, height, left, width) {
  const marks = [];
  const taken = [at(now)];
  const mark = (ms, text) => {
    const x = at(ms);
    const outside = x < left + TICK_ROOM / 2 || x > width - TICK_ROOM / 2;
    if (outside || taken.some((other) => Math.abs(other - x) < TICK_ROOM)) return;
    taken.push(x);
    marks.push(svg('line', { x1: x, x2: x, y1: AXIS - 4, y2: height, class: 'tick' }), word(x, text, 'tick'));
  };
  TICKS.forEach((minutes, index) => {
    mark(now + minutes * MINUTE, `+${NAMES[index]}`);
    mark(now - minutes * MINUTE, `−${NAMES[index]}`);
  });
  return [...marks, word(at(now), 'now', 'tick today')];
}

const word = (x, text, name) => svg('text', { x, y: 13, class: name, 'text-anchor': 'middle' }, text);

/** By which what waits is told from the rest without colour. */
function hatching() {
  const line = svg('path', { d: 'M0 6L6 0', class: 'hatch' });
  return svg('defs', {}, svg('pattern', { id: 'hatching', width: 6, height: 6, patternUnits: 'userSpaceOnUse' }, line));
}
