/**
 * A JSON body, counted before anything is built of it: parsing and walking what a body of a
 * megabyte can hold takes the thread that serves everybody else for a tenth of a second.
 */
import express, { type Request, type RequestHandler } from "express";
import { Refusal } from "../errors/refusal.ts";

/** Ceilings of a body. */
export interface BodyLimits {
  /** Bytes after decompression. */
  readonly byteCountMax: number;
  /** Values in all, names of fields included. */
  readonly valueCountMax: number;
  /** Levels of lists and objects; whoever reads the body bounds them where none is given. */
  readonly depthMax?: number;
  /** Whoever reads the body deals with texts that PostgreSQL cannot hold. */
  readonly isAnyTextTaken?: boolean;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
const BRACKET_END = 0x5d;
const BRACE = 0x7b;
const BRACE_END = 0x7d;

/**
 * Goes over JSON once, and stops at the first value, level or byte that is too much, or text that
 * PostgreSQL cannot hold. It does not look whether it is JSON: that is the parser's business, which
 * then has little to do.
 *
 * @returns how many values there are at most
 * @throws Refusal query_too_complex, text_invalid
 */
export function countValues(json: Uint8Array, limits: BodyLimits): number {
  const { byteCountMax, valueCountMax, depthMax = Number.POSITIVE_INFINITY } = limits;
  const { isAnyTextTaken = false } = limits;
  if (json.length > byteCountMax) throw tooLarge();
  let valueCount = 1;
  let depth = 0;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (byte === QUOTE) {
      at = endOfText(json, at + 1, isAnyTextTaken);
    } else if (byte === COMMA || byte === COLON) {
      valueCount += 1;
    } else if (byte === BRACKET || byte === BRACE) {
      valueCount += 1;
      depth += 1;
    } else if (byte === BRACKET_END || byte === BRACE_END) {
      depth -= 1;
    }
    if (valueCount > valueCountMax) {
      throw new Refusal("query_too_complex", `more than ${valueCountMax} values`);
    }
    if (depth > depthMax) {
      throw new Refusal("query_too_complex", `more than ${depthMax} levels`);
    }
  }
  return valueCount;
}

function unitAt(json: Uint8Array, at: number): number {
  return Number.parseInt(String.fromCharCode(...json.subarray(at, at + 4)), 16);
}

/** Where a text ends that begins here. Only escapes can bring what UTF-8 does not have. */
function endOfText(json: Uint8Array, begin: number, isAnyTextTaken: boolean): number {
  let at = begin;
  let isHalfOpen = false;
  while (at < json.length && json[at] !== QUOTE) {
    const isEscape = json[at] === BACKSLASH;
    if (isAnyTextTaken) {
      at += isEscape ? 2 : 1;
      continue;
    }
    const unit = isEscape && json[at + 1] === LETTER_U ? unitAt(json, at + 2) : undefined;
    const isLowHalf = unit !== undefined && unit >= 0xdc00 && unit < 0xe000;
    // Half a pair belongs to the other half, which follows at once.
    if (unit === 0 || isLowHalf !== isHalfOpen) throw new Refusal("text_invalid");
    isHalfOpen = unit !== undefined && unit >= 0xd800 && unit < 0xdc00;
    at += unit !== undefined ? 6 : isEscape ? 2 : 1;
  }
  if (isHalfOpen) throw new Refusal("text_invalid");
  return at;
}

function tooLarge(): Refusal {
  return new Refusal("query_too_complex", "the body is too large", { status: 413 });
}

/**
 * Reads a body within the limits of whoever sends it. One whose length is named and too large is
 * refused before a byte of it is read.
 *
 * @param bytesOf what stands for the body of a request that has none
 */
export function readJson(
  limitsOf: (request: Request) => BodyLimits,
  bytesOf: (request: Request) => Uint8Array | undefined = () => undefined,
): RequestHandler {
  const readers = new Map<number, RequestHandler>();
  function readerOf(limit: number): RequestHandler {
    const reader = readers.get(limit) ?? express.raw({ limit, type: () => true });
    readers.set(limit, reader);
    return reader;
  }
  return (request, response, next) => {
    const limits = limitsOf(request);
    const bytes = bytesOf(request);
    if (bytes !== undefined) {
      request.body = parseJson(bytes, limits);
      next();
      return;
    }
    // The reader would answer after the last byte. Inflated it is larger still.
    if (Number(request.headers["content-length"]) > limits.byteCountMax) throw tooLarge();
    readerOf(limits.byteCountMax)(request, response, (error?: unknown) => {
      if (error !== undefined) {
        next(error);
        return;
      }
      try {
        request.body = parseJson(request.body, limits);
      } catch (refusal) {
        next(refusal);
        return;
      }
      next();
    });
  };
}

function parseJson(body: unknown, limits: BodyLimits): unknown {
  // Without a body there are no bytes either.
  const bytes = body instanceof Uint8Array ? body : new Uint8Array();
  countValues(bytes, limits);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Refusal("input_invalid", "the body is not JSON in UTF-8");
  }
}
