/** Which tests belong to a file: by its room and its name, as test/ mirrors sql/ and src/. */

const houseTests = ["test/house/tidy.test.ts", "test/house/statements.test.ts"];

/**
 * The test files to run when a file was saved. A file of `sql/ROOM/` or `src/ROOM/` has the tests
 * of `test/ROOM/` that begin with its name, or else all of that room; a job has those of
 * `test/jobs/`; a test has itself.
 */
export function testsOf(file: string, tests: readonly string[]): string[] {
  if (file.startsWith("test/")) return tests.filter((test) => test === file);
  const [top = "", ...rest] = file.split("/");
  const room = top === "tasks" ? "jobs" : rest.slice(0, -1).join("/");
  const name = (rest.at(-1) ?? "").replace(/\.\w+$/, "");
  const inRoom = tests.filter(
    (test) => folderOf(test) === ["test", room].filter(Boolean).join("/"),
  );
  const named = inRoom.filter((test) => new RegExp(`/${name}(_\\w+)?\\.test\\.ts$`).test(test));
  // At the top of src/ every file stands for itself.
  const own = named.length > 0 || room === "" ? named : inRoom;
  return top === "sql" ? [...own, ...houseTests.filter((test) => tests.includes(test))] : own;
}

function folderOf(file: string): string {
  return file.slice(0, file.lastIndexOf("/"));
}
