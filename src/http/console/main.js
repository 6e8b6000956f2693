// The console: signing in, asking again and again, and what is shown when that fails. The panels are in panels.js and
// keys.js, the buttons in actions.js.

import { Actions } from './actions.js';
import { Api, Lost, Refused } from './api.js';
import { $, note, setText, show } from './dom.js';
import { Keys } from './keys.js';
import { Load } from './load.js';
import { showGlance, showReplicas } from './panels.js';
import { clock } from './time.js';

/** How often it is asked, in milliseconds. */
const EVERY = 2_000;
/** After so long without a key or a click the credential is forgotten. */
const IDLE = 30 * 60_000;

let session = null; // all that is known while somebody is signed in
let timer = 0;

/** What one operator sees with one credential. Signing out drops it whole, and the part of the page with it. */
class Session {
  constructor(api) {
    this.api = api;
    this.lastInput = Date.now();
    this.answeredAt = 0;
    this.cluster = null;
  }

  /** Makes the part of the page that shows data. */
  open() {
    document.body.append($('signed-in').content.cloneNode(true));
    this.keys = new Keys();
    this.load = new Load();
    this.actions = new Actions(this.api, () => again(0));
  }

  close() {
    this.keys.close();
    for (const id of ['board', 'dialog']) $(id).remove();
    for (const id of ['replica', 'release', 'state', 'as-of']) setText($(id), '');
  }

  /** Asks for everything once, and shows what comes. */
  async look() {
    const asked = ['v1/cluster', 'v1/keys', 'metrics'].map((path) => this.api.get(path));
    const [cluster, keys, metrics] = await Promise.allSettled(asked);
    if (session !== this) return;
    const failures = [cluster, keys, metrics].map(({ reason }) => reason).filter(Boolean);
    const over = failures.find(({ status }) => status === 401);
    if (over) return signOut('The credential is not accepted any more (401): it was revoked, or it expired.');
    this.told(failures.find((failure) => failure instanceof Lost) ?? cluster.reason);
    note($('keys-problem'), problemOf(keys));
    note($('metrics-problem'), problemOf(metrics));
    if (keys.value) this.keys.show(keys.value.body);
    if (metrics.value) this.load.show(metrics.value.body);
    if (cluster.value) showReplicas(this.cluster = cluster.value.body);
    showGlance(this.cluster, this.keys, this.load, !cluster.value);
    this.actions.realms(this.load.realms);
  }

  /** Whether it can be believed what stands here. */
  told(failure) {
    if (failure) {
      $('state').className = 'pill bad';
      setText($('state'), failure instanceof Lost ? 'no answer' : 'not shown');
      const since = this.answeredAt ? ` What stands here is of ${clock(this.answeredAt)} UTC.` : '';
      return note($('lost'), `${failure.text}${since} It is asked again every ${EVERY / 1000} seconds.`);
    }
    this.answeredAt = Date.now();
    note($('lost'), '');
    setText($('as-of'), `as of ${clock(this.answeredAt)} UTC`);
  }
}

/** Says what is wrong in a panel of its own; a lost connection is told at the top. */
function problemOf({ reason }) {
  return reason instanceof Refused ? reason.text : '';
}

/** The next look, unless nobody looks. */
function again(after = EVERY) {
  clearTimeout(timer);
  if (!session || document.hidden) return;
  timer = setTimeout(async () => {
    if (Date.now() - session.lastInput > IDLE) return signOut('Signed out after 30 minutes without a key or a click.');
    await session.look();
    again();
  }, after);
}

async function signIn() {
  const field = $('credential');
  const credential = field.value.trim();
  note($('gate-problem'), '');
  if (!Api.couldBe(credential)) return refuse('That is no credential: it begins with sealpass_ and has no spaces.');
  const candidate = new Session(new Api(credential));
  $('enter').disabled = true;
  try {
    candidate.cluster = (await candidate.api.get('v1/cluster')).body;
  } catch (failure) {
    return refuse(whyNot(failure));
  } finally {
    $('enter').disabled = false;
  }
  field.value = '';
  session = candidate;
  session.open();
  atGate(false);
  await session.look();
  if (session !== candidate) return;
  announce(`Signed in at ${session.cluster.name}.`);
  $('board').focus({ preventScroll: true });
  again();
}

function whyNot(failure) {
  switch (failure.status) {
    case 401: return 'Not accepted (401). Check that it is whole; “sealpass credential list” says which are in force.';
    case 403: return `This credential is not for operators. Take one with the scope admin. ${failure.text}`;
    default: return failure.text;
  }
}

function refuse(text) {
  note($('gate-problem'), text);
  $('credential').focus();
}

function signOut(text) {
  clearTimeout(timer);
  session?.close();
  session = null;
  atGate(true);
  note($('gate-problem'), text);
  announce(text || 'Signed out.');
  $('credential').focus();
}

function atGate(is) {
  show($('gate'), is);
  for (const id of ['where', 'sign-out']) show($(id), !is);
}

function announce(text) {
  setText($('announce'), text);
}

$('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  signIn();
});
$('sign-out').addEventListener('click', () => signOut(''));
document.addEventListener('visibilitychange', () => again(0));
for (const kind of ['keydown', 'pointerdown']) {
  document.addEventListener(kind, () => { if (session) session.lastInput = Date.now(); });
}
// A page that is kept for the back button would keep the credential as well.
addEventListener('pagehide', () => signOut(''));

show($('sign-in'), true);
show($('in-clear'), !isSecureContext);
$('credential').focus();
