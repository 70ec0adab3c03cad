// The end of a list: more rows, or nothing more.

export function More({ query, shown }: { query: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown }; shown: number }) {
  if (!query.hasNextPage) return shown > 20 ? <p className="list-end">That is all.</p> : null;
  return (
    <div className="list-end">
      <button type="button" className="button" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
        {query.isFetchingNextPage ? 'Loading…' : 'Load more'}
      </button>
    </div>
  );
}
