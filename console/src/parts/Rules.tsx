// Rules that decided: what each does, its reason, where it stands, its text one step away.
import type { Rule } from '../api/types';
import { effectWords } from '../words/status';

export function Rules({ rules, open }: { rules: Rule[]; open?: boolean }) {
  if (rules.length === 0) return <p className="quiet">No rule allows it, and what no rule allows is refused.</p>;
  return (
    <ul className="rules">
      {rules.map((rule) => (
        <li key={`${rule.file}:${rule.line}:${rule.id}`}>
          <details open={open}>
            <summary>
              <span className={`effect effect-${rule.effect}`}>{effectWords(rule.effect)}</span>{' '}
              <span className="rule-reason">{rule.reason ?? rule.id}</span>{' '}
              <span className="rule-place mono">
                {rule.file}:{rule.line}
              </span>
            </summary>
            <pre className="code">{rule.text}</pre>
          </details>
        </li>
      ))}
    </ul>
  );
}
