/** The metering room in a few lines of arithmetic, all of it on integers. */

/** A price per Sm3, or a factor in tenths, from a day on; without an end until another begins. */
export interface Version {
  /** Id in the database, once it is there. */
  id?: unknown;
  value: number;
  from: number;
  to: number | null;
  /** Of which customer; null = of all. */
  of: number | null;
}

/** A reading of a flow meter, or what the register of another showed. */
export interface Reading {
  id?: unknown;
  day: number;
  value: number;
}

/** Days are counted from 1 January 2026. */
export const dateOf = (day: number) =>
  new Date(Date.UTC(2026, 0, 1 + day)).toISOString().slice(0, 10);
export const monthOf = (day: number) => dateOf(day).slice(0, 7);

const isOverlapping = (one: Version, other: Version) => {
  if (one.from === other.from) return true;
  const [first, second] = one.from < other.from ? [one, other] : [other, one];
  return first.to !== null && first.to >= second.from;
};

/** Versions of one kind. */
export class Versions {
  list: Version[] = [];

  /** The code that adding it ends with. */
  codeOf(version: Version, except?: Version) {
    const others = this.list.filter(({ of }) => of === version.of);
    return others.some((other) => other !== except && isOverlapping(version, other))
      ? "SB414"
      : "none";
  }

  remove(version: Version) {
    this.list = this.list.filter((other) => other !== version);
  }

  /** The one that counts for a customer on a day: in effect, own, latest, in this order. */
  at(customer: number, day: number): Version | undefined {
    const rank = ({ to, of, from }: Version) =>
      (to === null || to >= day ? 1e6 : 0) + (of === null ? 0 : 1e5) + from;
    return this.list
      .filter(({ of, from }) => (of === null || of === customer) && from <= day)
      .sort((one, other) => rank(other) - rank(one))[0];
  }
}

/** A customer: the first has a flow meter, the second a register that starts at zero. */
export class Customer {
  readings: Reading[] = [];
  deposits: { id?: unknown; day: number; amount: number }[] = [];
  isIndex: boolean;

  constructor(isIndex: boolean) {
    this.isIndex = isIndex;
  }

  /** Readings in their order, each with its volume. */
  volumes(): (Reading & { volume: number })[] {
    const sorted = [...this.readings].sort((one, other) => one.day - other.day);
    return sorted.map((reading, place) => ({
      ...reading,
      volume: this.isIndex ? reading.value - (sorted[place - 1]?.value ?? 0) : reading.value,
    }));
  }

  /** The code that a set of readings ends with. */
  codeOf(readings: Reading[]) {
    if (new Set(readings.map(({ day }) => day)).size < readings.length) return "SB408";
    const trial = new Customer(this.isIndex);
    trial.readings = readings;
    return trial.volumes().some(({ volume }) => volume < 0) ? "SB410" : "none";
  }
}

/** Ids of the readings that cannot be rated: without a price or factor, or with one that is held. */
export function unratedOf(
  customer: Customer,
  index: number,
  prices: Versions,
  factors: Versions,
  isHeld: boolean,
): unknown[] {
  return customer.readings
    .filter(({ day }) =>
      [prices.at(index, day), factors.at(index, day)].some(
        (version) => version === undefined || (isHeld && version.to !== null && version.to < day),
      ),
    )
    .map(({ id }) => id);
}

/** Tenths of the currency that the readings of a customer cost, by month. */
export function purchasesOf(
  customer: Customer,
  index: number,
  prices: Versions,
  factors: Versions,
  isHeld: boolean,
): Map<string, number> {
  const months = new Map<string, number>();
  for (const { day, volume } of customer.volumes()) {
    const price = prices.at(index, day);
    const factor = factors.at(index, day);
    if (price === undefined || factor === undefined) continue;
    // Without a version in effect it is held, or rated at the last known one.
    if (isHeld && [price, factor].some(({ to }) => to !== null && to < day)) continue;
    const month = monthOf(day);
    months.set(month, (months.get(month) ?? 0) + volume * factor.value * price.value);
  }
  return months;
}
