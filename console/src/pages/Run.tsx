// One run: its actions as a vertical timeline, waits as gaps with their length.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { runActionsQuery, runQuery } from '../api/queries';
import type { Action, Run } from '../api/types';
import { LIST } from '../keys/map';
import { useKeys } from '../keys/useKeys';
import { Mark } from '../parts/Mark';
import { More } from '../parts/More';
import { Empty, Failed, Skeleton } from '../parts/Notice';
import { When } from '../parts/Time';
import { useCursor } from '../parts/useCursor';
import { useTitle } from '../parts/useTitle';
import { counted } from '../words/number';
import { nameOf } from '../words/principal';
import { runShape, statusOf, verdictWords } from '../words/status';
import { story, took } from '../words/story';
import { absolute, clockTime, span } from '../words/time';

export function RunPage() {
  const { workspace = '', run = '' } = useParams({ strict: false });
  const { hide } = useSearch({ strict: false });
  const navigate = useNavigate();
  const head = useQuery(runQuery(run));
  const query = useInfiniteQuery(runActionsQuery(run));
  const { ref, step } = useCursor<HTMLDivElement>();
  useTitle(head.data?.title ?? 'Run');
  useKeys(LIST, (command) => {
    if (command === 'next' || command === 'previous') step(command);
  });
  if (head.data === undefined) return head.error === null ? <Skeleton rows={8} /> : <Failed error={head.error} retry={() => void head.refetch()} />;
  const all = query.data?.pages.flatMap((page) => page.items) ?? [];
  const shown = hide === 'reads' ? all.filter((action) => action.class !== 'read') : all;
  const toggle = () => void navigate({ to: '/w/$workspace/runs/$run', params: { workspace, run }, search: hide === 'reads' ? {} : { hide: 'reads' } });
  return (
    <div className="page" ref={ref}>
      <Link to="/w/$workspace/runs" params={{ workspace }} className="back back-always">
        ← Runs
      </Link>
      <Head run={head.data} />
      <div className="list-head">
        <button type="button" className="chip" aria-pressed={hide === 'reads'} onClick={toggle}>
          {hide === 'reads' ? `reads hidden (${all.length - shown.length})` : 'hide reads'}
        </button>
      </div>
      {query.data === undefined ? (
        query.error !== null ? (
          <Failed error={query.error} retry={() => void query.refetch()} />
        ) : (
          <Skeleton rows={8} />
        )
      ) : shown.length === 0 ? (
        <Empty title={all.length === 0 ? 'The agent has not proposed anything in this run.' : 'This run only read.'} />
      ) : (
        <>
          {query.hasNextPage && <p className="quiet">Earlier actions are not loaded yet: see below.</p>}
          <ol className="timeline">
            {story(shown).map((beat) =>
              beat.is === 'gap' ? (
                <li key={beat.id} className="gap">
                  {span(beat.ms)} without an action
                </li>
              ) : (
                <li key={beat.action.id}>
                  <Step action={beat.action} workspace={workspace} />
                </li>
              ),
            )}
          </ol>
          <More query={query} shown={0} />
        </>
      )}
    </div>
  );
}

function Head({ run }: { run: Run }) {
  return (
    <header className="detail-head">
      <h1>
        <bdi>{run.title ?? run.id}</bdi>
      </h1>
      <p className="detail-state">
        <Mark shape={runShape(run)} words={statusOf('run', run.status).words} />
      </p>
      <p className="head-facts">
        agent {run.agent} version {run.agent_version} · {run.on_behalf_of !== null && `for ${nameOf(run.on_behalf_of)} · `}started <When at={run.started_at} />
        {run.finished_at !== null && ` · took ${span(run.finished_at - run.started_at)}`} · {counted(run.actions, 'action')}
        {run.waiting > 0 && ` · ${run.waiting} waiting`}
        {run.stopped > 0 && ` · ${run.stopped} stopped`}
        {run.unknown > 0 && ` · ${run.unknown} unknown`}
      </p>
      <p className="head-facts mono">{run.id}</p>
    </header>
  );
}

function Step({ action, workspace }: { action: Action; workspace: string }) {
  const { shape, words } = statusOf('action', action.status);
  const length = took(action);
  return (
    <div className="step">
      <time className="step-time" dateTime={new Date(action.proposed_at).toISOString()} title={absolute(action.proposed_at)}>
        {clockTime(action.proposed_at)}
      </time>
      <Mark shape={shape} words={words} quiet />
      <div className="step-body">
        <Link to="/w/$workspace/decisions/$action" params={{ workspace, action: action.id }} className="step-head" data-row>
          <bdi>{action.headline}</bdi>
        </Link>
        <p className="step-line">
          <span className={`text-${shape}`}>{words}</span> · {verdictWords(action.verdict)} · <span className="mono">{action.tool}</span>
          {length !== null && length >= 1_000 && ` · took ${span(length)}`}
          {action.status === 'waiting' && action.approval !== null && (
            <>
              {' · '}
              <Link to="/w/$workspace/inbox/$approval" params={{ workspace, approval: action.approval }}>
                answer it
              </Link>
            </>
          )}
        </p>
        {shape !== 'confirmed' && shape !== 'neutral' && (
          <p className="step-message">
            <bdi>{action.message}</bdi>
          </p>
        )}
      </div>
    </div>
  );
}
