// The key ring: what rotates next, a picture of every key's life, and the same as a table.

import { $, code, el, fillTable, pill, setText } from './dom.js';
import { away, duration, instant } from './time.js';
import { timeline } from './timeline.js';

/** So many keys are shown; of the others it is said how many there are. */
const MOST = 8;
const OVER = ['retired', 'revoked', 'destroyed'];
const COLUMNS = [['Key', ''], ['State', ''], ['Seals from', ''], ['Seals until', ''], ['Opens until', '']];

export class Keys {
  #ring = null;
  #resized;

  constructor() {
    this.#resized = new ResizeObserver(() => this.draw());
    this.#resized.observe($('timeline'));
  }

  close() {
    this.#resized.disconnect();
  }

  /** Takes in what `GET /v1/keys` answers. */
  show(ring) {
    this.#ring = ring;
    const now = Date.parse(ring.now);
    const { shown, left } = chosen(ring.keys);
    fillTable($('keys'), 'Keys of the ring', COLUMNS, shown.map((key) => cells(key, now)));
    const older = `And ${left} older, of which nothing opens any more: sealpass keys list has them.`;
    setText($('older-keys'), left ? older : '');
    setText($('next-rotation'), this.next.text);
    this.draw();
  }

  /** The picture, as wide as there is room. */
  draw() {
    if (this.#ring) timeline($('timeline'), chosen(this.#ring.keys).shown, Date.parse(this.#ring.now));
  }

  get known() {
    return this.#ring !== null;
  }

  get active() {
    return this.#ring?.keys.find(({ state }) => state === 'active');
  }

  /** The next rotation, in a few words and in a sentence. */
  get next() {
    if (!this.#ring) return { brief: '–', text: '' };
    const now = Date.parse(this.#ring.now);
    const coming = this.#ring.keys.find(({ state }) => state === 'pending');
    if (coming) {
      const from = Date.parse(coming.seals_from);
      const text = `Next rotation: key ${coming.key} seals from ${instant(from, now)} UTC on, ${away(from, now)}.`;
      return { brief: away(from, now), text };
    }
    const proposed = this.#ring.keys.find(({ state }) => state === 'proposed');
    if (proposed) {
      const text = `Next rotation: key ${proposed.key} is made, and gets its time once a majority of the core has it.`;
      return { brief: 'waits for a majority', text };
    }
    const { active } = this;
    const since = active ? ` Key ${active.key} has sealed for ${duration(now - Date.parse(active.seals_from))}.` : '';
    return { brief: 'none ordered', text: `No rotation is ordered.${since}` };
  }
}

/** Those that still open something, and of the others the latest. */
function chosen(keys) {
  const lives = keys.filter(({ state }) => !OVER.includes(state));
  const over = keys.filter(({ state }) => OVER.includes(state));
  const room = Math.max(0, MOST - lives.length);
  return { shown: [...over.slice(Math.max(0, over.length - room)), ...lives], left: Math.max(0, over.length - room) };
}

function cells(key, now) {
  const kind = { active: 'ok', pending: 'warn', proposed: 'warn', revoked: 'bad' }[key.state] ?? '';
  const ended = key.revoked_at ?? key.destroyed_at;
  const opens = ended ? [key.revoked_at ? 'revoked ' : 'destroyed ', ...time(ended, now)] : time(key.opens_until, now);
  return [code(key.key), pill(kind, key.state), time(key.seals_from, now), time(key.seals_until, now), opens];
}

function time(text, now) {
  if (!text) return '–';
  const ms = Date.parse(text);
  return [`${instant(ms, now)} `, el('span', 'dim', away(ms, now))];
}
