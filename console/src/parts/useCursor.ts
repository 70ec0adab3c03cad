// Moving through a list with the keyboard: the cursor is the row that has the focus.
import { useEffect, useRef } from 'react';
import { moved } from '../keys/map';

/** Rows are the links inside `ref`; `step` moves the focus, `enter` follows the focused or first one. */
export function useCursor<T extends HTMLElement>() {
  const ref = useRef<T>(null);
  const at = useRef(-1);
  const rows = () => Array.from(ref.current?.querySelectorAll<HTMLElement>('[data-row]') ?? []);
  useEffect(() => {
    const list = ref.current;
    const note = (event: FocusEvent) => {
      at.current = rows().findIndex((row) => row.contains(event.target as Node));
    };
    list?.addEventListener('focusin', note);
    return () => list?.removeEventListener('focusin', note);
  });
  const step = (command: 'next' | 'previous') => {
    const all = rows();
    at.current = moved(at.current, all.length, command);
    all[at.current]?.focus();
  };
  return { ref, step };
}
