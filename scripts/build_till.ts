import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

/**
 * `npm run build:till`: makes dist/till, the small package of a till: one file with all that it needs,
 * and its page. `npm pack ./dist/till` packs it; a machine needs Node 24 for it and nothing more.
 */
process.env["NODE_ENV"] = "production";
const root = fileURLToPath(new URL("../", import.meta.url));
const folder = join(root, "dist/till");
const { version, license } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

await build({
  root,
  configFile: false,
  logLevel: "warn",
  publicDir: false,
  ssr: { noExternal: true },
  build: {
    ssr: "src/branch/run.ts",
    outDir: folder,
    emptyOutDir: true,
    target: "node24",
    rolldownOptions: {
      output: { entryFileNames: "till.js", banner: "#!/usr/bin/env node", codeSplitting: false },
    },
  },
});
cpSync(join(root, "dist/web/cashier"), join(folder, "web"), { recursive: true });
cpSync(join(root, "LICENSE"), join(folder, "LICENSE"));
cpSync(join(root, "deploy/saldo-branch.service"), join(folder, "saldo-branch.service"));
const description = "A till that works without a network, and hands its rows to a Saldo.";
const manifest = {
  name: "saldo-branch",
  version,
  description,
  license,
  type: "module",
  bin: { "saldo-branch": "till.js" },
  engines: { node: ">=24.15" },
};
writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
writeFileSync(
  join(folder, "README.md"),
  `# saldo-branch\n\n${description}\n\n\`npx saldo-branch --help\` tells what it can be told.\n`,
);
console.log("dist/till is built.");
