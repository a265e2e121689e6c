/** The words that we write: plain modern English. What is refused here stands below with its cure. */

/** A broken rule, with the line that breaks it. */
export interface Finding {
  file: string;
  line: number;
  rule: string;
  text: string;
}

interface ProseRule {
  rule: string;
  breaks: RegExp;
}

const pronoun =
  "(?:some|any|no|every)(?:body|one|thing|where)|no one|what(?:ever)?|who(?:ever)?|where|how|little|much";

export const proseRules: ProseRule[] = [
  {
    rule: "was or would be, not the subjunctive were",
    breaks:
      /(^|[.,;:(] *)were (it|this|that|there|he|she)\b|(^|[.,;:(] ?|\b(as|if|that|so|than) )(it|he|she|this) were\b|\bas (if|though)\b.*\bwere\b|\bif there were\b|\bthe \w*[^s\W] were\b/i,
  },
  {
    rule: "otherwise, not else",
    // "Somebody else" is plain; "or else" and "503 else" are not.
    breaks: new RegExp(`(?<!\\b(?:${pronoun})\\s+)\\belse\\b(?!-?if)`, "i"),
  },
  { rule: "expensive, not dear", breaks: /\bdear(er|est|ly)?\b/i },
  { rule: "for nothing or without effect, not in vain", breaks: /\bin vain\b/i },
  { rule: "while, not whilst", breaks: /\bwhilst\b/i },
  { rule: "again, not anew", breaks: /\banew\b/i },
  {
    rule: "of it, in it, by it: not thereof and its kind",
    breaks: /\b(there|here)(of|in|by|unto|upon)\b/i,
  },
];

/** What breaks a rule, in text whose lines are those of the file. */
export function proseFindings(file: string, text: string): Finding[] {
  return text
    .split("\n")
    .flatMap((line, index) =>
      proseRules
        .filter(({ breaks }) => breaks.test(line))
        .map(({ rule }) => ({ file, line: index + 1, rule, text: line.trim() })),
    );
}

/** A document without its blocks of code and its code between backticks. */
export function proseOfMarkdown(text: string): string {
  return blanked(text, /^```[\s\S]*?^```/gm).replace(/`[^`\n]*`/g, "");
}

/**
 * The comments of SQL, and its texts of more than a word: comments on objects, messages, hints. A
 * regular expression stands in $re$, and is no text.
 */
export function proseOfSql(text: string): string {
  const kept = [...text.matchAll(/\$re\$.*?\$re\$|--.*|'(?:[^']|'')*'/g)].filter(
    ([part]) => !part.startsWith("$") && (part.startsWith("--") || part.includes(" ")),
  );
  return only(text, kept);
}

/** The comments of TypeScript. */
export function proseOfTypeScript(text: string): string {
  const parts = text.matchAll(/\/\*[\s\S]*?\*\/|(?<![:"'`\w])\/\/.*/g);
  return only(text, [...parts]);
}

/** The text with nothing but the parts, each in its line. */
function only(text: string, parts: RegExpExecArray[]): string {
  let result = "";
  let end = 0;
  for (const part of parts) {
    result += text.slice(end, part.index).replace(/[^\n]/g, "") + part[0];
    end = part.index + part[0].length;
  }
  return result;
}

function blanked(text: string, parts: RegExp): string {
  return text.replace(parts, (part) => part.replace(/[^\n]/g, ""));
}
