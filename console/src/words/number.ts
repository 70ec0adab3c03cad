// Numbers as people read them.

/** "1,204" */
export const count = (n: number): string => n.toLocaleString('en-GB');

/** "3 approvals", "1 approval" */
export const counted = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** "96.1 %"; a part that is not nothing is never shown as 0, and one that is not all never as 100. */
export function share(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0 %';
  if (part === whole) return '100 %';
  const percent = Math.min(99.9, Math.max(0.1, Math.round((part / whole) * 1_000) / 10));
  return `${percent.toFixed(1)} %`;
}
