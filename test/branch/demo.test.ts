import test from "ava";
import { tellBranches } from "../../demo/branches.ts";
import { openTestDatabase } from "../_support/database.ts";

test("the day of three branches ends with equal cash, no gap, and each trouble told", async (t) => {
  const database = await openTestDatabase(5);
  const client = await database.pool.connect();
  try {
    const lines: string[] = [];
    const say = (line: string) => void lines.push(line);
    await tellBranches(client as never, say, database.connectionString);
    const story = lines.join("\n");
    t.regex(story, /200 rows wait for the network/);
    t.is(story.match(/not reached \(ECONNREFUSED\)/g)?.length, 4);
    for (const trouble of [
      "BDG-01  4 × Parking, 49,500, in suspense: no rule",
      "BDG-01  1 × Sales, 55,000, conflict: id_reused",
      "SBY-01  rows 2 to 49 of epoch 1 were told of, and never came",
    ]) {
      t.true(story.includes(trouble), trouble);
    }
    const end = lines.slice(lines.indexOf("6. The end of the day") + 1);
    t.is(end.length, 5);
    for (const line of end.slice(0, 3)) t.regex(line, /, equal$/);
    t.is(end[3], "   gaps: none");
    t.regex(end[4] ?? "", /check: healthy/);
  } finally {
    client.release();
    await database.close();
  }
});
