import { decisionKinds } from "../../parts/engine_names.ts";
import type { useDecisionWords } from "./words.ts";

/** What is to be done, in words; a later kind that this page does not know keeps its own name. */
export function actionName(action: string, words: ReturnType<typeof useDecisionWords>): string {
  const known = decisionKinds.find((each) => each === action);
  return known === undefined ? action.replaceAll("_", " ") : words(known);
}
