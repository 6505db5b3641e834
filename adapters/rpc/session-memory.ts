/**
 * MiB that Node may count for one HTTP/2 connection, of a server or of a client: no limit.
 *
 * It counts what a cut upload or a cancelled answer had still to send for as long as the connection lives, and at its own limit of
 * 10 MiB every later call fails. The streams of a connection, and the size of their messages, bound what is really held.
 */
export const MAX_COUNTED_MIB = 1_048_576;
