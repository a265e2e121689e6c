/** The drawing itself, in a file of its own: nobody waits for it to read the figures. */
import {
  Bar,
  CartesianGrid,
  ComposedChart,
  Legend,
  Line,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from "recharts";
import { useLanguage } from "../../../shared/language.ts";
import { useSignedIn } from "../../api/session.ts";
import { formatMoney, formatNumber } from "../../parts/figures.tsx";
import type { ChartMonth } from "./chart_month.ts";
import { useCustomerWords } from "./words.ts";

export default function Charts({
  months,
  currency,
}: {
  months: readonly ChartMonth[];
  currency: string | null;
}) {
  const words = useCustomerWords();
  const language = useLanguage();
  const session = useSignedIn();
  const locale = language === "en" ? "en-GB" : "id-ID";
  const compact = new Intl.NumberFormat(locale, { notation: "compact" });
  const name = new Intl.DateTimeFormat(locale, { month: "short", timeZone: "UTC" });
  // A drawing needs doubles; what is read out stands beside it as it is.
  const bars = months.map((each) => ({
    month: each.month === null ? "" : name.format(new Date(each.month)),
    deposits: Number(each.deposits),
    purchases: Number(each.purchases),
    closing: Number(each.closingBalance),
    volume: Number(each.volumeSm3),
    source: each,
  }));
  const text = (value: unknown, key: unknown, item: { payload?: { source?: ChartMonth } }) => {
    const source = item.payload?.source;
    if (key === words("volume")) return formatNumber(source?.volumeSm3 ?? String(value), language);
    const exact =
      key === words("deposits")
        ? source?.deposits
        : key === words("purchases")
          ? source?.purchases
          : source?.closingBalance;
    return formatMoney(exact ?? String(value), currency ?? session.currency, language);
  };
  const tick = (value: number) => compact.format(value);
  const axis = { stroke: "var(--color-soft)", tickLine: false, width: 70, tickFormatter: tick };
  const still = { isAnimationActive: false } as const;
  const tip = { background: "var(--color-card)", color: "var(--color-ink)" };
  return (
    <div aria-hidden="true" className="h-72">
      <ResponsiveContainer width="100%" height="100%">
        <ComposedChart data={bars} accessibilityLayer={false} maxBarSize={28}>
          <CartesianGrid vertical={false} stroke="var(--color-line)" strokeOpacity={0.5} />
          <XAxis dataKey="month" stroke="var(--color-soft)" tickLine={false} />
          <YAxis yAxisId="money" {...axis} />
          <YAxis yAxisId="volume" orientation="right" {...axis} />
          <Tooltip formatter={text as never} contentStyle={tip} />
          <Legend />
          <Bar
            yAxisId="money"
            dataKey="deposits"
            name={words("deposits")}
            fill="var(--color-good)"
            {...still}
          />
          <Bar
            yAxisId="money"
            dataKey="purchases"
            name={words("purchases")}
            fill="var(--color-bad)"
            {...still}
          />
          <Line
            yAxisId="money"
            dataKey="closing"
            name={words("closing")}
            stroke="var(--color-brand)"
            strokeWidth={2}
            {...still}
          />
          <Line
            yAxisId="volume"
            dataKey="volume"
            name={words("volume")}
            stroke="var(--color-soft)"
            strokeDasharray="5 4"
            dot={false}
            {...still}
          />
        </ComposedChart>
      </ResponsiveContainer>
    </div>
  );
}
