import { expect, test } from 'vitest';
import type { Action } from '../api/types';
import { story } from './story';

const action = (id: string, proposed_at: number, settled_at: number | null): Action => ({ id, proposed_at, settled_at, entry: proposed_at }) as Action;

test('a run is told from its beginning, and a long silence is a line of its own', () => {
  const beats = story([action('c', 400_000, null), action('b', 61_000, 300_000), action('a', 0, 1_000)]);
  expect(beats.map((beat) => (beat.is === 'gap' ? `gap ${beat.ms}` : beat.action.id))).toEqual(['a', 'gap 60000', 'b', 'gap 100000', 'c']);
});
