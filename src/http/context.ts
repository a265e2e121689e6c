import type { Pool } from "pg";
import type { Log } from "../log.ts";

/** The settings that the HTTP side goes by. */
export interface ApiConfig {
  readonly environment: "development" | "production" | "test";
  readonly port: number;
  /** GraphiQL in the browser; by default in development only. */
  readonly isGraphiqlEnabled: boolean;
  /** Introspection of the schema and suggestions of names; by default in development only. */
  readonly isIntrospectionEnabled: boolean;
  readonly statementTimeoutMs: number;
  readonly bodyByteCountMax: number;
  readonly pageSizeDefault: number;
  readonly pageSizeMax: number;
}

/** What the parts of a running server share. */
export interface AppContext {
  readonly config: ApiConfig;
  /** Logs in as saldo_server, which is nobody until it takes a role for a transaction. */
  readonly serverPool: Pool;
  readonly ownerPool?: Pool;
  readonly serverConnectionString: string;
  readonly jwtSecret: string;
  readonly log: Log;
  /** Whether the database is migrated and the server is not shutting down. */
  isReady(): boolean;
}
