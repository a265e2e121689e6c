/** The one zone in which moments are shown: that of the business, or UTC. */
import { useSession } from "../api/session.ts";
import { remember, useRemembered } from "./remembered.ts";

/** The zone, whether it is UTC by choice, and how to change that. */
export function useZone() {
  const { data } = useSession();
  const isUtc = useRemembered("zone") === "UTC";
  const business = data?.time_zone ?? "UTC";
  return {
    zone: isUtc ? "UTC" : business,
    business,
    isUtc,
    toggle: () => remember("zone", isUtc ? null : "UTC"),
  };
}
