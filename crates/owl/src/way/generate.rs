//! Made-up devices and an audience: the same ones for the same size, so that runs can be compared.
//!
//! `users` people end up in the snapshot. On top come what a real list has too: people who opted out, ids that nobody
//! knows, and lines that stand there twice.

use loadtest::rehearse::Audience;
use std::io::{Read, Result};
use std::sync::Arc;

/// Shares are counted in thousandths, so that no rounding moves them.
const WHOLE: u64 = 1_000;
/// One in so many is added as opted out.
const OPTED_OUT_EVERY: u64 = 100;
/// One in so many is added as an unknown id, and as a duplicate line.
const ODD_LINE_EVERY: u64 = 200;
/// Beyond every user's number.
const FAR: u64 = 1 << 40;
const LOCALES: [&str; 6] = ["en", "pt-BR", "de", "ja", "es-MX", "en-GB"];
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A made-up audience of this size.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    users: u64,
    mix: Arc<Mix>,
}

/// Who has what, in thousandths and parts.
#[derive(Debug)]
struct Mix {
    /// What all users' ids begin with, and what their tokens are made from besides their number.
    name: String,
    /// Numbers of those who opted out begin here.
    opted_out_from: u64,
    apple: u64,
    devices: u64,
    /// Each as often as it has parts.
    locales: Vec<String>,
}

impl Mix {
    fn of(users: u64, audience: &Audience) -> Self {
        let thousandths = |share: f64| (share * WHOLE as f64).round() as u64;
        let each = |(locale, parts): (&String, &u32)| vec![locale.clone(); *parts as usize];
        let said: Vec<String> = audience.locales.iter().flat_map(each).collect();
        let locales = if said.is_empty() { LOCALES.map(str::to_owned).to_vec() } else { said };
        Self {
            name: String::new(),
            opted_out_from: users,
            apple: thousandths(audience.apple_share),
            devices: thousandths(audience.devices_per_user),
            locales,
        }
    }

    /// Users that no other mix has, nor anybody real: a table that is not ours alone holds them all.
    fn apart(self) -> Self {
        let mix = format!("{} {} {:?}", self.apple, self.devices, self.locales);
        let tag = blake3::hash(mix.as_bytes()).to_hex();
        let name = format!("rehearsal-{}-", tag.get(..8).unwrap_or_default());
        // Whatever the size: a token must not be one user's in a small audience and another's in a large one.
        Self { name, opted_out_from: FAR, ..self }
    }

    fn user(&self, i: u64) -> String {
        format!("{}user{i:07}", self.name)
    }

    fn opted_out(&self, i: u64) -> String {
        format!("{}optout{i}", self.name)
    }

    fn devices_of(&self, user: u64) -> u64 {
        part_of(user, self.devices)
    }

    fn is_apples(&self, user: u64, device: u64) -> bool {
        // Counted over all devices: shares of shares would fall into step with each other.
        part_of((user * self.devices).div_ceil(WHOLE) + device, self.apple) > 0
    }

    fn locale(&self, user: u64) -> &str {
        let place = user % self.locales.len() as u64;
        self.locales.get(place as usize).map_or("en", String::as_str)
    }
}

/// What the nth of a row gets when each gets so many thousandths and only whole ones can be given.
fn part_of(n: u64, thousandths: u64) -> u64 {
    ((n + 1) * thousandths).div_ceil(WHOLE) - (n * thousandths).div_ceil(WHOLE)
}

impl Made {
    /// So many users, mixed as the audience says.
    pub(crate) fn new(users: u64, audience: &Audience) -> Self {
        Self { users, mix: Arc::new(Mix::of(users, audience)) }
    }

    /// The same for a device table that others use too: ids and tokens of its own for each mix, the same for each size.
    pub(crate) fn apart(users: u64, audience: &Audience) -> Self {
        Self { users, mix: Arc::new(Mix::of(users, audience).apart()) }
    }

    /// Users that end up in the snapshot.
    pub(crate) fn users(&self) -> u64 {
        self.users
    }

    /// Their devices.
    pub(crate) fn devices(&self) -> u64 {
        (self.users * self.mix.devices).div_ceil(WHOLE)
    }

    fn opted_out(&self) -> u64 {
        self.users / OPTED_OUT_EVERY
    }

    fn odd(&self) -> u64 {
        self.users / ODD_LINE_EVERY
    }

    /// The devices as a CSV file.
    pub(crate) fn devices_csv(&self) -> impl Read + use<> {
        let header = b"user_id,platform,token,locale,opted_out,registered_at\n".to_vec();
        let mix = Arc::clone(&self.mix);
        let users = (0..self.users).map(move |i| {
            let mut out = Vec::new();
            for d in 0..mix.devices_of(i) {
                mix.device_line(&mut out, &mix.user(i), i, d, false);
            }
            out
        });
        let mix = Arc::clone(&self.mix);
        let opted_out = (0..self.opted_out()).map(move |i| {
            let mut out = Vec::new();
            mix.device_line(&mut out, &mix.opted_out(i), mix.opted_out_from + i, 0, true);
            out
        });
        Lines::new(std::iter::once(header).chain(users).chain(opted_out))
    }

