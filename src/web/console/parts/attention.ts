/** What needs a person, followed: checks, heals, proposals, decisions, freezes, alerts. */
import { useEffect, useRef } from "react";
import { useLive } from "../api/live.ts";
import { client } from "../api/query_client.ts";
import { AttentionChanged } from "./attention.documents.ts";

// A job may change many things, one after the other.
const REST_MS = 1000;

/**
 * Asks again for all that the screen shows when the server tells of a change. What is told while it
 * asks is asked for once, afterwards: a flood of changes is a question a second at most. While a dialog
 * is open it waits.
 */
export function useAttention(): void {
  const hasBegun = useRef(false);
  const asking = useRef({ isBusy: false, isDue: false, isOver: false });
  useEffect(() => {
    const state = asking.current;
    state.isOver = false;
    return () => {
      state.isOver = true;
    };
  }, []);
  useLive(AttentionChanged, {}, ({ attentionChanged }) => {
    // A subscription that begins again has missed what came in between.
    const isStart = attentionChanged?.event === "subscribed" && !hasBegun.current;
    hasBegun.current = true;
    if (!isStart) void askAgain(asking.current);
  });
}

async function askAgain(state: { isBusy: boolean; isDue: boolean; isOver: boolean }) {
  state.isDue = true;
  if (state.isBusy) return;
  state.isBusy = true;
  while (state.isDue && !state.isOver) {
    // What somebody is about to act on stays, and the dialog with it: the server judges what is sent.
    if (document.querySelector("[role=dialog]") === null) {
      state.isDue = false;
      await client.invalidateQueries();
    }
    await new Promise((done) => setTimeout(done, REST_MS));
  }
  state.isBusy = false;
}
