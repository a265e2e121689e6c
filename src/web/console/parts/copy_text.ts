/** Copies a text, or rejects: over plain http browsers have no clipboard. */
export async function copyText(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}
