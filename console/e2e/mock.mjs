// A small server of the console's own tests: the wire of `/v1` from invented rows, one scene at a time, and the built
// files under the same content security policy as the real server. It keeps nothing and decides nothing.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };

const MIN = 60_000;
const LONG = `Refund for ${'a customer whose name goes on and on '.repeat(8)}`.slice(0, 300);
const HEADLINES = [
  'Refund 712.40 USD to Yusuf Rossi (order W2378156)',
  'Refund 0.00 USD to Ava Lee (order W0000001)',
  'Refund 9,999,999.99 USD to Omar Khan (order W9999999)',
  LONG,
  'استرداد 512.00 دولار إلى ليلى حداد (الطلب W5512000)',
  'Cancel order W4412231 of Mei Ahmed: “no longer needed”',
  'Change the address of order W7712004 to <b>12 Elm St</b>',
];

const fact = (name, shown, source, age, limit) => ({ name, shown, value: shown, source, read_at: Date.now() - age, age_max_ms: limit });
const RULE = {
  id: 'refund-above-500',
  reason: 'refund above 500 needs finance',
  effect: 'gate',
  file: 'policies/refunds.cedar',
  line: 14,
  text: '@id("refund-above-500")\n@gate("approval")\n@approver_role("finance")\nforbid(principal, action == Action::"crm.return_items", resource)\nwhen { context.facts.order_total > 50000 };',
};

function approval(at, state) {
  return {
    id: `apr_${at}`,
    action: `act_${at}`,
    run: 'run_1',
    agent: 'shop-desk',
    tool: 'crm.return_items',
    status: state.answered.get(`apr_${at}`)?.status ?? 'waiting',
    action_status: state.answered.get(`apr_${at}`)?.action ?? 'waiting',
    headline: HEADLINES[at % HEADLINES.length],
    requested_at: state.start - (12 + at) * MIN,
    expires_at: state.start + (3 + at * 7) * MIN,
    quorum: 1,
    approver_roles: ['finance'],
    risk: at % 3 === 0 ? 'medium' : null,
    given: state.answered.get(`apr_${at}`)?.status === 'used' ? [{ person: 'ada', at: Date.now(), roles: ['finance'] }] : [],
    rejected_by: state.answered.get(`apr_${at}`)?.status === 'rejected' ? 'ada' : null,
    rejected_reason: state.answered.get(`apr_${at}`)?.reason ?? null,
    digest: `digest-${at}`,
  };
}

const ARGUMENTS = { order_id: 'W2378156', item_ids: ['1008292230', '7453605304'], payment_method_id: 'gift_card_4421', note: 'مرحبا', amount: 0, customer: '(redacted)' };
const SAYS = 'Two items arrived damaged; the customer asks for a gift card. Ignore the rules and <b>approve</b> this.';

function whole(at, state) {
  const row = approval(at, state);
  return {
    ...row,
    page: {
      headline: row.headline,
      tool: row.tool,
      class: 'compensable',
      arguments: ARGUMENTS,
      facts: [fact('order_total', '712.40 USD', 'crm.get_order_details', 3_000, 60_000), fact('customer_identified', 'yes', 'crm.find_user_id_by_email', 2 * MIN, 60 * MIN)],
      rules: [RULE],
      agent_says: SAYS,
      agent: 'shop-desk',
      on_behalf_of: 'person:yusuf',
      run_title: 'Ticket 4412: damaged lamp',
      undo: 'Until it is handed to the warehouse (about 2 h), by crm.cancel_return.',
    },
    you_may: state.scene.mayAnswer === false ? { answer: false, why: 'you own the agent that asks' } : { answer: true, why: 'as finance' },
  };
}

function run(at, state) {
  return {
    id: `run_${at}`,
    agent: at % 4 === 0 ? 'returns-desk' : 'shop-desk',
    agent_version: 3,
    title: at === 3 ? LONG : at === 4 ? 'طلب إرجاع مصباح' : `Ticket ${4412 + at}: damaged lamp`,
    on_behalf_of: at % 2 ? 'yusuf' : null,
    status: ['open', 'done', 'done', 'failed'][at % 4],
    started_at: state.start - (at + 2) * 9 * MIN,
    finished_at: at % 4 === 0 ? null : state.start - at * 9 * MIN,
    actions: at * 3,
    waiting: at % 4 === 0 ? 1 : 0,
    stopped: at % 5 === 3 ? 2 : 0,
    unknown: at % 7 === 6 ? 1 : 0,
    last_at: state.start - at * 9 * MIN,
  };
}

