// The answer. Both ways take a visible second step: approving names what will run, rejecting asks why.
// The digest of the page that is on the screen is sent along; if the page changed meanwhile, the server refuses.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { Fault, post } from '../api/client';
import type { Approval } from '../api/types';
import { useMayAct } from '../api/useLive';
import { ANSWER, type Binding } from '../keys/map';
import { useKeys } from '../keys/useKeys';
import { useNow } from '../words/clock';

const KEYS: Binding[] = [...ANSWER, { keys: ['Escape'], command: 'close', words: 'cancel' }];

type Step = 'none' | 'approve' | 'reject';

export function Answer({ approval }: { approval: Approval }) {
  const [step, setStep] = useState<Step>('none');
  const [reason, setReason] = useState('');
  const [seen, setSeen] = useState('');
  const client = useQueryClient();
  const fresh = useMayAct();
  const now = useNow();
  const refresh = () => client.invalidateQueries({ queryKey: ['v1'] });
  const path = `/v1/approvals/${encodeURIComponent(approval.id)}`;
  const send = useMutation({
    mutationFn: (answer: 'approve' | 'reject') => (answer === 'approve' ? post(`${path}/approve`, { seen }) : post(`${path}/reject`, { reason: reason.trim() })),
    onSettled: refresh,
    onSuccess: () => setStep('none'),
  });

  const may = approval.you_may?.answer === true && fresh && approval.expires_at > now && !send.isPending;
  const begin = (to: Step) => {
    if (!may) return;
    send.reset();
    setSeen(approval.digest); // what is being read now; a later refresh must not change what was meant
    setStep(to);
  };
  const cancel = () => setStep('none');
  useKeys(KEYS, (command) => {
    if (command === 'approve' && step === 'none') begin('approve');
    else if (command === 'reject' && step === 'none') begin('reject');
    else if (command === 'close') cancel();
  });

  const first = useRef<HTMLButtonElement & HTMLTextAreaElement>(null);
  useEffect(() => {
    if (step !== 'none') first.current?.focus();
  }, [step]);

  return (
    <div className="answer">
      <p className="you-may">
        {!fresh
          ? 'This page is stale: it offers no answer until the connection is back.'
          : approval.expires_at <= now
            ? 'The time to answer is over.'
            : approval.you_may === undefined
              ? 'The server does not say whether you may answer.'
              : approval.you_may.answer
                ? `you may answer: ${approval.you_may.why}`
                : `you may not answer: ${approval.you_may.why}`}
      </p>
      {send.error !== null && (
        <div className="answer-failed" role="alert">
          {send.error instanceof Fault ? (
            <>
              <strong>{send.error.detail}</strong> {send.error.hint} <span className="mono">{send.error.code}</span>
            </>
          ) : (
            <strong>The answer was not sent.</strong>
          )}
        </div>
      )}
      {step === 'none' && (
        <div className="answer-buttons">
          <button type="button" className="button button-main" disabled={!may} onClick={() => begin('approve')}>
            <kbd>a</kbd> Approve
          </button>
          <button type="button" className="button" disabled={!may} onClick={() => begin('reject')}>
            <kbd>r</kbd> Reject…
          </button>
        </div>
      )}
      {step === 'approve' && (
        <div className="answer-step">
          <p>{approval.given.length + 1 < approval.quorum ? 'Countersign this? More people must, before it runs.' : 'Countersign this? It is decided again and runs at once.'}</p>
          <div className="answer-buttons">
            <button type="button" ref={first} className="button button-main" disabled={!may} onClick={() => send.mutate('approve')}>
              {send.isPending ? 'Sending…' : 'Yes, approve'}
            </button>
            <button type="button" className="button" onClick={cancel}>
              Cancel
            </button>
          </div>
        </div>
      )}
      {step === 'reject' && (
        <form
          className="answer-step"
          onSubmit={(event) => {
            event.preventDefault();
            if (may && reason.trim() !== '') send.mutate('reject');
          }}
        >
          <label htmlFor="reason">Why not? The agent is told this.</label>
          <textarea
            id="reason"
            ref={first}
            rows={2}
            maxLength={2_000}
            dir="auto"
            value={reason}
            onChange={(event) => setReason(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) event.currentTarget.form?.requestSubmit();
            }}
          />
          <div className="answer-buttons">
            <button type="submit" className="button button-stop" disabled={!may || reason.trim() === ''}>
              {send.isPending ? 'Sending…' : 'Reject'}
            </button>
            <button type="button" className="button" onClick={cancel}>
              Cancel
            </button>
          </div>
        </form>
      )}
    </div>
  );
}
