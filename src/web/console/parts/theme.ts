/** Light or dark: as the system has it until somebody chooses. */
import { remember, useRemembered } from "./remembered.ts";

const NAME = "theme";

/** Themes that can be chosen. */
export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

/** The chosen theme, which the page takes on. */
export function useTheme(): Theme {
  const theme = (useRemembered(NAME) ?? "system") as Theme;
  document.documentElement.style.colorScheme = theme === "system" ? "light dark" : theme;
  return theme;
}

/** Chooses a theme. */
export function chooseTheme(theme: Theme): void {
  remember(NAME, theme === "system" ? null : theme);
}
