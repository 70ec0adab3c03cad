// Whether list and detail fit side by side.
import { useSyncExternalStore } from 'react';

const query = () => window.matchMedia('(min-width: 900px)');

function subscribe(listener: () => void): () => void {
  const list = query();
  list.addEventListener('change', listener);
  return () => list.removeEventListener('change', listener);
}

export function useWide(): boolean {
  return useSyncExternalStore(subscribe, () => query().matches);
}
