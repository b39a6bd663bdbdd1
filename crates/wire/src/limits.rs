//! Every number of the protocol and of this side, with its unit and its source.

/// What a client says first (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Octets of a frame's head (RFC 9113, 4.1).
pub(crate) const HEAD_BYTES: usize = 9;
/// Largest payload we take; we never raise it (RFC 9113, 4.2: the initial value).
pub(crate) const FRAME_BYTES_MAX: usize = 16_384;
/// Largest value of SETTINGS_MAX_FRAME_SIZE (RFC 9113, 6.5.2).
pub(crate) const FRAME_BYTES_LARGEST: u32 = (1 << 24) - 1;
/// Largest flow-control window (RFC 9113, 6.9.1).
pub(crate) const WINDOW_MAX: i64 = (1 << 31) - 1;
/// A window before anybody changes it (RFC 9113, 6.9.2).
pub(crate) const WINDOW_FIRST: i64 = 65_535;
/// Largest stream id (RFC 9113, 5.1.1: 31 bits).
pub(crate) const STREAM_MAX: u32 = (1 << 31) - 1;
/// HPACK table before anybody changes it, in bytes (RFC 9113, 6.5.2). Our encoder never uses more.
pub(crate) const TABLE_BYTES: usize = 4_096;
/// What an HPACK table entry counts beside its octets (RFC 7541, 4.1).
pub(crate) const ENTRY_BYTES: usize = 32;
/// Most bytes of a response's header block over all its frames (ours: answers have some 300).
pub(crate) const BLOCK_BYTES_MAX: usize = 32 * 1_024;
/// Most frames of one header block (ours; empty CONTINUATIONs cost the other side nothing).
pub(crate) const BLOCK_FRAMES_MAX: u32 = 16;
/// Most bytes kept of a wanted header's value (ours).
pub(crate) const VALUE_BYTES_MAX: usize = 512;
/// Output that answers the other side's own frames, beyond the bound on requests, before it is told to calm down (ours).
pub(crate) const CONTROL_BYTES_MAX: usize = 64 * 1_024;
/// Fences of a connection whose answers are waited for (ours; there is one for each stop).
pub(crate) const FENCES_MAX: usize = 8;
/// Compiled templates kept by a connection (ours; a worker sends few kinds of pushes at a time).
pub(crate) const TEMPLATES_MAX: usize = 8;
/// Most requests in flight that a connection is made for (ours; a slot is about 70 bytes, and there are two to four for each).
pub(crate) const STREAMS_LARGEST: usize = 65_536;
