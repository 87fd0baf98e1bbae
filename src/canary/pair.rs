//! The two versions that are compared, and one of everything for each (pure).

use std::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

/// One of the two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    Live,
    Candidate,
}

impl Arm {
    pub const BOTH: Pair<Self> = Pair::new(Self::Live, Self::Candidate);
}

/// One value of live and one of the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pair<T> {
    pub live: T,
    pub candidate: T,
}

impl<T> Pair<T> {
    pub const fn new(live: T, candidate: T) -> Self {
        Self { live, candidate }
    }

    pub fn as_ref(&self) -> Pair<&T> {
        Pair::new(&self.live, &self.candidate)
    }

    pub fn as_mut(&mut self) -> Pair<&mut T> {
        Pair::new(&mut self.live, &mut self.candidate)
    }

    pub fn map<U>(self, mut of: impl FnMut(T) -> U) -> Pair<U> {
        Pair::new(of(self.live), of(self.candidate))
    }

    pub fn zip<U>(self, other: Pair<U>) -> Pair<(T, U)> {
        Pair::new((self.live, other.live), (self.candidate, other.candidate))
    }

    /// Live first.
    pub fn into_array(self) -> [T; 2] {
        [self.live, self.candidate]
    }

    /// Which of the two equals `value`.
    pub fn arm_of<U: PartialEq<T> + ?Sized>(&self, value: &U) -> Option<Arm> {
        if *value == self.live {
            Some(Arm::Live)
        } else if *value == self.candidate {
            Some(Arm::Candidate)
        } else {
            None
        }
    }
}

impl<T> Index<Arm> for Pair<T> {
    type Output = T;

    fn index(&self, arm: Arm) -> &T {
        match arm {
            Arm::Live => &self.live,
            Arm::Candidate => &self.candidate,
        }
    }
}

impl<T> IndexMut<Arm> for Pair<T> {
    fn index_mut(&mut self, arm: Arm) -> &mut T {
        match arm {
            Arm::Live => &mut self.live,
            Arm::Candidate => &mut self.candidate,
        }
    }
}
