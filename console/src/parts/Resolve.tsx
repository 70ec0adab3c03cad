// An unknown outcome that only a person can settle: look in the system, then say what is there and how you know.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Fault, post } from '../api/client';
import type { Action } from '../api/types';
import { useMayAct } from '../api/useLive';

export function Resolve({ action }: { action: Action }) {
  const [applied, setApplied] = useState<boolean | null>(null);
  const [reason, setReason] = useState('');
  const client = useQueryClient();
  const fresh = useMayAct();
  const send = useMutation({
    mutationFn: (happened: boolean) => post(`/v1/actions/${encodeURIComponent(action.id)}/resolve`, { applied: happened, reason: reason.trim() }),
    onSettled: () => client.invalidateQueries({ queryKey: ['v1'] }),
  });
  const ready = applied !== null && reason.trim() !== '' && fresh && !send.isPending;
  return (
    <form
      className="resolve no-print"
      onSubmit={(event) => {
        event.preventDefault();
        if (ready) send.mutate(applied);
      }}
    >
      <p>
        <strong>Nobody knows whether this happened.</strong> Look in the system that it was sent to, then settle it here. It will not be sent again by itself.
      </p>
      <fieldset>
        <legend className="only-heard">What did you find?</legend>
        <label>
          <input type="radio" name="applied" checked={applied === true} onChange={() => setApplied(true)} /> It happened
        </label>
        <label>
          <input type="radio" name="applied" checked={applied === false} onChange={() => setApplied(false)} /> It did not happen
        </label>
      </fieldset>
      <label htmlFor="how">How do you know?</label>
      <textarea id="how" rows={2} maxLength={2_000} dir="auto" value={reason} onChange={(event) => setReason(event.target.value)} />
      {send.error !== null && (
        <p className="answer-failed" role="alert">
          {send.error instanceof Fault ? `${send.error.detail} ${send.error.hint}` : 'It was not sent.'}
        </p>
      )}
      <button type="submit" className="button button-main" disabled={!ready}>
        {send.isPending ? 'Sending…' : 'Settle the outcome'}
      </button>
    </form>
  );
}
