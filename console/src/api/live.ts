// The live stream as one small store: is what the screen shows still the truth?
//
// `live`    entries arrive and the pages follow
// `paused`  the reader holds the page still; entries are counted
// `stale`   the stream is cut; says since when, and the pages stop offering actions
import { now } from '../words/clock';

export type Live =
  | { is: 'connecting' }
  | { is: 'live' }
  | { is: 'paused'; missed: number }
  | { is: 'stale'; since: number };

/** What may happen to the stream. */
export type Turn = { on: 'open' } | { on: 'entry' } | { on: 'cut'; at: number } | { on: 'pause' } | { on: 'resume' };

/** The next state. Pure: the stream, the clock and the pages are the caller's. */
export function turn(live: Live, with_: Turn): Live {
  switch (with_.on) {
    case 'open':
      return live.is === 'paused' ? live : { is: 'live' };
    case 'entry':
      return live.is === 'paused' ? { is: 'paused', missed: live.missed + 1 } : { is: 'live' };
    case 'cut':
      return live.is === 'stale' ? live : { is: 'stale', since: with_.at };
    case 'pause':
      return live.is === 'live' ? { is: 'paused', missed: 0 } : live;
    case 'resume':
      return live.is === 'paused' ? { is: 'live' } : live;
  }
}

const RETRY_MS = 3_000;
const REFRESH_MS = 700;

let state: Live = { is: 'connecting' };
let source: EventSource | null = null;
let refresh: () => void = () => undefined;
let pending: number | null = null;
let last = 0;
const listeners = new Set<() => void>();

export const liveState = (): Live => state;

export function onLive(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function pause(): void {
  move({ on: 'pause' });
}

export function resume(): void {
  move({ on: 'resume' });
  refresh();
}

/** Opens the stream; gives back how to close it. `changed` is called when the pages should read again. */
export function follow(changed: () => void): () => void {
  refresh = changed;
  let closed = false;
  let again: number | null = null;
  const cut = () => move({ on: 'cut', at: now() });
  const open = () => {
    source = new EventSource('/v1/events');
    source.onopen = () => {
      const was = state.is;
      move({ on: 'open' });
      if (was === 'stale') refresh();
    };
    source.onerror = () => {
      cut();
      if (source?.readyState === EventSource.CLOSED && !closed) again = window.setTimeout(open, RETRY_MS);
    };
    source.addEventListener('entry', () => {
      move({ on: 'entry' });
      soon();
    });
    source.addEventListener('lagged', soon);
  };
  open();
  window.addEventListener('offline', cut);
  return () => {
    closed = true;
    if (again !== null) window.clearTimeout(again);
    window.removeEventListener('offline', cut);
    source?.close();
    source = null;
    state = { is: 'connecting' };
  };
}

function move(with_: Turn): void {
  state = turn(state, with_);
  for (const listener of listeners) listener();
}

// A busy workspace writes thousands of entries a second; the pages read at most once per REFRESH_MS.
function soon(): void {
  if (state.is === 'paused' || pending !== null) return;
  const wait = Math.max(50, last + REFRESH_MS - Date.now());
  pending = window.setTimeout(() => {
    pending = null;
    last = Date.now();
    refresh();
  }, wait);
}
