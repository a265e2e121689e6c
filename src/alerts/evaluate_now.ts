import type { JobHelpers } from "graphile-worker";

/** Has the alerts evaluated at once, in place of the next time that is due. */
export async function evaluateNow(helpers: JobHelpers): Promise<void> {
  await helpers.addJob(
    "evaluate_alerts",
    {},
    { jobKey: "evaluate_alerts", jobKeyMode: "replace", runAt: new Date() },
  );
}
