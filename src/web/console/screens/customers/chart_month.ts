/** What is drawn of a month. */
export interface ChartMonth {
  readonly month: string | null;
  readonly deposits: string | null;
  readonly purchases: string | null;
  readonly closingBalance: string | null;
  readonly volumeSm3: string | null;
}
