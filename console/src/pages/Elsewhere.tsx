// Addresses without a workspace lead into the one that the session is for; the others lead nowhere and say so.
import { useQuery } from '@tanstack/react-query';
import { Link, Navigate, useLocation, useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { Fault } from '../api/client';
import { meQuery } from '../api/queries';
import { Empty, Failed, Skeleton } from '../parts/Notice';

const SHORT = /^\/(?:(?:inbox|runs|decisions)(?:\/[^/]+)?\/?)?$/;

export function Elsewhere() {
  const here = useLocation();
  const me = useQuery(meQuery);
  if (!SHORT.test(here.pathname)) {
    return (
      <Empty title="There is no page at this address.">
        <Link to="/">Go to Home</Link>
      </Empty>
    );
  }
  if (me.data !== undefined) {
    const rest = here.pathname === '/' ? '' : here.pathname;
    return <Go href={`/w/${encodeURIComponent(me.data.workspace)}${rest}${here.searchStr}`} />;
  }
  if (me.error instanceof Fault && me.error.status === 401) return <Navigate to="/login" search={{ next: here.href }} replace />;
  if (me.error !== null) return <Failed error={me.error} retry={() => void me.refetch()} />;
  return <Skeleton rows={6} />;
}

function Go({ href }: { href: string }) {
  const navigate = useNavigate();
  useEffect(() => {
    void navigate({ href, replace: true });
  }, [navigate, href]);
  return <Skeleton rows={6} />;
}
