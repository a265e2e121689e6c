/** Why a finding is there: ranked causes in words, how sure they are, and what supports them. */
import { Badge, Card } from "../../../shared/ui.tsx";
import { rowsOf } from "../../api/query_client.ts";
import { JsonFacts } from "../../parts/values.tsx";
import { useCauseWords } from "./cause_words.ts";
import type { FindingDetailQuery } from "./health.documents.ts";
import { Writes, writesOf } from "./Writes.tsx";
import { useHealthWords } from "./words.ts";

type Detail = NonNullable<FindingDetailQuery["finding"]>;
type Cause = Pick<
  NonNullable<Detail["findingExplanations"]["nodes"][number]>,
  "rank" | "cause" | "confidence" | "explanation" | "evidence"
>;

const tones = { certain: "bad", likely: "bad", possible: "wait" } as const;

export function Causes({ finding }: { finding: Detail }) {
  const words = useHealthWords();
  const causes = rowsOf(finding.findingExplanations);
  return (
    <Card title={words("why")}>
      {causes.length === 0 ? (
        <p>{words("noCause")}</p>
      ) : (
        <ol className="flex flex-col gap-5">
          {causes.map((cause) => (
            <li key={cause.rank}>
              <OneCause cause={cause} />
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

function OneCause({ cause }: { cause: Cause }) {
  const words = useHealthWords();
  const terms = useCauseWords();
  const writes = writesOf(cause.evidence);
  return (
    <>
      <h3 className="flex flex-wrap items-center gap-2 font-bold">
        {cause.rank}. {terms(cause.cause)}{" "}
        <Badge tone={tones[cause.confidence]}>{terms(cause.confidence)}</Badge>
      </h3>
      <p className="text-soft">{terms(`${cause.confidence}Help`)}</p>
      {writes ? (
        <div className="mt-2">
          <h4 className="mb-2 font-semibold">{words("writes")}</h4>
          <Writes writes={writes} />
        </div>
      ) : (
        <Evidence evidence={cause.evidence} />
      )}
      <p className="mt-3 text-sm text-soft">{words("engineSays")}</p>
      <p lang="en" className="break-words">
        {cause.explanation}
      </p>
    </>
  );
}

function Evidence({ evidence }: { evidence: unknown }) {
  const words = useHealthWords();
  const isEmpty = JSON.stringify(evidence ?? {}).length <= 2;
  if (isEmpty) return null;
  return (
    <div className="mt-2">
      <h4 className="mb-2 font-semibold">{words("evidence")}</h4>
      <JsonFacts value={evidence} />
    </div>
  );
}
