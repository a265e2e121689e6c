/** How far something is, for eyes and for those who hear the page. */
export function Progress({
  label,
  done,
  total,
}: {
  label: string;
  /** Texts, because they may be larger than a double holds. */
  done: string | number;
  total: string | number;
}) {
  const share = Number(total) > 0 ? Math.min(Number(done) / Number(total), 1) : undefined;
  return (
    <progress
      aria-label={label}
      max={1}
      className="h-2 w-full appearance-none overflow-hidden rounded bg-line [&::-moz-progress-bar]:bg-brand [&::-webkit-progress-bar]:bg-line [&::-webkit-progress-value]:bg-brand"
      {...(share !== undefined && { value: share })}
    />
  );
}
