/**
 * What decides: the actors of this checkout. `cox replay --with` puts those of another in their
 * place, file by file, or lets a module replace some.
 */
import { controllers } from "../controllers/index.ts";
import { redecidePod } from "../kubelet/redecide.ts";
import { SchedulersAgain } from "../scheduler/redecide.ts";

/** What a module may export to replace actors. */
export interface Actors {
  /** @param settings.rootCertificate the cluster's CA certificate, PEM */
  readonly controllers: typeof controllers;
  readonly SchedulersAgain: typeof SchedulersAgain;
  readonly redecidePod: typeof redecidePod;
}

export const ACTORS: Actors = { controllers, SchedulersAgain, redecidePod };
