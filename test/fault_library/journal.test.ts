import { journalRoom } from "./_journal_room.ts";
import { testRoom } from "./_run.ts";

testRoom(journalRoom);
