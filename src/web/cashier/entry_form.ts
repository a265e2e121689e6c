/** The form being typed: kept in this window, so that a reload in the middle loses nothing of it. */
import { useState } from "react";
import { ApiError } from "./api.ts";
import type { Words } from "./words.ts";

/** What is typed, and the id under which it will be stored, once. */
export interface EntryForm {
  id: string;
  type: "IN" | "OUT";
  amount: string;
  category: string;
  description: string;
}

/** An empty form of this type. */
export function emptyForm(type: "IN" | "OUT"): EntryForm {
  return { id: crypto.randomUUID(), type, amount: "", category: "", description: "" };
}

const place = "entry";

function kept(): EntryForm {
  try {
    const form = JSON.parse(sessionStorage.getItem(place) ?? "null") as EntryForm | null;
    return form ?? emptyForm("IN");
  } catch {
    return emptyForm("IN");
  }
}

/** The form, and how to change it. */
export function useEntryForm(): [EntryForm, (form: EntryForm) => void] {
  const [form, setForm] = useState(kept);
  const change = (next: EntryForm) => {
    setForm(next);
    try {
      sessionStorage.setItem(place, JSON.stringify(next));
    } catch {
      // A browser that keeps nothing: the form holds until a reload.
    }
  };
  return [form, change];
}

/** What a failed save means, in a sentence that begins with whether it is saved. */
export function failureText(error: unknown, words: Words): string {
  if (!(error instanceof ApiError)) return words.unsure;
  if (error.condition === "disk_full") return words.diskFull;
  if (error.condition === "id_taken") return words.repeated;
  return `${words.notSaved}: ${error.message.replace(/^NOT saved: |^Not saved: /, "")}`;
}
