// One approval on one screen: what will run, for whom, why it is asked, what it rests on, what can be undone.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { approvalQuery } from '../api/queries';
import type { Approval, ApprovalPage } from '../api/types';
import { useNow } from '../words/clock';
import { counted } from '../words/number';
import { nameOf } from '../words/principal';
import { classWords, statusOf } from '../words/status';
import { AgentSays } from './AgentSays';
import { Answer } from './Answer';
import { Arguments } from './Arguments';
import { Facts } from './Facts';
import { Mark } from './Mark';
import { Empty, Failed, Skeleton } from './Notice';
import { Row } from './Row';
import { Rules } from './Rules';
import { Expiry, When } from './Time';

export function ApprovalView({ id, workspace }: { id: string; workspace: string }) {
  const query = useQuery(approvalQuery(id));
  if (query.data === undefined) {
    return query.error === null ? <Skeleton rows={6} tall /> : <Failed error={query.error} retry={() => void query.refetch()} />;
  }
  const approval = query.data;
  return (
    <article className="detail" aria-label="Approval">
      <header className="detail-head">
        <h1>
          <bdi>{approval.headline}</bdi>
        </h1>
        <p className="detail-state">{approval.status === 'waiting' ? <Expiry at={approval.expires_at} since={approval.requested_at} /> : <State approval={approval} />}</p>
      </header>
      {approval.page === undefined ? (
        <Empty title="The page of this approval was erased.">What was decided, by whom and when stays on the record.</Empty>
      ) : (
        <Page approval={approval} page={approval.page} workspace={workspace} />
      )}
      <Outcome approval={approval} workspace={workspace} />
      {approval.status === 'waiting' && <Answer approval={approval} />}
    </article>
  );
}

function State({ approval }: { approval: Approval }) {
  const { shape, words } = statusOf('approval', approval.status);
  return <Mark shape={shape} words={words} />;
}

function Page({ approval, page, workspace }: { approval: Approval; page: ApprovalPage; workspace: string }) {
  const now = useNow();
  return (
    <>
      <Row label="will run">
        <p>
          <span className="mono">{page.tool}</span> <span className="quiet">· {classWords(page.class)}</span>
        </p>
        <Arguments value={page.arguments} />
      </Row>
      <Row label={page.on_behalf_of === null ? 'by' : 'for whom'}>
        <p>
          {page.on_behalf_of !== null && `${nameOf(page.on_behalf_of)} · `}agent {page.agent} ·{' '}
          <Link to="/w/$workspace/runs/$run" params={{ workspace, run: approval.run }}>
            <bdi>{page.run_title ?? 'its run'}</bdi>
          </Link>
        </p>
      </Row>
      <Row label="asked by">
        <Rules rules={page.rules} />
        <p>
          {approval.given.length} of {counted(approval.quorum, 'approval')} given
          {approval.given.length > 0 && ` (${approval.given.map((given) => nameOf(given.person)).join(', ')})`}
          {approval.approver_roles.length > 0 && ` · needs ${approval.approver_roles.join(' and ')}`}
          {approval.risk !== null && ` · ${approval.risk} risk`} · asked <When at={approval.requested_at} />
        </p>
      </Row>
      <Row label="rests on">
        <Facts facts={page.facts} at={now} waiting={approval.status === 'waiting'} />
      </Row>
      <AgentSays words={page.agent_says} />
      <Row label="undo">
        <p>{page.undo}</p>
      </Row>
    </>
  );
}

function Outcome({ approval, workspace }: { approval: Approval; workspace: string }) {
  const { shape, words } = statusOf('action', approval.action_status);
  return (
    <>
      {approval.rejected_by !== null && (
        <Row label="rejected">
          <p>
            by {nameOf(approval.rejected_by)}
            {approval.rejected_reason !== null && (
              <>
                : “<bdi>{approval.rejected_reason}</bdi>”
              </>
            )}
          </p>
        </Row>
      )}
      <Row label={approval.status === 'waiting' ? 'record' : 'outcome'}>
        <p className="outcome" data-testid="outcome" data-status={approval.action_status}>
          {approval.status !== 'waiting' && (
            <>
              <Mark shape={shape} words={words} /> ·{' '}
            </>
          )}
          <Link to="/w/$workspace/decisions/$action" params={{ workspace, action: approval.action }}>
            the whole decision
          </Link>
        </p>
      </Row>
    </>
  );
}
