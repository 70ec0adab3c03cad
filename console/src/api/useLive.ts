// The live state inside React.
import { useSyncExternalStore } from 'react';
import { type Live, liveState, onLive } from './live';

export function useLive(): Live {
  return useSyncExternalStore(onLive, liveState);
}

/** A page that may be out of date offers no actions. */
export function useMayAct(): boolean {
  const live = useLive();
  return live.is !== 'stale';
}
