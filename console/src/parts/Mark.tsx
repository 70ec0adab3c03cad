// A state as shape and words; colour only repeats them.
import type { Shape } from '../words/status';

export function Mark({ shape, words, quiet }: { shape: Shape; words: string; quiet?: boolean }) {
  return (
    <span className={`mark mark-${shape}`}>
      <svg className="mark-shape" viewBox="0 0 12 12" aria-hidden="true">
        {shape === 'waiting' && <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" strokeWidth="2" />}
        {shape === 'stopped' && <rect x="1.5" y="1.5" width="9" height="9" fill="currentColor" />}
        {shape === 'confirmed' && <circle cx="6" cy="6" r="5" fill="currentColor" />}
        {shape === 'unknown' && (
          <>
            <path d="M0 5L5 0M0 9L9 0M1 12L12 1M5 12L12 5M9 12L12 9" stroke="currentColor" strokeWidth="1" opacity="0.35" />
            <text x="6" y="10.6" textAnchor="middle" fontSize="13" fontWeight="800" fill="currentColor">
              ?
            </text>
          </>
        )}
        {shape === 'neutral' && <path d="M2 6h8" stroke="currentColor" strokeWidth="2" />}
      </svg>
      <span className={quiet === true ? 'only-heard' : undefined}>{words}</span>
    </span>
  );
}
