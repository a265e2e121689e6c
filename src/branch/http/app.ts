/** The local API of a till, and its page. */
import express, { type ErrorRequestHandler, type Express } from "express";
import { currencyDecimals } from "../money.ts";
import { exportWaiting, importAnswers } from "../push/by_file.ts";
import { enrol, takeKey } from "../push/enrol.ts";
import type { Pusher } from "../push/pusher.ts";
import type { Store } from "../store/store.ts";
import { TillError } from "../till_error.ts";
import { refuse, requireJson, requireLocal, requirePassword, setHeaders } from "./guard.ts";
import {
  countSchema,
  enrolInputSchema,
  entrySchema,
  keyInputSchema,
  readInput,
  searchSchema,
  voidSchema,
} from "./input.ts";
import { servePage } from "./page.ts";
import { systemStatus } from "./system_status.ts";

/** What the app serves. */
export interface TillContext {
  store: Store;
  pusher: Pusher;
  /** Folder of the built page; without it the API is served alone. */
  pageFolder: string | undefined;
  password?: string | undefined;
}

/** The app of a till. */
export function createTillApp(context: TillContext): Express {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.use(setHeaders, requireLocal, requirePassword(context.password));
  app.use("/api", requireJson, express.json({ limit: "64mb", strict: true }));
  installTransactions(app, context);
  installSystem(app, context);
  servePage(app, context.pageFolder);
  app.use((request, response) => {
    refuse(
      response,
      404,
      "not_found",
      `There is no ${request.method} ${request.path.slice(0, 100)}.`,
    );
  });
  app.use(answerError);
  return app;
}

function installTransactions(app: Express, { store, pusher }: TillContext): void {
  app.post("/api/v1/transactions", (request, response) => {
    const fact = store.addEntry(readInput(entrySchema, request.body));
    response.status(201).json(good("Saved.", { transaction: fact, summary: store.summary() }));
    void pusher.pushSoon();
  });
  app.post("/api/v1/transactions/:id/void", (request, response) => {
    const input = readInput(voidSchema, request.body);
    const fact = store.addVoid({ ...input, voids: request.params.id });
    response.status(201).json(good("Voided.", { transaction: fact, summary: store.summary() }));
    void pusher.pushSoon();
  });
  app.post("/api/v1/shifts", (request, response) => {
    const fact = store.addCount(readInput(countSchema, request.body));
    response.status(201).json(good("Counted.", { transaction: fact, summary: store.summary() }));
    void pusher.pushSoon();
  });
  app.get("/api/v1/transactions", (request, response) => {
    const search = readInput(searchSchema, request.query);
    const { total, facts } = store.find(search);
    const { page, limit } = search;
    const total_pages = Math.max(1, Math.ceil(total / limit));
    response.json(good("", { transactions: facts, page, limit, total, total_pages }));
  });
  app.get("/api/v1/transactions/:id", (request, response) => {
    response.json(good("", { transaction: store.findOne(request.params.id) }));
  });
  app.get("/api/v1/categories", (_request, response) => {
    response.json(good("", { categories: store.categories() }));
  });
  app.get("/api/v1/dashboard/summary", (_request, response) => {
    const summary = store.summary();
    const { unsynced_count, attention_count } = systemStatus(store, pusher);
    const decimals = currencyDecimals(summary.currency);
    response.json(good("", { ...summary, decimals, unsynced_count, attention_count }));
  });
}

function installSystem(app: Express, { store, pusher }: TillContext): void {
  app.get("/api/v1/system/status", (_request, response) => {
    response.json(good("", systemStatus(store, pusher)));
  });
  app.post("/api/v1/system/push", async (_request, response) => {
    await pusher.pushAgain();
    response.json(good("", systemStatus(store, pusher)));
  });
  app.post("/api/v1/system/enrol", async (request, response) => {
    await enrol(store, readInput(enrolInputSchema, request.body));
    await pusher.pushAgain();
    response.json(good("Enrolled.", systemStatus(store, pusher)));
  });
  app.post("/api/v1/system/key", async (request, response) => {
    takeKey(store, readInput(keyInputSchema, request.body).key);
    await pusher.pushAgain();
    response.json(good("The key is kept.", systemStatus(store, pusher)));
  });
  app.get("/api/v1/system/export", (_request, response) => {
    response.setHeader("Content-Disposition", 'attachment; filename="saldo-till-export.json"');
    response.json(exportWaiting(store));
  });
  app.post("/api/v1/system/import", (request, response) => {
    const count = importAnswers(store, request.body);
    response.json(good(`${count} answers kept.`, systemStatus(store, pusher)));
  });
}

function good(message: string, data: object) {
  return { success: true, message, data };
}

// Express tells an error handler by its four parameters.
const answerError: ErrorRequestHandler = (error, _request, response, next) => {
  if (response.headersSent) {
    next(error);
    return;
  }
  if (error instanceof TillError) {
    refuse(response, error.status, error.condition, error.message, error.fields);
    return;
  }
  const status = (error as { status?: unknown }).status;
  if (typeof status === "number" && status >= 400 && status < 500) {
    refuse(response, status, "input_invalid", "The body could not be read.");
    return;
  }
  process.stderr.write(`${(error as Error).stack ?? String(error)}\n`);
  refuse(response, 500, "internal_error", "The till failed; what was not confirmed is not saved.");
};
