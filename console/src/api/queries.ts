// What the pages read, by name. Every key starts with 'v1' so that one live event refreshes what is on the screen.
import { infiniteQueryOptions, keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query';
import { setServerTime } from '../words/clock';
import { address, get, remember } from './client';
import type { Action, Agent, Approval, Explanation, Me, Page, Run, Status } from './types';

const PAGE = 100;

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: async ({ signal }) => remember(await get<Me>('/v1/me', signal)),
  staleTime: 60_000,
});

export const statusQuery = queryOptions({
  queryKey: ['v1', 'status'],
  queryFn: async ({ signal }) => {
    const sent = Date.now();
    const status = await get<Status>('/v1/status', signal);
    setServerTime(status.now, (sent + Date.now()) / 2);
    return status;
  },
  refetchInterval: 15_000,
});

export const agentsQuery = queryOptions({
  queryKey: ['agents'],
  queryFn: ({ signal }) => get<Agent[]>('/v1/agents', signal),
  staleTime: 60_000,
});

type Filters = Record<string, string | undefined>;

function list<T>(name: string, path: string, filters: Filters) {
  return infiniteQueryOptions({
    queryKey: ['v1', name, path, filters],
    queryFn: ({ pageParam, signal }) => get<Page<T>>(address(path, { ...filters, limit: PAGE, after: pageParam }), signal),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => last.next ?? null,
    placeholderData: keepPreviousData,
  });
}

export const approvalsQuery = (filters: Filters) => list<Approval>('approvals', '/v1/approvals', filters);
export const runsQuery = (filters: Filters) => list<Run>('runs', '/v1/runs', filters);
export const actionsQuery = (filters: Filters) => list<Action>('actions', '/v1/actions', filters);
export const runActionsQuery = (run: string) => list<Action>('actions', `/v1/runs/${encodeURIComponent(run)}/actions`, {});

export const approvalQuery = (id: string) =>
  queryOptions({
    queryKey: ['v1', 'approval', id],
    queryFn: ({ signal }) => get<Approval>(`/v1/approvals/${encodeURIComponent(id)}`, signal),
  });

export const actionQuery = (id: string) =>
  queryOptions({
    queryKey: ['v1', 'action', id],
    queryFn: ({ signal }) => get<Action>(`/v1/actions/${encodeURIComponent(id)}`, signal),
  });

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ['v1', 'run', id],
    queryFn: ({ signal }) => get<Run>(`/v1/runs/${encodeURIComponent(id)}`, signal),
  });

export const explainQuery = (id: string) =>
  queryOptions({
    queryKey: ['v1', 'explain', id],
    queryFn: ({ signal }) => get<Explanation>(`/v1/actions/${encodeURIComponent(id)}/explain`, signal),
  });

/** The person at the screen; pages below the shell always have one. */
export function useMe(): Me | undefined {
  return useQuery(meQuery).data;
}
