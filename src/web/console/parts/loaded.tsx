/** What a screen shows while it waits, when nothing comes, and when it may not be shown. */
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Button, Notice } from "../../shared/ui.tsx";
import type { TypedDocument } from "../api/document.ts";
import { type Problem, problemOf } from "../api/problem.ts";
import { usePartWords } from "./words.ts";

/** Grey bars in place of what is asked for. */
export function Skeleton({ lines = 4 }: { lines?: number }) {
  const words = usePartWords();
  return (
    <div role="status" aria-label={words("loading")} className="flex flex-col gap-3 py-2">
      {Array.from({ length: lines }, (_, line) => line).map((line) => (
        <div
          key={line}
          className="h-5 animate-pulse rounded bg-line/60 motion-reduce:animate-none"
        />
      ))}
    </div>
  );
}

/** That this role may not, and who may. */
export function Forbidden({
  document,
}: {
  document?: Pick<TypedDocument<unknown, never>, "roles"> | undefined;
}) {
  const words = usePartWords();
  return (
    <Notice weight="warn">
      <p>{words("forbidden")}</p>
      {document?.roles && <p>{words("whoMay", { roles: document.roles.join(", ") })}</p>}
    </Notice>
  );
}

/** A problem in words, with the code and number by which it can be looked up. */
export function ProblemNotice({
  problem,
  document,
  again,
}: {
  problem: Problem;
  /** What was asked for: it knows who may. */
  document?: Pick<TypedDocument<unknown, never>, "roles"> | undefined;
  again?: (() => void) | undefined;
}) {
  const words = usePartWords();
  if (problem.isForbidden) return <Forbidden document={document} />;
  return (
    <Notice weight="bad">
      <p>{problem.isSilence ? words("noAnswer") : problem.message}</p>
      {problem.detail && <p className="font-normal break-words">{problem.detail}</p>}
      {problem.hint && <p className="font-normal">{problem.hint}</p>}
      {problem.code && <p className="text-sm">{words("errorCode", { code: problem.code })}</p>}
      {problem.errorId && <p className="text-sm">{words("errorId", { id: problem.errorId })}</p>}
      {again && (
        <Button className="mt-2" onClick={again}>
          {words("again")}
        </Button>
      )}
    </Notice>
  );
}

/** The answer to a query once it is there; an old one stays on screen under a word on the silence. */
export function Loaded<Data>({
  query,
  document,
  lines,
  children,
}: {
  query: Pick<UseQueryResult<Data>, "data" | "error" | "refetch">;
  document?: Pick<TypedDocument<unknown, never>, "roles">;
  lines?: number;
  children: (data: Data) => ReactNode;
}) {
  const { data, error } = query;
  return (
    <>
      {error !== null && (
        <ProblemNotice
          problem={problemOf(error)}
          document={document}
          again={() => void query.refetch()}
        />
      )}
      {data !== undefined ? children(data) : error === null && <Skeleton lines={lines ?? 4} />}
    </>
  );
}
