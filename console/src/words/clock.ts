// One clock for the console: the server's, so that a wrong clock on the desk does not change an age.
import { useSyncExternalStore } from 'react';

let offset = 0;

/** `server` was the server's time at `local`. */
export function setServerTime(server: number, local: number): void {
  offset = server - local;
}

export function now(): number {
  return Date.now() + offset;
}

const listeners = new Set<() => void>();
let beat: number | null = null;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  beat ??= window.setInterval(() => listeners.forEach((each) => each()), 1_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && beat !== null) {
      window.clearInterval(beat);
      beat = null;
    }
  };
}

const seconds = () => Math.floor(now() / 1_000) * 1_000;

/** The time now, to the second; whoever asks is drawn again each second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, seconds);
}
