// A filter that lives in the address.

export function Choice({ label, value, all, options, change }: { label: string; value: string; all: string; options: [string, string][]; change: (value: string) => void }) {
  return (
    <label className="filter">
      <span>{label}</span>
      <select value={value} onChange={(event) => change(event.target.value)}>
        <option value="">{all}</option>
        {options.map(([id, words]) => (
          <option key={id} value={id}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}
