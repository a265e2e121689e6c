/** Sessions of the console: to an administrator all of them, to anybody else their own. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Badge, Button, Dialog } from "../../../shared/ui.tsx";
import { problemOf } from "../../api/problem.ts";
import { client } from "../../api/query_client.ts";
import { send } from "../../api/request.ts";
import { useSignedIn } from "../../api/session.ts";
import { Moment } from "../../parts/figures.tsx";
import { Loaded, ProblemNotice } from "../../parts/loaded.tsx";
import { Page } from "../../parts/page.tsx";
import { Table } from "../../parts/table.tsx";
import { say } from "../../parts/toast.tsx";
import { usePartWords } from "../../parts/words.ts";
import { useSessionWords } from "./words.ts";

interface OneSession {
  readonly id: string;
  readonly role: string;
  readonly subject: string;
  readonly member_code: string | null;
  readonly way: "link" | "token" | "provider" | null;
  readonly is_of_service: boolean;
  readonly created_at: string;
  readonly expires_at: string;
  readonly seen_at: string;
  readonly is_current: boolean;
}

const listKey = ["sessions"];

export function Screen() {
  const words = useSessionWords();
  const isAdmin = useSignedIn().roles?.includes("admin") === true;
  const query = useQuery({
    queryKey: listKey,
    refetchInterval: 60_000,
    queryFn: async ({ signal }) =>
      (await send("GET", "/console/session/all", undefined, signal)) as {
        readonly sessions: readonly OneSession[];
        readonly is_whole: boolean;
      },
  });
  return (
    <Page title={words("title")} lead={words(isAdmin ? "leadAll" : "leadOwn")}>
      <Loaded query={query}>
        {({ sessions, is_whole: isWhole }) => (
          <>
            <List sessions={sessions} />
            {!isWhole && <p>{words("more")}</p>}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function List({ sessions }: { sessions: readonly OneSession[] }) {
  const words = useSessionWords();
  const way = ({ way, is_of_service: isOfService }: OneSession) =>
    words(isOfService ? "service" : (way ?? "unknown"));
  return (
    <Table
      caption={words("sessions")}
      rows={sessions}
      keyOf={({ id }) => id}
      columns={[
        { title: words("who"), cell: (session) => <Who session={session} /> },
        { title: words("role"), cell: ({ role }) => role },
        { title: words("way"), cell: way },
        { title: words("from"), cell: ({ created_at: at }) => <Moment at={at} /> },
        { title: words("until"), cell: ({ expires_at: at }) => <Moment at={at} /> },
        { title: words("seen"), cell: ({ seen_at: at }) => <Moment at={at} /> },
        {
          title: words("end"),
          cell: (session) =>
            session.is_current ? (
              <Badge tone="good">{words("current")}</Badge>
            ) : (
              <End session={session} />
            ),
        },
      ]}
    />
  );
}

const Who = ({ session: { subject, member_code: member } }: { session: OneSession }) => (
  <span className="break-words">
    {subject}
    {member !== null && ` (${member})`}
  </span>
);

function End({ session }: { session: OneSession }) {
  const words = useSessionWords();
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <Button aria-haspopup="dialog" onClick={() => setIsOpen(true)}>
        {words("end")}
      </Button>
      {isOpen && <EndDialog session={session} close={() => setIsOpen(false)} />}
    </>
  );
}

function EndDialog({ session, close }: { session: OneSession; close: () => void }) {
  const words = useSessionWords();
  const partWords = usePartWords();
  const action = useMutation({
    mutationFn: () => send("DELETE", `/console/session/${session.id}`),
    onSuccess: () => {
      say("good", words("ended"));
      close();
    },
    onSettled: () => void client.invalidateQueries({ queryKey: listKey }),
  });
  const problem = action.error === null ? undefined : problemOf(action.error);
  return (
    <Dialog title={words("endTitle")} close={close}>
      <div className="flex flex-col gap-3">
        <p>{words("endHelp", { who: session.subject })}</p>
        {problem &&
          (problem.condition === "not_found" ? (
            <p role="alert">{words("gone")}</p>
          ) : (
            <ProblemNotice problem={problem} />
          ))}
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={close}>{partWords("cancel")}</Button>
          <Button look="bad" aria-disabled={action.isPending} onClick={() => action.mutate()}>
            {words("end")}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}
