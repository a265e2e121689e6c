/** Words for what the engine has built in, by name; a test holds them against the database. */

/** What must hold. */
export const rulesInIndonesian: { readonly [rule: string]: string } = {
  entry_balance: "Setiap entri seimbang",
  entry_lines: "Setiap entri memiliki baris-barisnya",
  orphan_line: "Setiap baris memiliki entri dan akun",
  line_amount: "Setiap baris berisi satu jumlah yang wajar",
  trial_balance: "Semua baris berjumlah nol",
  reversal: "Pembalikan membatalkan entrinya satu kali dan tepat",
  account_balance: "Jumlah akun sama dengan jurnal",
  month_movement: "Mutasi bulanan sama dengan jurnal",
  year_movement: "Mutasi tahunan sama dengan jurnal",
  balance_sheet: "Aset = liabilitas + ekuitas + laba berjalan",
  min_balance: "Tidak ada akun di bawah saldo minimumnya",
  closed_period: "Tidak ada yang masuk ke periode yang sudah ditutup",
  closing_snapshot: "Segel penutupan utuh",
  journal_seal: "Jurnal sama seperti saat disegel",
  restatement: "Penyajian kembali berjumlah sama dengan yang dilaporkan",
  held_total: "Jumlah tertahan sama dengan penahanan dana yang terbuka",
  account_slot: "Slot sama dengan dana yang tersedia",
  sub_balance: "Tidak ada baris akun panas yang hilang",
  settlement: "Penyelesaian sama dengan jumlah barisnya",
  settlement_range: "Tidak ada baris yang diselesaikan dua kali atau terlewat",
  settlement_entry: "Entri ringkasan memuat jumlah barisnya",
  settlement_lag: "Penyelesaian tidak tertinggal",
  row_seal: "Baris sama seperti ditulis oleh mesin",
  purchase_hold: "Pembelian yang menunggu ditahan dananya",
  purchase_entry: "Pembelian sesuai dengan jurnal dan stok",
  top_up_reversal: "Pembatalan isi saldo sesuai dengan jurnal",
  deposit_entry: "Setoran sesuai dengan jurnal",
  rated_line: "Baris tagihan sesuai dengan versi harga dan faktornya",
  rated_part: "Bagian pembacaan yang dibagi sesuai dengan versinya",
  rating_entry: "Entri tagihan memuat jumlah baris tagihan",
  customer_charge: "Biaya sesuai dengan jurnal dan tarif",
  reading_rated: "Setiap pembacaan yang dapat dihitung sudah dihitung",
  reading_unrated: "Tidak ada pembacaan yang menunggu harga atau faktor",
  rerating: "Perhitungan ulang berjalan",
  customer_month_total: "Jumlah bulanan pelanggan sama dengan barisnya",
  branch_entry: "Baris kasir sesuai dengan jurnal",
  branch_cash: "Kas cabang sama dengan baris yang diterima",
  branch_totals: "Jumlah yang dilaporkan kasir sama dengan yang tercatat",
  branch_chain: "Rantai kasir utuh",
  branch_gap: "Tidak ada baris kasir yang hilang",
  idempotency: "Setiap kunci permintaan memiliki hasilnya",
  idempotency_record: "Yang dibuat dengan kunci memiliki catatannya",
  account_freeze: "Akun yang dibekukan memiliki catatannya",
  clock: "Jam tidak dimundurkan",
  engine_configuration: "Mesin menyala dan tertutup bagi yang lain",
};

/** What is wrong. */
export const alertsInIndonesian: { readonly [condition: string]: string } = {
  balance_sheet_invalid: "Neraca tidak seimbang",
  drift_found: "Saldo tersimpan berbeda dari jurnal",
  rule_failed: "Sebuah aturan tidak dapat dijalankan",
  rule_suspect: "Aturan atas tabel Anda mencurigakan",
  heal_refused: "Sebuah pemulihan ditolak",
  heal_escalated: "Selisih muncul lagi setelah dipulihkan",
  settlement_late: "Penyelesaian terlambat",
  backlog: "Banyak baris menunggu penyelesaian",
  worker_silent: "Tidak ada pekerja yang berjalan",
  check_overdue: "Saldo tidak diperiksa tepat waktu",
  guard_tripped: "Ada tulisan yang melewati penjaga",
  freeze_held_back: "Terlalu banyak akun akan dibekukan sekaligus",
  slot_rebuild_storm: "Slot akun panas berulang kali dibangun ulang",
  clock_set_back: "Jam dimundurkan",
  evaluation_failed: "Sebuah kondisi tidak dapat diperiksa",
  test: "Peringatan uji coba",
  decision_made: "Seseorang memutuskan hal yang tidak dapat diperiksa aturan",
  decision_waits: "Sebuah usulan menunggu orang kedua",
  readings_unrated: "Pembacaan belum dihitung",
  branch_silent: "Sebuah cabang tidak memberi kabar",
  branch_forked: "Dua kasir melanjutkan satu penyimpanan",
  branch_row_waits: "Baris sebuah cabang menunggu keputusan",
};

