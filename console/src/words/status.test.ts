import { expect, test } from 'vitest';
import { runShape, statuses, statusOf } from './status';

test('each state of an action has its shape', () => {
  const table = statuses('action').map((status) => `${status} ${statusOf('action', status).shape}`);
  expect(table).toEqual([
    'waiting waiting',
    'approved neutral',
    'intended neutral',
    'confirmed confirmed',
    'failed stopped',
    'unknown unknown',
    'refused stopped',
    'rejected stopped',
    'expired stopped',
    'withdrawn neutral',
    'compensated neutral',
    'deferred neutral',
  ]);
});

test('a state that is not known is shown by its own name and claims nothing', () => {
  expect(statusOf('action', 'paused')).toEqual({ shape: 'neutral', words: 'paused' });
  expect(statusOf('action', 'constructor')).toEqual({ shape: 'neutral', words: 'constructor' });
});

test('a run shows the worst that is in it', () => {
  expect(runShape({ status: 'done', waiting: 0, unknown: 0 })).toBe('confirmed');
  expect(runShape({ status: 'open', waiting: 1, unknown: 0 })).toBe('waiting');
  expect(runShape({ status: 'done', waiting: 1, unknown: 1 })).toBe('unknown');
});
