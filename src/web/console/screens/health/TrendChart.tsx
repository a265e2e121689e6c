/** The chart of the last checks, in a chunk of its own; the table beside it says the same. */
import { Bar, BarChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";

export default function TrendChart({
  bars,
  label,
}: {
  bars: readonly { readonly when: string; readonly findings: number }[];
  label: string;
}) {
  return (
    <div aria-hidden="true" className="h-48">
      <ResponsiveContainer width="100%" height="100%">
        <BarChart data={[...bars]} accessibilityLayer={false} maxBarSize={24}>
          <XAxis dataKey="when" stroke="var(--color-soft)" tickLine={false} minTickGap={24} />
          <YAxis width={48} allowDecimals={false} stroke="var(--color-soft)" tickLine={false} />
          <Tooltip contentStyle={{ background: "var(--color-card)", color: "var(--color-ink)" }} />
          <Bar dataKey="findings" name={label} fill="var(--color-bad)" isAnimationActive={false} />
        </BarChart>
      </ResponsiveContainer>
    </div>
  );
}
