import { expect, test } from 'vitest';
import { counted, share } from './number';

test('a share never hides that there is some, or that there is more', () => {
  expect([share(0, 10), share(1, 100_000), share(99_999, 100_000), share(10, 10), share(0, 0), share(1157, 1204)]).toEqual(['0 %', '0.1 %', '99.9 %', '100 %', '0 %', '96.1 %']);
});

test('one is not many', () => {
  expect([counted(1, 'approval'), counted(1204, 'entry', 'entries')]).toEqual(['1 approval', '1,204 entries']);
});
