// `person:ada` is how the record names people; on the screen the name is enough.

export function nameOf(principal: string): string {
  const colon = principal.indexOf(':');
  return colon < 0 ? principal : principal.slice(colon + 1);
}
