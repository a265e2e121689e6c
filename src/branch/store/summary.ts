/** Figures of the dashboard: cash now, in and out of a day, and a month day by day. */
import type { DatabaseSync } from "node:sqlite";
import type { Category, DayFigures, Summary } from "../api_types.ts";
import { cashNow } from "./facts.ts";

const byDay = `
  select business_date as day,
    coalesce(sum(effect) filter (where (type = 'IN') = (kind = 'entry')), 0) as "in",
    coalesce(-sum(effect) filter (where (type = 'OUT') = (kind = 'entry')), 0) as "out",
    count(*) filter (where kind = 'entry') as count
  from fact
  where business_date between ? and ? and type is not null
  group by business_date
  order by business_date`;

/** The figures as of a day; the month is the one of that day. */
export function summarize(database: DatabaseSync, today: string): Summary {
  const month = today.slice(0, 7);
  const days = database.prepare(byDay).all(`${month}-01`, `${month}-31`) as unknown as DayFigures[];
  const sum = (name: "in" | "out") => days.reduce((total, day) => total + day[name], 0);
  return {
    balance: Number(cashNow(database)),
    today: days.find(({ day }) => day === today) ?? { day: today, in: 0, out: 0, count: 0 },
    month: { month, in: sum("in"), out: sum("out"), days: days.map((day) => ({ ...day })) },
  };
}

/** Categories that were used at this till, by how often. */
export function usedCategories(database: DatabaseSync): Category[] {
  return database
    .prepare(
      `select type, category from fact where kind = 'entry'
      group by type, category order by count(*) desc limit 40`,
    )
    .all() as unknown as Category[];
}
