/** How many sockets each holder has: an address, a subject, or all of them together. */
export interface Seats {
  /** Takes a seat; undefined when the holder has as many as it may. The seat is given back once. */
  take(holder: string, seatCountMax: number): (() => void) | undefined;
}

/** The settings that sockets go by. */
export interface SocketConfig {
  readonly socketCountMax: number;
  readonly socketCountPerAddressMax: number;
  readonly socketCountPerSubjectMax: number;
  readonly socketIdleSeconds: number;
}

/** Seats, none of them taken. */
export function makeSeats(): Seats {
  const taken = new Map<string, number>();
  return {
    take(holder, seatCountMax) {
      const count = taken.get(holder) ?? 0;
      if (count >= seatCountMax) return undefined;
      taken.set(holder, count + 1);
      let isTaken = true;
      return () => {
        if (!isTaken) return;
        isTaken = false;
        const left = (taken.get(holder) ?? 1) - 1;
        if (left > 0) taken.set(holder, left);
        else taken.delete(holder);
      };
    },
  };
}
