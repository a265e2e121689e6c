import { cachesRoom } from "./_caches_room.ts";
import { testRoom } from "./_run.ts";

testRoom(cachesRoom);
