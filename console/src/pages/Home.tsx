// Three questions, a line each: what needs me, what did the agents do, is anything wrong.
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { statusQuery } from '../api/queries';
import type { Status } from '../api/types';
import { Failed, Skeleton } from '../parts/Notice';
import { Row } from '../parts/Row';
import { Ago, Expiry } from '../parts/Time';
import { useTitle } from '../parts/useTitle';
import { count, counted, share } from '../words/number';
import { verdictWords } from '../words/status';

export function Home() {
  const { workspace = '' } = useParams({ strict: false });
  const status = useQuery(statusQuery);
  useTitle('Home');
  return (
    <div className="home">
      <h1 className="only-heard">Home</h1>
      {status.data !== undefined ? (
        <Lines status={status.data} workspace={workspace} />
      ) : status.error !== null ? (
        <Failed error={status.error} retry={() => void status.refetch()} />
      ) : (
        <Skeleton rows={3} tall />
      )}
    </div>
  );
}

function Lines({ status, workspace }: { status: Status; workspace: string }) {
  const params = { workspace };
  const today = Object.entries(status.verdicts_today);
  const all = today.reduce((sum, [, n]) => sum + n, 0);
  const order = ['autonomous', 'approve', 'never'];
  return (
    <>
      <Row label="Needs you">
        <Parts>
          <Link to="/w/$workspace/inbox" params={params} className="figure">
            {status.waiting === 0 ? 'no approval waits' : counted(status.waiting, 'approval')}
          </Link>
          {status.oldest_waiting_at !== null && (
            <>
              oldest asked <Ago at={status.oldest_waiting_at} />
            </>
          )}
          {status.next_expiry_at !== null && (
            <>
              next <Expiry at={status.next_expiry_at} />
            </>
          )}
          {status.handed_over > 0 && (
            <Link to="/w/$workspace/decisions" params={params} search={{ status: 'unknown' }}>
              {counted(status.handed_over, 'unknown outcome')} to settle
            </Link>
          )}
        </Parts>
      </Row>
      <Row label="Last 24 hours">
        <Parts>
          <Link to="/w/$workspace/decisions" params={params} className="figure">
            {all === 0 ? 'no decisions' : counted(all, 'decision')}
          </Link>
          {today
            .filter(([, n]) => n > 0)
            .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
            .map(([verdict, n]) => (
              <Link key={verdict} to="/w/$workspace/decisions" params={params} search={{ verdict }} title={counted(n, 'decision')}>
                {share(n, all)} {verdict === 'never' ? 'refused by rule' : verdictWords(verdict)}
              </Link>
            ))}
        </Parts>
      </Row>
      <Row label="Attention">
        {status.attention.length === 0 ? (
          <Parts>
            <span className="figure">nothing is wrong</span>
            <span>{status.views_behind === 0 ? 'pages are level with the journal' : `pages are ${counted(status.views_behind, 'entry', 'entries')} behind the journal`}</span>
          </Parts>
        ) : (
          <ul className="attention">
            {status.attention.map((line) => (
              <li key={line}>
                <bdi>{line}</bdi>
              </li>
            ))}
          </ul>
        )}
      </Row>
      <p className="home-foot">
        {counted(status.entries, 'entry', 'entries')} in the journal · {count(status.checkpoint_size)} under the last signed checkpoint · rules in force{' '}
        <span className="mono" title={status.bundle ?? undefined}>
          {status.bundle === null ? 'none: everything is refused' : status.bundle.slice(0, 12)}
        </span>{' '}
        · version {status.version}
      </p>
    </>
  );
}

function Parts({ children }: { children: ReactNode }) {
  const parts = (Array.isArray(children) ? children.flat() : [children]).filter((part) => part !== null && part !== false && part !== undefined);
  return (
    <ul className="parts">
      {parts.map((part, at) => (
        <li key={at}>{part}</li>
      ))}
    </ul>
  );
}
