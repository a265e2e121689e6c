/** Options of the command, in the form of `parseArgs`. */
export const branchOptions = {
  port: { type: "string" },
  folder: { type: "string" },
  name: { type: "string" },
  currency: { type: "string" },
  "time-zone": { type: "string" },
  open: { type: "boolean" },
} as const;

/** Lines for `--help`. */
export const branchHelp = [
  "Runs a till, which works without a network and hands its rows over when it can. It needs no",
  "database. --port 8080; --folder: where its store is; --open: opens its page in a window;",
  "--name, --currency IDR, --time-zone Asia/Jakarta: until the centre tells them.",
  "enrol URL CODE: makes it a device of a branch. key KEY: takes a key that was made by hand.",
  "export FILE, import FILE: by file, for a branch without any network.",
];
