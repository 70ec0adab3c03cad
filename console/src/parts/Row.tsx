// A labelled line of a page: the label left, what the server says right.
import type { ReactNode } from 'react';

export function Row({ label, children, id }: { label: string; children: ReactNode; id?: string }) {
  return (
    <section className="row" id={id}>
      <h2 className="row-label">{label}</h2>
      <div className="row-body">{children}</div>
    </section>
  );
}
