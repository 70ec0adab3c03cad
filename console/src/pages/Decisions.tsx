// Every action with its verdict, newest first: what the figures elsewhere count.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { actionsQuery, agentsQuery } from '../api/queries';
import { LIST } from '../keys/map';
import { useKeys } from '../keys/useKeys';
import { ActionRow } from '../parts/ActionRow';
import { Choice } from '../parts/Filter';
import { More } from '../parts/More';
import { Empty, Failed, Skeleton } from '../parts/Notice';
import { useCursor } from '../parts/useCursor';
import { useTitle } from '../parts/useTitle';
import { statuses, statusOf, verdictWords } from '../words/status';
import { named } from './Runs';

export function Decisions() {
  const { workspace = '' } = useParams({ strict: false });
  const { status, verdict, agent, tool } = useSearch({ strict: false });
  const navigate = useNavigate();
  const query = useInfiniteQuery(actionsQuery({ status, verdict, agent, tool }));
  const agents = useQuery(agentsQuery).data ?? [];
  const { ref, step } = useCursor<HTMLDivElement>();
  useTitle('Decisions');
  useKeys(LIST, (command) => {
    if (command === 'next' || command === 'previous') step(command);
    if (command === 'search') ref.current?.querySelector('select')?.focus();
  });
  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const filtered = [status, verdict, agent, tool].some((each) => each !== undefined);
  const filter = (change: Record<string, string>) => {
    const next = { status, verdict, agent, tool, ...change };
    void navigate({ to: '/w/$workspace/decisions', params: { workspace }, search: Object.fromEntries(Object.entries(next).filter(([, value]) => value)) });
  };
  return (
    <div ref={ref} className="page">
      <div className="list-head">
        <h1>Decisions</h1>
        <Choice label="Status" value={status ?? ''} all="all" options={statuses('action').map((id) => [id, statusOf('action', id).words])} change={(value) => filter({ status: value })} />
        <Choice label="Verdict" value={verdict ?? ''} all="all" options={['autonomous', 'approve', 'never'].map((id) => [id, verdictWords(id)])} change={(value) => filter({ verdict: value })} />
        <Choice label="Agent" value={agent ?? ''} all="all" options={named(agents.map((each) => each.id), agent)} change={(value) => filter({ agent: value })} />
        {tool !== undefined && (
          <button type="button" className="chip" onClick={() => filter({ tool: '' })}>
            <span className="mono">{tool}</span> ×
          </button>
        )}
      </div>
      {query.data === undefined ? (
        query.error !== null ? (
          <Failed error={query.error} retry={() => void query.refetch()} />
        ) : (
          <Skeleton rows={10} />
        )
      ) : rows.length === 0 ? (
        <Empty title={filtered ? 'No decision fits these filters.' : 'Nothing was decided yet.'} />
      ) : (
        <>
          <div className="table-head actions-grid" aria-hidden="true">
            <span>What</span>
            <span>Tool</span>
            <span>Verdict</span>
            <span>Now</span>
            <span className="number">Proposed</span>
          </div>
          <ul className="rows">
            {rows.map((action) => (
              <li key={action.id}>
                <ActionRow action={action} workspace={workspace} />
              </li>
            ))}
          </ul>
          <More query={query} shown={rows.length} />
        </>
      )}
    </div>
  );
}
