import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { JobHelpers, TaskList } from "graphile-worker";
import type { AlertConfig } from "../alerts/channels.ts";
import { tasksFolder } from "../paths.ts";
import type { ScheduleConfig } from "./job_list.ts";
import { makeJobRecords } from "./job_records.ts";

/** A file of tasks/: what a job does, with the settings of the worker that runs it. */
export type SaldoTask = (
  payload: unknown,
  helpers: JobHelpers,
  config: AlertConfig,
) => Promise<void>;

/** All tasks by the name of their file. How each run ends is written down. */
export async function loadTasks(config: AlertConfig & ScheduleConfig): Promise<TaskList> {
  const tasks: TaskList = {};
  const records = makeJobRecords(config);
  for (const file of await readdir(tasksFolder)) {
    const name = /^([a-z_]+)\.(?:ts|js)$/.exec(file)?.[1];
    if (name === undefined) continue;
    const module = await import(pathToFileURL(join(tasksFolder, file)).href);
    const task: SaldoTask = module.default;
    tasks[name] = (payload, helpers) =>
      records.recorded(name, payload, helpers, () => task(payload, helpers, config));
  }
  return tasks;
}
