/** A screen that broke: after an upgrade its files may be gone, and a reload brings the new ones. */
import type { ErrorComponentProps } from "@tanstack/react-router";
import { Button, Notice } from "../../shared/ui.tsx";
import { problemOf } from "../api/problem.ts";
import { useAppWords } from "./app_words.ts";

export function ScreenError({ error }: ErrorComponentProps) {
  const words = useAppWords();
  return (
    <Notice weight="bad">
      <p>{words("broken")}</p>
      <p className="font-normal break-words">{problemOf(error).message}</p>
      <Button className="mt-2" onClick={() => location.reload()}>
        {words("reload")}
      </Button>
    </Notice>
  );
}
