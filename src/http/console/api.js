// The control API, asked with the operator's credential. That stands in this object alone: not in the page, not in its
// address, not in any storage. It goes into one header of requests to the place that the page came from.

const SETTINGS = { cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' };
/** Longer than an order waits for other replicas. */
const PATIENCE = 10_000;

export class Refused extends Error {
  /** `problem` is what the service says (RFC 9457), or something like it. */
  constructor(status, problem, requestId) {
    super(problem.detail || problem.title || `status ${status}`);
    Object.assign(this, { status, problem, requestId });
  }

  /** Title, what is wrong and what to do, and where. */
  get text() {
    const { title, detail = '', field, limit, found } = this.problem;
    const what = detail.replace(/\.?$/, '.');
    const where = field ? ` Field: ${field}.` : '';
    const sizes = limit === undefined ? '' : ` Limit: ${limit}${found === undefined ? '' : `, found: ${found}`}.`;
    return `${title || 'Refused'} (${this.status}): ${what}${where}${sizes}`;
  }
}

export class Lost extends Error {
  get text() {
    return 'No answer from this replica. It may be down, or the way to it: look at the service, then try again.';
  }
}

export class Api {
  #credential;

  constructor(credential) {
    this.#credential = credential;
  }

  /** No browser sends anything else in a header, and no credential has anything else. */
  static couldBe(credential) {
    return /^[\x21-\x7e]{1,1024}$/.test(credential);
  }

  get(path) {
    return this.#ask(path, {});
  }

  post(path, body) {
    return this.#ask(path, { method: 'POST', body: JSON.stringify(body), type: 'application/json' });
  }

  /** `{ status, body, requestId }`; the body is an object if it is JSON, else text. */
  async #ask(path, { type, ...what }) {
    const headers = { Authorization: `Bearer ${this.#credential}` };
    if (type) headers['Content-Type'] = type;
    let answer;
    let text;
    try {
      answer = await fetch(path, { ...what, headers, ...SETTINGS, signal: AbortSignal.timeout(PATIENCE) });
      text = await answer.text();
    } catch {
      throw new Lost();
    }
    const body = parsed(answer.headers.get('content-type') ?? '', text);
    const requestId = answer.headers.get('x-request-id') ?? '';
    if (!answer.ok) throw new Refused(answer.status, typeof body === 'object' ? body : {}, requestId);
    return { status: answer.status, body, requestId };
  }
}

function parsed(type, text) {
  if (!/json/.test(type)) return text;
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return text;
  }
}
