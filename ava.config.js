import { availableParallelism } from "node:os";

export default {
  files: ["test/**/*.test.ts", "!test/faults_long/**", "!test/security/**"],
  extensions: ["ts"],
  timeout: "120s",
  // One more than there are cores: a file that waits (for a job, a browser, a kill) leaves its own idle.
  concurrency: availableParallelism() + 1,
  environmentVariables: { NODE_ENV: "test" },
};
