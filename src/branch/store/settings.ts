/** What the store remembers beside its facts: who this till is, and where it has got with the centre. */
import type { DatabaseSync } from "node:sqlite";

/** What is remembered of each device that this store has been. */
type DeviceSetting =
  | "key"
  | "next_key"
  | "device_no"
  | "device_state"
  | "verdict_no"
  | "key_refused"
  | "centre_epoch";

/** Names of what is remembered. */
export type SettingName =
  | "centre"
  | "centre_epoch"
  | "config"
  | "last_contact"
  | "clock_offset_ms"
  | `seen_by:${string}`
  | `returned:${string}`
  | `returned_to:${string}`
  | `${DeviceSetting}:${string}`;

/** Reads and writes settings; a write belongs to the transaction around it. */
export interface Settings {
  get(name: SettingName): string | undefined;
  set(name: SettingName, value: string): void;
  remove(name: SettingName): void;
}

/** The settings of a store. */
export function makeSettings(database: DatabaseSync): Settings {
  const select = database.prepare("select value from setting where name = ?");
  const upsert = database.prepare(
    "insert into setting (name, value) values (?, ?) on conflict (name) do update set value = excluded.value",
  );
  const remove = database.prepare("delete from setting where name = ?");
  return {
    get: (name) => (select.get(name) as { value: string } | undefined)?.value,
    set: (name, value) => void upsert.run(name, value),
    remove: (name) => void remove.run(name),
  };
}
