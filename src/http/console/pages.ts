/** The pages of the console, and what a browser is answered that opens the server's address. */
import { extname, join } from "node:path";
import express, { type RequestHandler, type Router } from "express";
import { Refusal } from "../../errors/refusal.ts";
import { makeReadBuild } from "./build.ts";
import { serveCompressed } from "./compressed.ts";

/** Where the console is. */
export const CONSOLE_PATH = "/console";

// A file of another content has another name.
const FOR_EVER = "max-age=31536000, immutable";

/** Nothing comes from elsewhere, and no script stands in the page; charts write attributes. */
export const CONSOLE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; " +
  "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const NOT_BUILT =
  '<!doctype html><html lang="en"><meta charset="utf-8"><title>Saldo</title>' +
  "<p>The console is not built: run <code>npm run build:web</code> in Saldo's folder.</p></html>";

/** The pages that are built in a folder. */
export function servePages(folder: string | undefined): Router {
  const router = express.Router();
  const readBuild = makeReadBuild(folder);
  const answerDocument: RequestHandler = async (request, response) => {
    const build = await readBuild();
    if (build === undefined) {
      response.status(503).type("html").send(NOT_BUILT);
      return;
    }
    const tag = `"${build.version}"`;
    response.setHeader("Content-Security-Policy", CONSOLE_POLICY);
    response.setHeader("Cache-Control", "no-cache");
    response.setHeader("ETag", tag);
    if (request.headers["if-none-match"] === tag) response.status(304).end();
    else response.type("html").send(build.document);
  };
  router.get("/", async (request, response) => {
    response.vary("Accept");
    if (!isPerson(request.headers.accept)) {
      response.json({ name: "saldo", graphql: "/graphql", ready: "/ready" });
    } else if ((await readBuild()) === undefined) {
      response.type("html").send(NOT_BUILT);
    } else {
      response.redirect(302, `${CONSOLE_PATH}/`);
    }
  });
  if (folder !== undefined) router.use(serveFiles(folder));
  router.get([CONSOLE_PATH, `${CONSOLE_PATH}/*path`], (request, response, next) => {
    if (extname(request.path) !== "") {
      throw new Refusal("not_found", `GET ${request.path.slice(0, 100)}`);
    }
    return answerDocument(request, response, next);
  });
  return router;
}

/** A browser asks for pages; programs take what there is. */
const isPerson = (accept = "") => accept.includes("text/html");

function serveFiles(folder: string): Router {
  const router = express.Router();
  const assets = join(folder, "assets");
  router.use(`${CONSOLE_PATH}/assets`, serveCompressed(assets, FOR_EVER));
  router.use(
    `${CONSOLE_PATH}/assets`,
    express.static(assets, {
      index: false,
      redirect: false,
      cacheControl: false,
      setHeaders: (response) => response.setHeader("Cache-Control", FOR_EVER),
    }),
  );
  // Icons and what else keeps its name.
  router.use(
    CONSOLE_PATH,
    express.static(folder, {
      index: false,
      redirect: false,
      cacheControl: false,
      setHeaders: (response) => response.setHeader("Cache-Control", "no-cache"),
    }),
  );
  return router;
}
