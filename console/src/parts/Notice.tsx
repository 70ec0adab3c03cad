// What a page says when it has nothing to show: empty, failed, not permitted, not found, still loading.
import type { ReactNode } from 'react';
import { Fault } from '../api/client';

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="notice">
      <p className="notice-title">{title}</p>
      {children !== undefined && <p className="notice-text">{children}</p>}
    </div>
  );
}

/** A failed read: what, what next, and a way to try again. */
export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const fault = error instanceof Fault ? error : null;
  const title = fault?.status === 403 ? 'You may not see this.' : fault?.status === 404 ? 'There is nothing at this address.' : 'This could not be read.';
  return (
    <div className="notice notice-failed" role="alert">
      <p className="notice-title">{title}</p>
      <p className="notice-text">
        {fault?.detail ?? 'The console itself made a mistake.'} {fault?.hint}
      </p>
      {fault !== null && <p className="notice-code mono">{fault.code}</p>}
      {retry !== undefined && fault?.status !== 403 && fault?.status !== 404 && (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Grey lines of the height of what is coming, so that nothing jumps. */
export function Skeleton({ rows, tall }: { rows: number; tall?: boolean }) {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, at) => (
        <div key={at} className={tall === true ? 'skeleton-row skeleton-tall' : 'skeleton-row'} />
      ))}
    </div>
  );
}
