// The keyboard as data, and the pure step from "these keys were pressed" to "this was meant".

export type Command =
  | 'next'
  | 'previous'
  | 'open'
  | 'approve'
  | 'reject'
  | 'search'
  | 'help'
  | 'close'
  | 'home'
  | 'inbox'
  | 'runs'
  | 'decisions';

export interface Binding {
  keys: string[];
  command: Command;
  words: string;
}

export const EVERYWHERE: Binding[] = [
  { keys: ['g', 'h'], command: 'home', words: 'go to Home' },
  { keys: ['g', 'i'], command: 'inbox', words: 'go to the Inbox' },
  { keys: ['g', 'r'], command: 'runs', words: 'go to Runs' },
  { keys: ['g', 'd'], command: 'decisions', words: 'go to Decisions' },
  { keys: ['?'], command: 'help', words: 'show the keys of this page' },
  { keys: ['Escape'], command: 'close', words: 'close or cancel' },
];

export const LIST: Binding[] = [
  { keys: ['j'], command: 'next', words: 'next row' },
  { keys: ['k'], command: 'previous', words: 'previous row' },
  { keys: ['Enter'], command: 'open', words: 'open the row' },
  { keys: ['/'], command: 'search', words: 'filter' },
];

export const ANSWER: Binding[] = [
  { keys: ['a'], command: 'approve', words: 'approve (asks once more)' },
  { keys: ['r'], command: 'reject', words: 'reject (asks for the reason)' },
];

/** The outcome of one key: something was meant, more keys may follow, or nothing. */
export type Step = { is: 'command'; command: Command } | { is: 'pending'; keys: string[] } | { is: 'nothing' };

/** `before` are the keys of an unfinished sequence. A key that does not continue it starts anew. */
export function press(bindings: Binding[], before: string[], key: string): Step {
  const keys = [...before, key];
  const fits = bindings.filter((binding) => keys.every((each, at) => binding.keys[at] === each));
  const whole = fits.find((binding) => binding.keys.length === keys.length);
  if (whole !== undefined) return { is: 'command', command: whole.command };
  if (fits.length > 0) return { is: 'pending', keys };
  return before.length > 0 ? press(bindings, [], key) : { is: 'nothing' };
}

/** The row after a move, kept inside the list; `at` is -1 where no row is chosen. */
export function moved(at: number, length: number, command: 'next' | 'previous'): number {
  if (length === 0) return -1;
  if (at < 0) return 0;
  return Math.min(length - 1, Math.max(0, command === 'next' ? at + 1 : at - 1));
}
