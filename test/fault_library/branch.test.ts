import { branchRoom } from "./_branch_room.ts";
import { testRoom } from "./_run.ts";

testRoom(branchRoom);
