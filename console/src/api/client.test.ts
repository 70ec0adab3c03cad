import { expect, test } from 'vitest';
import { address, fault } from './client';

test('filters that are not set do not reach the address', () => {
  expect(address('/v1/runs', { status: undefined, agent: 'a&b', after: null, limit: 100 })).toBe('/v1/runs?agent=a%26b&limit=100');
});

test('a refusal keeps the words of the server', () => {
  const { code, detail, hint } = fault(409, '{"code":"approval_stale","detail":"It changed.","hint":"Read it again."}');
  expect([code, detail, hint]).toEqual(['approval_stale', 'It changed.', 'Read it again.']);
});

test('an answer in another shape still says its status', () => {
  expect(fault(502, '<html>').code).toBe('http_502');
});
