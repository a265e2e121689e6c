import { hotRoom } from "./_hot_room.ts";
import { testRoom } from "./_run.ts";

testRoom(hotRoom);
