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

function draw(): number[] {
  return Object.values(scenario.variables).map(
    ([from, to]) => from + Math.floor(Math.random() * (to - from + 1)),
  );
}

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
