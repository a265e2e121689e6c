import test from "ava";
import { licenceProblems, vulnerabilitiesOf } from "../../scripts/dependencies.ts";

const component = (name: string, ...ids: string[]) => ({
  name,
  version: "1.0.0",
  licenses: ids.map((id) => ({ license: { id } })),
});

test("a licence that asks for more than a notice is named, and none at all too", (t) => {
  const problems = licenceProblems([
    component("free", "MIT"),
    component("two", "MIT", "Apache-2.0"),
    { name: "choice", version: "1.0.0", licenses: [{ expression: "(GPL-3.0-only OR MIT)" }] },
    { name: "both", version: "1.0.0", licenses: [{ expression: "GPL-3.0-only AND MIT" }] },
    component("copyleft", "AGPL-3.0-only"),
    component("silent"),
  ]);
  t.deepEqual(problems, [
    "both 1.0.0: GPL-3.0-only AND MIT",
    "copyleft 1.0.0: AGPL-3.0-only",
    "silent 1.0.0: no licence",
  ]);
});

test("grave vulnerabilities are named, and a registry without an answer is no all-clear", (t) => {
  const audit = { vulnerabilities: { a: { severity: "high" }, b: { severity: "low" } } };
  t.deepEqual(vulnerabilitiesOf(JSON.stringify(audit)), ["a: high"]);
  t.deepEqual(vulnerabilitiesOf('{"vulnerabilities":{}}'), []);
  t.is(vulnerabilitiesOf('{"error":{"code":"E405"}}'), undefined);
  t.is(vulnerabilitiesOf(""), undefined);
});
