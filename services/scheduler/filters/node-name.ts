import type { Filter } from "./index.ts";

/** A pod that names its node goes there or nowhere. */
export const nodeName: Filter = {
  name: "NodeName",
  filter({ pod }, { node }) {
    const wanted = pod.spec?.nodeName;
    if (!wanted || wanted === node.metadata.name) return [];
    return ["node(s) didn't match the requested node name"];
  },
};
