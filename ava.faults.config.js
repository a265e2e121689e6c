/** `npm run test:faults`: long runs of faults, one after the other, since each wants the machine. */
export default {
  files: ["test/faults_long/**/*.test.ts"],
  extensions: ["ts"],
  timeout: "12m",
  concurrency: 1,
  environmentVariables: { NODE_ENV: "test" },
};
