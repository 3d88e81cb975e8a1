/**
 * What the kubelet writes on sandboxes and containers to find them again after its own death:
 * upstream's names, so that other tools recognise them, and one of ours.
 */
export const LABELS = {
  podName: "io.kubernetes.pod.name",
  podNamespace: "io.kubernetes.pod.namespace",
  podUid: "io.kubernetes.pod.uid",
  containerName: "io.kubernetes.container.name",
} as const;

export const ANNOTATIONS = {
  hash: "io.kubernetes.container.hash",
  restartCount: "io.kubernetes.container.restartCount",
  terminationMessagePath: "io.kubernetes.container.terminationMessagePath",
  terminationMessagePolicy: "io.kubernetes.container.terminationMessagePolicy",
  gracePeriod: "io.kubernetes.pod.terminationGracePeriod",
  /** How long the container's successor must wait after its end, milliseconds. */
  backoffMs: "coxswain.dev/restart-backoff-ms",
  /** Where on the node the termination message is. */
  terminationFile: "coxswain.dev/termination-file",
} as const;
