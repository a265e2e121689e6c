/** What somebody types, a moment after the last key: nobody is asked for each letter. */
import { useEffect, useState } from "react";

/** How long such a moment is. */
export const TYPED_MS = 300;

/** A text once nobody has changed it for a moment. */
export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), TYPED_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
