import type { useDecisionWords } from "./words.ts";

const names = [
  "adjust_balance",
  "unfreeze_account",
  "close_period",
  "set_setting",
  "set_heal_policy",
] as const;

/** What is to be done, in words; a later kind that this page does not know keeps its own name. */
export function actionName(action: string, words: ReturnType<typeof useDecisionWords>): string {
  const known = names.find((each) => each === action);
  return known === undefined ? action.replaceAll("_", " ") : words(known);
}
