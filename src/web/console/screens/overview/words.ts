import { makeWords } from "../../app/words.ts";

const en = {
  title: "Overview",
  check: "Run a check",
  checkTitle: "Check all balances now",
  checkHelp: "Every rule is proven over all rows. It locks nothing and changes no balance.",
  checked: "The check has run.",
  isHealthy: "All is in order",
  isUnhealthy: "Something is wrong",
  neverChecked: "No check has run yet",
  lastCheck: "Last check",
  ago: "ago",
  overdue: "The last check is older than it may be.",
  rules: "Rules",
  lines: "Journal lines",
  accounts: "Accounts",
  findings: "Findings",
  assets: "Assets",
  liabilities: "Liabilities",
  equity: "Equity",
  balances: "Assets equal liabilities and equity",
  doesNotBalance: "Assets do not equal liabilities and equity",
};

const id: { [Key in keyof typeof en]: string } = {
  title: "Ringkasan",
  check: "Periksa sekarang",
  checkTitle: "Periksa semua saldo sekarang",
  checkHelp: "Setiap aturan dibuktikan atas semua baris. Tidak ada yang dikunci atau diubah.",
  checked: "Pemeriksaan selesai.",
  isHealthy: "Semua beres",
  isUnhealthy: "Ada yang salah",
  neverChecked: "Belum pernah diperiksa",
  lastCheck: "Pemeriksaan terakhir",
  ago: "lalu",
  overdue: "Pemeriksaan terakhir sudah terlalu lama.",
  rules: "Aturan",
  lines: "Baris jurnal",
  accounts: "Akun",
  findings: "Temuan",
  assets: "Aset",
  liabilities: "Liabilitas",
  equity: "Ekuitas",
  balances: "Aset sama dengan liabilitas dan ekuitas",
  doesNotBalance: "Aset tidak sama dengan liabilitas dan ekuitas",
};

export const useOverviewWords = makeWords("overview", { en, id });