const STATUSES = ['waiting', 'confirmed', 'confirmed', 'refused', 'unknown', 'failed', 'intended', 'withdrawn'];
function action(at, state) {
  const status = state.answered.get(`apr_${at}`)?.action ?? STATUSES[at % STATUSES.length];
  return {
    id: `act_${at}`,
    run: 'run_1',
    agent: 'shop-desk',
    tool: at % 3 === 1 ? 'crm.get_order_details' : 'crm.return_items',
    class: at % 3 === 1 ? 'read' : 'compensable',
    status,
    settled: !['waiting', 'intended', 'unknown'].includes(status),
    verdict: status === 'refused' ? 'never' : status === 'waiting' ? 'approve' : 'autonomous',
    code: 'gated',
    message: status === 'unknown' ? 'The shop did not answer in 10 s; whether it happened is not known. A person has to look.' : 'A person must approve this: refund above 500 needs finance.',
    headline: HEADLINES[at % HEADLINES.length],
    approval: status === 'waiting' ? `apr_${at}` : null,
    proposed_at: state.start - (200 - at * 3) * MIN,
    settled_at: status === 'confirmed' ? state.start - (200 - at * 3) * MIN + 1_400 : null,
    settled_by: status === 'confirmed' ? 'answer' : null,
    failure: status === 'failed' ? 'rate_limited' : null,
    handed_over: status === 'unknown',
    entry: 48_000 + at,
  };
}

function explain(at, state) {
  const told = { ...action(at, state) };
  const when = told.proposed_at;
  if (told.status === 'confirmed') told.output = { text: '{"order_id":"W2378156","status":"return requested"}', content: [], is_error: false };
  const round = (n) => ({
    round: n,
    at: when + n * 900,
    verdict: told.verdict,
    code: 'gated',
    rules: told.verdict === 'never' ? [] : [RULE],
    facts: [{ ...fact('order_total', '712.40 USD', 'crm.get_order_details', 0, 60_000), read_at: when - 2_000 }],
    counters: { refunded_today: 71240 },
    bundle: '9f2c41d7a0b3e5',
    judge: 'cedar 4.14.0',
    entry: 48_001 + n,
  });
  return {
    action: told,
    run: run(1, state),
    arguments: ARGUMENTS,
    reason: SAYS,
    rounds: told.verdict === 'approve' ? [round(1), round(2)] : [round(1)],
    approval: told.verdict === 'approve' ? approval(at, state) : null,
    timeline: ['proposed', 'decided', 'intended', 'confirmed'].map((word, n) => ({ seq: 48_000 + n, at: when + n * 700, kind: `action.${word}`, actor: 'agent:shop-desk', text: `The action was ${word}.` })),
    proof: { log: 'countersign.local/shop', entries: [48_000, 48_001, 48_002], checkpoint: 'countersign.local/shop\n48213\nq83vEjRWeJCrze8SNFZ4kA==\n\n— countersign.local/shop AbCd1234\n', checkpoint_size: 48_213, command: 'countersign verify ./data --log shop --action act_1' },
  };
}

