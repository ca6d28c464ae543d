//! The heartbeat: asks the engine for a block at every slot boundary.
//!
//! surfpool has a clock of its own, which sleeps a slot's length between ticks; every sleep overshoots, so its chain
//! falls behind the wall clock for as long as it runs. Here the boundaries are fixed instants, so nothing adds up,
//! and pausing takes effect at once.

use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use surfpool_types::SimnetCommand;

/// A machine that was asleep for longer than this many slots does not get them all back in one burst (which would
/// expire every blockhash in use); the chain goes on from there.
const MAX_CATCH_UP_SLOTS: u32 = 25;

enum Control {
    Pause(Sender<()>),
    Resume,
    Stop,
}

/// The thread that produces slots.
#[derive(Debug)]
pub(crate) struct Ticker {
    control: Sender<Control>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts ticking: the first slot ends at `origin + slot`.
    pub(crate) fn start(origin: Instant, slot: Duration, commands: Sender<SimnetCommand>) -> std::io::Result<Self> {
        let (control, inbox) = bounded(16);
        let thread = thread::Builder::new()
            .name("localnet-slots".to_owned())
            .spawn(move || run(origin, slot, &commands, &inbox))?;
        Ok(Self { control, thread: Some(thread) })
    }

    /// Stops the slots. Returns a channel that closes or answers once no further block will be asked for, `None`
    /// if the thread is gone.
    pub(crate) fn pause(&self) -> Option<Receiver<()>> {
        let (done, wait) = bounded(1);
        self.control.send(Control::Pause(done)).ok()?;
        Some(wait)
    }

    /// Lets the slots go on, a full slot's length from now.
    pub(crate) fn resume(&self) {
        // The thread is gone only when the network ends; then there is nothing to resume.
        let _ = self.control.send(Control::Resume);
    }

    /// Ends the thread and waits for it (at most a few milliseconds: it does nothing but wait).
    pub(crate) fn stop(&mut self) {
        let _ = self.control.send(Control::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(origin: Instant, slot: Duration, commands: &Sender<SimnetCommand>, inbox: &Receiver<Control>) {
    let mut next = origin + slot;
    let mut paused = false;
    loop {
        let message =
            if paused { inbox.recv().map_err(|_| RecvTimeoutError::Disconnected) } else { inbox.recv_deadline(next) };
        match message {
            Ok(Control::Pause(done)) => {
                paused = true;
                let _ = done.send(());
            }
            Ok(Control::Resume) => {
                if paused {
                    paused = false;
                    next = Instant::now() + slot;
                }
            }
            Ok(Control::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                // A full queue means that the engine is busy with transactions. The slot is asked for again
                // shortly, and the deadline stays where it is, so it is late but not lost.
                match commands.try_send(SimnetCommand::SlotForward(None)) {
                    Ok(()) => next = following(next, Instant::now(), slot),
                    Err(crossbeam_channel::TrySendError::Full(_)) => thread::sleep(Duration::from_millis(1)),
                    Err(crossbeam_channel::TrySendError::Disconnected(_)) => return,
                }
            }
        }
    }
}

/// The boundary after `boundary`, or one slot from `now` when too many were missed.
fn following(boundary: Instant, now: Instant, slot: Duration) -> Instant {
    let next = boundary + slot;
    if now.saturating_duration_since(next) > slot * MAX_CATCH_UP_SLOTS { now + slot } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_wake_up_does_not_move_the_following_boundary() {
        let start = Instant::now();
        let slot = Duration::from_millis(400);
        assert_eq!(following(start, start + Duration::from_millis(90), slot), start + slot);
        assert_eq!(following(start, start + slot * 20, slot), start + slot);
    }

    #[test]
    fn after_a_long_sleep_the_missed_slots_are_let_go() {
        let start = Instant::now();
        let slot = Duration::from_millis(400);
        let woken = start + slot * 1_000;
        assert_eq!(following(start, woken, slot), woken + slot);
    }

    #[test]
    fn pausing_stops_the_slots_and_stopping_ends_the_thread() {
        let (commands, slots) = bounded(64);
        let mut ticker = Ticker::start(Instant::now(), Duration::from_millis(5), commands).unwrap();
        slots.recv_timeout(Duration::from_secs(5)).unwrap();
        ticker.pause().unwrap().recv_timeout(Duration::from_secs(5)).unwrap();
        while slots.try_recv().is_ok() {}
        assert!(slots.recv_timeout(Duration::from_millis(50)).is_err());
        ticker.resume();
        slots.recv_timeout(Duration::from_secs(5)).unwrap();
        ticker.stop();
        while slots.try_recv().is_ok() {}
        assert!(matches!(slots.try_recv(), Err(crossbeam_channel::TryRecvError::Disconnected)));
    }
}
