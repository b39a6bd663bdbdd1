//! Content encodings: bytes as sent in, plain bytes out, piece by piece and with bounded memory.
//!
//! gzip may have many members and zstd many frames, as tools that compress in parallel write them.

use crate::fault::ListError;
use flate2::{Decompress, FlushDecompress, Status};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use zstd::stream::raw::{DParameter, Decoder, Operation};

/// How an upload is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip, one member or many.
    Gzip,
    /// Zstandard, one frame or many; windows up to 8 MiB (every level below `--ultra`).
    Zstd,
}

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const SNIFF_BYTES: usize = 4;
const PIECE_BYTES: usize = 64 * 1024;
/// 2^23 bytes: what levels up to 19 use, and all that one upload may take of memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
const GZIP_WINDOW_BITS: u8 = 15;

impl Encoding {
    /// By the first four bytes. Neither magic number can start a text in UTF-8.
    #[must_use]
    pub fn sniff(first: &[u8]) -> Self {
        if first.starts_with(GZIP_MAGIC) {
            Self::Gzip
        } else if first.starts_with(ZSTD_MAGIC) {
            Self::Zstd
        } else {
            Self::Identity
        }
    }

    /// By a `Content-Encoding` header; `None` for one that is not supported.
    #[must_use]
    pub fn from_header(value: &str) -> Option<Self> {
        match value.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Its name in headers and sentences.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Takes plain bytes, and may end the parse.
pub(crate) type Out<'a> = dyn FnMut(&[u8]) -> Result<(), ListError> + 'a;

enum Kind {
    /// The first bytes decide.
    Open(Vec<u8>),
    Identity,
    Gzip(Decompress),
    Zstd(Box<Decoder<'static>>),
}

/// Decompresses a stream that comes in pieces.
pub(crate) struct Inflate {
    kind: Kind,
    /// Bytes as sent that were used.
    at: u64,
    /// Whether a member or frame has begun and not ended.
    inside: bool,
    piece: Vec<u8>,
}

impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflate").field("encoding", &self.encoding()).field("at", &self.at).finish()
    }
}

impl Inflate {
    /// With a known encoding, or one that the first bytes tell.
    pub(crate) fn new(encoding: Option<Encoding>) -> Result<Self, ListError> {
        let kind = match encoding {
            None => Kind::Open(Vec::with_capacity(SNIFF_BYTES)),
            Some(known) => start(known)?,
        };
        Ok(Self { kind, at: 0, inside: false, piece: Vec::new() })
    }

    /// Which encoding it is, as far as known.
    pub(crate) fn encoding(&self) -> Encoding {
        match &self.kind {
            Kind::Open(first) => Encoding::sniff(first),
            Kind::Identity => Encoding::Identity,
            Kind::Gzip(_) => Encoding::Gzip,
            Kind::Zstd(_) => Encoding::Zstd,
        }
    }

    /// Bytes as sent, so far.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn feed(&mut self, mut chunk: &[u8], out: &mut Out<'_>) -> Result<(), ListError> {
        if let Kind::Open(first) = &mut self.kind {
            let take = (SNIFF_BYTES - first.len()).min(chunk.len());
            first.extend_from_slice(&chunk[..take]);
            chunk = &chunk[take..];
            if first.len() < SNIFF_BYTES {
                return Ok(());
            }
            self.settle(out)?;
        }
        self.run(chunk, out)
    }

    /// The stream is over.
    pub(crate) fn finish(&mut self, out: &mut Out<'_>) -> Result<(), ListError> {
        if matches!(self.kind, Kind::Open(_)) {
            self.settle(out)?;
        }
        if self.inside {
            return Err(ListError::Truncated { encoding: self.encoding(), at: self.at });
        }
        Ok(())
    }

    fn settle(&mut self, out: &mut Out<'_>) -> Result<(), ListError> {
        let known = start(self.encoding())?;
        match std::mem::replace(&mut self.kind, known) {
            Kind::Open(first) => self.run(&first, out),
            _ => Ok(()),
        }
    }

    fn run(&mut self, mut input: &[u8], out: &mut Out<'_>) -> Result<(), ListError> {
        if matches!(self.kind, Kind::Identity | Kind::Open(_)) {
            self.at += input.len() as u64;
            return out(input);
        }
        self.piece.resize(PIECE_BYTES, 0);
        loop {
            if input.is_empty() && !self.inside {
                return Ok(());
            }
            let step = self.step(input)?;
            input = &input[step.read..];
            self.at += step.read as u64;
            self.inside = !step.ended;
            if step.wrote > 0 {
                out(&self.piece[..step.wrote])?;
            }
            if input.is_empty() && step.wrote < self.piece.len() {
                return Ok(());
            }
            if step.read + step.wrote == 0 && !step.ended {
                return Err(self.damaged("it makes no progress"));
            }
        }
    }

    fn step(&mut self, input: &[u8]) -> Result<Step, ListError> {
        let done = match &mut self.kind {
            Kind::Gzip(state) => gzip_step(state, input, &mut self.piece),
            Kind::Zstd(state) => zstd_step(state, input, &mut self.piece),
            Kind::Open(_) | Kind::Identity => Ok(Step { read: input.len(), wrote: 0, ended: true }),
        };
        done.map_err(|why| self.damaged(&why))
    }

    fn damaged(&self, why: &str) -> ListError {
        ListError::Damaged { encoding: self.encoding(), at: self.at, why: why.to_owned() }
    }
}

/// What one call of a decompressor did.
struct Step {
    read: usize,
    wrote: usize,
    /// A member or frame is complete.
    ended: bool,
}

fn start(encoding: Encoding) -> Result<Kind, ListError> {
    Ok(match encoding {
        Encoding::Identity => Kind::Identity,
        Encoding::Gzip => Kind::Gzip(Decompress::new_gzip(GZIP_WINDOW_BITS)),
        Encoding::Zstd => {
            let open = || {
                let mut decoder = Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
                Ok(decoder)
            };
            let failed = |e: std::io::Error| ListError::Damaged { encoding, at: 0, why: e.to_string() };
            Kind::Zstd(Box::new(open().map_err(failed)?))
        }
    })
}

fn gzip_step(state: &mut Decompress, input: &[u8], piece: &mut [u8]) -> Result<Step, String> {
    let (read, wrote) = (state.total_in(), state.total_out());
    let status = state.decompress(input, piece, FlushDecompress::None).map_err(|e| e.to_string())?;
    let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
    let (read, wrote) = (count(state.total_in(), read), count(state.total_out(), wrote));
    let ended = status == Status::StreamEnd;
    if ended {
        state.reset(true);
    }
    Ok(Step { read, wrote, ended })
}

fn zstd_step(state: &mut Decoder<'static>, input: &[u8], piece: &mut [u8]) -> Result<Step, String> {
    let done = state.run_on_buffers(input, piece).map_err(|e| e.to_string())?;
    Ok(Step { read: done.bytes_read, wrote: done.bytes_written, ended: done.remaining == 0 })
}
