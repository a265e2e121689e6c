import test from "ava";
import { testsOf } from "../../scripts/dev_tests.ts";

const tests = [
  "test/config.test.ts",
  "test/heal/heal.test.ts",
  "test/heal/heal_policy.test.ts",
  "test/heal/report.test.ts",
  "test/house/statements.test.ts",
  "test/house/tidy.test.ts",
  "test/jobs/worker.test.ts",
];
const house = ["test/house/tidy.test.ts", "test/house/statements.test.ts"];

test("a file of sql/ has the tests that begin with its name, and those of the house", (t) => {
  t.deepEqual(testsOf("sql/heal/heal.sql", tests), [
    "test/heal/heal.test.ts",
    "test/heal/heal_policy.test.ts",
    ...house,
  ]);
  t.deepEqual(testsOf("sql/heal/report.sql", tests), ["test/heal/report.test.ts", ...house]);
});

test("a file without tests of its name has all of its room", (t) => {
  t.deepEqual(testsOf("sql/heal/undo_heal.sql", tests), [
    "test/heal/heal.test.ts",
    "test/heal/heal_policy.test.ts",
    "test/heal/report.test.ts",
    ...house,
  ]);
});

test("a job has the tests of jobs, a file at the top of src/ its own, a test itself", (t) => {
  t.deepEqual(testsOf("tasks/reconcile.ts", tests), ["test/jobs/worker.test.ts"]);
  t.deepEqual(testsOf("src/config.ts", tests), ["test/config.test.ts"]);
  t.deepEqual(testsOf("src/log.ts", tests), []);
  t.deepEqual(testsOf("test/heal/heal.test.ts", tests), ["test/heal/heal.test.ts"]);
});
