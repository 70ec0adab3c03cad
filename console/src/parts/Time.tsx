// A moment: relative, with the absolute one a hover or a tap away.
import { useState } from 'react';
import { useNow } from '../words/clock';
import { absolute, expiry, relative } from '../words/time';

const iso = (at: number) => new Date(at).toISOString();

/** Inside a row that is itself a link. */
export function Ago({ at }: { at: number }) {
  const now = useNow();
  return (
    <time dateTime={iso(at)} title={absolute(at)}>
      {relative(at, now)}
    </time>
  );
}

/** On its own: a tap turns it into the absolute time. */
export function When({ at }: { at: number }) {
  const now = useNow();
  const [whole, setWhole] = useState(false);
  return (
    <button type="button" className="when" title={absolute(at)} onClick={() => setWhole(!whole)}>
      <time dateTime={iso(at)}>{whole ? absolute(at) : relative(at, now)}</time>
    </button>
  );
}

export function Expiry({ at, since }: { at: number; since?: number }) {
  const now = useNow();
  const near = at - now < 5 * 60_000 || (since !== undefined && at - now < (at - since) / 10);
  return (
    <time dateTime={iso(at)} title={absolute(at)} className={near ? 'expiry expiry-near' : 'expiry'}>
      {expiry(at, now)}
    </time>
  );
}
