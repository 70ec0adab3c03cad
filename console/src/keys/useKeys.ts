// Binds the keys of a page. Typing in a field is typing; only Escape leaves it.
import { useEffect, useRef } from 'react';
import { type Binding, type Command, press } from './map';

const SEQUENCE_MS = 1_200;

export function useKeys(bindings: Binding[], act: (command: Command) => void): void {
  const acting = useRef(act);
  useEffect(() => {
    acting.current = act;
  });
  useEffect(() => {
    let before: string[] = [];
    let since = 0;
    const down = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return;
      if (inField(event.target) && event.key !== 'Escape') return;
      // Enter and Space belong to the button or link that has the focus.
      if (event.key === 'Enter' && onControl(event.target)) return;
      if (event.timeStamp - since > SEQUENCE_MS) before = [];
      since = event.timeStamp;
      const step = press(bindings, before, event.key);
      before = step.is === 'pending' ? step.keys : [];
      if (step.is === 'command') {
        if (step.command !== 'close') event.preventDefault();
        acting.current(step.command);
      }
    };
    window.addEventListener('keydown', down);
    return () => window.removeEventListener('keydown', down);
  }, [bindings]);
}

function inField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName));
}

function onControl(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('a, button, summary, dialog') !== null;
}
