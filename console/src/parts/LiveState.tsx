// "live", "paused, 14 new" or "stale since 09:12"; a press holds the page still or lets it follow again.
import { pause, resume } from '../api/live';
import { useLive } from '../api/useLive';
import { count } from '../words/number';
import { clockMinute } from '../words/time';

export function LiveState() {
  const live = useLive();
  switch (live.is) {
    case 'connecting':
      return <span className="live">connecting</span>;
    case 'live':
      return (
        <button type="button" className="live live-on" onClick={pause} title="The page follows the journal. Press to hold it still.">
          live
        </button>
      );
    case 'paused':
      return (
        <button type="button" className="live live-paused" onClick={resume} title="The page is held still. Press to follow again.">
          paused, {count(live.missed)} new
        </button>
      );
    case 'stale':
      return <span className="live live-stale">stale since {clockMinute(live.since)}</span>;
  }
}
