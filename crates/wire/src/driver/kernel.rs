//! What the kernel holds of our connections: bytes that the other side's kernel has not acknowledged.
//!
//! Linux tells of every connection in `/proc/self/net/tcp` and `tcp6` (proc(5): `tx_queue`). Asked only when a fence ends
//! unanswered; elsewhere nobody knows.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// What was read is good for this long: connections end their fences together.
const GOOD_FOR: Duration = Duration::from_millis(20);

/// Our port and theirs.
pub(super) type Ports = (u16, u16);

/// What was read last.
#[derive(Debug, Default)]
pub(super) struct Queues {
    read: Option<(Instant, HashMap<Ports, u32>)>,
}

impl Queues {
    /// Bytes of this connection that the kernel holds; `None` if that can't be known.
    pub(super) fn held(&mut self, ports: Ports, now: Instant) -> Option<u32> {
        if self.read.as_ref().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= GOOD_FOR) {
            let mut all = HashMap::new();
            for file in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
                let text = std::fs::read_to_string(Path::new(file)).unwrap_or_default();
                for (ports, bytes) in text.lines().filter_map(entry) {
                    // Should two have the same ports, the one that holds more speaks for both.
                    let known = all.entry(ports).or_insert(bytes);
                    *known = bytes.max(*known);
                }
            }
            self.read = Some((now, all));
        }
        self.read.as_ref().and_then(|(_, all)| all.get(&ports).copied())
    }
}

/// `sl local_address rem_address st tx_queue:rx_queue …`, numbers as hexadecimal digits, ports behind colons.
fn entry(line: &str) -> Option<(Ports, u32)> {
    let mut parts = line.split_ascii_whitespace().skip(1);
    let mut port = || u16::from_str_radix(parts.next()?.rsplit_once(':')?.1, 16).ok();
    let ports = (port()?, port()?);
    let (sends, _) = parts.nth(1)?.split_once(':')?;
    Some((ports, u32::from_str_radix(sends, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let line =
            "   1: 0100007F:9C40 0100007F:01BB 01 0000A2C8:00000010 01:00000014 00000000     0        0 99 2";
        assert_eq!(entry(line), Some(((40_000, 443), 0xa2c8)));
        let six = "   0: 00000000000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0";
        assert_eq!(entry(six), Some(((443, 0), 0)));
        for other in
            ["  sl  local_address rem_address   st tx_queue rx_queue tr", "", "1: x", "1: a:1 b:2 01"]
        {
            assert_eq!(entry(other), None, "{other}");
        }
    }
}
