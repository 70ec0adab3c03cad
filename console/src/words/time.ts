// Times in words. Relative where it helps to decide, absolute with its zone where it is evidence.

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A length: "3 s", "12 min", "2 h 5 min", "3 d". Never rounds up, so an age is never overstated. */
export function span(ms: number): string {
  const length = Math.max(0, ms);
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`;
  if (length < HOUR) return `${Math.floor(length / MINUTE)} min`;
  if (length < DAY) {
    const minutes = Math.floor((length % HOUR) / MINUTE);
    const hours = `${Math.floor(length / HOUR)} h`;
    return minutes === 0 ? hours : `${hours} ${minutes} min`;
  }
  return `${Math.floor(length / DAY)} d`;
}

/** "now", "12 min ago", "in 18 min". */
export function relative(at: number, now: number): string {
  const past = now - at;
  if (Math.abs(past) < SECOND) return 'now';
  return past > 0 ? `${span(past)} ago` : `in ${span(-past)}`;
}

/** "expires in 18 min", "expired 2 min ago". */
export function expiry(at: number, now: number): string {
  return at > now ? `expires in ${span(at - now)}` : `expired ${span(now - at)} ago`;
}

/** "23 Nov 2026, 01:48:03 GMT+1": with seconds and the zone named. */
export function absolute(at: number, timeZone?: string): string {
  return new Intl.DateTimeFormat('en-GB', {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
    ...(timeZone === undefined ? {} : { timeZone }),
  }).format(at);
}

/** "01:48:03", for the rows of one day's story. */
export function clockTime(at: number, timeZone?: string): string {
  return new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    ...(timeZone === undefined ? {} : { timeZone }),
  }).format(at);
}

/** "01:48", for since-when. */
export function clockMinute(at: number, timeZone?: string): string {
  return clockTime(at, timeZone).slice(0, 5);
}

/** A limit: "60 s", "1 h". Exact where `span` would round. */
export function limit(ms: number): string {
  if (ms < 2 * MINUTE) return `${Math.round(ms / SECOND)} s`;
  return span(ms);
}