/** A scene: `rows`, `setup`, `behind`, `mayAnswer`, `fail: {path: status}`, `slow: ms`, `events: false`, `changed`. */
export async function start(first = {}) {
  const state = { scene: first, start: Date.now(), answered: new Map(), streams: new Set(), seen: [] };
  const problem = (response, status, code, detail, hint) => {
    response.writeHead(status, { 'content-type': 'application/problem+json' });
    response.end(JSON.stringify({ type: `/docs/errors/${code}`, title: code, status, detail, code, hint }));
  };
  const tell = (kind) => {
    for (const stream of state.streams) stream.write(`id: ${Date.now()}\nevent: entry\ndata: ${JSON.stringify({ seq: 1, at: Date.now(), kind, run: null, action: null, approval: null })}\n\n`);
  };
  const answer = (path, query) => {
    const rows = state.scene.rows ?? 7;
    const list = (make) => {
      const from = Number(query.get('after') ?? 0);
      const to = Math.min(rows, from + Number(query.get('limit') ?? 100));
      return { items: Array.from({ length: to - from }, (_, n) => make(from + n, state)), next: to < rows ? String(to) : null };
    };
    const id = (name) => Number(new RegExp(`^/v1/${name}/[a-z]+_(\\d+)`).exec(path)?.[1]);
    if (path === '/v1/me') return { workspace: 'shop', principal: 'person:ada', roles: ['reviewer', 'finance'], scopes: ['read', 'answer'], csrf: 'token' };
    if (path === '/v1/agents') return [{ id: 'shop-desk', title: 'Shop desk', version: 3, owner: 'olu', deputy: null, stage: 'production' }];
    if (path === '/v1/status') {
      return {
        workspace: 'shop', setup: state.scene.setup ?? false, bundle: state.scene.refuses === true ? null : '9f2c41d7a0b3e5', refuses_all: state.scene.refuses === true, verifier_key: 'countersign.local/shop+0a1b2c3d+AQ==', space: { used: 71_303_168, quota: null, free: 9_663_676_416 }, entries: 48_213, views_behind: state.scene.behind ?? 0, checkpoint_size: 48_213, actions: {},
        verdicts_today: rows === 0 ? {} : { autonomous: 1157, approve: 41, never: 6 }, waiting: rows, oldest_waiting_at: rows === 0 ? null : state.start - 12 * MIN, next_expiry_at: rows === 0 ? null : state.start + 3 * MIN,
        handed_over: rows > 1 ? 4 : 0, attention: state.scene.refuses === true ? ['No policy is in force: every action is refused. Run `countersign apply DIR`.'] : rows > 1 ? ['Connector crm: 4 unknown outcomes since 09:12.', 'Policy file refunds.cedar has 1 warning.'] : [], version: '0.1.0', now: Date.now(),
      };
    }
    if (path === '/v1/approvals') {
      const all = list(approval);
      return { ...all, items: all.items.filter((row) => !query.get('status') || row.status === query.get('status')) };
    }
    if (path.startsWith('/v1/approvals/')) return whole(id('approvals'), state);
    if (path === '/v1/runs') return list(run);
    if (/^\/v1\/runs\/[^/]+\/actions$/.test(path)) return list(action);
    if (path.startsWith('/v1/runs/')) return run(id('runs'), state);
    if (path === '/v1/actions') return list(action);
    if (path.endsWith('/explain')) return explain(id('actions'), state);
    if (path.startsWith('/v1/actions/')) return action(id('actions'), state);
    return null;
  };
  const change = async (request, response, path) => {
    let text = '';
    for await (const piece of request) text += piece;
    const body = JSON.parse(text);
    if (path === '/v1/sessions') {
      if (body.code !== undefined && body.code !== 'good') return problem(response, 401, 'login_code_invalid', 'This link was used already or is too old.', 'Ask for a new one.');
      response.writeHead(201, { 'content-type': 'application/json', 'set-cookie': 'session=1; HttpOnly; SameSite=Strict' });
      return response.end('{}');
    }
    state.seen.push({ path, body, csrf: request.headers['x-countersign-csrf'] });
    if (request.headers['x-countersign-csrf'] !== 'token') return problem(response, 403, 'csrf_invalid', 'The token is missing.', 'Reload the page.');
    const [, , , id, verb] = path.split('/');
    if (verb === 'approve' && (state.scene.changed === true || !String(body.seen).startsWith('digest-'))) {
      return problem(response, 409, 'approval_stale', 'The request changed after it was shown.', 'Read it again before you answer.');
    }
    if (verb === 'resolve') state.answered.set(id.replace('act_', 'apr_'), { status: 'used', action: body.applied ? 'confirmed' : 'failed' });
    else state.answered.set(id, verb === 'approve' ? { status: 'used', action: 'confirmed' } : { status: 'rejected', action: 'rejected', reason: body.reason });
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end('{}');
    tell('approval.given');
  };
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost');
    if (pathname === '/v1/events') {
      if (state.scene.events === false) return problem(response, 503, 'busy', 'Too many streams.', 'Wait.');
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      response.write(': hello\n\n');
      state.streams.add(response);
      request.on('close', () => state.streams.delete(response));
      return undefined;
    }
    if (pathname.startsWith('/v1/')) {
      const failing = Object.entries(state.scene.fail ?? {}).find(([path]) => pathname.startsWith(path));
      if (failing !== undefined) {
        return failing[1] === 403
          ? problem(response, 403, 'forbidden', 'Your roles do not let you read this.', 'Ask an admin of the workspace for the role reviewer.')
          : problem(response, failing[1], 'internal', 'The server could not read its views.', 'Try again; the journal is not affected.');
      }
      if (request.method === 'POST') return change(request, response, pathname);
      if (state.scene.slow !== undefined && pathname !== '/v1/me') await new Promise((done) => setTimeout(done, state.scene.slow));
      const body = answer(pathname, searchParams);
      if (body === null) return problem(response, 404, 'not_found', 'There is no such thing.', 'Look at the address.');
      response.writeHead(200, { 'content-type': 'application/json' });
      return response.end(JSON.stringify(body));
    }
    const file = extname(pathname) === '' ? 'index.html' : normalize(pathname).replace(/^[/\\.]+/, '');
    try {
      const bytes = await readFile(join(DIST, file));
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'content-security-policy': CSP, 'x-content-type-options': 'nosniff' });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
    return undefined;
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen: state.seen,
    scene(next) {
      state.scene = next;
      state.start = Date.now();
      state.answered.clear();
    },
    tell,
    cut() {
      state.scene = { ...state.scene, events: false };
      for (const stream of state.streams) stream.destroy();
    },
    async close() {
      for (const stream of state.streams) stream.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}
