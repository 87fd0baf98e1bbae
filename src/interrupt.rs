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
    receiver: watch::Receiver<Signals>,
    /// What was heard before this handle was made: it does not count.
    heard: Signals,
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
            receiver,
            heard: Signals::default(),
        };
        (Trigger(sender), interrupt)
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
        self.count(*self.receiver.borrow())
    }

    /// A handle that hears only what comes after now: what a first signal made a run undo, a
    /// second one may end.
    #[must_use]
    pub fn from_now(&self) -> Self {
        Self {
            receiver: self.receiver.clone(),
            heard: *self.receiver.borrow(),
        }
    }

    fn count(&self, now: Signals) -> Signals {
        Signals {
            interrupts: now.interrupts - self.heard.interrupts,
            ended_by: now.ended_by.filter(|_| now.ended_by != self.heard.ended_by),
        }
    }

    /// Waits until something more than `seen` has happened.
    pub async fn beyond(&self, seen: Signals) -> Signals {
        let mut receiver = self.receiver.clone();
        let changed = receiver.wait_for(|now| self.count(*now) != seen);
        let changed = changed.await.map(|now| *now);
        match changed {
            Ok(now) => self.count(now),
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

    #[test]
    fn a_handle_from_now_on_hears_only_further_signals() {
        let (trigger, interrupt) = Interrupt::pair();
        trigger.interrupt();
        trigger.end(EndedBy::Terminate);
        let further = interrupt.from_now();
        assert!(interrupt.signals().any() && !further.signals().any());
        trigger.interrupt();
        assert_eq!(further.signals().interrupts, 1);
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
