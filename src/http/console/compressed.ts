import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { RequestHandler } from "express";

const compress = promisify(gzip);

// Pictures and fonts are compressed as they are.
const TYPES = new Set([".js", ".css", ".svg", ".json"]);

/**
 * Serves files whose names change with their content as gzip, to those who take it: compressed once,
 * and kept. Only names of files that are there are remembered, so that nobody can fill the memory.
 */
export function serveCompressed(folder: string, cacheControl: string): RequestHandler {
  const known = new Map<string, Promise<Buffer>>();
  function read(name: string): Promise<Buffer> {
    const reading =
      known.get(name) ?? readFile(join(folder, name)).then((bytes) => compress(bytes));
    known.set(name, reading);
    reading.catch(() => known.delete(name));
    return reading;
  }
  return async (request, response, next) => {
    const name = request.path.slice(1);
    const isOurs = /^[\w-][\w.-]*$/.test(name) && TYPES.has(extname(name));
    if (!isOurs || !["GET", "HEAD"].includes(request.method)) return next();
    response.vary("Accept-Encoding");
    if (!request.acceptsEncodings("gzip")) return next();
    const bytes = await read(name).catch(() => undefined);
    if (bytes === undefined) return next();
    response.setHeader("Cache-Control", cacheControl);
    response.setHeader("Content-Encoding", "gzip");
    response.type(extname(name)).send(bytes);
  };
}
