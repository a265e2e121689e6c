/** Words of the ledger that many screens say: what accounts and entries are. */
import { makeWords } from "../app/words.ts";

const en = {
  asset: "Asset",
  liability: "Liability",
  equity: "Equity",
  revenue: "Revenue",
  expense: "Expense",
  hot: "Hot",
  immediate: "Immediate",
  normal: "Normal",
  adjustment: "Adjustment",
  closing: "Year end",
  correction: "Correction",
  opening: "Opening",
  reversal: "Reversal",
  posted: "Posted",
  reversed: "Reversed",
  draft: "Draft",
  account: "Account",
  accountHint: "Begin with a code or a name.",
  accountUnknown: "No account has this code.",
  open: "Open",
  frozen: "Frozen",
  closed: "Closed",
};

const id: { [Key in keyof typeof en]: string } = {
  asset: "Aset",
  liability: "Liabilitas",
  equity: "Ekuitas",
  revenue: "Pendapatan",
  expense: "Beban",
  hot: "Sibuk",
  immediate: "Langsung",
  normal: "Biasa",
  adjustment: "Penyesuaian",
  closing: "Tutup tahun",
  correction: "Koreksi",
  opening: "Saldo awal",
  reversal: "Pembalikan",
  posted: "Terbukukan",
  reversed: "Dibalik",
  draft: "Konsep",
  account: "Akun",
  accountHint: "Ketik awal kode atau nama.",
  accountUnknown: "Tidak ada akun dengan kode ini.",
  open: "Buka",
  frozen: "Dibekukan",
  closed: "Ditutup",
};

/** A word of the ledger. */
export type LedgerWord = keyof typeof en;

export const useLedgerWords = makeWords("ledger", { en, id });
