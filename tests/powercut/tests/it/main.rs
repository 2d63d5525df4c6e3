//! Journal and signer together on a real disk: what is on it when a signature comes out.

mod release;
