import type { Controller } from "../../shared/actor/controller.ts";
import type { Actors } from "./actors.ts";

/** What a module may export to replace actors; controllers stand in for those of their name. */
export type Change = Partial<Omit<Actors, "controllers">> & {
  readonly controllers?: Actors["controllers"] | readonly Controller[];
};

/** Nothing; the module given with `--with` takes the place of this file. */
export const CHANGE: Change = {};
