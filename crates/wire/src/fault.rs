//! What goes wrong on a connection: error codes, and whether a fault costs one stream or the whole connection.

/// An error code as RST_STREAM and GOAWAY carry it (RFC 9113, 7). Unknown codes are kept as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0x0);
    /// The other side broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// The other side broke itself.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// More bytes came than the window allowed, or a window grew beyond 2^31-1.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// SETTINGS were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(0x4);
    /// A frame came for a stream that its sender had ended.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame has a size that its kind can't have.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// The server did not process the request.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// The stream is not needed any more.
    pub const CANCEL: Self = Self(0x8);
    /// A header block can't be decoded.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// The other side makes more work than is reasonable.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
}

/// A broken rule and what it costs (RFC 9113, 5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection ends with GOAWAY.
    Connection(Code, &'static str),
    /// The stream ends with RST_STREAM.
    Stream(u32, Code),
}

/// A connection error PROTOCOL_ERROR.
pub(crate) fn protocol(why: &'static str) -> Fault {
    Fault::Connection(Code::PROTOCOL_ERROR, why)
}

/// A connection error FRAME_SIZE_ERROR.
pub(crate) fn frame_size(why: &'static str) -> Fault {
    Fault::Connection(Code::FRAME_SIZE_ERROR, why)
}
