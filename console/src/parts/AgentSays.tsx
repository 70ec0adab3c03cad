// The agent's words: quoted, indented, labelled, never mixed with what the server knows.

export function AgentSays({ words }: { words: string | null }) {
  return (
    <figure className="agent-says">
      <figcaption>the agent says</figcaption>
      {words === null || words === '' ? <p className="quiet">Nothing: it gave no reason.</p> : <blockquote dir="auto">{words}</blockquote>}
    </figure>
  );
}
