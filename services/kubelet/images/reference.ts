const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const DOMAIN = `${LABEL}(?:\\.${LABEL})*(?::[0-9]+)?`;
const TAG = "[\\w][\\w.-]{0,127}";
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
const REFERENCE = new RegExp(
  `^((?:${DOMAIN}/)?${COMPONENT}(?:/${COMPONENT})*)(?::(${TAG}))?(?:@(${DIGEST}))?$`,
);

/**
 * The image's name with `:latest` where it has neither tag nor digest.
 * @throws Error with upstream's words when it is not an image's name.
 */
export function withDefaultTag(image: string): string {
  const match = REFERENCE.exec(image);
  if (!match) {
    const shouting = REFERENCE.test(image.toLowerCase());
    const cause = shouting ? "repository name must be lowercase" : "invalid reference format";
    const detail = shouting ? `invalid reference format: ${cause}` : cause;
    throw new Error(
      `Failed to apply default image tag "${image}": ` +
        `couldn't parse image name "${image}": ${detail}`,
    );
  }
  return match[2] || match[3] ? image : `${image}:latest`;
}

/** The registry that an image name leads to, as credentials name it. */
export function registryOf(image: string): string {
  const first = image.split("/")[0] as string;
  const named = image.includes("/") && (/[.:]/.test(first) || first === "localhost");
  return named ? first : "docker.io";
}

/** What a container does with an image that is there: the rule for specs that do not say. */
export function defaultPullPolicy(image: string): "Always" | "IfNotPresent" {
  return /:latest$/.test(image) && !image.includes("@") ? "Always" : "IfNotPresent";
}
