/** The tills of a branch with their keys: new ones, revoked ones, and a till that is closed. */
import { useState } from "react";
import { Badge, Card } from "../../../shared/ui.tsx";
import { rowsOf, useDocument } from "../../api/query_client.ts";
import { ActionButton } from "../../parts/action_dialog.tsx";
import { Duration, Moment } from "../../parts/figures.tsx";
import { Loaded } from "../../parts/loaded.tsx";
import { CopyAs, CsvLink, sqlText, Take } from "../../parts/share.tsx";
import { Facts, Table } from "../../parts/table.tsx";
import {
  BranchDevices,
  type BranchDevicesQuery,
  CloseBranchDevice,
  RevokeBranchKey,
  RotateBranchKey,
} from "./branches.documents.ts";
import { Secret } from "./Secret.tsx";
import { useBranchWords } from "./words.ts";

type Device = NonNullable<NonNullable<BranchDevicesQuery["branchDevices"]>["nodes"][number]>;

const tones = { ok: "good", forked: "bad", closed: "wait" } as const;
export function Devices({ branchId }: { branchId: string }) {
  const words = useBranchWords();
  const query = useDocument(BranchDevices, { branchId }, { everySeconds: 30 });
  return (
    <Loaded query={query}>
      {({ branchDevices }) => {
        const devices = rowsOf(branchDevices);
        if (devices.length === 0) return <p className="text-soft">{words("noDevices")}</p>;
        return (
          <>
            <Take>
              <CsvLink name="branch-devices" filters={{ branch: branchId }} />
              <CopyAs
                document={BranchDevices}
                variables={{ branchId }}
                sql={`select * from saldo.branch_device where branch_id = ${sqlText(branchId)} order by device_no;`}
              />
            </Take>
            {devices.map((device) => (
              <Till key={device.id} device={device} />
            ))}
          </>
        );
      }}
    </Loaded>
  );
}

function Till({ device }: { device: Device }) {
  const words = useBranchWords();
  const title = `${device.deviceNo} · ${device.name}`;
  return (
    <Card title={`${words("device")} ${title}`}>
      <div className="flex flex-col gap-4">
        <Facts
          facts={[
            [
              words("state"),
              <span key="state">
                <Badge tone={tones[device.state]}>{words(`state_${device.state}`)}</Badge>{" "}
                {device.stateReason}
              </span>,
            ],
            [words("lastPush"), <Moment key="push" at={device.lastPushAt} />],
            [words("program"), device.program],
            [words("enrolledAt"), <Moment key="enrolled" at={device.enrolledAt} />],
            [words("clock"), <Clock key="clock" milliseconds={device.clockOffsetMs} />],
          ]}
        />
        <Keys device={device} title={title} />
        <Actions device={device} title={title} />
      </div>
    </Card>
  );
}

function Clock({ milliseconds }: { milliseconds: string | null }) {
  if (milliseconds === null) return <span>–</span>;
  const seconds = Math.round(Number(milliseconds) / 1000);
  return (
    <span className={Math.abs(seconds) > 60 ? "font-bold text-bad" : ""}>
      {seconds < 0 ? "−" : ""}
      <Duration seconds={Math.abs(seconds)} />
    </span>
  );
}

function Keys({ device, title }: { device: Device; title: string }) {
  const words = useBranchWords();
  return (
    <Table
      caption={`${words("keys")}: ${title}`}
      rows={rowsOf(device.branchKeysByDeviceId)}
      keyOf={({ id }) => id}
      empty={words("noKeys")}
      columns={[
        { title: words("key"), cell: ({ id }) => <code className="break-all">{id}</code> },
        { title: words("keyMade"), cell: ({ createdAt }) => <Moment at={createdAt} /> },
        {
          title: words("keyUsed"),
          cell: ({ lastUsedAt }) =>
            lastUsedAt === null ? words("keyUnused") : <Moment at={lastUsedAt} />,
        },
        {
          title: words("keyEnds"),
          cell: ({ endedAt, endReason }) =>
            endedAt === null ? (
              <Badge tone="good">{words("keyGood")}</Badge>
            ) : (
              <div>
                <Moment at={endedAt} />
                <div className="text-soft wrap-anywhere">{endReason}</div>
              </div>
            ),
        },
      ]}
    />
  );
}

function Actions({ device, title }: { device: Device; title: string }) {
  const words = useBranchWords();
  const [key, setKey] = useState<string>();
  const { id: deviceId } = device;
  const hasKey = rowsOf(device.branchKeysByDeviceId).some(({ endedAt }) => endedAt === null);
  return (
    <div className="flex flex-wrap gap-2">
      {device.state === "ok" && (
        <ActionButton
          label={words("rotate")}
          title={words("rotateTitle", { name: title })}
          document={RotateBranchKey}
          variables={() => ({ deviceId })}
          submit={words("rotate")}
          onDone={({ rotateBranchKey }) => {
            setKey(rotateBranchKey?.result ?? undefined);
            return words("rotated");
          }}
        >
          <p>{words("rotateLead")}</p>
        </ActionButton>
      )}
      {key !== undefined && (
        <Secret
          title={words("rotateTitle", { name: title })}
          secret={key}
          close={() => setKey(undefined)}
        >
          <p>{words("keyIs")}</p>
        </Secret>
      )}
      {hasKey && (
        <ActionButton
          label={words("revoke")}
          title={words("revokeTitle", { name: title })}
          document={RevokeBranchKey}
          look="bad"
          needsReason
          variables={(reason) => ({ deviceId, reason })}
          submit={words("revoke")}
          onDone={() => words("revoked")}
        >
          <p>{words("revokeLead")}</p>
        </ActionButton>
      )}
      {device.state !== "closed" && (
        <ActionButton
          label={words("close")}
          title={words("closeTitle", { name: title })}
          document={CloseBranchDevice}
          look="bad"
          needsReason
          variables={(reason) => ({ deviceId, reason })}
          submit={words("close")}
          onDone={() => words("closed")}
        >
          <p>{words("closeLead")}</p>
        </ActionButton>
      )}
    </div>
  );
}
