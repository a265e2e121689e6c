import { parentPort, workerData } from "node:worker_threads";
import { Client } from "pg";
import type { Scenario } from "./driver.ts";

const { connectionString, scenario, connections, seconds, warmUpSeconds } = workerData as {
  connectionString: string;
  scenario: Scenario;
  connections: number;
  seconds: number;
  warmUpSeconds: number;
};

const names = Object.keys(scenario.variables);
const text = names.reduce(
  (sql, name, index) => sql.replaceAll(new RegExp(`(?<!:):${name}\\b`, "g"), `$${index + 1}::int`),
  scenario.sql,
);

/** Draws 0 to `count` - 1, the n-th of them with a likelihood of 1 / n^1.001. */
function skewed(count: number): () => number {
  const reached = new Float64Array(count);
  let sum = 0;
  for (let place = 0; place < count; place += 1) {
    sum += (place + 1) ** -1.001;
    reached[place] = sum;
  }
  return () => {
    const wanted = Math.random() * sum;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((reached[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

const draws = Object.values(scenario.variables).map(([from, to, isSkewed]) => {
  const count = to - from + 1;
  const place = isSkewed ? skewed(count) : () => Math.floor(Math.random() * count);
  return () => from + place();
});
const draw = () => draws.map((one) => one());

const clients = await Promise.all(
  Array.from({ length: connections }, async () => {
    const client = new Client({ connectionString });
    await client.connect();
    return client;
  }),
);
const startAt = Date.now() + warmUpSeconds * 1000;
const deadline = startAt + seconds * 1000;
const counts = await Promise.all(
  clients.map(async (client) => {
    let count = 0;
    while (Date.now() < deadline) {
      await client.query({ name: "scenario", text, values: draw() });
      if (Date.now() > startAt) count += 1;
    }
    return count;
  }),
);
await Promise.all(clients.map((client) => client.end()));
parentPort?.postMessage(counts.reduce((sum, count) => sum + count, 0));
