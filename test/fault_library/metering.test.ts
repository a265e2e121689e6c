import { meteringRoom } from "./_metering_room.ts";
import { testRoom } from "./_run.ts";

testRoom(meteringRoom);
