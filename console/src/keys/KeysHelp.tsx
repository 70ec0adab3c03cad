// The keys of this page, in the browser's own modal dialog.
import { useEffect, useRef } from 'react';
import type { Binding } from './map';

export function KeysHelp({ open, close, groups }: { open: boolean; close: () => void; groups: [string, Binding[]][] }) {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) ref.current?.showModal();
    else ref.current?.close();
  }, [open]);
  return (
    <dialog ref={ref} className="dialog" aria-labelledby="keys-title" onClose={close} onClick={(event) => event.target === ref.current && close()}>
      <div className="dialog-body">
        <h2 id="keys-title">Keys</h2>
        {groups.map(([name, bindings]) => (
          <section key={name}>
            <h3>{name}</h3>
            <dl className="keys">
              {bindings.map((binding) => (
                <div key={binding.command}>
                  <dt>
                    {binding.keys.map((key) => (
                      <kbd key={key}>{key === 'Escape' ? 'Esc' : key}</kbd>
                    ))}
                  </dt>
                  <dd>{binding.words}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <button type="button" className="button" onClick={close}>
          Close
        </button>
      </div>
    </dialog>
  );
}
