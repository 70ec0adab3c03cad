// One way to the server: JSON in, JSON or a `Fault` out. Nothing here retries a change.
import type { Me, Problem } from './types';

/** What went wrong, in the server's words where it gave any. */
export class Fault extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly hint: string,
  ) {
    super(detail);
    this.name = 'Fault';
  }
}

let csrf: string | null = null;

/** Remembers the token that every change must carry. */
export function remember(me: Me): Me {
  csrf = me.csrf;
  return me;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return ask<T>(path, { method: 'GET', signal: signal ?? null });
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  return ask<T>(path, { method: 'POST', headers: { 'content-type': 'application/json', ...proof() }, body: JSON.stringify(body) });
}

/** Ends the browser's session, here and on the server. */
export async function signOut(): Promise<void> {
  await ask<null>('/v1/sessions', { method: 'DELETE', headers: proof() });
}

function proof(): Record<string, string> {
  return csrf === null ? {} : { 'x-countersign-csrf': csrf };
}

async function ask<T>(path: string, init: RequestInit): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, { ...init, credentials: 'same-origin', headers: { accept: 'application/json', ...init.headers } });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new Fault(0, 'unreachable', 'The server does not answer.', 'Check that it is running and that you are on its network.');
  }
  const text = await answer.text();
  if (answer.ok) return (text === '' ? null : parse(text, answer.status)) as T;
  throw fault(answer.status, text);
}

function parse(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Fault(status, 'not_json', 'The answer is not from a Countersign server.', 'Look at the address and at what stands in front of it.');
  }
}

/** Reads a refusal; an answer in another shape still says its status. */
export function fault(status: number, text: string): Fault {
  try {
    const problem = JSON.parse(text) as Partial<Problem>;
    if (typeof problem.detail === 'string') {
      return new Fault(status, problem.code ?? `http_${status}`, problem.detail, problem.hint ?? '');
    }
  } catch {
    // not a problem document: the status has to do
  }
  return new Fault(status, `http_${status}`, `The server answered with status ${status}.`, 'Try again; if it stays, look at the server’s log.');
}

/** `/v1/x?a=b` from the parts that are set. */
export function address(path: string, query: Record<string, string | number | undefined | null>): string {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  if (set.length === 0) return path;
  return `${path}?${new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString()}`;
}
