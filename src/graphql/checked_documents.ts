/**
 * Documents that were found to cost little enough, so that a text which an application sends a
 * thousand times a second is read once.
 */
import { hash as hashOf } from "node:crypto";
import {
  type MeasuredDocument,
  measureDocument,
  measureQuery,
  type QueryLimits,
  type Variables,
} from "./query_cost.ts";

const DOCUMENT_COUNT_MAX = 500;

/** A document that may be asked. */
export interface CheckedDocument {
  /** Its SHA-256. */
  readonly hash: string;
  /** Names of the fields of its top level. */
  readonly rootNames: readonly string[];
}

/**
 * Remembers by their hash the last documents that were within these limits. Those whose size hangs on
 * variables (`first: $count`) are measured each time, though not read again; those that are refused
 * are not remembered.
 */
export function makeCheckedDocuments(
  limits: QueryLimits,
): (query: string, variables: Variables) => CheckedDocument {
  const known = new Map<string, MeasuredDocument>();
  return (query, variables) => {
    const hash = hashOf("sha256", query, "base64");
    let measured = known.get(hash);
    if (measured === undefined) {
      measured = measureQuery(query, variables, limits);
      const [oldest] = known.keys();
      if (known.size >= DOCUMENT_COUNT_MAX && oldest !== undefined) known.delete(oldest);
    } else {
      if (measured.document !== undefined) measureDocument(measured.document, variables, limits);
      known.delete(hash);
    }
    // What was used last stands last.
    known.set(hash, measured);
    return { hash, rootNames: measured.rootNames };
  };
}
