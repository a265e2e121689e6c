/** A sentence for the person who started Saldo; no stack trace helps here. */
export class StartError extends Error {}
