//! Cores, and the threads that share them. Work is done in the order in which it comes, each piece to its end: pieces are
//! a batch long at most, so what a scheduler would do differently is below a millisecond.

use crate::Ns;

/// A machine.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    /// When each is free.
    free: Vec<Ns>,
    /// Nanoseconds that they worked.
    pub(crate) busy: Ns,
}

/// What became of a piece of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    pub(crate) end: Ns,
    /// Waited for a core.
    pub(crate) core: Ns,
    /// Waited for its own thread, while a core was free.
    pub(crate) thread: Ns,
}

impl Cores {
    pub(crate) fn new(cores: u32) -> Self {
        Self { free: vec![0; cores.max(1) as usize], busy: 0 }
    }

    /// Does `work` that is ready now, in a thread that is free at `*thread`.
    pub(crate) fn run(&mut self, thread: &mut Ns, now: Ns, work: Ns) -> Ran {
        let wanted = now.max(*thread);
        let idle_at = self.free.iter().copied().min().unwrap_or(0);
        // Of the cores that are free by then, the one that became so last: it leaves the smallest gap.
        let core = match self.free.iter_mut().filter(|free| **free <= wanted).max() {
            Some(core) => core,
            None => match self.free.iter_mut().min() {
                Some(core) => core,
                None => return Ran { end: wanted + work, core: 0, thread: wanted - now },
            },
        };
        let start = wanted.max(*core);
        *core = start + work;
        *thread = start + work;
        self.busy += work;
        // Its own thread is to blame only from when a core was free.
        let waited = start - now;
        let core = idle_at.saturating_sub(now).min(waited);
        Ran { end: start + work, core, thread: waited - core }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_cores_and_a_thread_does_one_thing_at_a_time() {
        let mut cores = Cores::new(2);
        let (mut a, mut b, mut c) = (0, 0, 0);
        assert_eq!(cores.run(&mut a, 0, 10).end, 10);
        let second = cores.run(&mut a, 0, 10);
        assert_eq!((second.end, second.thread, second.core), (20, 10, 0));
        assert_eq!(cores.run(&mut b, 0, 10).end, 10);
        let third = cores.run(&mut c, 5, 10);
        assert_eq!((third.end, third.core), (20, 5), "both cores are taken");
        assert_eq!(cores.busy, 40);
    }
}
