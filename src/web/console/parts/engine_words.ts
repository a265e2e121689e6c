/**
 * What the engine calls its rules, alerts and jobs, for people: English titles come from the database,
 * and stand here in Indonesian by the names that do not change.
 */
import { useLanguage } from "../../shared/language.ts";
import { makeWords } from "../app/words.ts";
import {
  adviceInIndonesian,
  alertsInIndonesian,
  jobWords,
  rulesInIndonesian,
} from "./engine_names.ts";

const en = {
  ...jobWords.en,
  everySeconds: "every {{count}} seconds",
  everyMinute: "every minute",
  dailyAt: "daily at {{times}}",
  weeklyOn: "weekly on {{day}}, {{time}}",
  roomFoundation: "foundation",
  roomLedger: "ledger",
  roomClosing: "closing",
  roomHot: "hot accounts",
  roomGuard: "guard",
  roomWallet: "wallets",
  roomMetering: "metering",
  roomBranch: "branches",
  roomHealth: "health",
  roomOwn: "own tables",
};

const id: { readonly [Key in keyof typeof en]: string } = {
  ...jobWords.id,
  everySeconds: "tiap {{count}} detik",
  everyMinute: "tiap menit",
  dailyAt: "tiap hari pukul {{times}}",
  weeklyOn: "tiap {{day}} pukul {{time}}",
  roomFoundation: "dasar",
  roomLedger: "buku besar",
  roomClosing: "tutup buku",
  roomHot: "akun panas",
  roomGuard: "penjaga",
  roomWallet: "dompet",
  roomMetering: "meteran",
  roomBranch: "cabang",
  roomHealth: "kesehatan",
  roomOwn: "tabel sendiri",
};

const useWords = makeWords("engine", { en, id });

const isWord = (name: string): name is keyof typeof en => Object.hasOwn(en, name);

/** A word of a list by its name; nothing where the list has none. */
const wordOf = (list: { readonly [name: string]: string }, name: string) =>
  Object.hasOwn(list, name) ? list[name] : undefined;

/** Words for what has a name in the database; what this page does not know is said as that has it. */
export function useEngineWords() {
  const words = useWords();
  const isIndonesian = useLanguage() === "id";
  const said =
    (list: { readonly [name: string]: string }) =>
    (name: string | null | undefined, title: string | null | undefined): string =>
      (isIndonesian ? wordOf(list, name ?? "") : undefined) ?? title ?? name ?? "";
  return {
    rule: said(rulesInIndonesian),
    alert: said(alertsInIndonesian),
    advice: said(adviceInIndonesian),
    job: (name: string) => (isWord(name) ? words(name) : name),
    room: (name: string | null) => {
      const key = `room${(name ?? "").charAt(0).toUpperCase()}${(name ?? "").slice(1)}`;
      return isWord(key) ? words(key) : name;
    },
    schedule: (text: string): string => {
      const [, count] = /^every (\d+) seconds$/.exec(text) ?? [];
      if (count !== undefined) return words("everySeconds", { count: Number(count) });
      if (text === "every minute") return words("everyMinute");
      const [, times] = /^daily at (.+)$/.exec(text) ?? [];
      if (times !== undefined) return words("dailyAt", { times });
      const [, day, time] = /^weekly on (\w+) (\S+)$/.exec(text) ?? [];
      if (day === undefined) return text;
      return words("weeklyOn", { day: isIndonesian ? (days[day] ?? day) : day, time });
    },
  };
}

const days: { readonly [day: string]: string } = {
  Sunday: "Minggu",
  Monday: "Senin",
  Tuesday: "Selasa",
  Wednesday: "Rabu",
  Thursday: "Kamis",
  Friday: "Jumat",
  Saturday: "Sabtu",
};
