// Runs, newest first; the filters are in the address.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { agentsQuery, runsQuery } from '../api/queries';
import type { Run } from '../api/types';
import { LIST } from '../keys/map';
import { useKeys } from '../keys/useKeys';
import { Choice } from '../parts/Filter';
import { Mark } from '../parts/Mark';
import { More } from '../parts/More';
import { Empty, Failed, Skeleton } from '../parts/Notice';
import { Ago } from '../parts/Time';
import { useCursor } from '../parts/useCursor';
import { useTitle } from '../parts/useTitle';
import { count } from '../words/number';
import { nameOf } from '../words/principal';
import { runShape, statuses, statusOf } from '../words/status';

export function Runs() {
  const { workspace = '' } = useParams({ strict: false });
  const { status, agent } = useSearch({ strict: false });
  const navigate = useNavigate();
  const query = useInfiniteQuery(runsQuery({ status, agent }));
  const agents = useQuery(agentsQuery).data ?? [];
  const { ref, step } = useCursor<HTMLDivElement>();
  useTitle('Runs');
  useKeys(LIST, (command) => {
    if (command === 'next' || command === 'previous') step(command);
    if (command === 'search') ref.current?.querySelector('select')?.focus();
  });
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const filter = (change: { status?: string; agent?: string }) => {
    const next = { status, agent, ...change };
    void navigate({ to: '/w/$workspace/runs', params: { workspace }, search: Object.fromEntries(Object.entries(next).filter(([, value]) => value)) });
  };
  return (
    <div ref={ref} className="page">
      <div className="list-head">
        <h1>Runs</h1>
        <Choice label="Status" value={status ?? ''} all="all" options={statuses('run').map((id) => [id, id])} change={(value) => filter({ status: value })} />
        <Choice label="Agent" value={agent ?? ''} all="all" options={named(agents.map((each) => each.id), agent)} change={(value) => filter({ agent: value })} />
      </div>
      {query.data === undefined ? (
        query.error !== null ? (
          <Failed error={query.error} retry={() => void query.refetch()} />
        ) : (
          <Skeleton rows={10} />
        )
      ) : rows.length === 0 ? (
        <Empty title={status === undefined && agent === undefined ? 'No agent has run yet.' : 'No run fits these filters.'}>
          {status === undefined && agent === undefined && 'A run appears here when an agent starts one.'}
        </Empty>
      ) : (
        <>
          <div className="table-head runs-grid" aria-hidden="true">
            <span>What</span>
            <span>Agent</span>
            <span>For</span>
            <span className="number">Actions</span>
            <span className="number">Waiting</span>
            <span className="number">Stopped</span>
            <span className="number">Unknown</span>
            <span className="number">Last</span>
          </div>
          <ul className="rows">
            {rows.map((run) => (
              <li key={run.id}>
                <RunRow run={run} workspace={workspace} />
              </li>
            ))}
          </ul>
          <More query={query} shown={rows.length} />
        </>
      )}
    </div>
  );
}

/** The choices of a filter, with the one in the address even where the list does not know it. */
export function named(known: string[], chosen: string | undefined): [string, string][] {
  const all = chosen === undefined || known.includes(chosen) ? known : [chosen, ...known];
  return all.map((id) => [id, id]);
}

function RunRow({ run, workspace }: { run: Run; workspace: string }) {
  return (
    <Link to="/w/$workspace/runs/$run" params={{ workspace, run: run.id }} className="line runs-grid" data-row>
      <span className="line-what">
        <Mark shape={runShape(run)} words={statusOf('run', run.status).words} quiet />
        <bdi>{run.title ?? run.id}</bdi>
      </span>
      <span className="line-agent">{run.agent}</span>
      <span className="line-for">{run.on_behalf_of === null ? '–' : nameOf(run.on_behalf_of)}</span>
      <Figure n={run.actions} words="actions" always />
      <Figure n={run.waiting} words="waiting" />
      <Figure n={run.stopped} words="stopped" />
      <Figure n={run.unknown} words="unknown" />
      <span className="number line-last">
        <Ago at={run.last_at} />
      </span>
    </Link>
  );
}

function Figure({ n, words, always }: { n: number; words: string; always?: boolean }) {
  return (
    <span className={n === 0 && always !== true ? 'number figure-none' : 'number'}>
      {count(n)}
      <span className="figure-words"> {words}</span>
    </span>
  );
}
