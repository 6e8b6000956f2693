// Times as an operator reads them. All are UTC, as in logs and in the audit trail.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `06:51:33`. */
export const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

/** `27 Nov 2026, 06:51:33`, or without the day if that is the day of `now`. */
export function instant(ms, now) {
  const text = new Date(ms).toISOString();
  if (now !== undefined && new Date(now).toISOString().slice(0, 10) === text.slice(0, 10)) return clock(ms);
  const month = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')[Number(text.slice(5, 7)) - 1];
  return `${Number(text.slice(8, 10))}\u00a0${month}\u00a0${text.slice(0, 4)}, ${clock(ms)}`;
}

/** How long that is, in its two largest units: `9 min 12 s`, `3 h 5 min`, `30 d`. */
export function duration(ms) {
  const units = [['d', DAY], ['h', HOUR], ['min', MINUTE], ['s', SECOND]];
  const first = units.findIndex(([, unit]) => ms >= unit);
  if (first < 0) return '0\u00a0s';
  const parts = [];
  let left = ms;
  for (const [name, unit] of units.slice(first, first + 2)) {
    const count = Math.floor(left / unit);
    left -= count * unit;
    if (count) parts.push(`${count}\u00a0${name}`);
  }
  return parts.join(' ');
}

/** `in 9 min 12 s`, `3 h 5 min ago`, `now`. */
export function away(ms, now) {
  if (Math.abs(ms - now) < SECOND) return 'now';
  return ms > now ? `in ${duration(ms - now)}` : `${duration(now - ms)} ago`;
}

/** A short span as it is measured: `120 ms`, `1.4 s`, and above as any other. */
export function age(ms) {
  if (ms === undefined) return '–';
  if (ms < SECOND) return `${Math.round(ms)}\u00a0ms`;
  return ms < MINUTE ? `${(ms / SECOND).toFixed(1)}\u00a0s` : duration(ms);
}
