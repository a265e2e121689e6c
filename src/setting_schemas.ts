/** What values of settings may be. */
import { isIP } from "node:net";
import { z } from "zod";

/** A setting: where it comes from, what it means, what it may be. */
export interface Setting<Schema extends z.ZodType> {
  name: string;
  description: string;
  /** The default as docs/reference/settings.md shows it. */
  default: string;
  schema: Schema;
}

/** A setting with its default as documents show it. */
export function setting<Schema extends z.ZodType>(
  name: string,
  description: string,
  schema: Schema,
  shownDefault?: string,
): Setting<Schema> {
  const parsed = schema.safeParse(undefined);
  return {
    name,
    description,
    schema,
    default: shownDefault ?? (parsed.success ? String(parsed.data ?? "") : ""),
  };
}

const wholeNumber = (low: number, high: number) => {
  const error = `a whole number from ${low} to ${high}`;
  return z.coerce.number({ error }).int({ error }).min(low, { error }).max(high, { error });
};

/** A whole number. */
export const whole = (low: number, high: number, fallback: number) =>
  wholeNumber(low, high).default(fallback);

/** A whole number whose default depends on other settings. */
export const wholeOrUnset = (low: number, high: number) => wholeNumber(low, high).optional();

/** A time of the day. */
export const timeOfDay = (fallback: string) =>
  z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, { error: "a time like 02:00" })
    .default(fallback);

/** The times of a day that lie so many hours apart, from midnight on. */
export function timesEvery(hours: number): string[] {
  return Array.from(
    { length: Math.ceil(24 / hours) },
    (_, index) => `${String(index * hours).padStart(2, "0")}:00`,
  );
}

/** Times of the day, or every so many hours from midnight on: a list of times either way. */
export const timesOfDay = (fallback: string) =>
  z
    .string()
    .default(fallback)
    .refine((text) => everyHours.test(text) || listOfTimes.test(text), {
      error: "times like 02:00 or 02:00,08:00, or every 6 hours",
    })
    .transform((text): readonly string[] => {
      const hours = everyHours.exec(text)?.[1];
      return hours === undefined ? [...new Set(text.split(","))].sort() : timesEvery(Number(hours));
    });

const everyHours = /^every (1|2|3|4|6|8|12|24) hours?$/;
const listOfTimes = /^([01]\d|2[0-3]):[0-5]\d(,([01]\d|2[0-3]):[0-5]\d){0,23}$/;

/** A day of the week with a time. */
export const timeOfWeek = z
  .string()
  .regex(/^(Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)day ([01]\d|2[0-3]):[0-5]\d$/, {
    error: "a day and time like Sunday 01:00",
  })
  .default("Sunday 01:00");

/** true or false. */
export const flag = z
  .enum(["true", "false"], { error: "true or false" })
  .transform((value) => value === "true")
  .optional();

/** Where a PostgreSQL is. */
export const databaseUrl = z
  .string()
  .refine((text) => /^postgres(ql)?:\/\/\S+$/.test(text) && URL.canParse(text), {
    error: "an address like postgres://user:password@host/db",
  })
  .optional();

/** Where alerts are posted to. */
export const webAddress = z
  .string()
  .refine((text) => /^https?:\/\/\S+$/.test(text) && URL.canParse(text), {
    error: "an address like https://host/path",
  })
  .optional();

/**
 * Where public keys are: a file, or an address that nobody in between can answer for. Plain http is
 * for a server on the same machine.
 */
export const keySource = z
  .string()
  .refine((text) => !/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || isKeyAddress(text), {
    error: "an address like https://host/jwks.json (http only of this machine), or a file",
  })
  .optional();

/** An identity provider: https, or plain http on the same machine. */
export const issuerAddress = z
  .string()
  .refine(isKeyAddress, { error: "an address like https://host/realm (http only of this machine)" })
  .optional();

/** A value of a claim with the role that it gives. */
export interface RoleOfValue {
  readonly value: string;
  readonly role: string;
}

/** Roles by value, the first one counts. */
export const roleMapping = z
  .string()
  .transform((text) =>
    text.split(",").map((part): RoleOfValue => {
      const at = part.lastIndexOf("=");
      return { value: part.slice(0, Math.max(at, 0)).trim(), role: part.slice(at + 1).trim() };
    }),
  )
  .refine(
    (all) => all.every(({ value, role }) => value !== "" && /^[a-z][a-z_]{0,40}$/.test(role)),
    { error: "values with roles like it-admins=admin,finance=accountant" },
  )
  .optional();

function isKeyAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username } = new URL(text);
  if (username !== "") return false;
  const isHere = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  return protocol === "https:" || (protocol === "http:" && isHere);
}

/** Where mails are handed over. */
export const mailServer = z
  .string()
  .refine((text) => /^smtps?:\/\/\S+$/.test(text) && URL.canParse(text), {
    error: "an address like smtps://user:password@host:465",
  })
  .optional();

/** What looks like a mail address. */
export const mailAddress = /^[^\s@<>,;]+@[^\s@<>,;]+$/;

const proxyNetwork = /^(loopback|linklocal|uniquelocal|[0-9a-f.:]+(\/\d{1,3})?)$/i;

/** Proxies that are believed. Neither true nor 0: a client could say that it comes from anywhere. */
export const trustedProxies = z
  .string()
  .transform((text) =>
    /^[1-9]$/.test(text) ? Number(text) : text.split(",").map((part) => part.trim()),
  )
  .refine((value) => typeof value === "number" || value.every(isProxyNetwork), {
    error: "addresses and networks like 192.0.2.0/24,loopback, or a number of proxies from 1 to 9",
  })
  .optional();

function isProxyNetwork(part: string): boolean {
  if (!proxyNetwork.test(part)) return false;
  const [address = "", bits = "32"] = part.split("/");
  const version = isIP(address);
  if (version === 0) return /^[a-z]+$/i.test(part);
  // Everybody is no proxy.
  return Number(bits) > 0 && Number(bits) <= (version === 4 ? 32 : 128);
}

/** The name of a time zone. */
export const timeZone = z
  .string()
  .refine((zone) => isTimeZone(zone), { error: "the name of a time zone like Asia/Jakarta" })
  .default("Asia/Jakarta");

function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
