import { mkdir, mkdtemp, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { linkLibraries } from "../../src/database/postgres_programs.ts";

test("libraries get the names that an install without scripts leaves out, again and at once", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saldo-libraries-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const native = join(folder, "native");
  await mkdir(join(native, "lib"), { recursive: true });
  await writeFile(join(native, "lib/libpq.so.5.18"), "library");
  await writeFile(
    join(native, "pg-symlinks.json"),
    JSON.stringify([
      { source: "native/lib/libpq.so.5.18", target: "native/lib/libpq.so.5" },
      { source: "../outside", target: "native/lib/libpq.so" },
    ]),
  );
  await Promise.all([linkLibraries(native), linkLibraries(native)]);
  await linkLibraries(native);
  t.is(await readFile(join(native, "lib/libpq.so.5"), "utf8"), "library");
  t.is(await readlink(join(native, "lib/libpq.so.5")), "libpq.so.5.18");
  await t.throwsAsync(readFile(join(native, "lib/libpq.so")), { code: "ENOENT" });
});
