// Signing in: a one-time link carries a code, which is sent by POST so that opening an address changes nothing;
// or a person pastes an API key.
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { Fault, post } from '../api/client';
import { meQuery } from '../api/queries';

// A code works once: React's double start in development must not spend it twice.
let spent: string | null = null;

export function Login() {
  const { code, next } = useSearch({ strict: false });
  const [key, setKey] = useState('');
  const [busy, setBusy] = useState(code !== undefined);
  const [fault, setFault] = useState<Fault | null>(null);
  const client = useQueryClient();
  const navigate = useNavigate();

  const start = async (body: { code: string } | { key: string }) => {
    setBusy(true);
    setFault(null);
    try {
      await post('/v1/sessions', body);
      client.removeQueries();
      await client.fetchQuery(meQuery);
      await navigate({ href: inside(next), replace: true });
    } catch (error) {
      setFault(error instanceof Fault ? error : new Fault(0, 'console', 'The console itself made a mistake.', 'Reload the page.'));
      setBusy(false);
    }
  };

  useEffect(() => {
    if (code !== undefined && spent !== code) {
      spent = code;
      void start({ code });
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once for each code
  }, [code]);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim() !== '') void start({ key: key.trim() });
  };

  return (
    <main className="login">
      <h1>
        <img src="/mark.svg" alt="" width="28" height="28" /> Countersign
      </h1>
      {busy ? (
        <p role="status">Signing in…</p>
      ) : (
        <>
          {fault !== null && (
            <div className="notice-failed" role="alert">
              <p className="notice-title">{fault.detail}</p>
              <p className="notice-text">{fault.hint}</p>
            </div>
          )}
          <form onSubmit={submit}>
            <label htmlFor="key">Your API key</label>
            <input id="key" type="password" autoComplete="current-password" spellCheck={false} value={key} onChange={(event) => setKey(event.target.value)} placeholder="csk_…" />
            <button type="submit" className="button button-main" disabled={key.trim() === ''}>
              Sign in
            </button>
          </form>
          <p className="quiet">
            Or open a one-time link. Whoever runs the server makes one with <code>countersign keys login PERSON</code>; the server also prints one when it starts for the first time.
          </p>
        </>
      )}
    </main>
  );
}

/** Only addresses of this console: another site's would be an open door. */
function inside(next: string | undefined): string {
  return next !== undefined && /^\/[^/\\]/.test(next) && !next.startsWith('/login') ? next : '/';
}
