import { expect, test } from 'vitest';
import { type Live, type Turn, turn } from './live';

const after = (...turns: Turn[]): Live => turns.reduce(turn, { is: 'connecting' } as Live);

test('a page that is held still counts what it misses', () => {
  expect(after({ on: 'open' }, { on: 'pause' }, { on: 'entry' }, { on: 'entry' })).toEqual({ is: 'paused', missed: 2 });
});

test('a cut page says since when, however often the next try fails', () => {
  expect(after({ on: 'open' }, { on: 'cut', at: 5 }, { on: 'cut', at: 9 }, { on: 'pause' })).toEqual({ is: 'stale', since: 5 });
});

test('the stream makes it live again', () => {
  expect(after({ on: 'open' }, { on: 'cut', at: 5 }, { on: 'open' })).toEqual({ is: 'live' });
});
