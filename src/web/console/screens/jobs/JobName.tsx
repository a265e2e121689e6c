import { useEngineWords } from "../../parts/engine_words.ts";

/** What a job does, and the name by which commands and logs call it. */
export function JobName({ name }: { name: string }) {
  const engine = useEngineWords();
  const title = engine.job(name);
  return (
    <>
      {title}
      {title !== name && <span className="block text-sm break-all text-soft">{name}</span>}
    </>
  );
}
