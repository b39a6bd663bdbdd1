//! Arbitrary bytes, arbitrary frames, arbitrary times: it never panics, the books balance, every tag ends once.

use crate::support::*;
use proptest::prelude::*;
use std::collections::HashSet;
use std::time::Duration;
use wire::{Config, Connection, State};

#[derive(Clone, Debug)]
enum Step {
    Bytes(Vec<u8>),
    Frame(u8, u8, u32, Vec<u8>),
    Settings(Vec<(u16, u32)>),
    Submit(usize, usize),
    Took(usize),
    Pass(u64),
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let block =
        prop_oneof![Just(vec![0x88]), Just(vec![0x8c]), proptest::collection::vec(any::<u8>(), 0..40)];
    let small = prop_oneof![Just(0_u32), Just(1), 0..200_000_u32, any::<u32>()];
    prop_oneof![
        1 => proptest::collection::vec(any::<u8>(), 0..60).prop_map(Step::Bytes),
        6 => (0_u8..11, any::<u8>(), 0_u32..60, block.clone()).prop_map(|(k, f, s, p)| Step::Frame(k, f, s, p)),
        6 => (0_u32..40, block).prop_map(|(n, p)| Step::Frame(HEADERS, 5, n * 2 + 1, p)),
        2 => (0_u32..40, small.clone()).prop_map(|(n, v)| Step::Frame(3, 0, n * 2 + 1, v.to_be_bytes().to_vec())),
        2 => (0_u32..40, small.clone()).prop_map(|(n, v)| Step::Frame(8, 0, n, v.to_be_bytes().to_vec())),
        2 => proptest::collection::vec((0_u16..7, small), 0..4).prop_map(Step::Settings),
        6 => (0_usize..9, 0_usize..30_000).prop_map(|(n, b)| Step::Submit(n, b)),
        6 => (0_usize..100_000).prop_map(Step::Took),
        2 => (0_u64..5_000).prop_map(Step::Pass),
        1 => Just(Step::Drain),
    ]
}

struct World {
    conn: Connection,
    now: Duration,
    tags: u64,
    ended: HashSet<u64>,
}

impl World {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Bytes(bytes) => self.conn.receive(bytes, self.now),
            Step::Frame(kind, flags, stream, payload) => {
                self.conn.receive(&frame(*kind, *flags, *stream, payload), self.now);
            }
            Step::Settings(all) => self.conn.receive(&settings(all), self.now),
            Step::Submit(count, bytes) => {
                let room = self.conn.room();
                let taken = submit(&mut self.conn, self.tags, *count, *bytes);
                assert!(taken <= room.min(*count));
                self.tags += taken as u64;
            }
            Step::Took(bytes) => self.conn.took(*bytes),
            Step::Pass(millis) => {
                self.now += Duration::from_millis(*millis);
                self.conn.tick(self.now);
            }
            Step::Drain => self.conn.drain(self.now + Duration::from_secs(5)),
        }
        self.check();
    }

    fn check(&mut self) {
        let books = self.conn.books();
        assert!(books.balance() && books.submitted == self.tags, "{books:?}");
        for completion in done(&mut self.conn) {
            assert!(completion.tag < self.tags && self.ended.insert(completion.tag), "{completion:?}");
        }
        assert_eq!(self.ended.len() as u64 + books.in_flight, self.tags);
        assert!(self.conn.output().len() < 500_000);
        if matches!(self.conn.state(), State::Ended(_)) {
            assert_eq!((books.in_flight, self.conn.room()), (0, 0));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_the_books_balance(begun in any::<bool>(), steps in proptest::collection::vec(step(), 0..60)) {
        let config = Config { streams_max: 20, out_bytes_max: 100_000, ..Config::default() };
        let conn = if begun { settled(config) } else { Connection::new(config, NOW) };
        let mut world = World { conn, now: NOW, tags: 0, ended: HashSet::new() };
        for step in &steps {
            world.take(step);
        }
        world.conn.lost();
        world.check();
        prop_assert_eq!(world.ended.len() as u64, world.tags);
    }
}
