// What waits for a person: the list left, the approval right. On a narrow screen one leads to the other.
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, Navigate, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useRef } from 'react';
import { approvalsQuery } from '../api/queries';
import type { Approval } from '../api/types';
import { type Command, LIST, moved } from '../keys/map';
import { useKeys } from '../keys/useKeys';
import { ApprovalView } from '../parts/ApprovalView';
import { Choice } from '../parts/Filter';
import { Mark } from '../parts/Mark';
import { More } from '../parts/More';
import { Empty, Failed, Skeleton } from '../parts/Notice';
import { Ago, Expiry } from '../parts/Time';
import { useTitle } from '../parts/useTitle';
import { useWide } from '../parts/useWide';
import { statuses, statusOf } from '../words/status';

export function Inbox() {
  const { workspace = '', approval } = useParams({ strict: false });
  const { status = 'waiting' } = useSearch({ strict: false });
  const wide = useWide();
  const navigate = useNavigate();
  const query = useInfiniteQuery(approvalsQuery({ status: status === 'all' ? undefined : status }));
  const list = useRef<HTMLDivElement>(null);
  useTitle('Inbox');

  const rows = query.data?.pages.flatMap((page) => page.items) ?? [];
  const search = status === 'waiting' ? {} : { status };
  const at = rows.findIndex((row) => row.id === approval);

  const go = (row: Approval | undefined) => {
    if (row !== undefined) void navigate({ to: '/w/$workspace/inbox/$approval', params: { workspace, approval: row.id }, search, replace: approval !== undefined });
  };
  useKeys(LIST, (command: Command) => {
    if (command === 'next' || command === 'previous') {
      const to = moved(at, rows.length, command);
      go(rows[to]);
      list.current?.querySelectorAll('[data-row]')[to]?.scrollIntoView({ block: 'nearest' });
    } else if (command === 'open') {
      if (at < 0) go(rows[0]);
    } else if (command === 'search') {
      list.current?.querySelector('select')?.focus();
    }
  });

  const first = rows[0];
  if (wide && approval === undefined && first !== undefined && !query.isPlaceholderData) {
    return <Navigate to="/w/$workspace/inbox/$approval" params={{ workspace, approval: first.id }} search={search} replace />;
  }

  return (
    <div className={approval === undefined ? 'inbox' : 'inbox inbox-open'}>
      <div className="inbox-list" ref={list}>
        <div className="list-head">
          <h1>Inbox</h1>
          <Choice
            label="Show"
            value={status === 'all' ? '' : status}
            all="all"
            options={statuses('approval').map((id) => [id, id])}
            change={(value) => void navigate({ to: '/w/$workspace/inbox', params: { workspace }, search: { status: value === '' ? 'all' : value } })}
          />
        </div>
        {query.data === undefined ? (
          query.error !== null ? (
            <Failed error={query.error} retry={() => void query.refetch()} />
          ) : (
            <Skeleton rows={7} tall />
          )
        ) : rows.length === 0 ? (
          status === 'waiting' ? (
            <Empty title="Nothing waits for you.">When a rule asks for a person, the request appears here by itself.</Empty>
          ) : (
            <Empty title="No approval is in this state." />
          )
        ) : (
          <>
            <ul className="rows">
              {rows.map((row) => (
                <li key={row.id}>
                  <Item row={row} workspace={workspace} search={search} chosen={row.id === approval} />
                </li>
              ))}
            </ul>
            <More query={query} shown={rows.length} />
          </>
        )}
      </div>
      <div className="inbox-detail">
        {approval === undefined ? (
          query.isSuccess && <p className="quiet inbox-hint">{rows.length === 0 ? 'An approval opens here, with what will run and what it rests on.' : 'Choose an approval.'}</p>
        ) : (
          <>
            <Link to="/w/$workspace/inbox" params={{ workspace }} search={search} className="back">
              ← Inbox
            </Link>
            <ApprovalView key={approval} id={approval} workspace={workspace} />
          </>
        )}
      </div>
    </div>
  );
}

function Item({ row, workspace, search, chosen }: { row: Approval; workspace: string; search: { status?: string }; chosen: boolean }) {
  const state = statusOf('approval', row.status);
  return (
    <Link to="/w/$workspace/inbox/$approval" params={{ workspace, approval: row.id }} search={search} className="item" data-row aria-current={chosen ? 'true' : undefined}>
      <span className="item-head">
        <bdi>{row.headline}</bdi>
      </span>
      <span className="item-line">
        <Mark shape={state.shape} words={state.words} quiet={row.status === 'waiting'} />
        <span className="item-agent">
          {row.agent} · {row.risk === null ? row.tool : `${row.risk} risk`}
        </span>
        <span className="item-time">{row.status === 'waiting' ? <Expiry at={row.expires_at} since={row.requested_at} /> : <Ago at={row.requested_at} />}</span>
      </span>
    </Link>
  );
}
