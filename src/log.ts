/** One line of JSON for each event, on standard error. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

const levels = ["info", "warn", "error"] as const;

/** A log that writes to standard error; what people read goes to standard output. */
export function makeLog(lowest: (typeof levels)[number] = "info"): Log {
  const write = (level: (typeof levels)[number]) => {
    if (levels.indexOf(level) < levels.indexOf(lowest)) return () => {};
    return (message: string, fields?: Record<string, unknown>) => {
      const line = { at: new Date().toISOString(), level, message, ...fields };
      process.stderr.write(`${JSON.stringify(line)}\n`);
    };
  };
  return { info: write("info"), warn: write("warn"), error: write("error") };
}
