/** Words of the console, in both languages: each screen brings its own, under its own name. */
import i18next, { type TOptions } from "i18next";
import { initReactI18next, useTranslation } from "react-i18next";
import { chooseLanguage, type Language, rememberedLanguage } from "../../shared/language.ts";

await i18next.use(initReactI18next).init({
  lng: rememberedLanguage(),
  fallbackLng: false,
  resources: {},
  // React escapes what it shows.
  interpolation: { escapeValue: false },
});

/** Gives the words of a key; `{{name}}` in them is replaced by the option of that name. */
export type Words<Key extends string> = (key: Key, options?: TOptions) => string;

/**
 * The words of one screen or part. Both languages have the same keys, which the compiler holds, and
 * the hook that this gives takes no other key.
 */
export function makeWords<English extends { readonly [key: string]: string }>(
  name: string,
  { en, id }: { en: English; id: { readonly [Key in keyof English]: string } },
): () => Words<keyof English & string> {
  i18next.addResourceBundle("en", name, en);
  i18next.addResourceBundle("id", name, id);
  return () => useTranslation(name).t as unknown as Words<keyof English & string>;
}

/** Changes the language of the page at once. */
export function speak(language: Language): void {
  chooseLanguage(language);
  void i18next.changeLanguage(language);
}
