/** The turn in which a request is served, kept for as long as its work runs. */
import { AsyncLocalStorage } from "node:async_hooks";
import "postgraphile";

/** Gives connections to a request that has none for itself, in its turn; each is to be ended. */
export interface Connections {
  /** One for its own statement. */
  own(): Promise<() => void>;
  /** One for what it does together with others. */
  joint(): Promise<() => void>;
}

/** The right to run, with slots of a lane. */
export interface Turn {
  /** Where its statements find a connection; undefined = it has the connections that it needs. */
  readonly connections?: Connections;
  /** Begins a part of the work; the slots are kept until it has ended, whoever still listens. */
  begin(): () => void;
  /** Called when the document has been planned, which is done before anything is awaited. */
  planned?(): void;
  /** Called with the code of each error that the answer has. */
  refused?(code: string): void;
  /** The id that the answer carries. */
  readonly requestId?: string;
}

const turns = new AsyncLocalStorage<Turn>();

/** Does something in a turn. */
export function inTurn(turn: Turn, work: () => void): void {
  turns.run(turn, work);
}

/** The turn in which something is done; none for what comes by a websocket. */
export function currentTurn(): Turn | undefined {
  return turns.getStore();
}

/** Keeps the turn of a request until its execution has ended: the database works on for a client that left. */
export const KeepTurnPlugin: GraphileConfig.Plugin = {
  name: "KeepTurnPlugin",
  version: "0.0.0",
  grafast: {
    middleware: {
      execute(next) {
        const turn = turns.getStore();
        const end = turn?.begin();
        const result = next();
        turn?.planned?.();
        if (end !== undefined) void Promise.resolve(result).then(end, end);
        return result;
      },
    },
  },
};
