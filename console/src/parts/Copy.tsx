// A command to take away.
import { useState } from 'react';

export function Command({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      () => setCopied(false), // the text stays selectable
    );
  };
  return (
    <div className="command">
      <pre className="code">{text}</pre>
      <button type="button" className="link no-print" onClick={copy}>
        {copied ? 'copied' : 'copy'}
      </button>
    </div>
  );
}
