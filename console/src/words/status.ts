// What a state means to a person: one of four shapes (or none), and the words beside it.

/** `neutral` has no claim on anybody; the others are the four meanings that colour may carry. */
export type Shape = 'neutral' | 'waiting' | 'stopped' | 'confirmed' | 'unknown';

const ACTION: Record<string, [Shape, string]> = {
  waiting: ['waiting', 'waits for a person'],
  approved: ['neutral', 'approved, not sent yet'],
  intended: ['neutral', 'under way'],
  confirmed: ['confirmed', 'done'],
  failed: ['stopped', 'failed'],
  unknown: ['unknown', 'outcome unknown'],
  refused: ['stopped', 'refused'],
  rejected: ['stopped', 'rejected'],
  expired: ['stopped', 'expired'],
  withdrawn: ['neutral', 'withdrawn'],
  compensated: ['neutral', 'taken back'],
  deferred: ['neutral', 'put off'],
};

const APPROVAL: Record<string, [Shape, string]> = {
  waiting: ['waiting', 'waits for a person'],
  approved: ['confirmed', 'approved'],
  used: ['confirmed', 'approved and used'],
  rejected: ['stopped', 'rejected'],
  expired: ['stopped', 'expired'],
  withdrawn: ['neutral', 'withdrawn'],
};

const RUN: Record<string, [Shape, string]> = {
  open: ['neutral', 'open'],
  done: ['confirmed', 'done'],
  failed: ['stopped', 'failed'],
  cancelled: ['neutral', 'cancelled'],
};

const KINDS = { action: ACTION, approval: APPROVAL, run: RUN };

/** The shape and words of a state; a state that is not known here is shown by its own name. */
export function statusOf(kind: keyof typeof KINDS, status: string): { shape: Shape; words: string } {
  const known = Object.hasOwn(KINDS[kind], status) ? KINDS[kind][status] : undefined;
  return known === undefined ? { shape: 'neutral', words: status } : { shape: known[0], words: known[1] };
}

/** The statuses that a filter may ask for. */
export const statuses = (kind: keyof typeof KINDS): string[] => Object.keys(KINDS[kind]);

/** A run at a glance: the worst of what is in it. */
export function runShape(run: { status: string; waiting: number; unknown: number }): Shape {
  if (run.unknown > 0) return 'unknown';
  if (run.waiting > 0) return 'waiting';
  return statusOf('run', run.status).shape;
}

/** `autonomous`, `approve`, `never` as people say it. */
export function verdictWords(verdict: string | null): string {
  switch (verdict) {
    case 'autonomous':
      return 'alone';
    case 'approve':
      return 'with a person';
    case 'never':
      return 'never';
    case null:
      return 'not decided';
    default:
      return verdict;
  }
}

/** What the effect class means for whoever has to decide. */
export function classWords(effect: string): string {
  switch (effect) {
    case 'read':
      return 'reads only';
    case 'keyed':
      return 'may be repeated safely';
    case 'once':
      return 'must happen once; can be looked up';
    case 'compensable':
      return 'can be reversed by another action';
    case 'irreversible':
      return 'cannot be undone';
    default:
      return effect;
  }
}

export function effectWords(effect: string): string {
  switch (effect) {
    case 'permit':
      return 'allows';
    case 'gate':
      return 'asks for a person';
    case 'never':
      return 'forbids';
    default:
      return effect;
  }
}
