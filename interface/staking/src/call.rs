//! What a program that the configuration names as slasher may call: the first bytes of the instructions' data. The interface's
//! tests compare them with the program's own description.

/// `reserve`: followed by the amount (8 bytes, little endian).
pub const RESERVE: [u8; 8] = [92, 99, 244, 209, 28, 65, 213, 157];
/// `extend`: followed by the amount (8 bytes, little endian).
pub const EXTEND: [u8; 8] = [228, 127, 0, 1, 227, 154, 54, 168];
/// `release`.
pub const RELEASE: [u8; 8] = [253, 249, 15, 206, 28, 127, 193, 241];
/// `slash`: followed by the buyer's, the prover's and the insurance fund's amounts (8 bytes each, little endian), and the
/// addresses of buyer and prover.
pub const SLASH: [u8; 8] = [204, 141, 18, 161, 8, 177, 92, 142];
