// The whole decision, for a person who was not there. Prints on two pages.
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { explainQuery } from '../api/queries';
import type { Action, Approval, Explanation, Round } from '../api/types';
import { AgentSays } from '../parts/AgentSays';
import { Arguments } from '../parts/Arguments';
import { Facts } from '../parts/Facts';
import { Mark } from '../parts/Mark';
import { Failed, Skeleton } from '../parts/Notice';
import { ProofView } from '../parts/ProofView';
import { Resolve } from '../parts/Resolve';
import { Row } from '../parts/Row';
import { Rules } from '../parts/Rules';
import { When } from '../parts/Time';
import { useTitle } from '../parts/useTitle';
import { counted } from '../words/number';
import { nameOf } from '../words/principal';
import { classWords, statusOf, verdictWords } from '../words/status';
import { absolute } from '../words/time';

export function DecisionPage() {
  const { workspace = '', action = '' } = useParams({ strict: false });
  const query = useQuery(explainQuery(action));
  useTitle(query.data?.action.headline ?? 'Decision');
  if (query.data === undefined) {
    return query.error === null ? <Skeleton rows={8} tall /> : <Failed error={query.error} retry={() => void query.refetch()} />;
  }
  return <Whole told={query.data} workspace={workspace} />;
}

function Whole({ told, workspace }: { told: Explanation; workspace: string }) {
  const { action, run, approval } = told;
  const { shape, words } = statusOf('action', action.status);
  return (
    <article className="detail decision" aria-label="Decision">
      <Link to="/w/$workspace/runs/$run" params={{ workspace, run: run.id }} className="back back-always no-print">
        ← <bdi>{run.title ?? 'its run'}</bdi>
      </Link>
      <header className="detail-head">
        <h1>
          <bdi>{action.headline}</bdi>
        </h1>
        <p className="detail-state">
          <Mark shape={shape} words={words} />
        </p>
        <p className="head-sentence">
          <bdi>{action.message}</bdi>
        </p>
      </header>
      {action.status === 'unknown' && action.handed_over && <Resolve action={action} />}
      <Row label="what">
        <p>
          <span className="mono">{action.tool}</span> <span className="quiet">· {classWords(action.class)}</span>
        </p>
        <Arguments value={told.arguments} />
      </Row>
      <Row label={run.on_behalf_of === null ? 'by' : 'for whom'}>
        <p>
          {run.on_behalf_of !== null && `${nameOf(run.on_behalf_of)} · `}agent {action.agent} version {run.agent_version} · proposed <When at={action.proposed_at} />
          <span className="print-only"> ({absolute(action.proposed_at)})</span>
        </p>
      </Row>
      <AgentSays words={told.reason} />
      {told.rounds.map((round) => (
        <Decided key={round.round} round={round} of={told.rounds.length} />
      ))}
      {approval !== null && <Person approval={approval} workspace={workspace} />}
      <Came action={action} />
      <Row label="history">
        <ol className="history">
          {told.timeline.map((entry) => (
            <li key={entry.seq}>
              <time dateTime={new Date(entry.at).toISOString()}>{absolute(entry.at)}</time>
              <span className="history-text">
                <bdi>{entry.text}</bdi>{' '}
                <span className="quiet">
                  {nameOf(entry.actor)} · <span className="mono">{entry.kind}</span> · entry {entry.seq}
                </span>
              </span>
            </li>
          ))}
        </ol>
      </Row>
      <ProofView proof={told.proof} />
    </article>
  );
}

function Decided({ round, of }: { round: Round; of: number }) {
  const label = of === 1 ? 'decided' : round.round === 1 ? 'decided first' : round.round === 2 ? 'decided again' : `decided, ${round.round}`;
  return (
    <>
      <Row label={label} id={round.round === 1 ? 'rules' : undefined}>
        <p>
          <strong>{verdictWords(round.verdict)}</strong> · <span className="mono">{round.code}</span> · <When at={round.at} />
          <span className="print-only"> ({absolute(round.at)})</span>
        </p>
        <Rules rules={round.rules} />
        <Counters counters={round.counters} />
        <p className="quiet">
          rules <span className="mono" title={round.bundle}>{round.bundle.slice(0, 12)}</span> · judged by {round.judge} · entry {round.entry}
        </p>
      </Row>
      <Row label={round.round === 1 ? 'rested on' : 'then on'}>
        <Facts facts={round.facts} at={round.at} />
      </Row>
    </>
  );
}

function Counters({ counters }: { counters: Round['counters'] }) {
  if (counters === null || typeof counters !== 'object' || Array.isArray(counters) || Object.keys(counters).length === 0) return null;
  return (
    <p className="quiet">
      counters before it: <span className="mono">{Object.entries(counters).map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`).join(' · ')}</span>
    </p>
  );
}

function Person({ approval, workspace }: { approval: Approval; workspace: string }) {
  const { shape, words } = statusOf('approval', approval.status);
  return (
    <Row label="people">
      <p>
        <Mark shape={shape} words={words} /> · {approval.given.length} of {counted(approval.quorum, 'approval')}
        {approval.approver_roles.length > 0 && ` · needs ${approval.approver_roles.join(' and ')}`} ·{' '}
        <Link to="/w/$workspace/inbox/$approval" params={{ workspace, approval: approval.id }}>
          what they saw
        </Link>
      </p>
      {approval.given.map((given) => (
        <p key={given.person}>
          {nameOf(given.person)} approved {absolute(given.at)}
          {given.roles.length > 0 && ` as ${given.roles.join(', ')}`}
        </p>
      ))}
      {approval.rejected_by !== null && (
        <p>
          {nameOf(approval.rejected_by)} rejected it
          {approval.rejected_reason !== null && (
            <>
              : “<bdi>{approval.rejected_reason}</bdi>”
            </>
          )}
        </p>
      )}
    </Row>
  );
}

function Came({ action }: { action: Action }) {
  const { shape, words } = statusOf('action', action.status);
  return (
    <Row label="outcome">
      <p data-testid="outcome" data-status={action.status}>
        <Mark shape={shape} words={words} />
        {action.failure !== null && ` · ${action.failure.replaceAll('_', ' ')}`}
        {action.settled_at !== null && ` · ${absolute(action.settled_at)}`}
        {action.settled_by !== null && ` · settled by ${nameOf(action.settled_by).replaceAll('_', ' ')}`}
      </p>
      {action.output === undefined ? (
        <p className="quiet">{action.settled ? 'No answer was recorded.' : 'No answer yet.'}</p>
      ) : (
        <>
          <p className="quiet">{action.output.is_error ? 'the system answered that it did not do it' : 'the system answered'}</p>
          <pre className="code output">{pretty(action.output.text)}</pre>
        </>
      )}
    </Row>
  );
}

/** Laid out where it is JSON; as it came where it is not. */
function pretty(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? JSON.stringify(value, null, 2) : text;
  } catch {
    return text;
  }
}
