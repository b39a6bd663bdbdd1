//! Object keys as paths. Each part of a key is a file's name, or a directory's with a `+` behind it, so that both `a` and
//! `a/b` may exist. Other bytes than letters, digits and `._-` are written as `%` and two hexadecimal digits.

use common::ports::PortError;
use std::path::{Path, PathBuf};

/// Longest key, in bytes (AWS).
const KEY_BYTES_MAX: usize = 1_024;
/// Longest file name, in bytes (Linux), less the `+`.
const NAME_BYTES_MAX: usize = 254;

/// The file of a key under `root`.
pub(super) fn path(root: &Path, key: &str) -> Result<PathBuf, PortError> {
    let refuse = |why: &str| PortError::Invalid { what: super::WHAT, why: format!("a key {why}") };
    if key.len() > KEY_BYTES_MAX {
        return Err(refuse("has at most 1,024 bytes"));
    }
    let mut names = Vec::new();
    for part in key.split('/') {
        if part.is_empty() || part == "." || part == ".." {
            return Err(refuse("has no empty part, no `.` and no `..`, and begins with no slash"));
        }
        names.push(escape(part));
    }
    if names.iter().any(|name| name.len() > NAME_BYTES_MAX) {
        return Err(refuse("has parts of at most 254 bytes"));
    }
    let (file, dirs) = names.split_last().ok_or_else(|| refuse("is not empty"))?;
    let mut path = root.to_owned();
    path.extend(dirs.iter().map(|dir| format!("{dir}+")));
    path.push(file);
    Ok(path)
}

/// The directory in which every key with this prefix lies, and the part of the keys that it stands for.
pub(super) fn directory<'a>(root: &Path, prefix: &'a str) -> (PathBuf, &'a str) {
    let Some(at) = prefix.rfind('/') else { return (root.to_owned(), "") };
    let mut dir = root.to_owned();
    // A part that no key may have is escaped to a name that is not there, or refused by the caller's filter.
    dir.extend(prefix[..at].split('/').map(|part| format!("{}+", escape(part))));
    (dir, &prefix[..=at])
}

/// What a name in a directory is: a directory's part, or a file's.
pub(super) enum Name {
    /// Of a directory.
    Directory(String),
    /// Of an object.
    Object(String),
}

/// Reads a name; `None` when it is not one of ours.
pub(super) fn read(name: &str) -> Option<Name> {
    match name.strip_suffix('+') {
        Some(dir) => unescape(dir).map(Name::Directory),
        None => unescape(name).map(Name::Object),
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn escape(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unescape(name: &str) -> Option<String> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match (byte, rest) {
            (b'%', [hi, lo, behind @ ..]) => {
                let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
                out.push(digit(*hi)? << 4 | digit(*lo)?);
                rest = behind;
            }
            (byte, _) if is_plain(*byte) => out.push(*byte),
            _ => return None,
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_paths_and_nothing_leaves_the_root() {
        let of = |key| path(Path::new("/o"), key);
        assert_eq!(of("a/b c.json").unwrap(), Path::new("/o/a+/b%20c.json"));
        assert_eq!(of("a").unwrap(), Path::new("/o/a"));
        for key in ["", "/a", "a/", "a//b", ".", "../a", "a/../b", &"x".repeat(2_000), &"ü".repeat(100)] {
            assert!(of(key).is_err(), "{key}");
        }
        assert_eq!(unescape(&escape("ü+%~x")).as_deref(), Some("ü+%~x"));
        assert!(unescape("a%zz").is_none() && unescape("a~").is_none());
    }
}
