import { startEmbedded } from "../../src/database/embedded.ts";
import { StartError } from "../../src/start_error.ts";

/*
 * `node launch.ts FOLDER`: starts the embedded PostgreSQL, and nothing else, as the server does.
 * Prints its address; stops it on SIGTERM; says so when it ends by itself.
 */
try {
  const server = await startEmbedded(process.argv[2] ?? "", { shared_buffers: "16MB" });
  let isStopping = false;
  process.on("SIGTERM", async () => {
    isStopping = true;
    await server.stop();
    process.exit(0);
  });
  void server.exited.then((lastWords) => {
    if (isStopping) return;
    console.log(`ended: ${lastWords}`);
    process.exit(1);
  });
  console.log(`address ${server.connectionString}`);
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  console.log(`refused: ${error.message}`);
  process.exit(1);
}
