import { expect, test } from 'vitest';
import { absolute, clockMinute, expiry, limit, relative, span } from './time';

const S = 1_000;
const MIN = 60 * S;
const H = 60 * MIN;

test.each([
  [0, '0 s'],
  [-5 * S, '0 s'],
  [59_999, '59 s'],
  [MIN, '1 min'],
  [12.9 * MIN, '12 min'],
  [2 * H, '2 h'],
  [2 * H + 5 * MIN, '2 h 5 min'],
  [25 * H, '1 d'],
])('a length of %d ms is never overstated: %s', (ms, words) => {
  expect(span(ms)).toBe(words);
});

test('what is past and what is to come read differently', () => {
  const now = 1_000_000_000;
  expect(relative(now - 400, now)).toBe('now');
  expect(relative(now - 3 * S, now)).toBe('3 s ago');
  expect(relative(now + 18 * MIN, now)).toBe('in 18 min');
  expect(expiry(now + 18 * MIN, now)).toBe('expires in 18 min');
  expect(expiry(now, now)).toBe('expired 0 s ago');
});

test('a limit keeps its seconds where people set it in seconds', () => {
  expect([limit(60 * S), limit(90 * S), limit(H)]).toEqual(['60 s', '90 s', '1 h']);
});

test('an absolute time names its zone', () => {
  const at = Date.UTC(2026, 10, 23, 0, 48, 3);
  expect(absolute(at, 'Europe/Berlin')).toMatch(/23 Nov 2026, 01:48:03 (CET|GMT\+1)/);
  expect(absolute(at, 'UTC')).toMatch(/00:48:03 UTC/);
  expect(clockMinute(at, 'Asia/Kolkata')).toBe('06:18');
});
