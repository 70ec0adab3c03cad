// Starts the console.
import '@fontsource-variable/inter/index.css';
import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/list.css';
import './styles/detail.css';
import './styles/print.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Fault } from './api/client';
import { router } from './router';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2_000,
      // A refusal stays a refusal; only what did not arrive is asked for again.
      retry: (times, error) => times < 2 && error instanceof Fault && (error.status === 0 || error.status === 503),
    },
  },
});

// A session that ended is noticed by whichever read comes first.
client.getQueryCache().subscribe(({ query }) => {
  const error = query.state.error;
  if (error instanceof Fault && error.status === 401 && query.queryKey[0] === 'v1') void client.invalidateQueries({ queryKey: ['me'] });
});

const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={client}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </StrictMode>,
  );
}
