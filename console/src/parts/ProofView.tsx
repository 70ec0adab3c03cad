// Where the record can be checked, without trusting this server.
import type { Proof } from '../api/types';
import { count } from '../words/number';
import { Command } from './Copy';
import { Row } from './Row';

export function ProofView({ proof }: { proof: Proof }) {
  return (
    <Row label="proof">
      <p>
        {proof.entries.length === 1 ? 'Entry' : 'Entries'} {proof.entries.map(count).join(', ')} of log <span className="mono">{proof.log}</span>
        {proof.checkpoint_size === null ? ', not under a signed checkpoint yet (at most a second).' : `, in the checkpoint over ${count(proof.checkpoint_size)} entries.`}
      </p>
      {proof.checkpoint !== null && (
        <details>
          <summary>the signed checkpoint</summary>
          <pre className="code">{proof.checkpoint}</pre>
        </details>
      )}
      <p>Verify it yourself:</p>
      <Command text={proof.command} />
    </Row>
  );
}
