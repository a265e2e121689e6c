/** The balance at the end of each month, in a chunk of its own; the table below it has the figures. */
import {
  Area,
  AreaChart,
  CartesianGrid,
  ResponsiveContainer,
  Tooltip,
  XAxis,
  YAxis,
} from "recharts";
import { useLanguage } from "../../../shared/language.ts";
import { formatMoney } from "../../parts/figures.tsx";
import { useAccountWords } from "./words.ts";

export default function BalanceChart({
  months,
  currency,
}: {
  months: readonly { readonly month: string | null; readonly closing: string | null }[];
  currency: string;
}) {
  const words = useAccountWords();
  const language = useLanguage();
  const locale = language === "en" ? "en-GB" : "id-ID";
  const compact = new Intl.NumberFormat(locale, { notation: "compact" });
  const name = new Intl.DateTimeFormat(locale, {
    month: "short",
    year: "2-digit",
    timeZone: "UTC",
  });
  // The height of a point may be a double; what is read out is the text of the server.
  const points = months.map(({ month, closing }) => ({
    month: name.format(new Date(`${month?.slice(0, 7)}-01T00:00:00Z`)),
    closing: Number(closing),
    text: closing ?? "0",
  }));
  return (
    <div aria-hidden="true" className="not-printed h-56 overflow-hidden">
      <ResponsiveContainer width="100%" height="100%">
        <AreaChart data={points} accessibilityLayer={false}>
          <CartesianGrid stroke="var(--color-line)" strokeDasharray="3 3" vertical={false} />
          <XAxis dataKey="month" stroke="var(--color-soft)" tickLine={false} />
          <YAxis
            width={70}
            stroke="var(--color-soft)"
            tickLine={false}
            tickFormatter={(value: number) => compact.format(value)}
          />
          <Tooltip
            formatter={(_value, _name, { payload }) =>
              formatMoney((payload as (typeof points)[number]).text, currency, language)
            }
            contentStyle={{ background: "var(--color-card)", color: "var(--color-ink)" }}
          />
          <Area
            dataKey="closing"
            name={words("closing")}
            type="linear"
            stroke="var(--color-brand)"
            fill="var(--color-brand)"
            fillOpacity={0.15}
            isAnimationActive={false}
          />
        </AreaChart>
      </ResponsiveContainer>
    </div>
  );
}
