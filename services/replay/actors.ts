/**
 * What decides: the actors of this checkout. `cox replay --with` puts those of another in their
 * place, file by file, or lets a module replace some.
 */
import { controllers } from "../controllers/index.ts";
import { redecide } from "../kubelet/redecide.ts";
import { SchedulersAgain } from "../scheduler/redecide.ts";

/** What a module may export to replace actors. */
export interface Actors {
  /** @param settings.rootCertificate the cluster's CA certificate, PEM */
  readonly controllers: typeof controllers;
  readonly SchedulersAgain: typeof SchedulersAgain;
  /** Of a kubelet. */
  readonly redecide: typeof redecide;
}

export const ACTORS: Actors = { controllers, SchedulersAgain, redecide };
