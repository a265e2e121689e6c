/** The chart of a month, in a chunk of its own: nobody waits for it to enter a sale. */
import { Bar, BarChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { useLanguage } from "../shared/language.ts";
import type { DayFigures } from "./api.ts";
import { useMoney } from "./figures.ts";
import { useWords } from "./words.ts";

export default function MonthChart({ days }: { days: DayFigures[] }) {
  const words = useWords();
  const money = useMoney();
  const language = useLanguage();
  const compact = new Intl.NumberFormat(language === "en" ? "en-GB" : "id-ID", {
    notation: "compact",
  });
  const bars = days.map(({ day, ...figures }) => ({ ...figures, day: day.slice(8) }));
  return (
    <>
      <div aria-hidden="true" className="h-56">
        <ResponsiveContainer width="100%" height="100%">
          <BarChart data={bars} accessibilityLayer={false} maxBarSize={28}>
            <XAxis dataKey="day" stroke="var(--color-soft)" tickLine={false} />
            <YAxis
              width={70}
              stroke="var(--color-soft)"
              tickLine={false}
              tickFormatter={(value: number) => compact.format(value / 10 ** money.decimals)}
            />
            <Tooltip
              formatter={(value) => money.show(Number(value))}
              contentStyle={{ background: "var(--color-card)", color: "var(--color-ink)" }}
            />
            <Bar dataKey="in" name={words.in} fill="var(--color-good)" isAnimationActive={false} />
            <Bar dataKey="out" name={words.out} fill="var(--color-bad)" isAnimationActive={false} />
          </BarChart>
        </ResponsiveContainer>
      </div>
      <table className="sr-only">
        <caption>{words.month}</caption>
        <thead>
          <tr>
            <th scope="col">{words.day}</th>
            <th scope="col">{words.in}</th>
            <th scope="col">{words.out}</th>
          </tr>
        </thead>
        <tbody>
          {days.map(({ day, in: came, out }) => (
            <tr key={day}>
              <th scope="row">{day}</th>
              <td>{money.show(came)}</td>
              <td>{money.show(out)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
