export default {
  files: ["test/**/*.test.ts", "!test/faults_long/**", "!test/security/**"],
  extensions: ["ts"],
  timeout: "120s",
  environmentVariables: { NODE_ENV: "test" },
};
