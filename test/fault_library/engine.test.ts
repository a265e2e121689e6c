import { engineRoom } from "./_engine_room.ts";
import { testRoom } from "./_run.ts";

testRoom(engineRoom);
