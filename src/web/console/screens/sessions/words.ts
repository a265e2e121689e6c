import { makeWords } from "../../app/words.ts";

const en = {
  title: "Sessions",
  leadAll:
    "Who is signed in to this console, in which way, and until when. End what you do not know: its browser has to sign in again.",
  leadOwn: "Where you are signed in. End what you do not know: its browser has to sign in again.",
  sessions: "Sessions",
  who: "Who",
  role: "Role",
  way: "Signed in by",
  link: "a one-time link",
  token: "a token",
  service: "a service token",
  provider: "the identity provider",
  unknown: "–",
  from: "Since",
  until: "Until",
  seen: "Last used",
  end: "End",
  endTitle: "End a session",
  endHelp:
    "The session of {{who}} ends at once, on this server; on others within seconds. What is half typed there stays until somebody signs in again.",
  ended: "The session is ended.",
  current: "this one",
  gone: "This session has ended already.",
  more: "There are more; these are the last used ones.",
};

const id: { [Key in keyof typeof en]: string } = {
  title: "Sesi",
  leadAll:
    "Siapa yang sedang masuk ke konsol ini, dengan cara apa, dan sampai kapan. Akhiri yang tidak Anda kenal: perambannya harus masuk lagi.",
  leadOwn: "Di mana Anda sedang masuk. Akhiri yang tidak Anda kenal: perambannya harus masuk lagi.",
  sessions: "Sesi",
  who: "Siapa",
  role: "Peran",
  way: "Masuk dengan",
  link: "tautan sekali pakai",
  token: "token",
  service: "token layanan",
  provider: "penyedia identitas",
  unknown: "–",
  from: "Sejak",
  until: "Sampai",
  seen: "Terakhir dipakai",
  end: "Akhiri",
  endTitle: "Akhiri sesi",
  endHelp:
    "Sesi {{who}} berakhir seketika di server ini; di server lain dalam beberapa detik. Isian yang belum selesai tetap ada sampai ada yang masuk lagi.",
  ended: "Sesi sudah diakhiri.",
  current: "sesi ini",
  gone: "Sesi ini sudah berakhir.",
  more: "Masih ada yang lain; ini yang terakhir dipakai.",
};

export const useSessionWords = makeWords("sessions", { en, id });
