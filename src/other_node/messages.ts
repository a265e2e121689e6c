/** What a program under an older Node and the process that runs Saldo for it tell each other. */
import type { Environment } from "../config.ts";
import type { Parts } from "../start.ts";

/** The one order that such a process gets, before "stop". */
export type Order =
  | { readonly call: "migrate"; readonly databaseUrl: string }
  | { readonly call: "start"; readonly environment: Environment; readonly parts: Parts };

/** What it answers. */
export type Report =
  | { readonly kind: "done" }
  | { readonly kind: "started"; readonly address: string; readonly databaseUrl: string }
  | { readonly kind: "failed"; readonly name: string; readonly message: string }
  | { readonly kind: "broken"; readonly reason: string }
  | {
      readonly kind: "log";
      readonly level: "info" | "warn" | "error";
      readonly message: string;
      readonly fields?: Record<string, unknown> | undefined;
    };
