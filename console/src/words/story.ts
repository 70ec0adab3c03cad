// A run as a story: its actions in order, with the waits between them as gaps of their own.
import type { Action } from '../api/types';

/** Shorter pauses are not worth a line. */
export const GAP_MS = 60_000;

export type Beat = { is: 'action'; action: Action } | { is: 'gap'; ms: number; id: string };

/** Oldest first. A gap lies between two proposals. */
export function story(actions: Action[]): Beat[] {
  const ordered = [...actions].sort((a, b) => a.proposed_at - b.proposed_at || a.entry - b.entry);
  const beats: Beat[] = [];
  let before: number | null = null;
  for (const action of ordered) {
    if (before !== null && action.proposed_at - before >= GAP_MS) {
      beats.push({ is: 'gap', ms: action.proposed_at - before, id: `gap-${action.id}` });
    }
    beats.push({ is: 'action', action });
    before = Math.max(before ?? 0, action.settled_at ?? action.proposed_at);
  }
  return beats;
}

/** How long an action took, where it is over. */
export function took(action: Action): number | null {
  return action.settled_at === null ? null : action.settled_at - action.proposed_at;
}
