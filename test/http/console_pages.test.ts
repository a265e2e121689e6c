import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import express from "express";
import { servePages } from "../../src/http/console/pages.ts";
import { openApi } from "../_support/api.ts";

const around = mkdtempSync(join(tmpdir(), "saldo-console-"));
const folder = join(around, "console");
mkdirSync(join(folder, "assets"), { recursive: true });
const page = '<!doctype html><script type="module" src="/console/assets/main-abc.js"></script>';
const script = "export const words = 'words';".repeat(200);
writeFileSync(join(folder, "index.html"), page);
writeFileSync(join(folder, "icon.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>");
writeFileSync(join(folder, "assets/main-abc.js"), script);
writeFileSync(join(around, "secret.txt"), "nothing");

const api = await openApi({ consoleFolder: folder });
test.after.always(() => {
  rmSync(around, { recursive: true });
  return api.close();
});

const person = { headers: { accept: "text/html,application/xhtml+xml,*/*;q=0.8" } };

test("a browser is led to the console, a program is told what there is", async (t) => {
  const led = await api.request("/", person);
  t.is(led.status, 302);
  t.is(led.headers.get("location"), "/console/");
  const told = await api.request("/");
  t.is(told.status, 200);
  t.is(JSON.parse(told.text).graphql, "/graphql");
  t.is(told.headers.get("vary"), "Accept");
});

test("every address of the console is its page, asked for again each time", async (t) => {
  for (const path of ["/console", "/console/", "/console/accounts/1", "/console/sign-in?x=a.b"]) {
    const { status, text, headers } = await api.request(path);
    t.is(status, 200, path);
    t.is(text, page);
    t.is(headers.get("cache-control"), "no-cache");
    t.is(
      headers.get("content-security-policy"),
      "default-src 'none'; script-src 'self'; style-src 'self'; " +
        "style-src-attr 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; " +
        "frame-ancestors 'none'",
    );
    t.is(headers.get("x-frame-options"), "DENY");
    t.is(headers.get("x-content-type-options"), "nosniff");
  }
  const tag = (await api.request("/console/")).headers.get("etag") ?? "";
  const again = await api.request("/console/", { headers: { "if-none-match": tag } });
  t.is(again.status, 304);
});

test("files with a hash in their name are kept for ever, and sent small", async (t) => {
  for (const encoding of ["gzip", "identity"]) {
    const { status, text, headers } = await api.request("/console/assets/main-abc.js", {
      headers: { "accept-encoding": encoding },
    });
    t.is(status, 200);
    t.is(text, script);
    t.is(headers.get("cache-control"), "max-age=31536000, immutable");
    t.is(headers.get("content-encoding"), encoding === "gzip" ? "gzip" : null);
    t.regex(headers.get("content-type") ?? "", /^text\/javascript/);
    t.is(headers.get("vary"), "Accept-Encoding");
  }
  const icon = await api.request("/console/icon.svg");
  t.is(icon.headers.get("cache-control"), "no-cache");
});

test("nothing but files of the folder is served", async (t) => {
  for (const path of [
    "/console/assets/main-old.js",
    "/console/assets/..%2f..%2fsecret.txt",
    "/console/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
    "/console/..%2fsecret.txt",
    "/console/%2e%2e/secret.txt",
    "/console/assets/..%5c..%5csecret.txt",
    "/console/none.js",
  ]) {
    const { status, text } = await api.request(path);
    t.true(status === 404 || status === 403 || status === 400, `${path} ${status}`);
    t.false(text.includes("nothing") || text.includes("dependencies"), path);
  }
});

test("where it is not built it is said how to, and the API works", async (t) => {
  const app = express().use(servePages(undefined));
  const server = app.listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as { port: number };
  for (const [path, status] of [
    ["/", 200],
    ["/console/", 503],
  ] as const) {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, person);
    t.is(answer.status, status);
    t.regex(await answer.text(), /npm run build:web/);
  }
  server.close();
});
