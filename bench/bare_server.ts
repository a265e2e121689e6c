/**
 * `node bench/bare_server.ts PORT DATABASE`: what an application of one's own would be without Saldo's
 * API: express and a pool, a route for each call, and no question who asks.
 */
import express from "express";
import { Pool } from "pg";

const [port, connectionString = ""] = process.argv.slice(2);
const pool = new Pool({
  connectionString,
  max: 10,
  options: "-c role=saldo_admin -c saldo.subject=bench -c jit=off",
});
const app = express();
app.use(express.json());
app.post("/purchase", async (request, response) => {
  const { member, product, key } = request.body as Record<string, string>;
  const { rows } = await pool.query({
    name: "purchase",
    text: `select id, amount from saldo.purchase_with_balance_deduction($1, $2, 100,
      idempotency_key => $3)`,
    values: [member, product, key],
  });
  response.json(rows[0]);
});
app.post("/submit", async (request, response) => {
  const { account, key } = request.body as Record<string, string>;
  const { rows } = await pool.query({
    name: "submit",
    text: "select id, amount from saldo.submit_transaction($1, 1.25, 'credit', idempotency_key => $2)",
    values: [account, key],
  });
  response.json(rows[0]);
});
app.listen(Number(port), "127.0.0.1");
