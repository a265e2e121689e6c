/** How a screen says where it is. */
import {
  createRootRoute,
  createRoute,
  lazyRouteComponent,
  useParams,
} from "@tanstack/react-router";
import type { ComponentType } from "react";

/** What all addresses hang on. */
export const root = createRootRoute();

/** A screen at a path; its module, which exports `Screen`, is fetched when somebody goes there. */
export function screen(path: string, load: () => Promise<{ Screen: ComponentType }>) {
  return createRoute({
    getParentRoute: () => root,
    path,
    component: lazyRouteComponent(load, "Screen"),
  });
}

/** A part of the address that names a thing: `$id` of "accounts/$id". */
export function useParameter(name: string): string {
  return (useParams({ strict: false }) as { [name: string]: string | undefined })[name] ?? "";
}
