/** One alert: what is wrong, what to do first, who takes care of it, and who was told. */

import { useState } from "react";
import { Card, Field } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { useParameter } from "../../app/screen.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { useAttention } from "../../parts/attention.ts";
import { useEngineWords } from "../../parts/engine_words.ts";
import { Figure, Moment } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { isUuid, NoSuch } from "../../parts/no_such.tsx";
import { Go, Page } from "../../parts/page.tsx";
import { Facts } from "../../parts/table.tsx";
import { JsonFacts, valueText } from "../../parts/values.tsx";
import { Severity } from "./AlertList.tsx";
import { AcknowledgeAlert, AlertDetail, type AlertDetailQuery } from "./alerts.documents.ts";
import { DeliveryTable } from "./Messages.tsx";
import { placeOf } from "./place_of.ts";
import { useAlertWords } from "./words.ts";

type Alert = NonNullable<AlertDetailQuery["alert"]>;

export function Screen() {
  const words = useAlertWords();
  useAttention();
  const engine = useEngineWords();
  const id = useParameter("id");
  const query = useDocument(AlertDetail, { id }, { everySeconds: 30, enabled: isUuid(id) });
  if (!isUuid(id) || query.data?.alert === null) {
    return (
      <NoSuch title={words("alert")} to="/alerts">
        {words("notFound")}
      </NoSuch>
    );
  }
  const alert = query.data?.alert;
  return (
    <Page
      title={alert ? engine.alert(alert.condition, alert.title) : words("alert")}
      lead={alert && <Severity alert={alert} />}
      actions={alert && <Acknowledge alert={alert} />}
    >
      <Loaded query={query} document={AlertDetail} lines={8}>
        {({ alert }) => alert && <Parts alert={alert} />}
      </Loaded>
    </Page>
  );
}

function Parts({ alert }: { alert: Alert }) {
  const words = useAlertWords();
  const engine = useEngineWords();
  const place = placeOf(alert);
  return (
    <>
      <Card title={words("whatIsWrong")}>
        <p lang="en" className="break-words">
          {alert.text}
        </p>
        {place && (
          <p className="mt-2 font-semibold">
            <Go to={place.to} search={place.search}>
              {words(place.name)}
            </Go>
          </p>
        )}
        <h3 className="mt-4 font-semibold">{words("whatToDo")}</h3>
        <p>{engine.advice(alert.condition, alert.alertConditionByCondition?.advice)}</p>
      </Card>
      <Card title={words("state")}>
        <Facts
          facts={[
            [words("opened"), <Moment key="opened" at={alert.openedAt} />],
            [words("lastSeen"), <Moment key="seen" at={alert.lastSeenAt} />],
            [words("times"), <Figure key="times" value={alert.occurrenceCount} />],
            [
              words("over"),
              alert.resolvedAt === null ? (
                words("stillOpen")
              ) : (
                <Moment key="over" at={alert.resolvedAt} />
              ),
            ],
            [words("taken"), alert.acknowledgedBy ?? words("nobody")],
            [words("note"), alert.acknowledgementNote ?? "–"],
            [words("told"), <Moment key="told" at={alert.toldAt} />],
          ]}
        />
      </Card>
      {valueText(alert.detail) !== "{}" && (
        <Card title={words("detail")}>
          <JsonFacts value={alert.detail} />
        </Card>
      )}
      <Card title={words("deliveries")}>
        <DeliveryTable deliveries={rowsOf(alert.alertDeliveries)} />
      </Card>
    </>
  );
}

function Acknowledge({ alert }: { alert: Alert }) {
  const words = useAlertWords();
  const [note, setNote] = useState("");
  const [isTried, setIsTried] = useState(false);
  if (alert.resolvedAt !== null) return null;
  return (
    <ActionButton
      label={words("acknowledge")}
      look="main"
      title={words("acknowledgeTitle")}
      document={AcknowledgeAlert}
      variables={() => {
        setIsTried(true);
        return note.trim() === "" ? null : { alert: alert.id, note: note.trim() };
      }}
      submit={words("acknowledge")}
      onDone={() => words("acknowledged")}
    >
      <p>{words("acknowledgeHelp")}</p>
      <Field
        label={words("note")}
        hint={words("noteHint")}
        value={note}
        maxLength={500}
        error={isTried && note.trim() === "" ? words("noteMissing") : undefined}
        onChange={({ target }) => setNote(target.value)}
      />
    </ActionButton>
  );
}
