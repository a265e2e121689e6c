import { makeWords } from "../../app/words.ts";
import { en, id } from "./branch_words.ts";

export const useBranchWords = makeWords("branches", { en, id });
