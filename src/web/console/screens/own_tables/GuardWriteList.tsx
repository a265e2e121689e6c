/** Writes that went past the engine, as the guard recorded them. */
import { Button } from "../../../shared/ui.tsx";
import { usePages } from "../../api/query_client.ts";
import { ChoiceFilter, FilterBar, useFilters } from "../../parts/filters.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { CopyAs, CsvLink } from "../../parts/share.tsx";
import { usePartWords } from "../../parts/words.ts";
import { Writes } from "../health/Writes.tsx";
import { useOwnTableWords } from "./words.ts";
import { GuardWrites } from "./writes.documents.ts";

export function GuardWriteList() {
  const words = useOwnTableWords();
  const partWords = usePartWords();
  const { filters } = useFilters();
  const filter = filters["only"] === "own" ? { rule: { isNull: false } } : undefined;
  const { query, rows } = usePages(GuardWrites, { filter }, ({ guardEvents }) => guardEvents, {
    everySeconds: 60,
  });
  return (
    <>
      <FilterBar
        extra={
          <>
            <CsvLink name="guard-writes" filters={{ only: filters["only"] }} />
            <CopyAs
              document={GuardWrites}
              variables={{ filter }}
              sql={`select * from saldo.guard_event${filter === undefined ? "" : " where rule is not null"} order by occurred_at desc;`}
            />
          </>
        }
      >
        <ChoiceFilter
          name="only"
          label={words("only")}
          none={words("all")}
          options={[["own", words("ownOnly")]]}
        />
      </FilterBar>
      <Loaded query={query} document={GuardWrites}>
        {() =>
          rows?.length === 0 ? (
            <p className="text-soft">{words("noWrites")}</p>
          ) : (
            <Writes writes={rows ?? []} />
          )
        }
      </Loaded>
      {query.hasNextPage && (
        <div>
          <Button onClick={() => void query.fetchNextPage()}>{partWords("more")}</Button>
        </div>
      )}
    </>
  );
}
