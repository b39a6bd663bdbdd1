//! Made-up devices and an audience: the same ones for the same size, so that runs can be compared.
//!
//! `users` people end up in the snapshot. On top come what a real list has too: people who opted out, ids that nobody
//! knows, and lines that stand there twice.

use std::io::{Read, Result};

/// One in so many users has a second device.
const SECOND_DEVICE_EVERY: u64 = 20;
/// One in so many is added as opted out.
const OPTED_OUT_EVERY: u64 = 100;
/// One in so many is added as an unknown id, and as a duplicate line.
const ODD_LINE_EVERY: u64 = 200;
const LOCALES: [&str; 6] = ["en", "pt-BR", "de", "ja", "es-MX", "en-GB"];
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A made-up audience of this size.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub(crate) users: u64,
}

impl Made {
    fn opted_out(self) -> u64 {
        self.users / OPTED_OUT_EVERY
    }

    fn odd(self) -> u64 {
        self.users / ODD_LINE_EVERY
    }

    /// The devices as a CSV file.
    pub(crate) fn devices_csv(self) -> impl Read {
        let header = b"user_id,platform,token,locale,opted_out,registered_at\n".to_vec();
        let users = (0..self.users).map(|i| {
            let mut out = Vec::new();
            for d in 0..=u64::from(i % SECOND_DEVICE_EVERY == 0) {
                device_line(&mut out, &user(i), i, d, false);
            }
            out
        });
        let opted_out = (0..self.opted_out()).map(move |i| {
            let mut out = Vec::new();
            device_line(&mut out, &format!("optout{i}"), self.users + i, 0, true);
            out
        });
        Lines::new(std::iter::once(header).chain(users).chain(opted_out))
    }

    /// The audience as a CSV file.
    pub(crate) fn audience_csv(self) -> impl Read {
        let line = |id: String| format!("{id}\n").into_bytes();
        let header = std::iter::once(b"user_id\n".to_vec());
        let users = (0..self.users).map(move |i| line(user(i)));
        let opted_out = (0..self.opted_out()).map(move |i| line(format!("optout{i}")));
        let unknown = (0..self.odd()).map(move |i| line(format!("nobody{i}")));
        let twice = (0..self.odd()).map(move |i| line(user(i * 7 % self.users)));
        Lines::new(header.chain(users).chain(opted_out).chain(unknown).chain(twice))
    }
}

fn user(i: u64) -> String {
    format!("user{i:07}")
}

fn device_line(out: &mut Vec<u8>, user: &str, i: u64, d: u64, opted_out: bool) {
    let mut seed = blake3::Hasher::new().update(&i.to_le_bytes()).update(&d.to_le_bytes()).finalize_xof();
    let (platform, token) = if (i + d).is_multiple_of(2) {
        let mut bytes = [0; 32];
        seed.fill(&mut bytes);
        ("apns", blake3::Hash::from_bytes(bytes).to_hex().to_string())
    } else {
        let mut bytes = [0; 156];
        seed.fill(&mut bytes);
        let text: String = bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 63)])).collect();
        ("fcm", format!("{}:APA91b{}", &text[..22], &text[22..]))
    };
    let locale = LOCALES[usize::try_from(i % LOCALES.len() as u64).unwrap_or(0)];
    out.extend_from_slice(
        format!("{user},{platform},{token},{locale},{opted_out},1700000000000\n").as_bytes(),
    );
}

/// An iterator of lines as a reader.
struct Lines<I> {
    lines: I,
    buffer: Vec<u8>,
    at: usize,
}

impl<I: Iterator<Item = Vec<u8>>> Lines<I> {
    fn new(lines: I) -> Self {
        Self { lines, buffer: Vec::new(), at: 0 }
    }
}

impl<I: Iterator<Item = Vec<u8>>> Read for Lines<I> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.at == self.buffer.len() {
            self.buffer.clear();
            self.at = 0;
            while self.buffer.len() < 64 * 1024 {
                match self.lines.next() {
                    Some(line) => self.buffer.extend_from_slice(&line),
                    None => break,
                }
            }
        }
        let n = into.len().min(self.buffer.len() - self.at);
        into[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_lists_have_what_they_announce_and_are_the_same_each_time() {
        let read = |mut r: Box<dyn Read>| {
            let mut text = String::new();
            r.read_to_string(&mut text).unwrap();
            text
        };
        let made = Made { users: 400 };
        let (devices, audience) = (read(Box::new(made.devices_csv())), read(Box::new(made.audience_csv())));
        assert_eq!(devices.lines().count(), 1 + 400 + 400 / 20 + 4);
        assert_eq!(audience.lines().count(), 1 + 400 + 4 + 2 + 2);
        assert_eq!(devices, read(Box::new(made.devices_csv())));
    }
}
