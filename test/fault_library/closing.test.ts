import { closingRoom } from "./_closing_room.ts";
import { testRoom } from "./_run.ts";

testRoom(closingRoom);
