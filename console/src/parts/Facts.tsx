// The facts strip: what the server itself read, from where, how old it was, and how old it may be.
import type { Fact } from '../api/types';
import { absolute, limit, span } from '../words/time';
import { Mark } from './Mark';

/** `at` is the moment that the ages are measured at: now for a waiting approval, the decision's time for a past one. */
export function Facts({ facts, at, waiting }: { facts: Fact[]; at: number; waiting?: boolean }) {
  if (facts.length === 0) return <p className="quiet">No facts were needed: the rules look at the arguments alone.</p>;
  return (
    <>
      <div className="facts" role="table" aria-label="Facts">
        {facts.map((fact) => {
          const age = at - fact.read_at;
          const fresh = age <= fact.age_max_ms;
          return (
            <div className="fact" role="row" key={fact.name}>
              <span role="cell" className="fact-name">
                {fact.name}
              </span>
              <span role="cell" className="fact-shown">
                <bdi>{fact.shown}</bdi>
              </span>
              <span role="cell" className="fact-source mono">
                {fact.source}
              </span>
              <span role="cell" className="fact-age" title={`read ${absolute(fact.read_at)}`}>
                {span(age)} old
              </span>
              <span role="cell" className="fact-limit">
                limit {limit(fact.age_max_ms)}
              </span>
              <span role="cell" className="fact-mark">
                <Mark shape={fresh ? 'confirmed' : 'neutral'} words={fresh ? 'within its limit' : 'older than its limit'} quiet />
              </span>
            </div>
          );
        })}
      </div>
      {waiting === true && <p className="quiet">Read again, and decided again, right before it runs.</p>}
    </>
  );
}
