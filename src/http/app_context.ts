import type { OidcConfig } from "../auth/oidc.ts";
import type { PublicKeys } from "../auth/public_keys.ts";
import type { GraphqlConfig, GraphqlContext } from "../graphql/preset.ts";
import type { AdmissionConfig } from "./admission.ts";
import type { AllowedDocuments } from "./allowed_documents.ts";
import type { BodyConfig } from "./graphql_gate.ts";
import type { RequestLogChoice } from "./request_log.ts";
import type { SocketConfig } from "./seats.ts";

/** The settings that the HTTP side goes by. */
export interface ApiConfig
  extends GraphqlConfig,
    BodyConfig,
    AdmissionConfig,
    SocketConfig,
    OidcConfig {
  readonly environment: "development" | "production" | "test";
  readonly port: number;
  /** Longest time of an export. */
  readonly exportTimeoutMs: number;
  /** Address by which browsers reach this server, where it is not seen from their requests. */
  readonly consoleUrl?: string | undefined;
  /** Proxies whose word about a client's address is taken: their addresses, or their number. */
  readonly trustProxy?: readonly string[] | number | undefined;
  /** The issuer and the audience that tokens of others have to name. */
  readonly jwtIssuer?: string | undefined;
  readonly jwtAudience?: string | undefined;
  /** What whoever reads /metrics has to send, where it is set. */
  readonly metricsToken?: string | undefined;
  /** Which requests get a line in the log; none where it is not said. */
  readonly requestLog?: RequestLogChoice | undefined;
  /** Whether queries are served by GET too. */
  readonly isGetEnabled?: boolean | undefined;
  /** How long a client may take to send a request. */
  readonly requestTimeoutMs: number;
}

/** What the parts of a running server share. */
export interface AppContext extends GraphqlContext {
  readonly config: ApiConfig;
  readonly serverConnectionString: string;
  /** What signs tokens by HS256; without one they are signed by others only. */
  readonly jwtSecret?: string | undefined;
  /** Public keys of tokens that others have signed. */
  readonly publicKeys?: PublicKeys | undefined;
  /** Whether the database is migrated and the server is not shutting down. */
  isReady(): boolean;
  /** Whether the database is a standby: questions are answered, and nothing is changed. */
  readonly isStandby?: boolean;
  /** The only documents that are taken, where the settings name some. */
  readonly allowedDocuments?: AllowedDocuments | undefined;
  /** Folder of the built console; where it has no index.html it is said how to build it. */
  readonly consoleFolder?: string | undefined;
  /** Whether the worker of this process runs; where jobs are another process's there is none. */
  areJobsRunning?(): boolean;
}
