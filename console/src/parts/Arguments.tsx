// The exact arguments, member by member; the stored text is one button away.
import { useState } from 'react';
import type { Json } from '../api/types';

export function Arguments({ value }: { value: Json }) {
  const [bytes, setBytes] = useState(false);
  if (value === null) return <p className="quiet">Erased. The record keeps only their commitment.</p>;
  const members = typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : null;
  return (
    <div className="arguments">
      {bytes || members === null ? (
        <pre className="code">{JSON.stringify(value, null, 2)}</pre>
      ) : members.length === 0 ? (
        <p className="quiet">No arguments.</p>
      ) : (
        <dl className="members mono">
          {members.map(([name, member]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <bdi>{shown(member)}</bdi>
              </dd>
            </div>
          ))}
        </dl>
      )}
      {members !== null && members.length > 0 && (
        <button type="button" className="link no-print" onClick={() => setBytes(!bytes)}>
          {bytes ? 'show members' : 'show as JSON'}
        </button>
      )}
    </div>
  );
}

function shown(value: Json): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((item) => item === null || typeof item !== 'object')) return value.map(String).join(', ');
  return JSON.stringify(value);
}
