/** Bus users of the processes `nodes` and `host`; no node is called so. */
export const SIMULATED_USER = "node-nodes";
export const HOST_USER = "node-host";
/** Gives orders to processes. */
export const OPERATOR_USER = "cox";
