// One action in a list: what, its state in words, the verdict, when. The row is the door to the decision.
import { Link } from '@tanstack/react-router';
import type { Action } from '../api/types';
import { statusOf, verdictWords } from '../words/status';
import { Mark } from './Mark';
import { Ago } from './Time';

export function ActionRow({ action, workspace }: { action: Action; workspace: string }) {
  const { shape, words } = statusOf('action', action.status);
  return (
    <Link to="/w/$workspace/decisions/$action" params={{ workspace, action: action.id }} className="line actions-grid" data-row>
      <span className="line-what">
        <Mark shape={shape} words={words} quiet />
        <bdi>{action.headline}</bdi>
      </span>
      <span className="line-tool mono">{action.tool}</span>
      <span className="line-verdict">{verdictWords(action.verdict)}</span>
      <span className={`line-status text-${shape}`}>{words}</span>
      <span className="number line-last">
        <Ago at={action.proposed_at} />
      </span>
    </Link>
  );
}
