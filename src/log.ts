/** One line of JSON for each event, on standard error. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

/** A log that writes to standard error; what people read goes to standard output. */
export function makeLog(): Log {
  const write = (level: string) => (message: string, fields?: Record<string, unknown>) => {
    const line = { at: new Date().toISOString(), level, message, ...fields };
    process.stderr.write(`${JSON.stringify(line)}\n`);
  };
  return { info: write("info"), warn: write("warn"), error: write("error") };
}
