/**
 * What Saldo is installed with: `npm run check:dependencies` looks at licences and at known
 * vulnerabilities; with a file's name it writes the list there, as CycloneDX, for the package.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A part of a list of components, as npm writes it. */
export interface Component {
  readonly name: string;
  readonly version: string;
  readonly licenses?: readonly { license?: { id?: string; name?: string }; expression?: string }[];
}

// They ask for a notice and nothing else.
const FREE = new Set(
  "MIT MIT-0 ISC 0BSD BSD-2-Clause BSD-3-Clause Apache-2.0 BlueOak-1.0.0 CC0-1.0 Unlicense Zlib".split(
    " ",
  ),
);
const FREE_PYTHON = new Set(["Python-2.0", "PSF-2.0", "PostgreSQL"]);

/** Components whose licence asks for more than a notice, or is not known. */
export function licenceProblems(components: readonly Component[]): string[] {
  return components.flatMap(({ name, version, licenses = [] }) => {
    const named = licenses.map(
      ({ license, expression }) => license?.id ?? license?.name ?? expression ?? "",
    );
    // Of a choice one that is free is enough; of several all have to be.
    const isFree = (text: string) =>
      text
        .replaceAll(/[()]/g, "")
        .split(" OR ")
        .some((choice) =>
          choice.split(" AND ").every((each) => FREE.has(each) || FREE_PYTHON.has(each)),
        );
    return named.length > 0 && named.every(isFree)
      ? []
      : [`${name} ${version}: ${named.join(", ") || "no licence"}`];
  });
}

/** What the registry knows of vulnerabilities; undefined when it does not answer that question. */
export function vulnerabilitiesOf(auditOutput: string): string[] | undefined {
  let audit: { vulnerabilities?: Record<string, { severity: string }> };
  try {
    audit = JSON.parse(auditOutput);
  } catch {
    return undefined;
  }
  if (audit.vulnerabilities === undefined) return undefined;
  return Object.entries(audit.vulnerabilities)
    .filter(([, { severity }]) => severity === "high" || severity === "critical")
    .map(([name, { severity }]) => `${name}: ${severity}`);
}

const root = fileURLToPath(new URL("../", import.meta.url));

function npm(...words: string[]): string {
  const { stdout, error } = spawnSync("npm", words, {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 50_000_000,
    stdio: ["ignore", "pipe", "ignore"],
  });
  if (error) throw error;
  return stdout;
}

if (import.meta.main) {
  const list = JSON.parse(npm("sbom", "--sbom-format=cyclonedx", "--omit=dev"));
  // npm calls it by the name of the folder.
  list.metadata.component.name = "saldo";
  const [file] = process.argv.slice(2);
  if (file !== undefined) {
    writeFileSync(`${root}${file}`, `${JSON.stringify(list, null, 2)}\n`);
  } else {
    const licences = licenceProblems(list.components);
    const vulnerabilities = vulnerabilitiesOf(npm("audit", "--omit=dev", "--json"));
    for (const problem of [...licences, ...(vulnerabilities ?? [])]) console.error(problem);
    console.log(
      `${list.components.length} components, ${licences.length} with another licence; ` +
        (vulnerabilities === undefined
          ? "the registry did not answer about vulnerabilities"
          : `${vulnerabilities.length} with a grave vulnerability that is known`),
    );
    process.exitCode = licences.length + (vulnerabilities?.length ?? 0) > 0 ? 1 : 0;
  }
}
