// Addresses say where one is: /w/{workspace}/inbox/{approval}, /runs/{run}, /decisions/{action}. Filters live in them too.
import { createRootRoute, createRoute, createRouter, Outlet } from '@tanstack/react-router';
import { Shell } from './parts/Shell';
import { DecisionPage } from './pages/Decision';
import { Decisions } from './pages/Decisions';
import { Elsewhere } from './pages/Elsewhere';
import { Home } from './pages/Home';
import { Inbox } from './pages/Inbox';
import { Login } from './pages/Login';
import { RunPage } from './pages/Run';
import { Runs } from './pages/Runs';

const word = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** Keeps the named members that are text; whatever else stands in an address is dropped. */
function filters<K extends string>(...names: K[]) {
  return (search: Record<string, unknown>): { [name in K]?: string } => {
    const kept: { [name in K]?: string } = {};
    for (const name of names) {
      const value = word(search[name]);
      if (value !== undefined) kept[name] = value;
    }
    return kept;
  };
}

const root = createRootRoute({ component: Outlet, notFoundComponent: Elsewhere });
const login = createRoute({ getParentRoute: () => root, path: '/login', component: Login, validateSearch: filters('code', 'next') });
const shell = createRoute({ getParentRoute: () => root, path: '/w/$workspace', component: Shell });
const home = createRoute({ getParentRoute: () => shell, path: '/', component: Home });
const inbox = createRoute({ getParentRoute: () => shell, path: '/inbox', component: Inbox, validateSearch: filters('status') });
const approval = createRoute({ getParentRoute: () => inbox, path: '/$approval' });
const runs = createRoute({ getParentRoute: () => shell, path: '/runs', component: Runs, validateSearch: filters('status', 'agent') });
const run = createRoute({ getParentRoute: () => shell, path: '/runs/$run', component: RunPage, validateSearch: filters('hide') });
const decisions = createRoute({ getParentRoute: () => shell, path: '/decisions', component: Decisions, validateSearch: filters('status', 'verdict', 'agent', 'tool') });
const decision = createRoute({ getParentRoute: () => shell, path: '/decisions/$action', component: DecisionPage });

export const router = createRouter({
  routeTree: root.addChildren([login, shell.addChildren([home, inbox.addChildren([approval]), runs, run, decisions, decision])]),
  defaultPreload: false,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
