//! Signals and a closed output, as one value that every long job can watch.

use std::{io, time::Duration};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// What has asked this process to stop so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signals {
    /// How often Ctrl-C was pressed.
    pub interrupts: u32,
    /// SIGTERM, SIGHUP or the reader of stdout going away; the first signal stays.
    pub ended_by: Option<EndedBy>,
}

impl Signals {
    pub fn any(self) -> bool {
        self.interrupts > 0 || self.ended_by.is_some()
    }
}

/// Why the process is to end without a person at the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    Terminate,
    HangUp,
    OutputClosed,
}

/// A cheap handle to the signals this process has received.
#[derive(Debug, Clone)]
pub struct Interrupt {
    received: watch::Receiver<Signals>,
    /// What had arrived before this handle looks.
    before: Signals,
}

/// The sending side, for tests and for `listen`.
#[derive(Debug)]
pub struct Trigger(watch::Sender<Signals>);

/// How often a closed stdout is looked for; a reader gone for this long is gone.
const OUTPUT_CHECK_INTERVAL: Duration = Duration::from_millis(500);

impl Interrupt {
    pub fn pair() -> (Trigger, Self) {
        let (sender, receiver) = watch::channel(Signals::default());
        let interrupt = Self {
            received: receiver,
            before: Signals::default(),
        };
        (Trigger(sender), interrupt)
    }

    /// One that never comes.
    pub fn never() -> Self {
        Self::pair().1
    }

    /// Starts listening; must be called inside a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        let (trigger, interrupt) = Self::pair();
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut output = tokio::time::interval(OUTPUT_CHECK_INTERVAL);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupts.recv() => trigger.interrupt(),
                    _ = terminate.recv() => trigger.end(EndedBy::Terminate),
                    _ = hang_up.recv() => trigger.end(EndedBy::HangUp),
                    _ = output.tick() => if output_closed() {
                        trigger.end(EndedBy::OutputClosed);
                    },
                }
            }
        });
        Ok(interrupt)
    }

    pub fn signals(&self) -> Signals {
        self.since(*self.received.borrow())
    }

    /// A handle to what arrives from now on: for clean-up that a signal has started, and that only
    /// another one is to cut short.
    #[must_use]
    pub fn later(&self) -> Self {
        Self {
            received: self.received.clone(),
            before: *self.received.borrow(),
        }
    }

    fn since(&self, now: Signals) -> Signals {
        let is_new = now.ended_by != self.before.ended_by;
        Signals {
            interrupts: now.interrupts - self.before.interrupts,
            ended_by: now.ended_by.filter(|_| is_new),
        }
    }

    /// Waits until something more than `seen` has happened.
    pub async fn beyond(&self, seen: Signals) -> Signals {
        let mut receiver = self.received.clone();
        let changed = receiver.wait_for(|now| self.since(*now) != seen).await;
        match changed.map(|now| *now) {
            Ok(now) => self.since(now),
            // The sender is gone: nothing can arrive any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits for the first signal of any kind.
    pub async fn any(&self) -> Signals {
        self.beyond(Signals::default()).await
    }
}

impl Trigger {
    pub fn interrupt(&self) {
        self.0.send_modify(|signals| signals.interrupts += 1);
    }

    pub fn end(&self, cause: EndedBy) {
        self.0.send_if_modified(|signals| {
            // A server outlives the reader of its output and must still hear a SIGTERM.
            let heard = match signals.ended_by {
                None => true,
                Some(EndedBy::OutputClosed) => cause != EndedBy::OutputClosed,
                Some(EndedBy::Terminate | EndedBy::HangUp) => false,
            };
            if heard {
                signals.ended_by = Some(cause);
            }
            heard
        });
    }
}

/// Whether the reader of stdout has gone (`infer … | head`).
fn output_closed() -> bool {
    let stdout = io::stdout();
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut polled, Some(&now)).is_ok_and(|_| polled[0].revents().contains(PollFlags::ERR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn signals_add_up_and_the_first_end_stays() {
        let (trigger, interrupt) = Interrupt::pair();
        assert!(!interrupt.signals().any());
        trigger.interrupt();
        let first = interrupt.any().await;
        assert_eq!(first.interrupts, 1);
        trigger.interrupt();
        assert_eq!(interrupt.beyond(first).await.interrupts, 2);
        trigger.end(EndedBy::HangUp);
        trigger.end(EndedBy::Terminate);
        assert_eq!(interrupt.signals().ended_by, Some(EndedBy::HangUp));
    }

    #[tokio::test]
    async fn a_later_handle_hears_only_what_comes_after_it() {
        let (trigger, interrupt) = Interrupt::pair();
        trigger.end(EndedBy::Terminate);
        let later = interrupt.later();
        assert!(interrupt.signals().any() && !later.signals().any());
        trigger.interrupt();
        assert_eq!(later.any().await.interrupts, 1);
        assert_eq!(later.signals().ended_by, None);
    }

    #[test]
    fn a_signal_is_heard_after_the_output_has_closed() {
        let (trigger, interrupt) = Interrupt::pair();
        trigger.end(EndedBy::OutputClosed);
        trigger.end(EndedBy::Terminate);
        trigger.end(EndedBy::OutputClosed);
        assert_eq!(interrupt.signals().ended_by, Some(EndedBy::Terminate));
    }
}