    /// The audience as a CSV file.
    pub(crate) fn audience_csv(&self) -> impl Read + use<> {
        let all = self.users;
        let line = |id: String| format!("{id}\n").into_bytes();
        let mix = || Arc::clone(&self.mix);
        let header = std::iter::once(b"user_id\n".to_vec());
        let (one, other, third, fourth) = (mix(), mix(), mix(), mix());
        let users = (0..self.users).map(move |i| line(one.user(i)));
        let opted_out = (0..self.opted_out()).map(move |i| line(other.opted_out(i)));
        let unknown = (0..self.odd()).map(move |i| line(format!("{}nobody{i}", third.name)));
        let twice = (0..self.odd()).map(move |i| line(fourth.user(i * 7 % all)));
        Lines::new(header.chain(users).chain(opted_out).chain(unknown).chain(twice))
    }
}

impl Mix {
    fn device_line(&self, out: &mut Vec<u8>, user: &str, i: u64, d: u64, opted_out: bool) {
        let mut seed = blake3::Hasher::new();
        let seed = seed.update(self.name.as_bytes()).update(&i.to_le_bytes()).update(&d.to_le_bytes());
        let mut seed = seed.finalize_xof();
        let (platform, token) = if self.is_apples(i, d) {
            let mut bytes = [0; 32];
            seed.fill(&mut bytes);
            ("apns", blake3::Hash::from_bytes(bytes).to_hex().to_string())
        } else {
            let mut bytes = [0; 156];
            seed.fill(&mut bytes);
            let text: String = bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 63)])).collect();
            ("fcm", format!("{}:APA91b{}", &text[..22], &text[22..]))
        };
        let locale = self.locale(i);
        out.extend_from_slice(
            format!("{user},{platform},{token},{locale},{opted_out},1700000000000\n").as_bytes(),
        );
    }
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
        let made = Made::new(400, &Audience::default());
        let (devices, audience) = (read(Box::new(made.devices_csv())), read(Box::new(made.audience_csv())));
        assert_eq!(devices.lines().count(), 1 + 400 + 400 / 20 + 4);
        assert_eq!(audience.lines().count(), 1 + 400 + 4 + 2 + 2);
        assert_eq!(devices, read(Box::new(made.devices_csv())));
        // The first user has a second device, and platforms take turns, opted-out ones included.
        assert!(devices.lines().nth(2).unwrap().starts_with("user0000000,fcm,"), "{devices}");
        let count = |what: &str| devices.matches(what).count();
        assert_eq!((count(",apns,"), count(",fcm,"), count(",ja,")), (213, 211, 67));
    }

    #[test]
    fn in_a_shared_table_every_size_has_the_same_users_and_every_mix_has_its_own() {
        let lines = |users, audience: &Audience| {
            let mut text = String::new();
            let made = Made::apart(users, audience);
            made.devices_csv().read_to_string(&mut text).unwrap();
            assert_eq!(text.matches(",false,").count() as u64, made.devices());
            text.lines().skip(1).map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
        };
        let token = |line: &String| line.split(',').nth(2).unwrap().to_owned();
        let tokens = |lines: &std::collections::BTreeSet<String>| {
            lines.iter().map(token).collect::<std::collections::BTreeSet<_>>()
        };
        let usual = Audience::default();
        let (small, large) = (lines(200, &usual), lines(1_000, &usual));
        assert!(small.is_subset(&large) && tokens(&large).len() == large.len());
        let other = lines(200, &Audience { apple_share: 0.4, ..usual });
        assert!(tokens(&other).is_disjoint(&tokens(&large)));
        let user = |line: &String| line.split(',').next().unwrap().to_owned();
        assert!(small.iter().map(user).all(|user| user.starts_with("rehearsal-")));
    }

    #[test]
    fn a_mix_is_as_it_was_said() {
        let locales = [("de".to_owned(), 3), ("en".to_owned(), 1)].into();
        let audience = Audience { apple_share: 0.25, devices_per_user: 2.6, locales, ..Audience::default() };
        let mut text = String::new();
        Made::new(1_000, &audience).devices_csv().read_to_string(&mut text).unwrap();
        let known: Vec<_> = text.lines().filter(|line| line.contains(",false,")).collect();
        let count = |what: &str| known.iter().filter(|line| line.contains(what)).count();
        assert_eq!((known.len(), count(",apns,")), (2_600, 650));
        assert_eq!((count(",de,"), count(",en,")), (1_950, 650));
    }
}