/** What to do first about an alert. */
export const adviceInIndonesian: { readonly [condition: string]: string } = {
  balance_sheet_invalid:
    "Lihat temuan pemeriksaan terakhir sebelum ada lagi yang dibukukan secara manual.",
  drift_found: "Lihat temuan dan penyebabnya, lalu auto_heal dengan dry_run.",
  rule_failed:
    "Selama tidak berjalan, tidak ada yang tahu apakah aturan itu terpenuhi: perbaiki yang disebut pesannya.",
  rule_suspect:
    "Begitu banyak baris berbeda sehingga lebih mungkin aturannya yang keliru: periksa apa yang terlewat.",
  heal_refused: "Manusia yang memutuskan: alasannya ada di heal_action.",
  heal_escalated: "Ada yang terus menulis saldo yang salah: temukan lewat bukti pada temuannya.",
  settlement_late:
    "Pastikan ada pekerja yang berjalan, dan lihat catatannya tentang settle_sub_balances.",
  backlog: "Pastikan ada pekerja yang berjalan; pada batasnya transaksi ditolak dengan kode SB202.",
  worker_silent:
    "Jalankan satu: tanpa pekerja tidak ada yang diselesaikan, diperiksa atau dirawat.",
  check_overdue: "Pastikan ada pekerja yang berjalan, dan lihat catatannya tentang reconcile.",
  guard_tripped:
    "Tanyakan siapa pelakunya: guard_event memuat login, alamat dan pernyataannya. Lalu periksa.",
  freeze_held_back:
    "Lihat guard_event: accept_rows menyelesaikan pernyataan yang ceroboh; jika bukan itu, bekukan akunnya.",
  slot_rebuild_storm:
    "Lihat slot_rebuild dan apakah basis data pernah mati mendadak: setiap pembangunan ulang berarti menunggu.",
  clock_set_back: "Cari yang salah tanggal, perbaiki jamnya, lalu panggil accept_clock.",
  evaluation_failed: "Peringatannya tetap seperti semula: perbaiki yang disebut pesannya.",
  test: "Tidak ada yang salah: seseorang memintanya.",
  decision_made:
    "Periksa apakah Anda setuju, lalu tandai sudah diketahui; balikkan atau sesuaikan yang keliru.",
  decision_waits: "Lihat keputusan yang menunggu: disetujui atau ditolak oleh administrator lain.",
  readings_unrated:
    "Lihat unrated_readings: tambahkan harga atau faktor yang belum ada untuk harinya.",
  branch_silent:
    "Tanyakan ke cabang: kasirnya, jaringannya atau kuncinya. Penjualannya berjalan sendiri.",
  branch_forked:
    "Temukan keduanya, daftarkan lagi masing-masing, putuskan barisnya, lalu tutup perangkatnya.",
  branch_row_waits: "Lihat baris cabang itu: terima, tolak, atau selesaikan.",
};

/** What jobs do: the database has but their names. */
export const jobWords = {
  en: {
    pulse: "Sign of life of the worker",
    take_job_requests: "Jobs that somebody asked for",
    analyze_grown_tables: "Statistics of tables that have grown",
    settle_sub_balances: "Settlement of hot accounts",
    rerate: "Rating again",
    seal_journal: "Sealing of the journal",
    evaluate_alerts: "Looking for alerts",
    check_recorded_writes: "Look at writes past the engine",
    expire_holds: "End of holds past their time",
    reconcile: "Check of all balances",
    scheduled_maintenance: "Maintenance",
    apply_retention: "Removal of what is kept long enough",
    sync_monthly_balances: "Months of customers, compared",
    recalculate_monthly_balances: "Months of customers, computed again",
  },
  id: {
    pulse: "Tanda hidup pekerja",
    take_job_requests: "Pekerjaan yang diminta orang",
    analyze_grown_tables: "Statistik tabel yang bertambah besar",
    settle_sub_balances: "Penyelesaian akun panas",
    rerate: "Perhitungan ulang tagihan",
    seal_journal: "Penyegelan jurnal",
    evaluate_alerts: "Pencarian peringatan",
    check_recorded_writes: "Pemeriksaan tulisan di luar mesin",
    expire_holds: "Pengakhiran penahanan dana yang lewat waktu",
    reconcile: "Pemeriksaan semua saldo",
    scheduled_maintenance: "Perawatan",
    apply_retention: "Penghapusan data lewat masa simpan",
    sync_monthly_balances: "Pembandingan bulan pelanggan",
    recalculate_monthly_balances: "Perhitungan ulang bulan pelanggan",
  },
};

/** Kinds of decisions that have words here. */
export const decisionKinds = [
  "adjust_balance",
  "unfreeze_account",
  "close_period",
  "set_setting",
  "set_heal_policy",
] as const;
