import { expect, test } from 'vitest';
import { ANSWER, EVERYWHERE, LIST, moved, press } from './map';

/** Presses one key after the other; gives what was meant by each. */
function typed(keys: string): string[] {
  let before: string[] = [];
  return keys.split(' ').map((key) => {
    const step = press([...EVERYWHERE, ...LIST, ...ANSWER], before, key);
    before = step.is === 'pending' ? step.keys : [];
    return step.is === 'command' ? step.command : step.is;
  });
}

test.each([
  ['j k', 'next previous'],
  ['g i', 'pending inbox'],
  ['g r', 'pending runs'],
  ['r', 'reject'],
  ['g j', 'pending next'],
  ['g g i', 'pending pending inbox'],
  ['x a', 'nothing approve'],
  ['? Escape', 'help close'],
])('%s means %s', (keys, meant) => {
  expect(typed(keys).join(' ')).toBe(meant);
});

test('a move stays inside the list', () => {
  expect([moved(-1, 3, 'next'), moved(2, 3, 'next'), moved(0, 3, 'previous'), moved(0, 0, 'next')]).toEqual([0, 2, 0, -1]);
});
