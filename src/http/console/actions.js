// The buttons: rotate, end sessions, raise the floor. Each says what it came to beside itself.

import { $, code, el, fillSelect, result, setText } from './dom.js';
import { away, instant } from './time.js';

/** What has to be typed before all realms log in again. */
const ALL = 'all realms';

export class Actions {
  #api;
  #after;

  /** `after` is called when something was changed. */
  constructor(api, after) {
    this.#api = api;
    this.#after = after;
    $('rotate').addEventListener('click', () => this.#busy($('rotate'), () => this.#preview()));
    $('dialog-yes').addEventListener('click', () => this.#busy($('dialog-yes'), () => this.#rotate()));
    $('dialog-no').addEventListener('click', () => $('dialog').close());
    for (const choice of document.getElementsByName('end-what')) choice.addEventListener('change', named);
    $('end').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#busy($('end-submit'), () => this.#end());
    });
    $('floor-realm').addEventListener('change', armed);
    $('floor-typed').addEventListener('input', armed);
    $('floor').addEventListener('submit', (event) => {
      event.preventDefault();
      if (isTyped()) this.#busy($('floor-submit'), () => this.#floor());
    });
  }

  /** Offers these realms. */
  realms(names) {
    fillSelect($('end-realm'), names.map((name) => [name, name]));
    // A realm's name has no space, so this one can't be taken for one.
    fillSelect($('floor-realm'), [...names.map((name) => [name, name]), [ALL, 'all realms']]);
  }

  /** One click, one call. */
  async #busy(button, work) {
    if (button.getAttribute('aria-busy') === 'true') return;
    button.setAttribute('aria-busy', 'true');
    try {
      await work();
    } catch (failure) {
      // Whoever signs out meanwhile has no page that it could be shown on.
      if (button.isConnected) throw failure;
    } finally {
      button.removeAttribute('aria-busy');
    }
  }

  /** Asks what a rotation would come to, and shows that. */
  async #preview() {
    result($('dialog-result'), '', '');
    $('dialog-yes').hidden = true;
    $('dialog-text').replaceChildren(el('p', 'dim', 'Asking what it would come to…'));
    setText($('dialog-no'), 'Cancel');
    $('dialog').showModal();
    $('dialog-no').focus();
    try {
      const { body } = await this.#api.post('v1/keys/rotate', { dry_run: true });
      $('dialog-text').replaceChildren(...would(body));
      $('dialog-yes').hidden = !body.changed;
    } catch (failure) {
      $('dialog-text').replaceChildren(el('p', '', 'Nothing was changed.'));
      result($('dialog-result'), 'bad', failure.text, failure.requestId);
    }
  }

  async #rotate() {
    try {
      const { status, body, requestId } = await this.#api.post('v1/keys/rotate', { dry_run: false });
      const now = Date.parse(body.ring.now);
      const from = body.seals_from && Date.parse(body.seals_from);
      const time = from && `seals from ${instant(from, now)} UTC on, ${away(from, now)}`;
      const when = time || 'gets its time once a majority of the core has it';
      const made = `${body.changed ? 'Ordered' : 'It was ordered before'}: key ${body.key} ${when}.`;
      result($('dialog-result'), status === 202 ? 'warn' : 'ok', `${made}${spread(status, body)}`, requestId);
      $('dialog-yes').hidden = true;
      setText($('dialog-no'), 'Close');
      $('dialog-no').focus();
    } catch (failure) {
      result($('dialog-result'), 'bad', failure.text, failure.requestId);
    }
    this.#after();
  }

  async #end() {
    const [realm, what, name] = [$('end-realm').value, chosen(), $('end-name').value];
    const path = what === 'subject' ? 'v1/subjects/revoke' : 'v1/sessions/revoke';
    const done = what === 'subject' ? `Every session of ${name}` : `The session ${name}`;
    await this.#ordered('end-result', path, { realm, [what]: name }, `${done} in ${realm} is over.`);
  }

  async #floor() {
    const realm = $('floor-realm').value;
    const body = realm === ALL ? { all: true } : { realm };
    const where = realm === ALL ? ALL : `the realm ${realm}`;
    await this.#ordered('floor-result', 'v1/floor', body, `Every session in ${where} is over.`);
    $('floor-typed').value = '';
    armed();
  }

  async #ordered(place, path, asked, done) {
    result($(place), '', '');
    try {
      const { status, body, requestId } = await this.#api.post(path, asked);
      result($(place), status === 202 ? 'warn' : 'ok', `${done}${spread(status, body)}`, requestId);
    } catch (failure) {
      result($(place), 'bad', failure.text, failure.requestId);
    }
    this.#after();
  }
}

/** What a dry run says, for whoever has to decide. */
function would(receipt) {
  if (!receipt.changed) return [el('p', '', 'A rotation is under way already, with key ', code(receipt.key), '.')];
  const now = Date.parse(receipt.ring.now);
  const from = receipt.seals_from && Date.parse(receipt.seals_from);
  const minutes = Math.round(receipt.ring.activation_seconds / 60);
  const made = from
    ? ['A new key is made now, and ', strong(`seals from ${instant(from, now)} UTC on`), `, ${away(from, now)}.`]
    : ['A new key is made now. Once a majority of the core has it, it gets its time: ',
      strong(`it seals ${minutes} minutes later`), '.'];
  const lines = [made];
  const active = receipt.ring.keys.find(({ state }) => state === 'active');
  if (active) {
    const opens = active.opens_until && `until ${instant(Date.parse(active.opens_until), now)} UTC`;
    lines.push(['Until then ', code(active.key), ' seals on, and opens what it sealed ',
      `${opens || 'for as long as that can live'}. No user notices.`]);
  }
  if (receipt.destroyed?.length) {
    lines.push(['Retired keys are destroyed with it: ', ...receipt.destroyed.flatMap((key) => [code(key), ' '])]);
  }
  return [el('ul', '', ...lines.map((line) => el('li', '', ...line)))];
}

const strong = (text) => el('strong', '', text);

/** How far something has come, among several replicas. */
function spread(status, { applied, core }) {
  if (core === undefined) return '';
  const so = ` ${applied} of ${core} replicas of the core have it`;
  const late = ': the others get it when they can, and until a majority has it, it is not final.';
  return so + (status === 202 ? late : '.');
}

const chosen = () => [...document.getElementsByName('end-what')].find(({ checked }) => checked).value;

/** Names the field by what is to end. */
function named() {
  const isSubject = chosen() === 'subject';
  setText($('end-label'), isSubject ? 'Subject' : 'Session id');
  setText($('end-submit'), isSubject ? 'End all sessions of this subject' : 'End this session');
}

const isTyped = () => $('floor-typed').value.trim() === $('floor-realm').value;

function armed() {
  setText($('floor-word'), $('floor-realm').value);
  $('floor-submit').disabled = !isTyped();
}
