export default {
  files: ["test/**/*.test.ts", "!test/faults_long/**"],
  extensions: ["ts"],
  timeout: "120s",
  environmentVariables: { NODE_ENV: "test" },
};
