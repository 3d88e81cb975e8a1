/** The parts of an image's name, as the container world reads it. */
export interface ImageName {
  readonly repository: string;
  /** `latest` when neither a tag nor a digest is given. */
  readonly tag: string;
  readonly digest: string;
}

const HOST = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = `(?:${HOST}(?:\\.${HOST})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const TAG = "[\\w][\\w.-]{0,127}";
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const NAME = new RegExp(
  `^((?:${DOMAIN}/)?${COMPONENT}(?:/${COMPONENT})*)(?::(${TAG}))?(?:@(${DIGEST}))?$`,
);

/** Undefined when it is no image name. */
export function parseImageName(image: string): ImageName | undefined {
  if (image.length > 1024) return undefined;
  const match = NAME.exec(image);
  if (!match) return undefined;
  const [, repository = "", tag = "", digest = ""] = match;
  return { repository, tag: tag || (digest ? "" : "latest"), digest };
}

/** `latest` may change at any time, other names stay what they are. */
export function impliedPullPolicy(image: string): "Always" | "IfNotPresent" {
  return parseImageName(image)?.tag === "latest" ? "Always" : "IfNotPresent";
}
