/** The built page: its files never change under one name, its document always may. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import express, { type Express } from "express";

const missing =
  "The page of this till is not built. Build it with `npm run build:web`; the API works without it.";

/** Serves the page on all of its addresses, so that a reload stays where it was. */
export function servePage(app: Express, folder: string | undefined): void {
  const document = folder === undefined ? "" : join(folder, "index.html");
  if (folder === undefined || !existsSync(document)) {
    app.get("/", (_request, response) => {
      response.status(503).type("text").send(missing);
    });
    return;
  }
  app.use(
    "/assets",
    express.static(join(folder, "assets"), {
      index: false,
      immutable: true,
      maxAge: "365d",
      setHeaders: (response) => response.setHeader("Cache-Control", "max-age=31536000, immutable"),
    }),
  );
  app.use(express.static(folder, { index: false, cacheControl: false }));
  app.get(["/", "/transactions", "/shift", "/status"], (_request, response) => {
    response.sendFile(document, { cacheControl: false });
  });
}
