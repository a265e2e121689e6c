import { testRoom } from "./_run.ts";
import { walletRoom } from "./_wallet_room.ts";

testRoom(walletRoom);
