// What a reader must know before believing the page: setup, rules that refuse all, views behind, a cut stream.
import { useQuery } from '@tanstack/react-query';
import { statusQuery } from '../api/queries';
import { useLive } from '../api/useLive';
import { counted } from '../words/number';
import { absolute, clockMinute } from '../words/time';

const BEHIND = 100;

export function Banners() {
  const status = useQuery(statusQuery).data;
  const live = useLive();
  return (
    <div className="banners" aria-live="polite">
      {status?.setup === true && (
        <p className="banner banner-red">
          <strong>Setup:</strong> one person may publish here and every connector is a sandbox. The first production connector ends it.
        </p>
      )}
      {status?.refuses_all === true && (
        <p className="banner banner-red">
          <strong>Every action is refused:</strong> {status.bundle === null ? 'no rules are in force' : 'the rules in force permit nothing'}. Put a workspace folder in force with{' '}
          <code>countersign apply DIR</code>.
        </p>
      )}
      {status !== undefined && status.views_behind >= BEHIND && (
        <p className="banner banner-amber">
          <strong>Degraded:</strong> these pages are {counted(status.views_behind, 'entry', 'entries')} behind the journal. Nothing is lost; what you see may be old.
        </p>
      )}
      {live.is === 'stale' && (
        <p className="banner banner-red" title={absolute(live.since)}>
          <strong>Stale since {clockMinute(live.since)}:</strong> the connection is lost, so nothing can be answered from this page. Trying again.
        </p>
      )}
    </div>
  );
}
