// The wire types of `/v1` that the console reads; `npm run check` holds them against docs/reference/openapi.json.
// Times are milliseconds since 1970 UTC; ids are text.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Me {
  workspace: string;
  principal: string;
  roles: string[];
  scopes: string[];
  csrf: string | null;
}

export interface Status {
  workspace: string;
  setup: boolean;
  bundle: string | null;
  refuses_all?: boolean;
  entries: number;
  views_behind: number;
  checkpoint_size: number;
  actions: Record<string, number>;
  verdicts_today: Record<string, number>;
  waiting: number;
  oldest_waiting_at: number | null;
  next_expiry_at: number | null;
  handed_over: number;
  attention: string[];
  version: string;
  now: number;
}

export interface Agent {
  id: string;
  title: string;
  version: number;
  owner: string;
  deputy: string | null;
  stage: string;
}

export interface Run {
  id: string;
  agent: string;
  agent_version: number;
  title: string | null;
  on_behalf_of: string | null;
  status: string;
  started_at: number;
  finished_at: number | null;
  actions: number;
  waiting: number;
  stopped: number;
  unknown: number;
  last_at: number;
}

export interface Output {
  text: string;
  content: Json[];
  structured?: Json;
  is_error: boolean;
}

export interface Action {
  id: string;
  run: string;
  agent: string;
  tool: string;
  class: string;
  status: string;
  settled: boolean;
  verdict: string | null;
  code: string | null;
  message: string;
  headline: string;
  approval: string | null;
  proposed_at: number;
  settled_at: number | null;
  settled_by: string | null;
  failure: string | null;
  handed_over: boolean;
  output?: Output;
  entry: number;
}

export interface Fact {
  name: string;
  shown: string;
  value: Json;
  source: string;
  read_at: number;
  age_max_ms: number;
}

export interface Rule {
  id: string;
  reason: string | null;
  effect: string;
  file: string;
  line: number;
  text: string;
}

export interface Round {
  round: number;
  at: number;
  verdict: string;
  code: string;
  rules: Rule[];
  facts: Fact[];
  counters: Json;
  bundle: string;
  judge: string;
  entry: number;
}

export interface TimelineEntry {
  seq: number;
  at: number;
  kind: string;
  actor: string;
  text: string;
}

export interface Proof {
  log: string;
  entries: number[];
  checkpoint: string | null;
  checkpoint_size: number | null;
  command: string;
}

export interface Given {
  person: string;
  at: number;
  roles: string[];
}

export interface ApprovalPage {
  headline: string;
  tool: string;
  class: string;
  arguments: Json;
  facts: Fact[];
  rules: Rule[];
  agent_says: string | null;
  agent: string;
  on_behalf_of: string | null;
  run_title: string | null;
  undo: string;
}

export interface Approval {
  id: string;
  action: string;
  run: string;
  agent: string;
  tool: string;
  status: string;
  action_status: string;
  headline: string;
  requested_at: number;
  expires_at: number;
  quorum: number;
  approver_roles: string[];
  risk: string | null;
  given: Given[];
  rejected_by: string | null;
  rejected_reason: string | null;
  digest: string;
  page?: ApprovalPage;
  you_may?: YouMay;
}

export interface YouMay {
  answer: boolean;
  why: string;
}

export interface Explanation {
  action: Action;
  run: Run;
  arguments: Json;
  reason: string | null;
  rounds: Round[];
  approval: Approval | null;
  timeline: TimelineEntry[];
  proof: Proof;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  hint: string;
}
