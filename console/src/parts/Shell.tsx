// The frame of every page: who and where, the ways to go, the state of the stream, the keys.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Navigate, Outlet, useLocation, useNavigate, useParams } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { Fault, signOut } from '../api/client';
import { follow, liveState } from '../api/live';
import { meQuery, statusQuery } from '../api/queries';
import { KeysHelp } from '../keys/KeysHelp';
import { ANSWER, type Command, EVERYWHERE, LIST } from '../keys/map';
import { useKeys } from '../keys/useKeys';
import { count } from '../words/number';
import { nameOf } from '../words/principal';
import { Banners } from './Banners';
import { LiveState } from './LiveState';
import { Empty, Failed, Skeleton } from './Notice';

export function Shell() {
  const { workspace = '' } = useParams({ strict: false });
  const here = useLocation();
  const me = useQuery(meQuery);
  if (me.error instanceof Fault && me.error.status === 401) return <Navigate to="/login" search={{ next: here.href }} replace />;
  if (me.error !== null && me.data === undefined) return <Failed error={me.error} retry={() => void me.refetch()} />;
  if (me.data === undefined) return <Skeleton rows={6} />;
  if (me.data.workspace !== workspace) {
    return (
      <Empty title={`This server does not show you the workspace “${workspace}”.`}>
        <Link to="/w/$workspace" params={{ workspace: me.data.workspace }}>
          Go to {me.data.workspace}
        </Link>
      </Empty>
    );
  }
  return <Frame workspace={workspace} principal={me.data.principal} roles={me.data.roles} />;
}

function Frame({ workspace, principal, roles }: { workspace: string; principal: string; roles: string[] }) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const waiting = useQuery(statusQuery).data?.waiting;
  const [help, setHelp] = useState(false);
  // A session that is gone already is what was wanted: the page begins anew either way.
  const leave = useMutation({ mutationFn: signOut, onSettled: () => window.location.assign('/login') });

  useEffect(
    () =>
      follow(() => {
        if (liveState().is !== 'paused') void client.invalidateQueries({ queryKey: ['v1'] });
      }),
    [client],
  );

  useKeys(EVERYWHERE, (command: Command) => {
    const params = { workspace };
    if (command === 'help') setHelp(true);
    else if (command === 'home') void navigate({ to: '/w/$workspace', params });
    else if (command === 'inbox') void navigate({ to: '/w/$workspace/inbox', params });
    else if (command === 'runs') void navigate({ to: '/w/$workspace/runs', params });
    else if (command === 'decisions') void navigate({ to: '/w/$workspace/decisions', params });
  });

  const params = { workspace };
  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="top no-print">
        <Link to="/w/$workspace" params={params} className="brand" activeOptions={{ exact: true }}>
          <img src="/mark.svg" alt="" width="20" height="20" />
          <span className="brand-name">Countersign</span>
        </Link>
        <nav className="nav" aria-label="Pages">
          <Link to="/w/$workspace/inbox" params={params}>
            Inbox{waiting !== undefined && waiting > 0 && <span className="badge">{count(waiting)}</span>}
          </Link>
          <Link to="/w/$workspace/runs" params={params}>
            Runs
          </Link>
          <Link to="/w/$workspace/decisions" params={params}>
            Decisions
          </Link>
        </nav>
        <div className="top-right">
          <LiveState />
          <span className="who" title={roles.length > 0 ? `roles: ${roles.join(', ')}` : 'no roles'}>
            {nameOf(principal)}
            <span className="who-where"> · {workspace}</span>
          </span>
          <button type="button" className="link" onClick={() => leave.mutate()} disabled={leave.isPending}>
            sign out
          </button>
          <button type="button" className="link key-hint" onClick={() => setHelp(true)} aria-label="Show the keys of this page">
            ?
          </button>
        </div>
      </header>
      <Banners />
      <main id="main" className="main">
        <Outlet />
      </main>
      <KeysHelp
        open={help}
        close={() => setHelp(false)}
        groups={[
          ['Everywhere', EVERYWHERE],
          ['Lists', LIST],
          ['An approval', ANSWER],
        ]}
      />
    </div>
  );
}
