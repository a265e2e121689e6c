import { branchRoom } from "./_branch_room.ts";
import { cachesRoom } from "./_caches_room.ts";
import { closingRoom } from "./_closing_room.ts";
import { engineRoom } from "./_engine_room.ts";
import { hotRoom } from "./_hot_room.ts";
import { journalRoom } from "./_journal_room.ts";
import type { Room } from "./_library.ts";
import { meteringRoom } from "./_metering_room.ts";
import { walletRoom } from "./_wallet_room.ts";

/** All planted faults. */
export const rooms: Room[] = [
  journalRoom,
  cachesRoom,
  hotRoom,
  walletRoom,
  meteringRoom,
  branchRoom,
  closingRoom,
  engineRoom,
];
