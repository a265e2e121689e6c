/**
 * `npm run test:security`: what a hostile caller may try, by the thousand. Beside the files that are
 * for nothing else it runs those of `npm test` that are about the same.
 */
export default {
  files: [
    "test/security/**/*.test.ts",
    "test/auth/**/*.test.ts",
    "test/http/{admission,bad_input,client_address,fair_share,graphql_gate,json_body,websockets}.test.ts",
    "test/graphql/read_scalars.test.ts",
  ],
  extensions: ["ts"],
  timeout: "5m",
  environmentVariables: { NODE_ENV: "test" },
};
